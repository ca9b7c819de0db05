//! What the server knows of a relation: its exact name, its columns and their types.

use tokio_postgres::types::Type;

use super::link::{Link, Target};
use super::refusal;
use super::types::RemoteColumn;
use crate::error::{Code, Error, Result};

/// What a source reads.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Relation {
    /// `schema.table` or `table`, as the server's own SQL would write it.
    Table(String),
    /// A SELECT, part of the definition.
    Query(String),
}

/// A relation as the server has it now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Described {
    /// What stands behind FROM.
    pub(super) from: String,
    /// `schema.table`, or `query`; for messages and `_source`.
    pub(super) label: String,
    pub(super) columns: Vec<RemoteColumn>,
}

/// An identifier that means exactly `name`, whatever words the server reserves.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// # Errors
/// `UndefinedTable`, `SourceRefused` or what else the server says.
pub(super) async fn describe(target: &Target, link: &Link, relation: &Relation) -> Result<Described> {
    match relation {
        Relation::Table(name) => table(target, link, name).await,
        Relation::Query(text) => query(target, link, text).await,
    }
}

const FIND: &str = "SELECT n.nspname::text, c.relname::text, c.relkind::text, c.oid \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass($1)";
const NOT_NULL: &str =
    "SELECT attname::text FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum > 0 AND attnotnull AND NOT attisdropped";
const NAMES: &str = "SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') LIMIT 10000";

async fn table(target: &Target, link: &Link, name: &str) -> Result<Described> {
    let refused = |error| refusal::reading(target, name, error);
    let found = link.client.query_opt(FIND, &[&name]).await.map_err(|error| unreadable_name(target, name, error))?;
    let Some(found) = found else { return Err(missing(target, link, name).await) };
    let get = |index: usize| found.try_get::<_, String>(index).map_err(refused);
    let (schema, relation, kind) = (get(0)?, get(1)?, get(2)?);
    let oid: u32 = found.try_get(3).map_err(refused)?;
    if !matches!(kind.as_str(), "r" | "p" | "v" | "m" | "f") {
        return Err(Error::new(Code::WrongType, format!("{name} of PostgreSQL at {} is not a table or view", target.address())));
    }
    let from = format!("{}.{}", quoted(&schema), quoted(&relation));
    let not_null = link.client.query(NOT_NULL, &[&oid]).await.map_err(refused)?;
    let not_null = not_null.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>().map_err(refused)?;
    let columns = columns(target, link, name, &format!("SELECT * FROM {from}"), &not_null).await?;
    Ok(Described { from, label: format!("{schema}.{relation}"), columns })
}

/// The server takes a name apart itself; what it cannot take apart is the definition's fault.
fn unreadable_name(target: &Target, name: &str, error: tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        Some(answer) if answer.code().code() == "42602" || answer.code().code() == "42601" => {
            Error::new(Code::InvalidOption, format!("option \"table\" is not a table's name: {name}"))
                .hint("Write schema.table, with double quotes around names that are not in lower case.".to_owned())
                .caused_by(error)
        }
        _ => refusal::reading(target, name, error),
    }
}

async fn missing(target: &Target, link: &Link, name: &str) -> Error {
    let error = Error::new(Code::UndefinedTable, format!("table {name} does not exist in PostgreSQL at {}", target.address()));
    let Ok(rows) = link.client.query(NAMES, &[]).await else { return error };
    let names: Vec<String> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
    let bare = |candidate: &str| candidate.split_once('.').map(|(_, relation)| relation.to_owned());
    let same = names
        .iter()
        .find(|candidate| candidate.eq_ignore_ascii_case(name) || bare(candidate).is_some_and(|b| b.eq_ignore_ascii_case(name)));
    let near = same.map(String::as_str).or_else(|| weir_sql::nearest(name, names.iter().map(String::as_str)));
    let spelled = near.map(|near| match near.split_once('.') {
        Some((schema, relation)) => format!("{}.{}", weir_sql::quote_ident(schema), weir_sql::quote_ident(relation)),
        None => near.to_owned(),
    });
    error.hint(spelled.map(|near| format!("Did you mean {near}?")))
}

async fn query(target: &Target, link: &Link, text: &str) -> Result<Described> {
    let text = text.trim().trim_end_matches(';');
    // Read alone first: a text that is whole in itself cannot close the brackets that are put around it.
    let columns = columns(target, link, "query", text, &[]).await?;
    if columns.is_empty() {
        return Err(Error::new(Code::InvalidOption, "option \"query\" is not a SELECT"));
    }
    let mut names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find_map(|two| (two.first() == two.last()).then(|| two.first().copied()).flatten()) {
        return Err(Error::new(Code::InvalidOption, format!("option \"query\" has two columns named \"{twice}\""))
            .hint("Give one of them another name with AS.".to_owned()));
    }
    Ok(Described { from: format!("(\n{text}\n)"), label: "query".to_owned(), columns })
}

/// Columns of a statement: the server resolves domains to their base types on the way.
async fn columns(target: &Target, link: &Link, what: &str, text: &str, not_null: &[String]) -> Result<Vec<RemoteColumn>> {
    let statement = link.client.prepare(text).await.map_err(|error| refusal::reading(target, what, error))?;
    if !statement.params().is_empty() {
        return Err(Error::new(Code::InvalidOption, "option \"query\" has parameters, and nothing to give them"));
    }
    let described = statement.columns().iter().map(|column| {
        let of: &Type = column.type_();
        let name = column.name();
        RemoteColumn::new(name, of, column.type_modifier(), not_null.iter().any(|known| known == name))
    });
    Ok(described.collect())
}

/// The columns that the relation behind FROM has now.
pub(super) async fn again(target: &Target, link: &Link, from: &str, label: &str) -> Result<Vec<RemoteColumn>> {
    columns(target, link, label, &format!("SELECT * FROM {from} AS r"), &[]).await
}

/// A relation of a schema, for import.
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) primary_key: Vec<String>,
    pub(super) described: Described,
}

const RELATIONS: &str = "SELECT c.relname::text, ARRAY(SELECT a.attname::text \
        FROM pg_catalog.pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place) \
        JOIN pg_catalog.pg_attribute a ON a.attnum = k.attnum \
        WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid ORDER BY k.place) \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition \
      AND pg_catalog.has_table_privilege(c.oid, 'SELECT') ORDER BY c.relname";
const SCHEMAS: &str = "SELECT nspname::text FROM pg_catalog.pg_namespace";

/// Tables and views of a schema that we may read; partitions belong to their table.
///
/// # Errors
/// `UndefinedSchema`, or what the server says.
pub(super) async fn list(target: &Target, link: &Link, schema: &str) -> Result<Vec<Listed>> {
    let refused = |error| refusal::reading(target, &format!("schema {schema}"), error);
    let schemas = link.client.query(SCHEMAS, &[]).await.map_err(refused)?;
    let schemas: Vec<String> = schemas.iter().filter_map(|row| row.try_get(0).ok()).collect();
    if !schemas.iter().any(|known| known == schema) {
        let near = weir_sql::nearest(schema, schemas.iter().map(String::as_str)).map(|near| format!("Did you mean \"{near}\"?"));
        let message = format!("schema \"{schema}\" does not exist in PostgreSQL at {}", target.address());
        return Err(Error::new(Code::UndefinedSchema, message).hint(near));
    }
    let mut listed = Vec::new();
    for row in link.client.query(RELATIONS, &[&schema]).await.map_err(refused)? {
        let name: String = row.try_get(0).map_err(refused)?;
        let primary_key: Vec<String> = row.try_get(1).map_err(refused)?;
        let spelled = format!("{}.{}", weir_sql::quote_ident(schema), weir_sql::quote_ident(&name));
        let described = table(target, link, &spelled).await?;
        listed.push(Listed { name, primary_key, described });
    }
    Ok(listed)
}
