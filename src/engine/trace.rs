//! `hub.trace('schema.table', key, ..)`: where a row comes from. Run, pipeline and the definition that ran, source, file or relation, place.
//!
//! The values are those of the table's KEY in its order, or of columns by name: `hub.trace('t', _run_id => '..')`. Every row that matches is
//! traced, up to `MOST`. A row that no run wrote has no run; a pipeline that the role may not see keeps its definition to itself.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Builder, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit};
use arrow::json::writer::{LineDelimited, WriterBuilder};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use datafusion::physical_plan::execute_stream;
use futures::TryStreamExt;
use sqlparser::ast::Expr as SqlExpr;
use uuid::Uuid;
use weir_catalog::{Input, Kind, Object, ObjectId, Run, RunFilter, TableBody};

use super::errors::{catalog_error, error};
use super::system::Asked;
use super::{Engine, Scope, constant, parameters};
use crate::delta::VALID_FROM;
use crate::error::{Code, Error, Result};
use crate::sources::{POSITION_COLUMN, SOURCE_COLUMN};

const RUN_COLUMN: &str = "_run_id";
/// Rows that one call traces.
const MOST: usize = 1000;

/// A value that the rows must have: of a column by name, or of the next one of the key.
pub(super) type Given = (Option<String>, SqlExpr);

fn columns() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let tagged = |name: &str, tag: &str| text(name).with_metadata([("weir.type".to_owned(), tag.to_owned())].into());
    Arc::new(Schema::new(vec![
        tagged("key", "jsonb"),
        tagged("run_id", "uuid"),
        text("run_kind"),
        text("requested_by"),
        text("pipeline"),
        Field::new("pipeline_version", DataType::Int64, true),
        text("definition"),
        text("source"),
        text("read_from"),
        Field::new("position", DataType::Int64, true),
        Field::new("table_version", DataType::Int64, true),
        Field::new("written_at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
    ]))
}

/// One row's way back.
#[derive(Default)]
struct Traced {
    key: Option<String>,
    run: Option<Run>,
    run_id: Option<String>,
    definition: Option<String>,
    source: Option<String>,
    read_from: Option<String>,
    position: Option<i64>,
    version: Option<i64>,
}

impl Engine {
    /// The ways back of the rows that have these values, as a table.
    ///
    /// # Errors
    /// `UndefinedColumn`, `InvalidParameter` for values that are none of the key's; `WrongState` for a table that does not keep where its rows
    /// come from.
    pub(super) async fn trace(
        &self,
        object: &Object,
        given: &[Given],
        state: &Arc<SessionState>,
        scope: &Scope,
    ) -> Result<Arc<dyn TableProvider>> {
        let as_table = |rows: Vec<RecordBatch>| {
            let table = MemTable::try_new(columns(), vec![rows]).map_err(error)?;
            Ok(Arc::new(table) as Arc<dyn TableProvider>)
        };
        if object.kind != Kind::Table {
            return Err(Error::new(Code::WrongType, format!("\"{}\" is a {}, not a lake table", object.full_name(), object.kind.noun())));
        }
        let body: TableBody =
            serde_json::from_value(object.body.clone()).map_err(|e| Error::internal("a table's body cannot be read").caused_by(e))?;
        let table = self.table(object).await?.scan(None).await?;
        let schema = table.schema();
        if let Some(lacks) = [RUN_COLUMN, SOURCE_COLUMN, POSITION_COLUMN].iter().find(|name| schema.column_with_name(name).is_none()) {
            return Err(Error::new(Code::WrongState, format!("table \"{}\" has no column \"{lacks}\"", object.full_name()))
                .hint("Only tables that a pipeline made with lineage_columns know where their rows come from.".to_owned()));
        }
        let wanted = match conditions(object, &body.key, given, &schema, state, scope) {
            // Asked what it would answer, before it has the values.
            Err(error) if error.code() == Code::UndefinedParameter && parameters::are_unknown(scope) => return as_table(Vec::new()),
            wanted => wanted?,
        };
        let shown: Vec<String> = if body.key.is_empty() { wanted.iter().map(|(name, _)| name.clone()).collect() } else { body.key };
        let shown: Vec<String> = shown.into_iter().filter(|name| schema.column_with_name(name).is_some()).collect();
        let rows = self.rows_with(table, wanted, &shown, state).await?;
        let traced = rows.iter().map(|rows| self.traced(object, rows, &shown, scope)).collect::<Result<Vec<_>>>()?;
        as_table(vec![batch(&traced.into_iter().flatten().collect::<Vec<_>>())?])
    }

    async fn rows_with(
        &self,
        table: Arc<dyn TableProvider>,
        wanted: Vec<(String, Expr)>,
        shown: &[String],
        state: &Arc<SessionState>,
    ) -> Result<Vec<RecordBatch>> {
        let mut plan = LogicalPlanBuilder::scan("traced", provider_as_source(table), None).map_err(error)?;
        for (_, condition) in wanted {
            plan = plan.filter(condition).map_err(error)?;
        }
        let names = shown.iter().map(String::as_str).chain([RUN_COLUMN, SOURCE_COLUMN, POSITION_COLUMN]);
        // A name may be both a key and one of the three.
        let output = names.enumerate().map(|(at, name)| Expr::Column(Column::new(Some("traced"), name)).alias(format!("c{at}")));
        let plan = plan.project(output.collect::<Vec<_>>()).and_then(|plan| plan.limit(0, Some(MOST)));
        let plan = plan.and_then(LogicalPlanBuilder::build).map_err(error)?;
        let physical = Engine::physical(state, plan).await?;
        execute_stream(physical, Engine::context(state)).map_err(error)?.try_collect().await.map_err(error)
    }

    /// Rows of the shown columns, then run, source and position.
    fn traced(&self, table: &Object, rows: &RecordBatch, shown: &[String], scope: &Scope) -> Result<Vec<Traced>> {
        let column = |at: usize, to: &DataType| match rows.columns().get(shown.len() + at) {
            Some(column) => cast(column, to).map_err(|e| Error::internal("provenance is not what it should be").caused_by(e)),
            None => Err(Error::internal("provenance is missing")),
        };
        let (runs, sources, places) = (column(0, &DataType::Utf8)?, column(1, &DataType::Utf8)?, column(2, &DataType::Int64)?);
        let keys = objects(rows, shown);
        let text = |column: &ArrayRef, row: usize| {
            column.as_string_opt::<i32>().filter(|texts| texts.is_valid(row)).map(|texts| texts.value(row).to_owned())
        };
        let mut all = Vec::with_capacity(rows.num_rows());
        for row in 0..rows.num_rows() {
            let position = places.as_primitive_opt::<Int64Type>().filter(|places| places.is_valid(row)).map(|places| places.value(row));
            let found = Traced {
                key: keys.get(row).cloned().flatten(),
                run_id: text(&runs, row),
                read_from: text(&sources, row),
                position,
                ..Traced::default()
            };
            all.push(self.with_run(table, found, scope)?);
        }
        Ok(all)
    }

    fn with_run(&self, table: &Object, found: Traced, scope: &Scope) -> Result<Traced> {
        let store = self.store();
        let Some(run_id) = found.run_id.as_deref().and_then(|text| Uuid::parse_str(text).ok()) else { return Ok(found) };
        let filter = RunFilter { run_id: Some(run_id), ..RunFilter::default() };
        let Some(run) = store.runs(&filter).map_err(catalog_error)?.into_iter().next() else { return Ok(found) };
        let outputs = store.run_outputs(Some(run_id)).map_err(catalog_error)?;
        let version = outputs.into_iter().find(|output| output.target_id == table.id).and_then(|output| output.table_version);
        let me = self.me()?;
        let asked = Asked { engine: &me, scope, run_id: None, pipeline: None, kind: None, after: 0, limit: None };
        let definition = match asked.sees_id(run.pipeline_id)? {
            true => self.definition_of(run.pipeline_id, run.pipeline_version)?,
            false => None,
        };
        let source = self.source_of(&run, found.read_from.as_deref())?;
        Ok(Traced { run: Some(run), definition, source, version: version.and_then(|version| i64::try_from(version).ok()), ..found })
    }

    /// The text that ran: as it was typed, then what it was altered by.
    fn definition_of(&self, pipeline: ObjectId, version: i64) -> Result<Option<String>> {
        let versions = self.store().versions(Some(pipeline)).map_err(catalog_error)?;
        let then = versions.into_iter().find(|known| known.version == version);
        Ok(then.map(|then| std::iter::once(then.definition).chain(then.alters).collect::<Vec<_>>().join(";\n")))
    }

    /// The source that a run read this file or relation of.
    fn source_of(&self, run: &Run, read_from: Option<&str>) -> Result<Option<String>> {
        let streams = run.inputs.iter().filter(|input| matches!(input.input, Input::Stream { .. } | Input::Upload(_)));
        let mut known: Vec<(ObjectId, String)> = streams.map(|input| (input.relation_id, input.relation.clone())).collect();
        if known.is_empty() {
            // A replay reads letters, which came from the pipeline's own sources.
            let on = self.store().depends_on(run.pipeline_id).map_err(catalog_error)?;
            known.extend(on.into_iter().filter(|on| on.kind == Kind::Source).map(|on| (on.id, on.full_name())));
        }
        if let [(_, only)] = known.as_slice() {
            return Ok(Some(only.clone()));
        }
        let Some(read_from) = read_from else { return Ok(None) };
        // Rows of a lake table say its name.
        if let Some((_, table)) = known.iter().find(|(_, name)| name == read_from) {
            return Ok(Some(table.clone()));
        }
        for (id, name) in known {
            let files = self.store().files(id, 0, None, None).map_err(catalog_error)?;
            if files.iter().any(|entry| entry.file.path == read_from) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }
}

/// The first columns of each row as an object with these names; None for rows that have no such form.
fn objects(rows: &RecordBatch, names: &[String]) -> Vec<Option<String>> {
    let fields: Vec<Field> =
        names.iter().zip(rows.columns()).map(|(name, column)| Field::new(name, column.data_type().clone(), true)).collect();
    let columns = rows.columns().iter().take(names.len()).cloned().collect();
    let Ok(named) = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns) else { return vec![None; rows.num_rows()] };
    let one = |row: usize| {
        let mut bytes = Vec::new();
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut bytes);
        writer.write(&named.slice(row, 1)).and_then(|()| writer.finish()).ok()?;
        drop(writer);
        String::from_utf8(bytes).ok().map(|text| text.trim_end().to_owned())
    };
    (0..rows.num_rows()).map(one).collect()
}

/// The columns that are asked for and what their values must be.
fn conditions(
    table: &Object,
    key: &[String],
    given: &[Given],
    schema: &SchemaRef,
    state: &Arc<SessionState>,
    scope: &Scope,
) -> Result<Vec<(String, Expr)>> {
    let by_place = given.iter().filter(|(name, _)| name.is_none()).count();
    // Of a history, the key without the time gives all its periods.
    let is_history = key.last().is_some_and(|last| last == VALID_FROM) && by_place + 1 == key.len();
    if by_place > 0 && by_place != key.len() && !is_history {
        let message = match key {
            [] => format!("table \"{}\" has no key", table.full_name()),
            key => format!("the key of table \"{}\" has {} columns: {}", table.full_name(), key.len(), key.join(", ")),
        };
        return Err(
            Error::new(Code::InvalidParameter, message).hint("Columns can be named: hub.trace('table', column => value).".to_owned())
        );
    }
    let mut places = key.iter();
    let mut wanted = Vec::with_capacity(given.len());
    for (name, expr) in given {
        let name = name.as_ref().or_else(|| places.next()).ok_or_else(|| Error::internal("a value without a column"))?;
        let field = schema.field_with_name(name).map_err(|_| {
            let near = weir_sql::nearest(name, schema.fields().iter().map(|field| field.name().as_str()));
            Error::new(Code::UndefinedColumn, format!("table \"{}\" has no column \"{name}\"", table.full_name()))
                .hint(near.map(|near| format!("Did you mean \"{near}\"?")))
        })?;
        let value = constant::value(expr, state, scope)?;
        let column = Expr::Column(Column::new(Some("traced"), name));
        let condition = match value.is_null() {
            true => column.is_null(),
            false => column.eq(lit(as_column(&value, field)?)),
        };
        wanted.push((name.clone(), condition));
    }
    Ok(wanted)
}

fn as_column(value: &ScalarValue, field: &Field) -> Result<ScalarValue> {
    value
        .cast_to(field.data_type())
        .map_err(|_| Error::new(Code::InvalidParameter, format!("\"{value}\" is not a value of column \"{}\"", field.name())))
}

fn batch(rows: &[Traced]) -> Result<RecordBatch> {
    let text = |value: &dyn for<'a> Fn(&'a Traced) -> Option<&'a str>| {
        let mut column = StringBuilder::new();
        rows.iter().for_each(|row| column.append_option(value(row)));
        Arc::new(column.finish()) as ArrayRef
    };
    let number = |value: &dyn Fn(&Traced) -> Option<i64>| {
        let mut column = Int64Builder::new();
        rows.iter().for_each(|row| column.append_option(value(row)));
        Arc::new(column.finish()) as ArrayRef
    };
    let kinds: StringArray = rows.iter().map(|row| row.run.as_ref().and_then(|run| word(&run.kind))).collect();
    let mut written = TimestampMicrosecondBuilder::new().with_timezone("UTC");
    rows.iter().for_each(|row| written.append_option(row.run.as_ref().and_then(|run| run.ended_at)));
    let columns_of: Vec<ArrayRef> = vec![
        text(&|row| row.key.as_deref()),
        text(&|row| row.run_id.as_deref()),
        Arc::new(kinds),
        text(&|row| row.run.as_ref().map(|run| run.requested_by.as_str())),
        text(&|row| row.run.as_ref().map(|run| run.pipeline.as_str())),
        number(&|row| row.run.as_ref().map(|run| run.pipeline_version)),
        text(&|row| row.definition.as_deref()),
        text(&|row| row.source.as_deref()),
        text(&|row| row.read_from.as_deref()),
        number(&|row| row.position),
        number(&|row| row.version),
        Arc::new(written.finish()),
    ];
    RecordBatch::try_new(columns(), columns_of).map_err(|e| Error::internal("a trace does not fit its columns").caused_by(e))
}

fn word(kind: &weir_catalog::RunKind) -> Option<String> {
    serde_json::to_value(kind).ok()?.as_str().map(str::to_owned)
}
