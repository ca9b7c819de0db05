//! `CREATE [OR REPLACE] TABLE [IF NOT EXISTS] name [(elements)] [PARTITIONED BY (..)] [WITH (..)] [COMMENT '..'] [AS query]`
//!
//! The Delta table is made first and the catalog names it last, so a name never leads nowhere. Rules, keys and defaults stay in the definition,
//! where every writer reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::DFSchema;
use futures::StreamExt;
use weir_catalog::{Definitions, Kind, ObjectId, SchemaVersion, TableBody, TableCommit};
use weir_sql::statements::create_table::CreateTable;
use weir_sql::{Element, Privilege, Rule, RuleKind};

use super::definition::{self, New};
use super::names::{self, Existing, Place, Wanted};
use super::{columns, query};
use crate::delta::{self, Committed, Facts, Table, WriterOptions, normalise};
use crate::engine::{Engine, Planned, Scope, asks_tables};
use crate::error::{Code, Error, Result};
use crate::pipelines::search_path;
use crate::session::{Outcome, Session};
use crate::spec::Spec;

/// Options of a lake table: none yet.
pub(super) const SPEC: Spec = Spec { name: "table", summary: "A table of the lake.", options: &[] };

pub(super) async fn execute(session: &Session, statement: &CreateTable, text: &str) -> Result<Outcome> {
    let name = &statement.name;
    if statement.or_replace {
        return Err(Error::new(Code::NotSupported, "CREATE OR REPLACE TABLE is not supported yet")
            .hint("DROP TABLE and CREATE TABLE, or keep its history with ALTER TABLE.".to_owned())
            .at(name.position()));
    }
    let definitions = session.definitions();
    let place = match statement.temporary {
        true => names::temporary_place(session, name)?,
        false => names::place(session, &*definitions, name)?,
    };
    let occupant = names::occupant(&*definitions, Kind::Table, &place)?;
    let wanted = Wanted { kind: Kind::Table, or_replace: false, if_not_exists: statement.if_not_exists, position: name.position() };
    if let Existing::Skip = names::existing(session, occupant, &wanted)? {
        return Ok(Outcome::done("CREATE TABLE"));
    }
    SPEC.read(&statement.options)?;
    let planned = match &statement.query {
        Some(query) => Some(query::plan(session, query, Vec::new()).await?),
        None => None,
    };
    let schema = schema(statement, planned.as_ref())?;
    if schema.fields().len() > MOST_COLUMNS {
        return Err(Error::new(Code::NotSupported, format!("tables can have at most {MOST_COLUMNS} columns")).at(name.position()));
    }
    columns::must_have(&schema, &statement.partitioned_by)?;
    let depends_on = check_elements(session, &*definitions, &statement.elements, &schema, (&place.schema, &name.name.value)).await?;
    let rows = make(session, statement, Making { place, schema, depends_on, text }, planned).await?;
    Ok(Outcome::done(match rows {
        Some(rows) => format!("SELECT {rows}"),
        None => "CREATE TABLE".to_owned(),
    }))
}

/// As in PostgreSQL. Planning an INSERT into thousands takes longer than anybody waits.
const MOST_COLUMNS: usize = 1600;

/// What is known of the table once everything was checked.
struct Making<'a> {
    place: Place,
    schema: SchemaRef,
    depends_on: Vec<ObjectId>,
    text: &'a str,
}

/// Makes the Delta table, fills it, and names it in the catalog. Whatever fails on the way, the folder is taken away again.
async fn make(session: &Session, statement: &CreateTable, making: Making<'_>, planned: Option<Planned>) -> Result<Option<i64>> {
    let Making { place, schema, depends_on, text } = making;
    let definitions = session.definitions();
    let location = delta::location(&place.schema, &place.name, definitions.next_id()?.0);
    let partition_by: Vec<String> = statement.partitioned_by.iter().map(|column| column.value.clone()).collect();
    let facts = Facts { run_id: None, user: session.role(), extra: BTreeMap::new() };
    let lake = session.hub().engine().lake().clone();
    let folder = NewFolder { session, location: location.clone() };
    let table = lake.create(&location, &schema, &partition_by, &facts).await?;
    let result = async {
        let mut commits = vec![first_commit(&table).await?];
        let mut rows = None;
        if let Some(planned) = planned {
            let committed = fill(session, &table, planned, &facts).await?;
            rows = Some(committed.rows.inserted);
            commits.push((committed.version, committed.committed_at, "WRITE"));
        }
        let key = columns::key(&statement.elements);
        let body = TableBody { location, columns: schema.clone(), key, made_by: None };
        let comment = statement.comment.clone();
        let new = New { kind: Kind::Table, place, definition: text, body: columns::body(&body)?, comment, depends_on };
        let (table_id, change) = definition::put(session, &*definitions, new, None)?;
        session.stage(&[change])?;
        let commit = |(version, committed_at, operation): (u64, i64, &str)| TableCommit {
            table_id,
            version,
            committed_at,
            operation: operation.to_owned(),
            run_id: None,
            user: session.role(),
        };
        session.record_commits(commits.into_iter().map(commit).collect())?;
        session.record_schema(SchemaVersion {
            relation_id: table_id,
            version: 1,
            columns: schema,
            valid_from: session.now(),
            run_id: None,
        })?;
        Ok(rows)
    };
    match result.await {
        Ok(rows) => {
            folder.keep();
            Ok(rows)
        }
        Err(error) => {
            folder.remove().await;
            Err(error)
        }
    }
}

/// A folder in the lake that no table names yet.
struct NewFolder<'a> {
    session: &'a Session,
    location: String,
}

impl NewFolder<'_> {
    /// The catalog names it now, if only in an open transaction.
    fn keep(self) {
        self.session.folder_created(&self.location);
    }

    async fn remove(self) {
        self.session.remove_folders(vec![self.location]).await;
    }
}

/// Version, time and name of the commit that made the table.
async fn first_commit(table: &Table) -> Result<(u64, i64, &'static str)> {
    let history = table.history(Some(1)).await?;
    let first = history.first().ok_or_else(|| Error::internal("a new table has no first version"))?;
    Ok((first.version, first.timestamp, "CREATE TABLE"))
}

/// Writes the rows of the query in one commit.
async fn fill(session: &Session, table: &Arc<Table>, planned: Planned, facts: &Facts) -> Result<Committed> {
    let mut rows = session.hub().engine().rows(planned).await?;
    let mut writer = table.writer(WriterOptions::default()).await?;
    while let Some(batch) = rows.next().await {
        writer.write(batch.map_err(Engine::error)?).await?;
    }
    let written = writer.finish().await?;
    table.append(vec![written], None, facts).await
}

/// The declared columns, or those of the query.
fn schema(statement: &CreateTable, planned: Option<&Planned>) -> Result<SchemaRef> {
    let declared = columns::fields(&statement.elements)?;
    for element in &statement.elements {
        let unbuilt = match element {
            Element::Column(column) if column.generated.is_some() => Some(("GENERATED ALWAYS AS", column.name.position)),
            Element::Column(column) if column.path.is_some() => Some(("PATH in a table", column.name.position)),
            Element::Column(column) if column.on_error.is_some() => Some(("ON ERROR in a table", column.name.position)),
            Element::LookupKey(key) => Some(("LOOKUP KEY in a table", key.first().map_or(1, |column| column.position))),
            Element::Column(_) | Element::PrimaryKey(_) | Element::Rule(_) => None,
        };
        if let Some((what, position)) = unbuilt {
            return Err(Error::new(Code::NotSupported, format!("{what} is not supported")).at(position));
        }
    }
    let fields = match (planned, declared.is_empty()) {
        (None, false) => Schema::new(declared),
        (None, true) => {
            return Err(Error::new(Code::InvalidDefinition, "a table needs at least one column").at(statement.name.position()));
        }
        (Some(_), false) => {
            return Err(Error::new(Code::NotSupported, "columns together with AS are not supported")
                .hint("Cast in the query: SELECT a::bigint AS a.".to_owned())
                .at(statement.name.position()));
        }
        (Some(planned), true) => distinct(planned.plan.schema().as_arrow(), statement)?,
    };
    Ok(columns::as_known(&normalise(&fields), &fields))
}

fn distinct(found: &Schema, statement: &CreateTable) -> Result<Schema> {
    let mut seen: Vec<&str> = Vec::new();
    for field in found.fields() {
        if seen.contains(&field.name().as_str()) {
            let position = statement.query.as_ref().map(|query| query.position);
            return Err(Error::new(Code::DuplicateColumn, format!("column \"{}\" specified more than once", field.name())).at(position));
        }
        seen.push(field.name());
    }
    let nullable = found.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Ok(Schema::new(nullable.collect::<Vec<_>>()))
}

/// Binds every rule, key and default to the columns of `table`. Answers the tables that its rules name.
///
/// # Errors
/// `UndefinedColumn`, `UndefinedTable`, or whatever an expression does that cannot be.
pub(super) async fn check_elements(
    session: &Session,
    definitions: &dyn Definitions,
    elements: &[Element],
    schema: &Schema,
    table: (&str, &str),
) -> Result<Vec<ObjectId>> {
    let mut depends_on = Vec::new();
    for element in elements {
        match element {
            Element::PrimaryKey(key) | Element::LookupKey(key) => columns::must_have(schema, key)?,
            Element::Rule(rule) => depends_on.extend(check_rule(session, definitions, rule, schema, table).await?),
            Element::Column(column) => {
                if let Some(default) = &column.default {
                    bind(session, default, &Schema::empty()).await?;
                }
                if let Some(check) = &column.check {
                    bind(session, check, schema).await?;
                }
            }
        }
    }
    Ok(depends_on)
}

/// # Errors
/// As [`check_elements`].
pub(super) async fn check_rule(
    session: &Session,
    definitions: &dyn Definitions,
    rule: &Rule,
    schema: &Schema,
    (home, table): (&str, &str),
) -> Result<Vec<ObjectId>> {
    match &rule.kind {
        RuleKind::Expect(expr) => {
            // As it will be read whenever a row is written: from beside the table.
            let scope = Scope { search_path: search_path(home), ..session.scope(Vec::new()) };
            let condition = session.hub().engine().plan_condition(expr, schema, table, &scope, definitions, None).await?;
            Ok(condition.used.into_iter().map(|used| used.relation.id).collect())
        }
        RuleKind::Check(expr) if asks_tables(expr) => Err(Error::new(Code::NotSupported, "cannot use subquery in check constraint")
            .hint("EXPECT (..) may ask other tables.".to_owned())
            .at(expr.position)),
        RuleKind::Check(expr) => bind(session, expr, schema).await.map(|()| Vec::new()),
        RuleKind::NotNull(listed) | RuleKind::Unique(listed) => columns::must_have(schema, listed).map(|()| Vec::new()),
        RuleKind::ForeignKey { columns: listed, table, referenced } => {
            columns::must_have(schema, listed)?;
            let other = names::with(session, definitions, Kind::Table, table, Privilege::References)?;
            let body: TableBody = columns::read_body(&other)?;
            columns::must_have(&body.columns, referenced)?;
            let width = if referenced.is_empty() { body.key.len() } else { referenced.len() };
            if width != listed.len() {
                let message = "number of referencing and referenced columns for foreign key disagree";
                return Err(Error::new(Code::InvalidDefinition, message).at(table.position()));
            }
            Ok(vec![other.id])
        }
    }
}

async fn bind(session: &Session, expr: &weir_sql::Expr, schema: &Schema) -> Result<()> {
    let columns = DFSchema::try_from(schema.clone()).map_err(Engine::error)?;
    session.hub().engine().plan_expr(expr, &columns, &session.scope(Vec::new())).await.map(|_| ())
}
