//! The table of rejected records: `hub.dead_letters`, a Delta table like any other.
//!
//! A letter's id is a hash of run, output, place and content, and of its number among the letters of the pass: two rejected rows of one record may
//! be alike, and are two letters all the same. That the attempts of one run enter them once is the work of the commit's token.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryBuilder, Int64Builder, ListBuilder, StringArray, StringBuilder, TimestampMicrosecondBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::logical_expr::{Expr, lit};
use datafusion::physical_plan::memory::MemoryStream;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use weir_catalog::{Change, Kind, Object, ObjectId, TableBody};

use super::assemble::DELETE_COLUMN;
use super::replay::Judged;
use crate::clock::Micros;
use crate::delta::{Committed, Facts, Matching, Table, Token, UpsertSpec, Writer, WriterOptions};
use crate::engine::{Engine, Scope, catalog_error};
use crate::error::{Code, Error, Result};

/// Where the table lies in the lake, and its name in the catalog.
pub const LOCATION: &str = "hub/dead_letters";
pub const NAME: (&str, &str) = ("hub", "dead_letters");

/// Rows are handed to the writer in pieces of this size.
const FLUSH_ROWS: usize = 2048;

/// Columns of the table, in order.
pub fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let tagged = |name: &str, tag: &str| text(name).with_metadata([("weir.type".to_owned(), tag.to_owned())].into());
    Arc::new(Schema::new(vec![
        text("id"),
        text("pipeline"),
        tagged("run_id", "uuid"),
        text("step"),
        text("output"),
        text("stage"),
        Field::new("rules", DataType::List(Arc::new(Field::new("element", DataType::Utf8, true))), true),
        text("rule"),
        text("error"),
        tagged("record", "jsonb"),
        Field::new("raw", DataType::Binary, true),
        text("source"),
        Field::new("source_position", DataType::Int64, true),
        Field::new("first_seen", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("attempts", DataType::Int64, true),
        text("status"),
        text("note"),
        tagged("replay_run_id", "uuid"),
    ]))
}

/// The stage at which a record failed, and at which it enters again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Decode,
    Transform,
    Validate,
}

impl Stage {
    pub(super) fn word(self) -> &'static str {
        match self {
            Stage::Decode => "decode",
            Stage::Transform => "transform",
            Stage::Validate => "validate",
        }
    }

    pub(super) fn of(word: &str) -> Option<Stage> {
        [Stage::Decode, Stage::Transform, Stage::Validate].into_iter().find(|stage| stage.word() == word)
    }
}

/// One rejected record.
#[derive(Debug, Clone)]
pub(super) struct DeadLetter {
    pub(super) stage: Stage,
    pub(super) rules: Vec<String>,
    pub(super) error: String,
    /// JSON text.
    pub(super) record: Option<String>,
    pub(super) raw: Option<Vec<u8>>,
    pub(super) source: Option<String>,
    pub(super) position: Option<i64>,
    /// In a replay the letter that the row came from, by its place among those put back.
    pub(super) again: Option<usize>,
}

/// What all dead letters of one output of a run share.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) pipeline: String,
    pub(super) run_id: Uuid,
    /// Of an output that stands in a step.
    pub(super) step: Option<String>,
    pub(super) output: String,
    pub(super) first_seen: Micros,
}

/// Collects the dead letters of a pass and writes them as they come.
pub(super) struct DeadLetterWriter {
    origin: Origin,
    waiting: Vec<DeadLetter>,
    /// How many letters were handed to the writer.
    handed: u64,
    table: Arc<Table>,
    writer: Option<Writer>,
    /// Letters on their way back: what fails again changes its old row and makes no new one.
    again: Option<RecordBatch>,
}

impl DeadLetterWriter {
    pub(super) fn new(table: Arc<Table>, origin: Origin) -> Self {
        Self { origin, waiting: Vec::new(), handed: 0, table, writer: None, again: None }
    }

    pub(super) fn again(table: Arc<Table>, origin: Origin, letters: RecordBatch) -> Self {
        Self { again: Some(letters), ..Self::new(table, origin) }
    }

    pub(super) async fn add(&mut self, letters: Vec<DeadLetter>) -> Result<()> {
        self.waiting.extend(letters);
        if self.again.is_none() && self.waiting.len() >= FLUSH_ROWS { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let batch = batch(&self.origin, &self.waiting, self.handed)?;
        self.handed += self.waiting.len() as u64;
        self.waiting.clear();
        if self.writer.is_none() {
            self.writer = Some(self.table.writer(WriterOptions::default()).await?);
        }
        match &mut self.writer {
            Some(writer) => writer.write(batch).await,
            None => Ok(()),
        }
    }

    /// Commits what was collected, once per token; None when there was nothing.
    pub(super) async fn commit(mut self, token: &Token, facts: &Facts) -> Result<Option<Committed>> {
        if let Some(letters) = self.again.take() {
            let Judged { letters, others } = super::replay::judged(&letters, &self.waiting, self.origin.run_id)?;
            let rows = vec![letters, batch(&self.origin, &others, 0)?];
            let rows = Box::pin(MemoryStream::try_new(rows, schema(), None).map_err(Engine::error)?);
            let spec = UpsertSpec { key: vec!["id".to_owned()], sequence: None, delete: None, ignore_null_updates: false };
            return self.table.upsert(rows, &spec, Some(token), &|| facts.clone()).await.map(Some);
        }
        self.flush().await?;
        let Some(writer) = self.writer else { return Ok(None) };
        let written = writer.finish().await?;
        self.table.append(vec![written], Some(token), facts).await.map(Some)
    }
}

/// Under this name the runs of a pipeline commit the letters of one of its outputs, each batch once.
pub(super) fn app_id(pipeline: ObjectId, target: ObjectId) -> String {
    format!("{}/{}/dead_letters", pipeline.0, target.0)
}

/// Whether the letters of a run are in the table, as far as this output is concerned.
///
/// Before a pipeline could have several outputs, all its letters had one name.
pub(super) async fn are_written(table: &Table, pipeline: ObjectId, target: ObjectId, batch: i64) -> Result<bool> {
    for name in [app_id(pipeline, target), format!("{}/dead_letters", pipeline.0)] {
        if table.applied(&name).await?.is_some_and(|written| written >= batch) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Marks the letters of a failed run: they stay as evidence, and REPLAY passes over them, since the run will read their records again. Those of
/// outputs that have landed are none of these.
pub(super) async fn void(engine: &Engine, scope: &Scope, run_id: Uuid, landed: &[&str], facts: &Facts) -> Result<()> {
    let column = |name: &str| Expr::Column(Column::new(Some(NAME.1), name));
    let mut which = column("run_id").eq(lit(run_id.to_string()));
    for output in landed {
        which = which.and(column("output").not_eq(lit(*output)));
    }
    void_where(engine, scope, which, facts).await
}

/// Opens the letters of a replay again whose rows did not land after all: those of other outputs than the ones that did.
pub(super) async fn reopen(engine: &Engine, scope: &Scope, replay: Uuid, landed: &[String], facts: &Facts) -> Result<()> {
    let column = |name: &str| Expr::Column(Column::new(Some(NAME.1), name));
    let state = engine.state(scope);
    let table = engine.lake().table(LOCATION).await?;
    let mut predicate = column("replay_run_id").eq(lit(replay.to_string())).and(column("status").eq(lit("replayed")));
    for output in landed {
        predicate = predicate.and(column("output").not_eq(lit(output.as_str())));
    }
    let rows = Matching { session: &state, relation: TableReference::bare(NAME.1), predicate: Some(predicate), key: &[] };
    table.update(&[("status".to_owned(), lit("open"))], &rows, None, facts).await.map(|_| ())
}

/// Removes what is settled (put back, discarded, void) and older than this; open letters stay however old they are.
pub(super) async fn sweep(engine: &Engine, scope: &Scope, pipeline: &str, before: Micros, facts: &Facts) -> Result<i64> {
    let column = |name: &str| Expr::Column(Column::new(Some(NAME.1), name));
    let moment = ScalarValue::TimestampMicrosecond(Some(before), Some("UTC".into()));
    let settled = column("status").in_list(vec![lit("replayed"), lit("discarded"), lit("void")], false);
    let predicate = column("pipeline").eq(lit(pipeline)).and(settled).and(column("first_seen").lt(lit(moment)));
    let state = engine.state(scope);
    let table = engine.lake().table(LOCATION).await?;
    let rows = Matching { session: &state, relation: TableReference::bare(NAME.1), predicate: Some(predicate), key: &[] };
    table.delete(&rows, None, facts).await.map(|done| done.rows.deleted)
}

async fn void_where(engine: &Engine, scope: &Scope, which: Expr, facts: &Facts) -> Result<()> {
    let state = engine.state(scope);
    let table = engine.lake().table(LOCATION).await?;
    let predicate = which.and(Expr::Column(Column::new(Some(NAME.1), "status")).eq(lit("open")));
    let rows = Matching { session: &state, relation: TableReference::bare(NAME.1), predicate: Some(predicate), key: &[] };
    table.update(&[("status".to_owned(), lit("void"))], &rows, None, facts).await.map(|_| ())
}

/// Marks the open letters of a pipeline's earlier runs: a full refresh has read their records again, and what is still wrong with them is in
/// letters of its own. Put back besides those they would land twice. `output` names one of several.
pub(super) async fn supersede(
    engine: &Engine,
    scope: &Scope,
    (pipeline, output): (&str, Option<&str>),
    refresh: Uuid,
    facts: &Facts,
) -> Result<()> {
    let column = |name: &str| Expr::Column(Column::new(Some(NAME.1), name));
    let mut which = column("pipeline").eq(lit(pipeline)).and(column("run_id").not_eq(lit(refresh.to_string())));
    if let Some(output) = output {
        which = which.and(column("output").eq(lit(output)));
    }
    void_where(engine, scope, which, facts).await
}

/// Makes the table at the first start, and its object in the catalog.
pub async fn ensure(engine: &Engine) -> Result<()> {
    let store = engine.store();
    let (schema_name, name) = NAME;
    let now = engine.clock().now();
    if store.object(Kind::Schema, "", schema_name).map_err(catalog_error)?.is_none() {
        let id = store.next_id().map_err(catalog_error)?;
        let object = object(id, Kind::Schema, "", schema_name, Json::Null, now);
        store.apply(&[Change::Create { object, depends_on: Vec::new() }], OWNER, now).map_err(catalog_error)?;
    }
    if store.object(Kind::Table, schema_name, name).map_err(catalog_error)?.is_some() {
        return Ok(());
    }
    let facts = Facts { run_id: None, user: OWNER.to_owned(), extra: BTreeMap::new() };
    match engine.lake().create(LOCATION, &schema(), &[], &facts).await {
        Ok(_) => {}
        // Made by a start that was cut off before it told the catalog.
        Err(error) if error.code() == Code::DuplicateTable => {}
        Err(error) => return Err(error),
    }
    let id = store.next_id().map_err(catalog_error)?;
    let body = TableBody { location: LOCATION.to_owned(), columns: schema(), key: vec!["id".to_owned()], made_by: None };
    let body = serde_json::to_value(body).map_err(|error| Error::internal("a table's body cannot be written").caused_by(error))?;
    let object = object(id, Kind::Table, schema_name, name, body, now);
    store.apply(&[Change::Create { object, depends_on: Vec::new() }], OWNER, now).map_err(catalog_error)
}

/// The role that owns what the hub makes for itself.
const OWNER: &str = "admin";

fn object(id: ObjectId, kind: Kind, schema: &str, name: &str, body: Json, now: Micros) -> Object {
    Object {
        id,
        kind,
        schema: schema.to_owned(),
        name: name.to_owned(),
        owner: OWNER.to_owned(),
        version: 1,
        definition: String::new(),
        alters: Vec::new(),
        body,
        comment: None,
        created_at: now,
        changed_at: now,
    }
}

fn id(origin: &Origin, letter: &DeadLetter, number: u64) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(bytes);
    };
    part(origin.run_id.as_bytes());
    part(origin.output.as_bytes());
    part(letter.stage.word().as_bytes());
    part(letter.source.as_deref().unwrap_or_default().as_bytes());
    part(&letter.position.unwrap_or(-1).to_le_bytes());
    part(letter.record.as_deref().unwrap_or_default().as_bytes());
    part(letter.raw.as_deref().unwrap_or_default());
    part(&number.to_le_bytes());
    hash.finalize().iter().take(16).flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
}

fn digit(half: u8) -> char {
    char::from_digit(u32::from(half), 16).unwrap_or('0')
}

fn batch(origin: &Origin, letters: &[DeadLetter], first: u64) -> Result<RecordBatch> {
    let text = |value: &dyn for<'a> Fn(&'a DeadLetter) -> Option<&'a str>| {
        let mut column = StringBuilder::new();
        letters.iter().for_each(|letter| column.append_option(value(letter)));
        Arc::new(column.finish()) as ArrayRef
    };
    let same = |value: &str| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, letters.len()))) as ArrayRef;
    let none = || arrow::array::new_null_array(&DataType::Utf8, letters.len());
    let element = Arc::new(Field::new("element", DataType::Utf8, true));
    let mut rules = ListBuilder::new(StringBuilder::new()).with_field(element);
    let (mut raw, mut position, mut attempts) = (BinaryBuilder::new(), Int64Builder::new(), Int64Builder::new());
    let mut first_seen = TimestampMicrosecondBuilder::new().with_timezone("UTC");
    for letter in letters {
        letter.rules.iter().for_each(|rule| rules.values().append_value(rule));
        rules.append(true);
        raw.append_option(letter.raw.as_deref());
        position.append_option(letter.position);
        attempts.append_value(1);
        first_seen.append_value(origin.first_seen);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(letters.iter().zip(first..).map(|(letter, number)| Some(id(origin, letter, number))).collect::<StringArray>()),
        same(&origin.pipeline),
        same(&origin.run_id.to_string()),
        origin.step.as_deref().map_or_else(none, same),
        same(&origin.output),
        text(&|letter| Some(letter.stage.word())),
        Arc::new(rules.finish()),
        text(&|letter| letter.rules.first().map(String::as_str)),
        text(&|letter| Some(&letter.error)),
        text(&|letter| letter.record.as_deref()),
        Arc::new(raw.finish()),
        text(&|letter| letter.source.as_deref()),
        Arc::new(position.finish()),
        Arc::new(first_seen.finish()),
        Arc::new(attempts.finish()),
        same("open"),
        none(),
        none(),
    ];
    RecordBatch::try_new(schema(), columns).map_err(|error| Error::internal("a dead letter does not fit its table").caused_by(error))
}

/// Rows as JSON texts: `{"column": value, ..}`, without the carried columns and the planner's own; a mark of deletion is kept. None for rows that have no such form.
pub(super) fn records(rows: &RecordBatch) -> Vec<Option<String>> {
    lines(rows)
        .unwrap_or_else(|| (0..rows.num_rows()).map(|row| lines(&rows.slice(row, 1)).and_then(|mut one| one.pop().flatten())).collect())
}

fn lines(rows: &RecordBatch) -> Option<Vec<Option<String>>> {
    let hidden = |name: &str| (name.starts_with("__weir_") && name != DELETE_COLUMN) || name.starts_with("__common_expr_");
    let visible: Vec<usize> =
        rows.schema().fields().iter().enumerate().filter(|(_, field)| !hidden(field.name())).map(|(at, _)| at).collect();
    let rows = told(&rows.project(&visible).ok()?)?;
    let mut bytes = Vec::new();
    let mut writer =
        arrow::json::writer::WriterBuilder::new().with_explicit_nulls(true).build::<_, arrow::json::writer::LineDelimited>(&mut bytes);
    writer.write(&rows).ok()?;
    writer.finish().ok()?;
    drop(writer);
    // A line feed within a value is written as an escape.
    let lines: Vec<_> = String::from_utf8(bytes).ok()?.lines().map(|line| Some(line.to_owned())).collect();
    (lines.len() == rows.num_rows()).then_some(lines)
}

/// JSON has no number for NaN and infinity, which would become NULL: there such a column is text, as PostgreSQL has it.
fn told(rows: &RecordBatch) -> Option<RecordBatch> {
    let is_odd = |column: &ArrayRef| match column.data_type() {
        DataType::Float32 => column.as_primitive::<Float32Type>().iter().flatten().any(|value| !value.is_finite()),
        DataType::Float64 => column.as_primitive::<Float64Type>().iter().flatten().any(|value| !value.is_finite()),
        _ => false,
    };
    if !rows.columns().iter().any(is_odd) {
        return Some(rows.clone());
    }
    let schema = rows.schema();
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in schema.fields().iter().zip(rows.columns()) {
        let is_odd = is_odd(column);
        columns.push(if is_odd { cast(column, &DataType::Utf8).ok()? } else { Arc::clone(column) });
        fields.push(if is_odd { Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)) } else { Arc::clone(field) });
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).ok()
}

/// One row as JSON text.
pub(super) fn record(row: &RecordBatch) -> Option<String> {
    records(row).pop().flatten()
}
