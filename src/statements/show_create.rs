//! `SHOW CREATE noun name`
//!
//! The user's own text, then every ALTER since, in order: run again they make the same object. Never a secret's value.

use arrow::datatypes::SchemaRef;
use weir_catalog::Kind;
use weir_sql::statements::show_create::ShowCreate;

use super::answer::{self, Of};
use super::{columns as column_list, names};
use crate::engine::privileges;
use crate::error::Result;
use crate::formats;
use crate::session::{Outcome, Session};

pub(super) fn columns() -> SchemaRef {
    answer::schema(&[("definition", Of::Text)])
}

pub(super) fn execute(session: &Session, statement: &ShowCreate) -> Result<Outcome> {
    let definitions = session.definitions();
    let object = names::get(session, &*definitions, names::kind_of(statement.kind), &statement.name)?;
    match object.kind {
        // Options may hold what should have been a secret.
        Kind::Template => Ok(()),
        Kind::Connection => privileges::require_owner(&*definitions, &session.role(), &object),
        _ => privileges::require_any(&*definitions, &session.role(), &object),
    }
    .map_err(|error| error.at(statement.name.position()))?;
    let mut texts = Vec::new();
    if object.kind == Kind::Table && !object.definition.trim_start().to_ascii_uppercase().starts_with("CREATE TABLE") {
        // Made by a pipeline: it has no text of its own.
        let body: weir_catalog::TableBody = column_list::read_body(&object)?;
        let line = |field: &arrow::datatypes::Field| {
            let name = formats::type_name(field.data_type(), formats::Logical::of(field));
            format!("  {} {name}{}", weir_sql::quote_ident(field.name()), if field.is_nullable() { "" } else { " NOT NULL" })
        };
        let lines: Vec<String> = body.columns.fields().iter().map(|field| line(field)).collect();
        let (schema, name) = (weir_sql::quote_ident(&object.schema), weir_sql::quote_ident(&object.name));
        texts.push(format!("CREATE TABLE {schema}.{name} (\n{}\n)", lines.join(",\n")));
    } else if !object.definition.is_empty() {
        texts.push(object.definition.clone());
    } else {
        texts.push(format!("CREATE {} {}", object.kind.noun().to_uppercase(), object.full_name()));
    }
    texts.extend(object.alters.iter().cloned());
    let text = texts.join(";\n");
    Ok(Outcome::batch(answer::batch(columns(), vec![answer::words([text])])?, "SHOW"))
}
