//! A source that tells how its reads go, so that people see which one is down. No connector can forget to say it.

use std::error::Error as StdError;
use std::fmt;
use std::future::ready;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result as PlanResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions, Statistics,
};
use futures::{StreamExt, stream};

use super::contract::{BatchLimit, Drift, Position, Range, RawRecord, ScanRequest, Seen, Source, StartPoint};
use crate::clock::Micros;
use crate::error::Result;

/// Is told how reads go. Called from whichever thread reads.
pub trait Watch: Send + Sync {
    /// A read came to its end.
    fn read(&self);

    fn failed(&self, error: &(dyn StdError + 'static));
}

type Watcher = Arc<dyn Watch>;

/// The source, with everything that dials or reads told to `watch`.
pub fn watched(source: Arc<dyn Source>, watch: Watcher) -> Arc<dyn Source> {
    Arc::new(Watched { source, watch })
}

struct Watched {
    source: Arc<dyn Source>,
    watch: Watcher,
}

impl Watched {
    fn seen<T>(&self, outcome: Result<T>) -> Result<T> {
        match &outcome {
            Ok(_) => self.watch.read(),
            Err(error) => self.watch.failed(error),
        }
        outcome
    }

    /// Opening a table may not have dialled yet, so that only a failure says something.
    fn opened(&self, outcome: Result<Arc<dyn TableProvider>>) -> Result<Arc<dyn TableProvider>> {
        match outcome {
            Ok(table) => Ok(Arc::new(WatchedTable { table, watch: Arc::clone(&self.watch) })),
            Err(error) => {
                self.watch.failed(&error);
                Err(error)
            }
        }
    }
}

#[async_trait]
impl Source for Watched {
    fn schema(&self) -> SchemaRef {
        self.source.schema()
    }

    fn hidden(&self) -> SchemaRef {
        self.source.hidden()
    }

    async fn passes_over(&self, from: &Position) -> Result<Option<Position>> {
        self.source.passes_over(from).await
    }

    async fn next(&self, from: Option<&Position>, limit: &BatchLimit) -> Result<Option<Position>> {
        self.seen(self.source.next(from, limit).await)
    }

    async fn drift(&self, range: Option<&Range>) -> Result<Drift> {
        self.source.drift(range).await
    }

    /// As for `decode_again`.
    async fn suits(&self, column: &str, records: Vec<RawRecord>) -> Result<Option<Seen>> {
        self.source.suits(column, records).await
    }

    async fn scan(&self, range: Option<Range>, request: ScanRequest) -> Result<Arc<dyn TableProvider>> {
        self.opened(self.source.scan(range, request).await)
    }

    /// Records that the hub holds already say nothing about the system they came from.
    async fn decode_again(&self, records: Vec<RawRecord>, request: ScanRequest) -> Result<Arc<dyn TableProvider>> {
        self.source.decode_again(records, request).await
    }

    async fn left_out(&self, from: &Position) -> Result<Option<String>> {
        self.source.left_out(from).await
    }

    async fn release(&self, to: &Position) -> Result<()> {
        self.source.release(to).await
    }

    async fn position_at(&self, point: &StartPoint) -> Result<Option<Position>> {
        self.source.position_at(point).await
    }

    async fn oldest_unread(&self, from: Option<&Position>) -> Result<Option<Micros>> {
        self.source.oldest_unread(from).await
    }
}

struct WatchedTable {
    table: Arc<dyn TableProvider>,
    watch: Watcher,
}

impl fmt::Debug for WatchedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(f)
    }
}

#[async_trait]
impl TableProvider for WatchedTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }

    fn statistics(&self) -> Option<Statistics> {
        self.table.statistics()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let input = self.table.scan(state, projection, filters, limit).await.inspect_err(|error| self.watch.failed(error))?;
        Ok(Arc::new(SourceExec { input, watch: Arc::clone(&self.watch) }))
    }
}

/// Hands the rows on as they are.
struct SourceExec {
    input: Arc<dyn ExecutionPlan>,
    watch: Watcher,
}

impl fmt::Debug for SourceExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SourceExec").field(&self.input).finish()
    }
}

impl DisplayAs for SourceExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SourceExec")
    }
}

impl ExecutionPlan for SourceExec {
    fn name(&self) -> &'static str {
        "SourceExec"
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

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let input = children.into_iter().next().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self { input, watch: Arc::clone(&self.watch) }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context).inspect_err(|error| self.watch.failed(error))?;
        let (schema, watch) = (rows.schema(), Arc::clone(&self.watch));
        let mut has_failed = false;
        // Whoever stops early never gets to the end, and so says nothing.
        let rows = rows.map(Some).chain(stream::once(ready(None))).filter_map(move |batch| {
            match &batch {
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    has_failed = true;
                    watch.failed(error);
                }
                None if has_failed => {}
                None => watch.read(),
            }
            ready(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}
