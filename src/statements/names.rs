//! From a name as typed to an object of the catalog, with PostgreSQL's words for what is not there, or there already.

use weir_catalog::{Definitions, Kind, Object};
use weir_sql::{Ident, Name, ObjectKind, Privilege};

use crate::engine::{is_temporary, privileges};
use crate::error::{Code, Error, Result};
use crate::session::{Notice, Session};

/// Schemas that belong to the hub itself.
const RESERVED: &[&str] = &["hub", "pg_catalog", "information_schema"];

/// Where a new object goes.
pub(super) struct Place {
    pub schema: String,
    pub name: String,
}

pub(super) fn kind_of(kind: ObjectKind) -> Kind {
    match kind {
        ObjectKind::Schema => Kind::Schema,
        ObjectKind::Secret => Kind::Secret,
        ObjectKind::Connection => Kind::Connection,
        ObjectKind::Source => Kind::Source,
        ObjectKind::Table => Kind::Table,
        ObjectKind::View => Kind::View,
        ObjectKind::Pipeline => Kind::Pipeline,
        ObjectKind::Alert => Kind::Alert,
        ObjectKind::Template => Kind::Template,
    }
}

/// The schema and name of an object that is to be made.
///
/// # Errors
/// `UndefinedSchema` when the schema, or any of the search path, does not exist; `NoPrivilege` in a schema of the hub itself.
pub(super) fn place(session: &Session, definitions: &dyn Definitions, name: &Name) -> Result<Place> {
    let schema = match &name.schema {
        Some(schema) => {
            refuse_reserved(schema)?;
            if definitions.object(Kind::Schema, "", &schema.value)?.is_none() {
                return Err(undefined_schema(definitions, schema)?);
            }
            privileges::require_create(definitions, &session.role(), &schema.value).map_err(|error| error.at(schema.position))?;
            schema.value.clone()
        }
        None => default_schema(session, definitions)?.ok_or_else(|| {
            Error::new(Code::UndefinedSchema, "no schema has been selected to create in")
                .hint("CREATE SCHEMA first, or SET search_path to one that exists.".to_owned())
                .at(name.position())
        })?,
    };
    Ok(Place { schema, name: name.name.value.clone() })
}

/// The name of a temporary table that is to be made, in the session's own schema.
///
/// # Errors
/// `InvalidTable` for a name in another schema.
pub(super) fn temporary_place(session: &Session, name: &Name) -> Result<Place> {
    if let Some(schema) = name.schema.as_ref().filter(|schema| schema.value != "pg_temp" && schema.value != session.temporary_schema()) {
        return Err(Error::new(Code::InvalidTable, "cannot create temporary relation in non-temporary schema").at(schema.position));
    }
    session.make_temporary_schema()?;
    Ok(Place { schema: session.temporary_schema().to_owned(), name: name.name.value.clone() })
}

fn default_schema(session: &Session, definitions: &dyn Definitions) -> Result<Option<String>> {
    for schema in session.search_path() {
        let role = session.role();
        if !is_reserved(&schema)
            && definitions.object(Kind::Schema, "", &schema)?.is_some()
            && privileges::may_look_into(definitions, &role, &schema)?
        {
            privileges::require_create(definitions, &role, &schema)?;
            return Ok(Some(schema));
        }
    }
    Ok(None)
}

/// Whether a schema belongs to the hub itself.
pub(super) fn is_reserved(schema: &str) -> bool {
    RESERVED.contains(&schema) || schema.starts_with("pg_")
}

/// # Errors
/// `NoPrivilege` for a schema of the hub itself.
pub(super) fn refuse_reserved(schema: &Ident) -> Result<()> {
    if is_reserved(&schema.value) {
        let message = format!("permission denied for schema \"{}\"", schema.value);
        return Err(Error::new(Code::NoPrivilege, message).hint("It belongs to the hub itself.".to_owned()).at(schema.position));
    }
    Ok(())
}

/// # Errors
/// `NoPrivilege` for an object in a schema of the hub itself.
pub(super) fn refuse_system(object: &Object, position: usize) -> Result<()> {
    // The session's own: nobody finds another's, and a name that says the schema is looked at by [`refuse_reserved_name`].
    if object.kind != Kind::Schema && is_temporary(&object.schema) {
        return Ok(());
    }
    let schema = if object.kind == Kind::Schema { &object.name } else { &object.schema };
    refuse_reserved(&Ident { value: schema.clone(), position })
}

/// As [`refuse_reserved`], for the name of an object that is to be changed or dropped.
///
/// # Errors
/// `NoPrivilege`.
pub(super) fn refuse_reserved_name(kind: Kind, name: &Name) -> Result<()> {
    match &name.schema {
        Some(schema) if schema.value == "pg_temp" && kind != Kind::Schema => Ok(()),
        Some(schema) => refuse_reserved(schema),
        None if kind == Kind::Schema => refuse_reserved(&name.name),
        None => Ok(()),
    }
}

/// # Errors
/// `NotSupported` for a temporary pipeline, of which a statement asks what it does not do.
pub(super) fn refuse_temporary(pipeline: &Object, message: &str, position: usize) -> Result<()> {
    if !is_temporary(&pipeline.schema) {
        return Ok(());
    }
    Err(Error::new(Code::NotSupported, message)
        .hint("CREATE OR REPLACE TEMP PIPELINE makes it anew, and COPY PIPELINE runs it on the file that is sent.".to_owned())
        .at(position))
}

/// The object of that kind and name, along the search path.
///
/// # Errors
/// `WrongObjectKind` when a relation of another kind has the name.
pub(super) fn find(session: &Session, definitions: &dyn Definitions, kind: Kind, name: &Name) -> Result<Option<Object>> {
    if kind == Kind::Schema {
        return Ok(definitions.object(kind, "", &name.name.value)?);
    }
    for schema in schemas(session, definitions, name)? {
        let found = if kind.is_relation() {
            definitions.relation(&schema, &name.name.value)?
        } else {
            definitions.object(kind, &schema, &name.name.value)?
        };
        match found {
            Some(object) if object.kind == kind => return Ok(Some(object)),
            Some(object) => {
                return Err(Error::new(Code::WrongObjectKind, format!("\"{}\" is not a {}", name.name.value, kind.noun()))
                    .hint(format!("It is a {0}: use the statement for a {0}.", object.kind.noun()))
                    .at(name.position()));
            }
            None => {}
        }
    }
    Ok(None)
}

/// As [`find`], but it must be there.
///
/// # Errors
/// `UndefinedTable`, `UndefinedSchema` or `UndefinedObject`, with the nearest name as a hint.
pub(super) fn get(session: &Session, definitions: &dyn Definitions, kind: Kind, name: &Name) -> Result<Object> {
    match find(session, definitions, kind, name)? {
        Some(object) => Ok(object),
        None => Err(undefined(definitions, kind, name)?),
    }
}

/// The source, view or table of that name.
///
/// # Errors
/// `UndefinedTable`.
pub(super) fn relation(session: &Session, definitions: &dyn Definitions, name: &Name) -> Result<Object> {
    for schema in schemas(session, definitions, name)? {
        if let Some(object) = definitions.relation(&schema, &name.name.value)? {
            return Ok(object);
        }
    }
    let objects = definitions.objects(None, None)?;
    let relations = objects.iter().filter(|object| object.kind.is_relation());
    Err(Error::new(Code::UndefinedTable, format!("relation \"{}\" does not exist", plain(name)))
        .hint(near(name, relations))
        .at(name.position()))
}

/// As find, for what only its owner may do.
///
/// # Errors
/// As [`find`], and `NoPrivilege` for an object of somebody else.
pub(super) fn owned(session: &Session, definitions: &dyn Definitions, kind: Kind, name: &Name) -> Result<Option<Object>> {
    let found = find(session, definitions, kind, name)?;
    if let Some(object) = &found {
        privileges::require_owner(definitions, &session.role(), object).map_err(|error| error.at(name.position()))?;
    }
    Ok(found)
}

/// As [`get`], with a right on it.
///
/// # Errors
/// As [`get`], and `NoPrivilege`.
pub(super) fn with(session: &Session, definitions: &dyn Definitions, kind: Kind, name: &Name, privilege: Privilege) -> Result<Object> {
    let object = get(session, definitions, kind, name)?;
    privileges::require(definitions, &session.role(), &object, privilege).map_err(|error| error.at(name.position()))?;
    Ok(object)
}

/// Where a name is looked for: only schemas that the role may use.
fn schemas(session: &Session, definitions: &dyn Definitions, name: &Name) -> Result<Vec<String>> {
    let role = session.role();
    if let Some(schema) = &name.schema {
        if schema.value == "pg_temp" {
            return Ok(vec![session.temporary_schema().to_owned()]);
        }
        privileges::require_usage(definitions, &role, &schema.value).map_err(|error| error.at(schema.position))?;
        return Ok(vec![schema.value.clone()]);
    }
    let mut usable: Vec<String> = session.used_temporary_schema().map(ToOwned::to_owned).into_iter().collect();
    for schema in session.search_path() {
        if privileges::may_look_into(definitions, &role, &schema)? {
            usable.push(schema);
        }
    }
    Ok(usable)
}

/// That there is no such object.
///
/// # Errors
/// Whatever the catalog says while the nearest name is looked up.
pub(super) fn undefined(definitions: &dyn Definitions, kind: Kind, name: &Name) -> Result<Error> {
    if kind == Kind::Schema {
        return undefined_schema(definitions, &name.name);
    }
    let code = if kind.is_relation() { Code::UndefinedTable } else { Code::UndefinedObject };
    let objects = definitions.objects(Some(kind), None)?;
    Ok(Error::new(code, format!("{} \"{}\" does not exist", kind.noun(), plain(name)))
        .hint(near(name, objects.iter().filter(|object| !is_temporary(&object.schema))))
        .at(name.position()))
}

fn undefined_schema(definitions: &dyn Definitions, schema: &Ident) -> Result<Error> {
    let schemas = definitions.objects(Some(Kind::Schema), None)?;
    let near = weir_sql::nearest(&schema.value, schemas.iter().map(|object| object.name.as_str()));
    let hint = near.map(|near| format!("Did you mean \"{near}\"?"));
    Ok(Error::new(Code::UndefinedSchema, format!("schema \"{}\" does not exist", schema.value)).hint(hint).at(schema.position))
}

fn near<'a>(name: &Name, objects: impl Iterator<Item = &'a Object>) -> Option<String> {
    let full: Vec<String> = objects.map(Object::full_name).collect();
    let wanted = plain(name);
    let exact_elsewhere = full.iter().find(|full| full.rsplit('.').next() == Some(name.name.value.as_str()));
    let nearest = match exact_elsewhere {
        Some(found) => Some(found.as_str()),
        None if name.schema.is_some() => weir_sql::nearest(&wanted, full.iter().map(String::as_str)),
        None => {
            let last = weir_sql::nearest(&wanted, full.iter().filter_map(|full| full.rsplit('.').next()));
            last.and_then(|last| full.iter().map(String::as_str).find(|full| full.rsplit('.').next() == Some(last)))
        }
    };
    nearest.map(|near| format!("Did you mean \"{near}\"?"))
}

/// The name without quotes, as messages show it.
pub(super) fn plain(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", schema.value, name.name.value),
        None => name.name.value.clone(),
    }
}

/// What stands where a new object of that kind would go.
///
/// # Errors
/// Whatever the catalog says.
pub(super) fn occupant(definitions: &dyn Definitions, kind: Kind, place: &Place) -> Result<Option<Object>> {
    Ok(if kind.is_relation() {
        definitions.relation(&place.schema, &place.name)?
    } else {
        definitions.object(kind, &place.schema, &place.name)?
    })
}

/// What to do about an object that is there already.
pub(super) enum Existing {
    /// Nothing is there.
    Free,
    /// OR REPLACE: its identity is kept.
    Replace(Box<Object>),
    /// IF NOT EXISTS: a notice was given, nothing else is to be done.
    Skip,
}

/// Decides between CREATE, OR REPLACE and IF NOT EXISTS.
///
/// # Errors
/// `DuplicateTable`, `DuplicateSchema`, `DuplicateObject`; `WrongObjectKind` when OR REPLACE meets a relation of another kind.
pub(super) fn existing(session: &Session, occupant: Option<Object>, wanted: &Wanted) -> Result<Existing> {
    let Some(object) = occupant else { return Ok(Existing::Free) };
    let (code, noun) = match object.kind {
        Kind::Source | Kind::View | Kind::Table => (Code::DuplicateTable, "relation"),
        Kind::Schema => (Code::DuplicateSchema, "schema"),
        kind @ (Kind::Secret | Kind::Connection | Kind::Pipeline | Kind::Alert | Kind::Template) => (Code::DuplicateObject, kind.noun()),
    };
    let message = format!("{noun} \"{}\" already exists", object.name);
    if wanted.if_not_exists {
        session.notice(Notice::new(code.sqlstate(), format!("{message}, skipping")));
        return Ok(Existing::Skip);
    }
    if wanted.or_replace && object.kind == wanted.kind {
        privileges::require_owner(&*session.definitions(), &session.role(), &object).map_err(|error| error.at(wanted.position))?;
        return Ok(Existing::Replace(Box::new(object)));
    }
    if wanted.or_replace {
        return Err(Error::new(Code::WrongObjectKind, format!("\"{}\" is not a {}", object.name, wanted.kind.noun()))
            .hint(format!("It is a {}: drop it first.", object.kind.noun()))
            .at(wanted.position));
    }
    Err(Error::new(code, message).at(wanted.position))
}

/// How a CREATE was written.
pub(super) struct Wanted {
    pub kind: Kind,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub position: usize,
}
