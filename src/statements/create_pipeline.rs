//! `CREATE [OR REPLACE] PIPELINE [IF NOT EXISTS] name [(parameters)] header.. INTO .. AS query`
//!
//! Binds everything and runs nothing. OR REPLACE keeps identity, offsets, history and whether it is suspended.

use serde_json::json;
use weir_catalog::{Definitions, Kind, Object, ObjectId, PipelineBody};
use weir_sql::statements::create_pipeline::{Body, CreatePipeline};

use super::columns;
use super::definition::{self, New};
use super::instance;
use super::names::{self, Existing, Place, Wanted};
use crate::engine::Scope;
use crate::error::{Code, Error, Result};
use crate::pipelines;
use crate::session::{Notice, Outcome, Session};

pub(super) async fn execute(session: &Session, statement: &CreatePipeline, text: &str) -> Result<Outcome> {
    let name = &statement.name;
    if let Body::Template { template, arguments } = &statement.body {
        return instance::create(session, statement, template, arguments).await;
    }
    if statement.temporary {
        return temporary(session, statement, text).await;
    }
    let definitions = session.definitions();
    let Some((place, old)) = placed(session, statement)? else { return Ok(Outcome::done("CREATE PIPELINE")) };
    let reset_offsets = pipelines::SPEC.read(&statement.header.options)?.flag("reset_offsets");
    // It will run as its owner: who makes it, or whose it was.
    let owner = old.as_ref().map_or_else(|| session.role(), |old| old.owner.clone());
    let watched = check_triggers(&*definitions, statement, &place, &owner, old.as_ref().map(|old| old.id))?;
    let search_path = pipelines::search_path(&place.schema);
    let scope = Scope { search_path, rights_of: Some(owner), ..session.scope(Vec::new()) };
    let mut checked = session.hub().runner().check(statement, &scope, &*definitions).await?;
    checked.depends_on.extend(watched);
    for notice in checked.notices {
        session.notice(Notice::new("00000", notice));
    }
    let vanished = match &old {
        Some(old) => vanished(session, &*definitions, old, &checked.depends_on)?,
        None => Vec::new(),
    };
    if let (Some(input), false) = (vanished.first(), reset_offsets) {
        return Err(lost_input(input, name.position()));
    }
    if !vanished.is_empty() && session.in_block() {
        return Err(Error::new(Code::NotSupported, "positions cannot be forgotten inside a transaction block")
            .hint("Run it outside BEGIN.".to_owned())
            .at(name.position()));
    }
    let body = old.as_ref().map_or_else(|| json!({"suspended": false, "target": null, "more_targets": []}), |old| old.body.clone());
    let comment = statement.header.comment.clone();
    let new = New { kind: Kind::Pipeline, place, definition: text, body, comment, depends_on: checked.depends_on };
    let (id, change) = definition::put(session, &*definitions, new, old)?;
    session.stage(&[change])?;
    for input in vanished {
        session.hub().store().set_offset(id, input.id, None, session.now())?;
    }
    if !session.in_block()
        && let Some(pipeline) = session.hub().store().object_by_id(id)?
    {
        // The pipeline stands; its first run makes the targets if this cannot.
        if let Err(error) = session.hub().runner().prepare_targets(&pipeline).await {
            session.notice(Notice::new("00000", format!("the target is made by the first run: {}", error.message())));
        }
    }
    Ok(Outcome::done("CREATE PIPELINE"))
}

/// A pipeline of the session alone: it runs when a file is sent, and is gone with the session. Names mean what they mean in the session.
async fn temporary(session: &Session, statement: &CreatePipeline, text: &str) -> Result<Outcome> {
    if let Some(trigger) = statement.header.triggers.first() {
        return Err(Error::new(Code::InvalidDefinition, "a temporary pipeline cannot have triggers")
            .hint("It runs when a file is sent with COPY PIPELINE. Without TEMP it stays, and may have triggers.".to_owned())
            .at(trigger.position));
    }
    let (name, definitions) = (&statement.name, session.definitions());
    let place = names::temporary_place(session, name)?;
    let old = match occupied(session, &*definitions, statement, &place)? {
        Existing::Skip => return Ok(Outcome::done("CREATE PIPELINE")),
        Existing::Free => None,
        Existing::Replace(old) => Some(*old),
    };
    let owner = old.as_ref().map_or_else(|| session.role(), |old| old.owner.clone());
    let search_path = session.search_path();
    let scope = Scope { search_path: search_path.clone(), rights_of: Some(owner), ..session.scope(Vec::new()) };
    let checked = session.hub().runner().check(statement, &scope, &*definitions).await?;
    for notice in checked.notices {
        session.notice(Notice::new("00000", notice));
    }
    let body = columns::body(&PipelineBody { search_path: Some(search_path), ..PipelineBody::default() })?;
    let comment = statement.header.comment.clone();
    let new = New { kind: Kind::Pipeline, place, definition: text, body, comment, depends_on: checked.depends_on };
    let (_, change) = definition::put(session, &*definitions, new, old)?;
    session.stage(&[change])?;
    Ok(Outcome::done("CREATE PIPELINE"))
}

/// Where the pipeline goes, and the one that it replaces; None when it is there and is to stay.
///
/// # Errors
/// `DuplicateObject`, and what is wrong with the name.
pub(super) fn placed(session: &Session, statement: &CreatePipeline) -> Result<Option<(Place, Option<Object>)>> {
    let (name, definitions) = (&statement.name, session.definitions());
    let place = names::place(session, &*definitions, name)?;
    Ok(match occupied(session, &*definitions, statement, &place)? {
        Existing::Skip => None,
        Existing::Free => Some((place, None)),
        Existing::Replace(old) => Some((place, Some(*old))),
    })
}

/// What is there, and what becomes of it.
fn occupied(session: &Session, definitions: &dyn Definitions, statement: &CreatePipeline, place: &Place) -> Result<Existing> {
    let occupant = names::occupant(definitions, Kind::Pipeline, place)?;
    let wanted = Wanted {
        kind: Kind::Pipeline,
        or_replace: statement.or_replace,
        if_not_exists: statement.if_not_exists,
        position: statement.name.position(),
    };
    names::existing(session, occupant, &wanted)
}

/// What the triggers name: it must be there, the owner must be allowed to know of it, and it must not lead back to the pipeline.
///
/// # Errors
/// `UndefinedObject`, `NoPrivilege`, `InvalidDefinition` for a circle.
pub(super) fn check_triggers(
    definitions: &dyn Definitions,
    statement: &CreatePipeline,
    place: &names::Place,
    owner: &str,
    own: Option<ObjectId>,
) -> Result<Vec<ObjectId>> {
    let watched = pipelines::watched(&statement.header.triggers, &place.schema, owner, definitions)?;
    pipelines::refuse_cycle(&format!("{}.{}", place.schema, place.name), &place.schema, statement, own, definitions)?;
    Ok(watched.into_iter().map(|object| object.id).collect())
}

/// Inputs of which the pipeline holds a position and that the new definition does not read.
fn vanished(session: &Session, definitions: &dyn Definitions, old: &Object, depends_on: &[ObjectId]) -> Result<Vec<Object>> {
    let mut vanished = Vec::new();
    for offset in session.hub().store().offsets(Some(old.id))? {
        if !depends_on.contains(&offset.relation_id) {
            vanished.extend(definitions.object_by_id(offset.relation_id)?);
        }
    }
    Ok(vanished)
}

fn lost_input(input: &Object, position: usize) -> Error {
    Error::new(Code::WrongState, format!("the new definition does not read {} {}", input.kind.noun(), input.full_name()))
        .detail("The pipeline holds a position in it, which would be lost.")
        .hint("Add WITH (reset_offsets = true) if that is what you want.".to_owned())
        .at(position)
}
