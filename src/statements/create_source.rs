//! `CREATE [OR REPLACE] SOURCE [IF NOT EXISTS] name [(elements)] FROM CONNECTION name clauses`
//!
//! Checks all that can be checked without dialling: the connection, FORMAT, options, declared columns and the clauses' columns.

use arrow::datatypes::{Schema, SchemaRef};
use std::sync::Arc;
use weir_catalog::{Definitions, Kind, ObjectId, RelationBody, SchemaVersion};
use weir_sql::statements::create_source::{CreateSource, Envelope, Origin};
use weir_sql::{Element, Name, Privilege};

use super::definition::{self, New};
use super::names::{self, Existing, Wanted};
use super::{columns, create_connection};
use crate::engine::definition as effective;
use crate::error::{Code, Error, Result};
use crate::formats;
use crate::session::{Outcome, Session};
use crate::sources;
use crate::spec::Spec;

pub(super) async fn execute(session: &Session, statement: &CreateSource, text: &str) -> Result<Outcome> {
    let name = &statement.name;
    let definitions = session.definitions();
    let place = names::place(session, &*definitions, name)?;
    let occupant = names::occupant(&*definitions, Kind::Source, &place)?;
    let wanted =
        Wanted { kind: Kind::Source, or_replace: statement.or_replace, if_not_exists: statement.if_not_exists, position: name.position() };
    let old = match names::existing(session, occupant, &wanted)? {
        Existing::Skip => return Ok(Outcome::done("CREATE SOURCE")),
        Existing::Free => None,
        Existing::Replace(old) => Some(*old),
    };
    let checked = check(session, &*definitions, &place.schema, statement)?;
    let body = RelationBody { columns: checked.columns.clone(), last_ok_at: None, last_error: None, search_path: None };
    let new = New {
        kind: Kind::Source,
        place,
        definition: text,
        body: columns::body(&body)?,
        comment: statement.comment.clone(),
        depends_on: checked.depends_on,
    };
    let (relation_id, change) = definition::put(session, &*definitions, new, old)?;
    session.stage(&[change])?;
    if let Some(columns) = checked.columns {
        let known = session.hub().store().schema_versions(Some(relation_id))?;
        let newest = known.last();
        if newest.is_none_or(|newest| newest.columns != columns) {
            let version = newest.map_or(0, |newest| newest.version) + 1;
            session.record_schema(SchemaVersion { relation_id, version, columns, valid_from: session.now(), run_id: None })?;
        }
    }
    Ok(Outcome::done("CREATE SOURCE"))
}

/// A source whose clauses were found good.
pub(super) struct Checked {
    /// Declared columns, then those of INCLUDE; None when they are found at the first read.
    pub columns: Option<SchemaRef>,
    pub depends_on: Vec<ObjectId>,
}

/// # Errors
/// Whatever a clause, an option or a column says that cannot be.
pub(super) fn check(session: &Session, definitions: &dyn Definitions, schema: &str, statement: &CreateSource) -> Result<Checked> {
    // No `..`: a new clause must be considered here.
    let CreateSource {
        name,
        or_replace: _,
        if_not_exists: _,
        elements,
        origin,
        format,
        envelope,
        incremental,
        include,
        verify,
        // What it asks of the columns is decided by `rescued_field`; every source knows all four.
        schema_change: _,
        options,
        comment: _,
    } = statement;
    let connection_name = connection_of(origin, name)?;
    if let Some(Envelope::Upsert | Envelope::Debezium) = envelope {
        return Err(not_yet("ENVELOPE", name.position()));
    }
    if let Some(verify) = verify {
        return Err(not_yet("VERIFY", verify.position));
    }
    let connection = names::with(session, definitions, Kind::Connection, connection_name, Privilege::Usage)?;
    let connector = create_connection::connector(&effective::connection(&connection)?.connection_type)?;
    match (format, connector.takes_format()) {
        (Some(format), true) => {
            formats::format(&format.name.value).ok_or_else(|| unknown_format(&format.name))?.spec().read(&format.options)?;
        }
        (None, true) => {
            return Err(Error::new(Code::InvalidDefinition, "the source needs a FORMAT")
                .hint(format!("One of {}.", known_formats().join(", ")))
                .at(name.position()));
        }
        (Some(format), false) => {
            let message = format!("FORMAT does not apply to a connection of type {}", connector.spec().name);
            return Err(Error::new(Code::InvalidDefinition, message).at(format.name.position));
        }
        (None, false) => {}
    }
    let specs: [&Spec; 1] = [connector.source_spec()];
    let options = Spec::read_all(&specs, options)?;
    let declared = declared(elements)?;
    if let (Some(schema), Some(incremental)) = (&declared, incremental)
        && schema.field_with_name(&incremental.column.value).is_err()
    {
        return Err(columns::undefined(&incremental.column));
    }
    let mut depends_on = definition::secrets(session, definitions, schema, &options)?;
    depends_on.push(connection.id);
    let columns = match declared {
        Some(schema) => {
            let rescued = sources::rescued_field(statement);
            Some(columns::with_include(&columns::together(&schema, rescued.as_slice()), include)?)
        }
        None => None,
    };
    Ok(Checked { columns, depends_on })
}

/// The declared columns; None when no list was written.
fn declared(elements: &[Element]) -> Result<Option<SchemaRef>> {
    for element in elements {
        match element {
            Element::LookupKey(key) => return Err(not_yet("LOOKUP KEY", key.first().map_or(1, |column| column.position))),
            Element::Rule(rule) => return Err(not_yet("a rule on a source", rule.position)),
            Element::Column(column) if column.generated.is_some() => return Err(not_yet("GENERATED", column.name.position)),
            Element::Column(_) | Element::PrimaryKey(_) => {}
        }
    }
    let fields = columns::fields(elements)?;
    if fields.is_empty() {
        return Ok(None);
    }
    let schema = Arc::new(Schema::new(fields));
    for element in elements {
        if let Element::PrimaryKey(key) = element {
            columns::must_have(&schema, key)?;
        }
    }
    Ok(Some(schema))
}

fn connection_of<'a>(origin: &'a Origin, name: &Name) -> Result<&'a Name> {
    match origin {
        Origin::Connection(connection) => Ok(connection),
        Origin::Webhook => Err(not_yet("FROM WEBHOOK", name.position())),
        Origin::Upload => Err(not_yet("FROM UPLOAD", name.position())),
    }
}

fn not_yet(what: &str, position: usize) -> Error {
    Error::new(Code::NotSupported, format!("{what} is not supported yet")).at(position)
}

fn known_formats() -> Vec<&'static str> {
    formats::FORMATS.iter().map(|format| format.spec().name).collect()
}

fn unknown_format(name: &weir_sql::Ident) -> Error {
    let known = known_formats();
    let hint = match weir_sql::nearest(&name.value, known.iter().copied()) {
        Some(near) => format!("Did you mean \"{near}\"?"),
        None => format!("Known formats: {}.", known.join(", ")),
    };
    Error::new(Code::UndefinedObject, format!("format \"{}\" does not exist", name.value)).hint(hint).at(name.position)
}
