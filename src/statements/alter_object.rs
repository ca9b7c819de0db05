//! `ALTER {SCHEMA | SECRET | CONNECTION | SOURCE | VIEW} [IF EXISTS] name {SET (..) | RESET (..) | RENAME TO | SET SCHEMA | OWNER TO}`
//!
//! A name that other definitions spell out cannot change under them: RENAME and SET SCHEMA are refused while something depends on it.

use weir_catalog::access::DATABASE;
use weir_catalog::{Change, Definitions, Kind, Object, ObjectId, PipelineBody, Thing};
use weir_sql::statements::alter_object::{AlterObject, ObjectChange};
use weir_sql::{Ident, Privilege, Protected};

use super::effect::alter_command;
use super::{columns, create_connection, create_source, definition, drop_object, names};
use crate::engine::{definition as effective, privileges};
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};

pub(super) async fn execute(session: &Session, statement: &AlterObject, text: &str) -> Result<Outcome> {
    let AlterObject { kind, name, if_exists, change } = statement;
    let done = Outcome::done(alter_command(*kind));
    let kind = names::kind_of(*kind);
    names::refuse_reserved_name(kind, name)?;
    let definitions = session.definitions();
    let Some(object) = names::owned(session, &*definitions, kind, name)? else {
        drop_object::missing(session, &*definitions, kind, name, *if_exists)?;
        return Ok(done);
    };
    names::refuse_system(&object, name.position())?;
    let change = match change {
        ObjectChange::Set(_) | ObjectChange::Reset(_) => options(session, &*definitions, object, change, text)?,
        ObjectChange::RenameTo(_) | ObjectChange::SetSchema(_) | ObjectChange::OwnerTo(_) => {
            placement(session, &*definitions, object, change, text)?
        }
    };
    session.stage(&[change])?;
    Ok(done)
}

/// New options, checked together with those that stay.
fn options(session: &Session, definitions: &dyn Definitions, mut object: Object, change: &ObjectChange, text: &str) -> Result<Change> {
    let kind = object.kind;
    object.alters.push(text.to_owned());
    object.changed_at = session.now();
    let depends_on = match kind {
        Kind::Connection => {
            let checked = create_connection::check(session, definitions, &object.schema, &effective::connection(&object)?);
            checked.map_err(|error| in_this_text(error, change))?.1
        }
        Kind::Source => {
            let checked = create_source::check(session, definitions, &object.schema, &effective::source(&object)?);
            checked.map_err(|error| in_this_text(error, change))?.depends_on
        }
        Kind::Alert => {
            let checked = crate::pipelines::ALERT_SPEC.read(&effective::alert(&object)?.options);
            checked.map_err(|error| in_this_text(error, change))?;
            definitions.depends_on(object.id)?.into_iter().map(|on| on.id).collect()
        }
        Kind::Schema | Kind::Secret | Kind::View | Kind::Table | Kind::Pipeline | Kind::Template => {
            return Err(Error::new(Code::InvalidOption, format!("a {} has no options", kind.noun())));
        }
    };
    Ok(Change::Replace { object, depends_on })
}

/// Options are checked as stored, whose positions belong to other texts; only those of the change itself can be pointed at.
pub(super) fn in_this_text(error: Error, change: &ObjectChange) -> Error {
    let position = match change {
        ObjectChange::Set(options) => {
            options.entries.iter().find(|entry| error.message().contains(&format!("\"{}\"", entry.key))).map(|e| e.position)
        }
        ObjectChange::Reset(keys) => keys.iter().find(|key| error.message().contains(&format!("\"{}\"", key.key))).map(|key| key.position),
        ObjectChange::RenameTo(_) | ObjectChange::SetSchema(_) | ObjectChange::OwnerTo(_) => None,
    };
    error.without_position().at(position)
}

/// A new name, schema or owner; for every kind of object.
///
/// # Errors
/// `InUse` for a name that others spell out, duplicates, an unknown role or schema.
pub(super) fn placement(
    session: &Session,
    definitions: &dyn Definitions,
    mut object: Object,
    change: &ObjectChange,
    text: &str,
) -> Result<Change> {
    match change {
        ObjectChange::RenameTo(new) => {
            match object.kind {
                Kind::Schema => may_make_schemas(session, definitions)?,
                _ => privileges::require_create(definitions, &session.role(), &object.schema)?,
            }
            refuse_while_named(definitions, &object, "rename")?;
            if object.kind == Kind::Schema {
                names::refuse_reserved(new)?;
            }
            refuse_taken(definitions, &object, &object.schema, new)?;
            object.name = new.value.clone();
        }
        ObjectChange::SetSchema(schema) => {
            if object.kind == Kind::Schema {
                return Err(Error::new(Code::WrongObjectKind, "a schema is not in a schema").at(schema.position));
            }
            names::refuse_reserved(schema)?;
            if definitions.object(Kind::Schema, "", &schema.value)?.is_none() {
                return Err(Error::new(Code::UndefinedSchema, format!("schema \"{}\" does not exist", schema.value)).at(schema.position));
            }
            privileges::require_create(definitions, &session.role(), &schema.value).map_err(|error| error.at(schema.position))?;
            refuse_while_named(definitions, &object, "move")?;
            let name = Ident { value: object.name.clone(), position: schema.position };
            refuse_taken(definitions, &object, &schema.value, &name)?;
            object.schema = schema.value.clone();
        }
        ObjectChange::OwnerTo(role) => {
            give(session, definitions, &object, role)?;
            object.owner = role.value.clone();
        }
        ObjectChange::Set(_) | ObjectChange::Reset(_) => return Err(Error::internal("options are no placement")),
    }
    definition::alter(session, definitions, object, text, Vec::new())
}

/// Whether the object may be given to the role: what belongs to a role runs with its rights, so nobody gives away what he could not take on.
fn give(session: &Session, definitions: &dyn Definitions, object: &Object, role: &Ident) -> Result<()> {
    let access = definitions.access()?;
    if access.role(&role.value).is_none() {
        return Err(Error::new(Code::UndefinedObject, format!("role \"{}\" does not exist", role.value)).at(role.position));
    }
    if !access.can_become(&session.role(), &role.value) {
        return Err(Error::new(Code::NoPrivilege, format!("must be able to SET ROLE \"{}\"", role.value)).at(role.position));
    }
    if access.is_superuser(&session.role()) {
        return Ok(());
    }
    match object.kind {
        Kind::Schema => may_make_schemas(session, definitions),
        _ => privileges::require_create(definitions, &role.value, &object.schema),
    }
}

fn may_make_schemas(session: &Session, definitions: &dyn Definitions) -> Result<()> {
    match definitions.access()?.allows(&session.role(), Thing::of_hub(DATABASE, Protected::Database), Privilege::Create) {
        true => Ok(()),
        false => Err(privileges::denied(&format!("database {}", session.hub().database()))),
    }
}

fn refuse_taken(definitions: &dyn Definitions, object: &Object, schema: &str, name: &Ident) -> Result<()> {
    let place = names::Place { schema: schema.to_owned(), name: name.value.clone() };
    match names::occupant(definitions, object.kind, &place)? {
        Some(other) => {
            let (code, noun) = match object.kind {
                kind if kind.is_relation() => (Code::DuplicateTable, "relation"),
                Kind::Schema => (Code::DuplicateSchema, "schema"),
                kind => (Code::DuplicateObject, kind.noun()),
            };
            Err(Error::new(code, format!("{noun} \"{}\" already exists", other.name)).at(name.position))
        }
        None => Ok(()),
    }
}

fn refuse_while_named(definitions: &dyn Definitions, object: &Object, verb: &str) -> Result<()> {
    let mut users = definitions.dependents(object.id)?;
    users.extend(fillers(definitions, object.id)?);
    if users.is_empty() {
        return Ok(());
    }
    let noun = object.kind.noun();
    let lines = users.iter().map(|user| format!("{} {} names {noun} {}", user.kind.noun(), user.full_name(), object.full_name()));
    Err(Error::new(Code::InUse, format!("cannot {verb} {noun} {} because other objects name it", object.full_name()))
        .detail(lines.collect::<Vec<_>>().join("\n"))
        .hint("Drop or replace them first.".to_owned()))
}

/// Pipelines whose target is that table.
fn fillers(definitions: &dyn Definitions, table: ObjectId) -> Result<Vec<Object>> {
    let mut fillers = Vec::new();
    for pipeline in definitions.objects(Some(Kind::Pipeline), None)? {
        let body: PipelineBody = columns::read_body(&pipeline)?;
        if body.targets().any(|target| target == table) {
            fillers.push(pipeline);
        }
    }
    Ok(fillers)
}
