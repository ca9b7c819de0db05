//! The room from outside: statements against an engine over a catalog in memory and a lake in a temporary folder.

mod catalog;
mod changes;
mod definitions;
mod errors;
mod events;
mod queries;
mod versions;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use tempfile::TempDir;
use weir_catalog::{Change, Kind, Object, Role, Store};
use weir_sql::StatementKind;

use super::{Engine, EngineLimits, Scope};
use crate::clock::{Clock, Micros};
use crate::delta::{Facts, Lake, Scratch};
use crate::error::{Error, Result};

/// 2026-01-01 00:00 UTC.
pub(super) const START: Micros = 1_767_225_600_000_000;

/// A hub without the upper rooms.
pub(super) struct Bench {
    pub(super) engine: Arc<Engine>,
    pub(super) clock: Clock,
    _folder: TempDir,
}

impl Bench {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::test(START);
        let store = weir_catalog::open_in_memory().unwrap();
        let role = Role { superuser: true, salt: vec![1], iterations: 1, stored_key: vec![1], ..Role::named("ana") };
        store.put_role(&role).unwrap();
        let lake =
            Lake::open(folder.path().join("lake").to_str().unwrap(), Scratch::of(folder.path().join("spill"), 256 << 20), clock.clone())
                .unwrap();
        let limits =
            EngineLimits { memory_bytes: 256 << 20, statement_bytes: 256 << 20, spill_dir: folder.path().join("spill"), threads: 2 };
        let engine = Engine::open(store, lake, clock.clone(), limits).unwrap();
        let bench = Self { engine, clock, _folder: folder };
        if bench.store().object(Kind::Schema, "", "public").unwrap().is_none() {
            bench.create(Kind::Schema, "", "public", "CREATE SCHEMA public", serde_json::Value::Null);
        }
        bench
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        self.engine.store()
    }

    pub(super) fn scope(&self) -> Scope {
        Scope {
            role: "ana".to_owned(),
            database: "weir".to_owned(),
            search_path: vec!["$user".to_owned(), "public".to_owned()],
            time_zone: "UTC".to_owned(),
            now: self.clock.now(),
            as_of: None,
            positional: Vec::new(),
            named: Vec::new(),
            settings: Arc::new(vec![("application_name".to_owned(), "test".to_owned())]),
            snapshot: None,
            caller: None,
            rights_of: None,
        }
    }

    pub(super) fn create(&self, kind: Kind, schema: &str, name: &str, definition: &str, body: serde_json::Value) -> Object {
        let object = Object {
            id: self.store().next_id().unwrap(),
            kind,
            schema: schema.to_owned(),
            name: name.to_owned(),
            owner: "ana".to_owned(),
            version: 1,
            definition: definition.to_owned(),
            alters: Vec::new(),
            body,
            comment: None,
            created_at: START,
            changed_at: START,
        };
        self.store().apply(&[Change::Create { object: object.clone(), depends_on: Vec::new() }], "ana", START).unwrap();
        object
    }

    pub(super) fn view(&self, name: &str, query: &str) -> Object {
        let definition = format!("CREATE VIEW {name} AS {query}");
        self.create(Kind::View, "public", name, &definition, serde_json::json!({}))
    }

    /// Runs a query: one line per row, values separated by a bar.
    pub(super) async fn rows(&self, sql: &str) -> Result<Vec<String>> {
        self.rows_in(sql, &self.scope()).await
    }

    pub(super) async fn rows_in(&self, sql: &str, scope: &Scope) -> Result<Vec<String>> {
        Ok(self.batches(sql, scope).await?.iter().flat_map(lines).collect())
    }

    pub(super) async fn batches(&self, sql: &str, scope: &Scope) -> Result<Vec<RecordBatch>> {
        let mut statements = weir_sql::parse(sql).map_err(super::definition::syntax_error)?;
        let StatementKind::Query(query) = statements.remove(0).kind else { panic!("not a query: {sql}") };
        let planned = self.engine.plan(&query, scope, self.store().as_ref(), None).await?;
        let rows = self.engine.rows(planned).await?;
        rows.try_collect().await.map_err(Engine::error)
    }

    pub(super) async fn error(&self, sql: &str) -> Error {
        match self.rows(sql).await {
            Ok(rows) => panic!("{sql} answered {rows:?}"),
            Err(error) => error,
        }
    }
}

/// The rows of a batch as text.
pub(super) fn lines(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|")).collect()
}

impl Bench {
    /// A lake table, as CREATE TABLE makes it: `CREATE TABLE name (columns and rules)`.
    pub(super) async fn table(&self, name: &str, elements: &str, columns: &[(&str, DataType)], key: &[&str]) -> Object {
        let fields: Vec<Field> = columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let location = format!("public/{name}");
        let facts = Facts { run_id: None, user: "ana".to_owned(), extra: std::collections::BTreeMap::new() };
        self.engine.lake().create(&location, &schema, &[], &facts).await.unwrap();
        let key = key.iter().map(|column| (*column).to_owned()).collect();
        let body = weir_catalog::TableBody { location, columns: schema, key, made_by: None };
        let definition = format!("CREATE TABLE {name} ({elements})");
        self.create(Kind::Table, "public", name, &definition, serde_json::to_value(body).unwrap())
    }

    pub(super) async fn dml(&self, sql: &str) -> Result<super::DmlDone> {
        self.dml_in(sql, &self.scope()).await
    }

    pub(super) async fn dml_in(&self, sql: &str, scope: &Scope) -> Result<super::DmlDone> {
        let mut statements = weir_sql::parse(sql).map_err(super::definition::syntax_error)?;
        let StatementKind::Dml(dml) = statements.remove(0).kind else { panic!("not DML: {sql}") };
        self.engine.dml(&dml, scope, self.store().as_ref()).await
    }

    /// Runs it one minute later than anything before.
    pub(super) async fn later(&self, sql: &str) -> super::DmlDone {
        self.clock.advance_to(self.clock.now() + MINUTE);
        self.dml(sql).await.unwrap_or_else(|e| panic!("{sql}: {}", e.chain()))
    }
}

pub(super) const MINUTE: Micros = 60_000_000;
