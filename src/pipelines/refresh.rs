//! A full refresh of a keyed table: of every key the newest event, whatever the number of events; deletions are only remembered. Where NULLs
//! keep what is stored, the events before it fill in what it leaves out.
//!
//! Sorting spills to disk, so memory is bounded by the engine's limit and not by the table.

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, UInt64Array};
use arrow::compute::{filter_record_batch, not};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{Column, DataFusionError};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result as DfResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::functions_window::expr_fn::{last_value, row_number};
use datafusion::logical_expr::expr::{NullTreatment, Sort};
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlanBuilder, WindowFrame, col, lit, when};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::StreamExt;
use parking_lot::Mutex;

use super::execute::without_dictionaries;
use super::target::Target;
use crate::delta::{Deletions, UpsertSpec, WriterOptions, Written};
use crate::engine::{Engine, Scope};
use crate::error::{Error, Result};

const ORDINAL: &str = "__weir_ordinal";
const RANK: &str = "__weir_rank";
const LIFE: &str = "__weir_life";

/// Writes the newest row of every key, and remembers the keys whose newest event deletes them: what is older may still come.
pub(super) async fn newest(
    engine: &Arc<Engine>,
    scope: &Scope,
    rows: SendableRecordBatchStream,
    spec: &UpsertSpec,
    target: &Target,
) -> Result<(Vec<Written>, Option<Deletions>)> {
    let columns = target.written();
    let mut newest = ranked(engine, scope, rows, spec, &columns).await?;
    let mut writer = target.table.writer(WriterOptions { schema: target.reshaped.clone(), ..WriterOptions::default() }).await?;
    let mut deletions = target.table.deletions_writer(spec, &columns)?;
    while let Some(batch) = newest.next().await {
        let batch = batch.map_err(Engine::error)?;
        let (rows, dead) = parted(&batch, spec)?;
        writer.write(rows).await?;
        if let (Some(deletions), Some(dead)) = (&mut deletions, dead) {
            deletions.write(&dead)?;
        }
    }
    let deletions = match deletions {
        Some(deletions) => Some(deletions.finish().await?),
        None => None,
    };
    Ok((vec![writer.finish().await?], deletions))
}

/// Rows that stay, without the mark; and those that are deletions.
fn parted(batch: &RecordBatch, spec: &UpsertSpec) -> Result<(RecordBatch, Option<RecordBatch>)> {
    let odd = |error| Error::internal("the rows of a refresh cannot be parted").caused_by(error);
    let Some(name) = &spec.delete else { return Ok((batch.clone(), None)) };
    let at = batch.schema_ref().index_of(name).map_err(odd)?;
    let marks = batch.columns().get(at).and_then(|column| column.as_boolean_opt());
    let marks = marks.ok_or_else(|| Error::internal("the mark of a deletion is not a boolean"))?;
    let dead: BooleanArray = marks.iter().map(|mark| Some(mark == Some(true))).collect();
    let stays = not(&dead).map_err(odd)?;
    let mut rows = filter_record_batch(batch, &stays).map_err(odd)?;
    rows.remove_column(at);
    let dead = if dead.true_count() > 0 { Some(filter_record_batch(batch, &dead).map_err(odd)?) } else { None };
    Ok((rows, dead))
}

/// The newest row of every key, with the columns of `written` and the mark of deletion.
async fn ranked(
    engine: &Arc<Engine>,
    scope: &Scope,
    rows: SendableRecordBatchStream,
    spec: &UpsertSpec,
    written: &SchemaRef,
) -> Result<SendableRecordBatchStream> {
    let mut fields: Vec<_> = without_dictionaries(&rows.schema()).fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(ORDINAL, DataType::UInt64, false)));
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let once = Once { schema: Arc::clone(&schema), rows: Mutex::new(Some(rows)) };
    let table = StreamingTable::try_new(schema, vec![Arc::new(once)]).map_err(Engine::error)?;
    let key: Vec<Expr> = spec.key.iter().map(|key| named(key)).collect();
    let order = |ascending: bool| {
        // NULL is the oldest.
        let sort = |name: &str| named(name).sort(ascending, ascending);
        spec.sequence.iter().map(|name| sort(name)).chain([sort(ORDINAL)]).collect::<Vec<_>>()
    };
    let rank = row_number().partition_by(key.clone()).order_by(order(false)).build().map_err(Engine::error)?;
    let plan = LogicalPlanBuilder::scan("given", provider_as_source(Arc::new(table)), None)
        .and_then(LogicalPlanBuilder::build)
        .map_err(Engine::error)?;
    let columns: Vec<&str> = written.fields().iter().map(|field| field.name()).chain(&spec.delete).map(String::as_str).collect();
    let mut frame = DataFrame::new(engine.state(scope), plan).with_column(RANK, rank).map_err(Engine::error)?;
    if spec.ignore_null_updates {
        frame = patched(frame, spec, &columns, &key, &order(true)).map_err(Engine::error)?;
    }
    let columns: Vec<Expr> = columns.into_iter().map(named).collect();
    let frame = frame.filter(col(RANK).eq(lit(1_u64))).and_then(|frame| frame.select(columns)).map_err(Engine::error)?;
    frame.execute_stream().await.map_err(Engine::error)
}

fn named(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

/// Each row with what the events before it gave where it has NULL, back to the last deletion of its key.
fn patched(frame: DataFrame, spec: &UpsertSpec, columns: &[&str], key: &[Expr], order: &[Sort]) -> DfResult<DataFrame> {
    let latest = |value: Expr, partition: Vec<Expr>| {
        let so_far = WindowFrame::new(Some(false));
        let latest = last_value(value).partition_by(partition).order_by(order.to_vec()).window_frame(so_far);
        latest.null_treatment(Some(NullTreatment::IgnoreNulls)).build()
    };
    let is_deleted = spec.delete.as_ref().map(|name| named(name).is_true());
    // Between two deletions a key lives once.
    let (frame, mut life) = match &is_deleted {
        Some(is_deleted) => {
            let deletion = when(is_deleted.clone(), named(ORDINAL)).end()?;
            (frame.with_column(LIFE, latest(deletion, key.to_vec())?)?, vec![named(LIFE)])
        }
        None => (frame, Vec::new()),
    };
    life.extend(key.iter().cloned());
    let mut values = vec![named(RANK)];
    for name in columns {
        // A deletion keeps its own sequence; another row has one unless all before it have none.
        let is_given = spec.key.iter().chain(&spec.sequence).chain(&spec.delete).any(|own| own == name);
        values.push(match &is_deleted {
            _ if is_given => named(name),
            Some(is_deleted) => latest(when(is_deleted.clone().is_not_true(), named(name)).end()?, life.clone())?.alias(*name),
            None => latest(named(name), life.clone())?.alias(*name),
        });
    }
    frame.select(values)
}

/// A stream that can be read one time, its rows numbered as they come.
struct Once {
    schema: SchemaRef,
    rows: Mutex<Option<SendableRecordBatchStream>>,
}

impl std::fmt::Debug for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Once")
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let Some(rows) = self.rows.lock().take() else {
            let again = DataFusionError::Internal("the rows of a run can be read only once".to_owned());
            return Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::once(std::future::ready(Err(again)))));
        };
        let numbered = Arc::clone(&self.schema);
        let mut next = 0_u64;
        let rows = rows.map(move |batch| {
            let batch = batch?;
            let first = next;
            next += batch.num_rows() as u64;
            let mut columns = Vec::with_capacity(numbered.fields().len());
            for (column, field) in batch.columns().iter().zip(numbered.fields()) {
                columns.push(if column.data_type() == field.data_type() {
                    Arc::clone(column)
                } else {
                    arrow::compute::cast(column, field.data_type())?
                });
            }
            columns.push(Arc::new(UInt64Array::from_iter_values(first..next)));
            Ok(RecordBatch::try_new(Arc::clone(&numbered), columns)?)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
    }
}
