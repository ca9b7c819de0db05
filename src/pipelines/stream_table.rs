//! What `STREAM(x)` becomes in a plan: the columns of the source, with its provenance columns behind a curtain.
//!
//! The user's query is planned against the visible columns only, so `SELECT *` never shows provenance; `carry` then lifts the curtain.
//!
//! A stream whose rows change says in `_change_type` which of them are gone. A scan that makes no use of that column takes no such row: it would
//! look like any other. So each scan looks for itself, also when it shares its reading.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties, ReplaceChildrenOptions,
    Statistics,
};
use futures::StreamExt;
use weir_catalog::ObjectId;

use super::bind::StreamInput;
use super::carry::{CARRIED_POSITION, CARRIED_SOURCE};
use super::fan::Tap;
use crate::delta::DELETED;
use crate::error::{Code, Error};
use crate::sources::CHANGE_COLUMN;

/// A scan whose last two columns, source and position of each row, are not shown.
#[derive(Debug)]
pub(super) struct StreamTable {
    stream: Option<ObjectId>,
    whole: Arc<dyn TableProvider>,
    visible: SchemaRef,
}

impl StreamTable {
    pub(super) fn new(whole: Arc<dyn TableProvider>) -> Arc<Self> {
        Self::build(None, whole, false)
    }

    /// Of this stream, which several outputs may read at once.
    pub(super) fn of(stream: &StreamInput, whole: Arc<dyn TableProvider>) -> Arc<Self> {
        Self::build(Some(stream.object.id), whole, stream.tells_change())
    }

    /// Rows of this stream that came back from the dead letters.
    pub(super) fn again(stream: &StreamInput, whole: Arc<dyn TableProvider>) -> Arc<Self> {
        Self::build(None, whole, stream.tells_change())
    }

    fn build(stream: Option<ObjectId>, whole: Arc<dyn TableProvider>, tells_change: bool) -> Arc<Self> {
        let schema = carried_names(&whole.schema());
        let shown = schema.fields().len().saturating_sub(2);
        let visible = Arc::new(Schema::new(schema.fields().iter().take(shown).cloned().collect::<Vec<_>>()));
        let change = visible.index_of(CHANGE_COLUMN).ok().filter(|_| tells_change);
        Arc::new(Self { stream, whole: Arc::new(Large { stream, table: whole, schema, change }), visible })
    }

    pub(super) fn stream(&self) -> Option<ObjectId> {
        self.stream
    }

    /// The scan with its provenance columns, named [`CARRIED_SOURCE`] and [`CARRIED_POSITION`].
    pub(super) fn whole(&self) -> &Arc<dyn TableProvider> {
        &self.whole
    }
}

/// The last two columns under the names that a plan carries them by, from the scan on: every step above it can then tell where a row
/// came from, and no column of the user's is taken for one of them.
fn carried_names(whole: &SchemaRef) -> SchemaRef {
    let shown = whole.fields().len().saturating_sub(2);
    let mut fields: Vec<_> = whole.fields().iter().cloned().collect();
    for (field, name) in fields.iter_mut().skip(shown).zip([CARRIED_SOURCE, CARRIED_POSITION]) {
        *field = Arc::new(field.as_ref().clone().with_name(name));
    }
    Arc::new(Schema::new(fields))
}

#[async_trait]
impl TableProvider for StreamTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.visible)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.visible.fields().len()).collect();
        self.whole.scan(state, Some(projection.unwrap_or(&all)), filters, limit).await
    }
}

/// Name of the scan of a stream in a physical plan.
pub(super) const STREAM_SCAN: &str = "StreamScanExec";

/// A scan that says it is larger than anything else, so that the planner builds its hash tables from the other side of a join: a stream
/// is never held in memory.
#[derive(Debug)]
struct Large {
    stream: Option<ObjectId>,
    table: Arc<dyn TableProvider>,
    schema: SchemaRef,
    /// The column that tells which rows are gone.
    change: Option<usize>,
}

#[async_trait]
impl TableProvider for Large {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => Arc::clone(&self.schema),
        };
        let mut columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let unasked = self.change.filter(|change| !columns.contains(change));
        columns.extend(unasked);
        let input = self.table.scan(state, Some(&columns), filters, limit).await?;
        let tap = self.stream.map(|stream| Tap::new(stream, columns));
        Ok(StreamScanExec::build(input, schema, tap, unasked.is_some()))
    }
}

#[derive(Debug)]
pub(super) struct StreamScanExec {
    input: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    /// Where its rows come from when several outputs share one reading of the stream.
    tap: Option<Arc<Tap>>,
    /// Whether its input says in a last column which rows are gone, and nobody has asked for that.
    takes_no_deletion: bool,
}

impl StreamScanExec {
    pub(super) fn tap(&self) -> Option<&Arc<Tap>> {
        self.tap.as_ref()
    }

    fn build(input: Arc<dyn ExecutionPlan>, schema: SchemaRef, tap: Option<Arc<Tap>>, takes_no_deletion: bool) -> Arc<dyn ExecutionPlan> {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            input.pipeline_behavior(),
            input.boundedness(),
        ));
        Arc::new(Self { input, schema, properties, tap, takes_no_deletion })
    }
}

impl DisplayAs for StreamScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STREAM_SCAN)
    }
}

impl ExecutionPlan for StreamScanExec {
    fn name(&self) -> &'static str {
        STREAM_SCAN
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    /// It does, but under other names: an order asked for above must be made above.
    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    /// The source decides how many partitions there are.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(&self, _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let input = children.into_iter().next().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Self::build(input, Arc::clone(&self.schema), self.tap.clone(), self.takes_no_deletion))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let schema = Arc::clone(&self.schema);
        let named = Arc::clone(&schema);
        let input = match self.tap.as_ref().and_then(|tap| tap.rows(partition)) {
            Some(shared) => shared?,
            None => self.input.execute(partition, context)?.boxed(),
        };
        let takes_no_deletion = self.takes_no_deletion;
        let rows = input.map(move |batch| {
            let mut batch = batch?;
            if takes_no_deletion {
                let last = batch.num_columns().saturating_sub(1);
                no_deletion(&batch.remove_column(last))?;
            }
            renamed(&batch, &named)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    fn partition_statistics(&self, _: Option<usize>) -> DfResult<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        statistics.num_rows = Precision::Inexact(1 << 40);
        statistics.total_byte_size = Precision::Inexact(1 << 48);
        Ok(Arc::new(statistics))
    }
}

fn no_deletion(changes: &ArrayRef) -> DfResult<()> {
    let changes =
        changes.as_string_opt::<i32>().ok_or_else(|| DataFusionError::Internal("a stream does not tell what changed".to_owned()))?;
    if changes.iter().all(|change| change != Some(DELETED)) {
        return Ok(());
    }
    let error = Error::new(Code::WrongState, "the stream holds deleted rows, and the query does not ask which those are")
        .detail("A deletion must not look like a row, so nothing of this run was written.")
        .hint(
            "UPSERT KEY (..) DELETE WHEN (_change_type = 'delete') deletes them in the target; WHERE _change_type <> 'delete' passes over them."
                .to_owned(),
        );
    Err(DataFusionError::External(Box::new(error)))
}

fn renamed(batch: &RecordBatch, schema: &SchemaRef) -> DfResult<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)?)
}
