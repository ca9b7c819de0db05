//! `DROP noun [IF EXISTS] name [, ..] [RESTRICT | CASCADE]`
//!
//! All names go in one step or none does. The folders of dropped tables are removed after the commit.

use weir_catalog::{Change, Definitions, Kind, Object, ObjectId, RunFilter, TableBody};
use weir_sql::Name;
use weir_sql::statements::drop_object::DropObject;

use super::effect::drop_command;
use super::{columns, names};
use crate::engine::privileges;
use crate::error::{Code, Error, Result};
use crate::pipelines;
use crate::session::{Notice, Outcome, Session};

pub(super) async fn execute(session: &Session, statement: &DropObject) -> Result<Outcome> {
    let kind = names::kind_of(statement.kind);
    let definitions = session.definitions();
    let mut named: Vec<Object> = Vec::new();
    for name in &statement.names {
        names::refuse_reserved_name(kind, name)?;
        match names::find(session, &*definitions, kind, name)? {
            Some(object) => {
                names::refuse_system(&object, name.position())?;
                privileges::require_owner_to_drop(&*definitions, &session.role(), &object).map_err(|error| error.at(name.position()))?;
                if !named.iter().any(|other| other.id == object.id) {
                    named.push(object);
                }
            }
            None => missing(session, &*definitions, kind, name, statement.if_exists)?,
        }
    }
    let dropped = in_order(&*definitions, &named, statement)?;
    tell_cascade(session, &named, &dropped);
    let changes: Vec<Change> = dropped.iter().map(|object| Change::Drop { id: object.id }).collect();
    session.stage(&changes)?;
    after(session, &dropped).await?;
    Ok(Outcome::done(drop_command(statement.kind)))
}

/// A name that is not there: an error, or with IF EXISTS a notice.
///
/// # Errors
/// `UndefinedTable`, `UndefinedSchema`, `UndefinedObject`.
pub(super) fn missing(session: &Session, definitions: &dyn Definitions, kind: Kind, name: &Name, if_exists: bool) -> Result<()> {
    if !if_exists {
        return Err(names::undefined(definitions, kind, name)?);
    }
    session.notice(Notice::new("00000", format!("{} \"{}\" does not exist, skipping", kind.noun(), names::plain(name))));
    Ok(())
}

/// What is to be dropped, dependents first.
fn in_order(definitions: &dyn Definitions, named: &[Object], statement: &DropObject) -> Result<Vec<Object>> {
    let mut order: Vec<Object> = Vec::new();
    for object in named {
        let dependents = with_writers(definitions, definitions.dependents(object.id)?, object)?;
        let others: Vec<&Object> = dependents.iter().filter(|other| !named.iter().any(|named| named.id == other.id)).collect();
        let may_cascade = statement.cascade && object.kind != Kind::Secret;
        if !others.is_empty() && !may_cascade {
            return Err(in_use(object, &others, statement.cascade));
        }
        let goes_with_schema = |other: &Object| named.iter().any(|named| named.kind == Kind::Schema && named.name == other.schema);
        if let Some(table) = others.iter().find(|other| other.kind == Kind::Table && !goes_with_schema(other)) {
            return Err(keeps_rows(object, table));
        }
        for next in dependents.into_iter().chain([object.clone()]) {
            // An object that must go before a later one may stand in the list already, at an earlier place: that is still before.
            if !order.iter().any(|other| other.id == next.id) {
                order.push(next);
            }
        }
    }
    Ok(order)
}

/// The dependents, and before them the pipelines that fill the object or one of those: without its target a pipeline could only fail, or make
/// the table again.
fn with_writers(definitions: &dyn Definitions, dependents: Vec<Object>, object: &Object) -> Result<Vec<Object>> {
    let tables: Vec<&Object> = dependents.iter().chain([object]).filter(|object| object.kind == Kind::Table).collect();
    if tables.is_empty() {
        return Ok(dependents);
    }
    let mut writers = Vec::new();
    for pipeline in definitions.objects(Some(Kind::Pipeline), None)? {
        let targets = pipelines::targets_of(&pipeline, definitions)?;
        let fills = targets.iter().any(|target| tables.iter().any(|table| table.id == target.id));
        if fills && !dependents.iter().any(|known| known.id == pipeline.id) {
            writers.push(pipeline);
        }
    }
    Ok(writers.into_iter().chain(dependents).collect())
}

/// A table whose rules look at what is dropped has rows of its own: nobody means to lose them by CASCADE.
fn keeps_rows(object: &Object, table: &Object) -> Error {
    let (noun, name, table) = (object.kind.noun(), object.full_name(), table.full_name());
    Error::new(Code::InUse, format!("cannot drop {noun} {name} because rules of table {table} look at it"))
        .detail("CASCADE does not drop tables that have rows of their own.")
        .hint(format!("ALTER TABLE {table} DROP CONSTRAINT first, or drop that table as well by name."))
}

/// At most so many names are listed in a message.
const LISTED: usize = 20;

/// That others need the object.
pub(super) fn in_use(object: &Object, others: &[&Object], cascade: bool) -> Error {
    let noun = object.kind.noun();
    let line = |other: &&Object| format!("{} {} depends on {noun} {}", other.kind.noun(), other.full_name(), object.full_name());
    let mut lines: Vec<String> = others.iter().take(LISTED).map(line).collect();
    if others.len() > LISTED {
        lines.push(format!("and {} other objects", others.len() - LISTED));
    }
    let hint = match (object.kind, cascade) {
        (Kind::Secret, true) => "A secret has no CASCADE: change what uses it first.",
        (Kind::Secret, false) => "Change what uses the secret first.",
        _ => "Use DROP ... CASCADE to drop the dependent objects too.",
    };
    Error::new(Code::InUse, format!("cannot drop {noun} {} because other objects depend on it", object.full_name()))
        .detail(lines.join("\n"))
        .hint(hint.to_owned())
}

fn tell_cascade(session: &Session, named: &[Object], dropped: &[Object]) {
    let is_named = |id: ObjectId| named.iter().any(|object| object.id == id);
    let others: Vec<&Object> = dropped.iter().filter(|object| !is_named(object.id)).collect();
    let line = |object: &&Object| format!("drop cascades to {} {}", object.kind.noun(), object.full_name());
    match others.as_slice() {
        [] => {}
        [one] => session.notice(Notice::new("00000", line(one))),
        many => {
            let lines: Vec<String> = many.iter().take(LISTED).map(line).collect();
            session.notice(Notice::new("00000", format!("drop cascades to {} other objects", many.len())).detail(lines.join("\n")));
        }
    }
}

/// Stops the runs of dropped pipelines and lets the folders of dropped tables go.
async fn after(session: &Session, dropped: &[Object]) -> Result<()> {
    let mut folders = Vec::new();
    for object in dropped {
        match object.kind {
            Kind::Table => {
                let body: TableBody = columns::read_body(object)?;
                folders.push(body.location);
            }
            Kind::Pipeline if !session.in_block() => {
                let filter = RunFilter { pipeline_id: Some(object.id), unfinished: true, ..RunFilter::default() };
                for run in session.hub().store().runs(&filter)? {
                    session.hub().runner().cancel(run.run_id)?;
                }
            }
            Kind::Pipeline | Kind::Alert | Kind::Template | Kind::Schema | Kind::Secret | Kind::Connection | Kind::Source | Kind::View => {}
        }
    }
    session.folders_dropped(folders).await;
    Ok(())
}
