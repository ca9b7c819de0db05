//! A full refresh of a keyed table: of every key the newest event, deletions left out, whatever the number of events.
//!
//! Sorting spills to disk, so memory is bounded by the engine's limit and not by the table.

use std::sync::Arc;

use arrow::array::UInt64Array;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{Column, DataFusionError};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlanBuilder, col, lit};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::StreamExt;
use parking_lot::Mutex;

use super::execute::without_dictionaries;
use crate::delta::UpsertSpec;
use crate::engine::{Engine, Scope};
use crate::error::Result;

const ORDINAL: &str = "__weir_ordinal";
const RANK: &str = "__weir_rank";

/// The newest row of every key, with the columns of `written`.
pub(super) async fn newest(
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
    let named = |name: &str| Expr::Column(Column::from_name(name));
    let mut order = Vec::new();
    if let Some(sequence) = &spec.sequence {
        order.push(named(sequence).sort(false, false));
    }
    order.push(named(ORDINAL).sort(false, false));
    let rank = row_number().partition_by(spec.key.iter().map(|key| named(key)).collect()).order_by(order).build().map_err(Engine::error)?;
    let mut keep = col(RANK).eq(lit(1_u64));
    if let Some(delete) = &spec.delete {
        keep = keep.and(named(delete).is_not_true());
    }
    let plan = LogicalPlanBuilder::scan("given", provider_as_source(Arc::new(table)), None)
        .and_then(LogicalPlanBuilder::build)
        .map_err(Engine::error)?;
    let columns: Vec<Expr> = written.fields().iter().map(|field| named(field.name())).collect();
    let frame = DataFrame::new(engine.state(scope), plan)
        .with_column(RANK, rank)
        .and_then(|frame| frame.filter(keep))
        .and_then(|frame| frame.select(columns))
        .map_err(Engine::error)?;
    frame.execute_stream().await.map_err(Engine::error)
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
