//! What `STREAM(x)` becomes in a plan: the columns of the source, with its provenance columns behind a curtain.
//!
//! The user's query is planned against the visible columns only, so `SELECT *` never shows provenance; `carry` then lifts the curtain.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result as DfResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions, Statistics,
};

use crate::sources::{POSITION_COLUMN, SOURCE_COLUMN};

/// A scan whose last two columns, `_source` and `_source_position`, are not shown.
#[derive(Debug)]
pub(super) struct StreamTable {
    whole: Arc<dyn TableProvider>,
    visible: SchemaRef,
}

impl StreamTable {
    pub(super) fn new(whole: Arc<dyn TableProvider>) -> Arc<Self> {
        let schema = whole.schema();
        let shown = schema.fields().len().saturating_sub(2);
        let visible = Arc::new(Schema::new(schema.fields().iter().take(shown).cloned().collect::<Vec<_>>()));
        Arc::new(Self { whole: Arc::new(Large(whole)), visible })
    }

    /// The scan with its provenance columns, named [`SOURCE_COLUMN`] and [`POSITION_COLUMN`].
    pub(super) fn whole(&self) -> &Arc<dyn TableProvider> {
        debug_assert!(self.whole.schema().column_with_name(SOURCE_COLUMN).is_some());
        debug_assert!(self.whole.schema().column_with_name(POSITION_COLUMN).is_some());
        &self.whole
    }
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
struct Large(Arc<dyn TableProvider>);

#[async_trait]
impl TableProvider for Large {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
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
        Ok(Arc::new(StreamScanExec { input: self.0.scan(state, projection, filters, limit).await? }))
    }
}

#[derive(Debug)]
struct StreamScanExec {
    input: Arc<dyn ExecutionPlan>,
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
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
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
        Ok(Arc::new(Self { input: children.into_iter().next().unwrap_or_else(|| Arc::clone(&self.input)) }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }

    fn partition_statistics(&self, _: Option<usize>) -> DfResult<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        statistics.num_rows = Precision::Inexact(1 << 40);
        statistics.total_byte_size = Precision::Inexact(1 << 48);
        Ok(Arc::new(statistics))
    }
}
