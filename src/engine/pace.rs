//! Plans that give their thread back after a while, and stop when nobody waits for their rows.
//!
//! An operator works for as long as its inputs have rows, and some for minutes on one batch. What feeds operators, and what can make many
//! rows of few, gives the thread back when it had it for [`TURN`]. The nested loop join cannot be made to: it compares two whole inputs
//! inside one call. Its condition looks up between two batches instead: whether anybody still waits, and whether the other tasks of the
//! thread have to be handed to another one.

use std::cell::Cell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result as DfResult;
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions, execute_stream,
};
use futures::{FutureExt, Stream, StreamExt};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Engine, errors, memory};
use crate::clock::Stopwatch;
use crate::error::{Error, Result};

/// Longest time that a query computes before other tasks of its thread are asked.
const TURN: Duration = Duration::from_millis(10);
/// A call that lasts longer gives up its thread.
const LONG_CALL: Duration = Duration::from_millis(100);
/// Batches that wait between a query and whoever reads it.
const AHEAD: usize = 2;

thread_local! {
    /// Since when the poll goes on that this thread is in.
    static POLLED: Cell<Option<Stopwatch>> = const { Cell::new(None) };
}

/// Set when nobody waits for a plan's rows any more.
#[derive(Debug, Clone, Default)]
pub struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Engine {
    /// The plan with its turns limited, and what stops it where it cannot be asked for rows.
    ///
    /// # Errors
    /// Only if a plan cannot be put together again from its own parts.
    pub fn paced(plan: Arc<dyn ExecutionPlan>) -> Result<(Arc<dyn ExecutionPlan>, Abandoned)> {
        let abandoned = Abandoned::default();
        let paced = plan.transform_up(|node| {
            let node = interruptible(node, &abandoned)?;
            Ok(if node.children().len() == 1 && !node.is::<UnnestExec>() {
                Transformed::no(node)
            } else {
                Transformed::yes(Arc::new(PacedExec { input: node }) as Arc<dyn ExecutionPlan>)
            })
        });
        Ok((paced.data().map_err(errors::error)?, abandoned))
    }

    /// Runs a finished plan with the other work, apart from whoever reads its rows. Dropping the rows ends it.
    ///
    /// # Errors
    /// As [`Engine::rows`].
    pub fn run(&self, plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if is_one_row(&plan) {
            return execute_stream(plan, context).map_err(errors::error);
        }
        let (plan, abandoned) = Self::paced(plan)?;
        self.run_paced(plan, abandoned, context)
    }

    /// The same, of a plan that [`Engine::paced`] made.
    ///
    /// # Errors
    /// As [`Engine::rows`].
    pub fn run_paced(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        abandoned: Abandoned,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = plan.schema();
        let (sender, receiver) = mpsc::channel(AHEAD);
        // Operators may start tasks of their own: they belong to the same threads.
        let threads = self.work().enter();
        let mut rows = execute_stream(plan, context).map_err(errors::error)?;
        let task = tokio::spawn(async move {
            while let Some(batch) = rows.next().await {
                let is_over = batch.is_err();
                if sender.send(batch).await.is_err() || is_over {
                    return;
                }
            }
        });
        drop(threads);
        Ok(Box::pin(Received { schema, receiver, task: Some(task), abandoned, turn: Turn::begins() }))
    }

    /// Plans, and runs with memory of its own.
    ///
    /// # Errors
    /// As [`Engine::rows`].
    pub(super) fn run_in(&self, plan: Arc<dyn ExecutionPlan>, state: &SessionState) -> Result<SendableRecordBatchStream> {
        self.run(plan, memory::context(state))
    }
}

/// A query over no rows at all is done before a task for it is made.
fn is_one_row(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let mut node = plan;
    loop {
        match node.children().as_slice() {
            [] => return matches!(node.name(), "PlaceholderRowExec" | "EmptyExec"),
            [only] if matches!(node.name(), "ProjectionExec" | "CooperativeExec") => node = only,
            _ => return false,
        }
    }
}

fn interruptible(node: Arc<dyn ExecutionPlan>, abandoned: &Abandoned) -> DfResult<Arc<dyn ExecutionPlan>> {
    let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() else { return Ok(node) };
    let Some(filter) = join.filter() else { return Ok(node) };
    let condition = Arc::new(Interruptible { inner: Arc::clone(filter.expression()), abandoned: abandoned.clone() });
    let filter = JoinFilter::new(condition, filter.column_indices().to_vec(), Arc::clone(filter.schema()));
    let projection = join.projection().as_ref().map(|columns| columns.to_vec());
    let join = NestedLoopJoinExec::try_new(Arc::clone(join.left()), Arc::clone(join.right()), Some(filter), join.join_type(), projection)?;
    Ok(Arc::new(join))
}

/// Passes rows on, and gives the thread back in time.
#[derive(Debug)]
struct PacedExec {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for PacedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for PacedExec {
    fn name(&self) -> &'static str {
        "PacedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
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
        Ok(Box::pin(PacedRows { rows: self.input.execute(partition, context)?, turn: Turn::begins() }))
    }
}

struct PacedRows {
    rows: SendableRecordBatchStream,
    turn: Turn,
}

/// Since when a task has its thread, as far as can be told: a stream is not asked for rows while its task waits.
struct Turn(Stopwatch);

impl Turn {
    fn begins() -> Self {
        Self(Stopwatch::started())
    }

    /// Whether the thread is to be given back now; then the task is called again.
    fn is_over(&mut self, cx: &Context<'_>) -> bool {
        let now = Stopwatch::started();
        if now.since(&self.0) < TURN {
            return false;
        }
        self.0 = now;
        cx.waker().wake_by_ref();
        true
    }
}

impl Stream for PacedRows {
    type Item = DfResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.turn.is_over(cx) {
            return Poll::Pending;
        }
        POLLED.set(Some(Stopwatch::started()));
        self.rows.poll_next_unpin(cx)
    }
}

impl RecordBatchStream for PacedRows {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}

/// The condition of a join that is asked very often within one call.
#[derive(Debug)]
struct Interruptible {
    inner: Arc<dyn PhysicalExpr>,
    abandoned: Abandoned,
}

impl fmt::Display for Interruptible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PartialEq for Interruptible {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for Interruptible {}

impl Hash for Interruptible {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl PhysicalExpr for Interruptible {
    fn data_type(&self, schema: &Schema) -> DfResult<DataType> {
        self.inner.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> DfResult<bool> {
        self.inner.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> DfResult<ColumnarValue> {
        if self.abandoned.is_set() {
            return Err(DataFusionError::Execution("the query was given up".to_owned()));
        }
        let now = Stopwatch::started();
        let is_long = POLLED.get().is_some_and(|since| now.since(&since) >= LONG_CALL);
        if !is_long || !Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread) {
            return self.inner.evaluate(batch);
        }
        // Should no other thread have taken over by the end of it, it is tried again after as long a time.
        POLLED.set(Some(now));
        tokio::task::block_in_place(|| self.inner.evaluate(batch))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> DfResult<Arc<dyn PhysicalExpr>> {
        let inner = children.into_iter().next().unwrap_or_else(|| Arc::clone(&self.inner));
        Ok(Arc::new(Self { inner, abandoned: self.abandoned.clone() }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}

/// The rows of a query that runs as a task of its own.
struct Received {
    schema: SchemaRef,
    receiver: mpsc::Receiver<DfResult<RecordBatch>>,
    /// None once its end was seen.
    task: Option<JoinHandle<()>>,
    abandoned: Abandoned,
    turn: Turn,
}

impl Stream for Received {
    type Item = DfResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // Whoever takes the rows may compute as well.
        if this.turn.is_over(cx) {
            return Poll::Pending;
        }
        if let Some(batch) = std::task::ready!(this.receiver.poll_recv(cx)) {
            return Poll::Ready(Some(batch));
        }
        let Some(task) = &mut this.task else { return Poll::Ready(None) };
        let ended = std::task::ready!(task.poll_unpin(cx));
        this.task = None;
        Poll::Ready(match ended {
            Ok(()) => None,
            // What came until now is not all.
            Err(panic) => Some(Err(DataFusionError::External(Box::new(Error::internal("a query ended by a panic").caused_by(panic))))),
        })
    }
}

impl RecordBatchStream for Received {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.abandoned.set();
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
