//! `IMPORT FOREIGN SCHEMA remote [{LIMIT TO | EXCEPT} (..)] FROM CONNECTION name INTO schema`
//!
//! Makes one SOURCE per table of the remote schema, all or none. Each has its columns and a definition of its own, as if it had been typed.

use weir_catalog::{Change, Kind, Object};
use weir_sql::statements::import_foreign_schema::{ImportFilter, ImportForeignSchema};
use weir_sql::{Ident, Name, Privilege, StatementKind, quote_ident};

use super::definition::{self, New};
use super::{columns, create_source, names};
use crate::engine::privileges;
use crate::error::{Code, Error, Result};
use crate::formats;
use crate::session::{Notice, Outcome, Session};
use crate::sources::RemoteRelation;
use crate::spec::Spec;

const SPEC: Spec = Spec { name: "IMPORT FOREIGN SCHEMA", summary: "Makes sources of remote tables.", options: &[] };

pub(super) async fn execute(session: &Session, statement: &ImportForeignSchema) -> Result<Outcome> {
    let ImportForeignSchema { remote_schema, filter, connection, into, options } = statement;
    SPEC.read(options)?;
    let definitions = session.definitions();
    let found = names::with(session, &*definitions, Kind::Connection, connection, Privilege::Usage)?;
    names::refuse_reserved(into)?;
    if definitions.object(Kind::Schema, "", &into.value)?.is_none() {
        return Err(Error::new(Code::UndefinedSchema, format!("schema \"{}\" does not exist", into.value)).at(into.position));
    }
    privileges::require_create(&*definitions, &session.role(), &into.value).map_err(|error| error.at(into.position))?;
    let (connector, revealed) = session.hub().engine().connection(&found)?;
    let relations = wanted(connector.list_schema(&revealed, &remote_schema.value).await?, filter)?;
    let mut changes: Vec<Change> = Vec::with_capacity(relations.len());
    for relation in &relations {
        changes.push(source(session, relation, &found, into)?);
    }
    session.stage(&changes)?;
    session.notice(Notice::new("00000", format!("imported {} tables into schema \"{}\"", relations.len(), into.value)));
    Ok(Outcome::done("IMPORT FOREIGN SCHEMA"))
}

/// The tables to import; a name of LIMIT TO that is not there is an error.
fn wanted(mut relations: Vec<RemoteRelation>, filter: &ImportFilter) -> Result<Vec<RemoteRelation>> {
    match filter {
        ImportFilter::All => {}
        ImportFilter::LimitTo(tables) => {
            if let Some(missing) = tables.iter().find(|table| !relations.iter().any(|relation| relation.name == table.value)) {
                let near = weir_sql::nearest(&missing.value, relations.iter().map(|relation| relation.name.as_str()));
                return Err(Error::new(Code::UndefinedTable, format!("remote table \"{}\" does not exist", missing.value))
                    .hint(near.map(|near| format!("Did you mean \"{near}\"?")))
                    .at(missing.position));
            }
            relations.retain(|relation| tables.iter().any(|table| table.value == relation.name));
        }
        ImportFilter::Except(tables) => relations.retain(|relation| !tables.iter().any(|table| table.value == relation.name)),
    }
    Ok(relations)
}

/// The source, by way of its text: what is stored is what the user could have typed.
fn source(session: &Session, relation: &RemoteRelation, connection: &Object, into: &Ident) -> Result<Change> {
    let definitions = session.definitions();
    let place = names::Place { schema: into.value.clone(), name: relation.name.clone() };
    if names::occupant(&*definitions, Kind::Source, &place)?.is_some() {
        return Err(Error::new(Code::DuplicateTable, format!("relation \"{}\" already exists", relation.name))
            .hint("Leave it out with EXCEPT.".to_owned())
            .at(into.position));
    }
    let text = text(relation, connection, into);
    let parsed = weir_sql::parse(&text)?.pop().map(|statement| statement.kind);
    let Some(StatementKind::CreateSource(statement)) = parsed else {
        return Err(Error::internal("an imported table does not read as a source"));
    };
    let checked = create_source::check(session, &*definitions, &place.schema, &statement)?;
    let body = weir_catalog::RelationBody { columns: checked.columns, last_ok_at: None, last_error: None, search_path: None };
    let new =
        New { kind: Kind::Source, place, definition: &text, body: columns::body(&body)?, comment: None, depends_on: checked.depends_on };
    Ok(definition::put(session, &*definitions, new, None)?.1)
}

fn text(relation: &RemoteRelation, connection: &Object, into: &Ident) -> String {
    let logical = |column: &formats::ColumnSpec| {
        let name = formats::type_name(&column.data_type, column.logical);
        format!("  {} {name}{}", quote_ident(&column.name), if column.not_null { " NOT NULL" } else { "" })
    };
    let mut lines: Vec<String> = relation.columns.iter().map(logical).collect();
    if !relation.primary_key.is_empty() {
        let key: Vec<String> = relation.primary_key.iter().map(|column| quote_ident(column)).collect();
        lines.push(format!("  PRIMARY KEY ({})", key.join(", ")));
    }
    let name = Name { schema: Some(into.clone()), name: Ident { value: relation.name.clone(), position: 1 } };
    let options: Vec<String> = relation.options.iter().map(|(key, value)| format!("{key} = '{}'", value.replace('\'', "''"))).collect();
    let connection = definition::name_of(connection);
    let with = if options.is_empty() { String::new() } else { format!("\nWITH ({})", options.join(", ")) };
    format!("CREATE SOURCE {name} (\n{}\n)\nFROM CONNECTION {connection}{with}", lines.join(",\n"))
}
