//! Runs a COPY and hands out its rows in batches, as fast as they are taken.
//!
//! One batch and what the socket holds is in memory. Dropping the stream stops the server's query.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{Int32Type, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result as PlanResult;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream};
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use tokio_postgres::CopyOutStream;

use super::describe;
use super::drift::remote_of;
use super::link::Link;
use super::query::Copy;
use super::refusal;
use super::rows::{Gathered, Rows};
use super::table::{Shape, external};
use super::types::{Fitted, Select, fit};
use crate::error::{Code, Error, Result};
use crate::sources::contract::{RejectSink, SourceReject};

/// Where a column of the result comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// Index into the columns that travel.
    Column(usize),
    Source,
    Position,
}

/// One scan, planned.
pub(super) struct Job {
    pub(super) shape: Arc<Shape>,
    /// The columns that travel.
    pub(super) columns: Vec<Fitted>,
    pub(super) outputs: Vec<Output>,
    pub(super) schema: SchemaRef,
    pub(super) copy: Copy,
    pub(super) rejects: Option<RejectSink>,
    pub(super) link: Arc<Mutex<Option<Link>>>,
}

pub(super) struct PostgresExec {
    job: Arc<Job>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl PostgresExec {
    pub(super) fn new(job: Arc<Job>, limit: Option<usize>) -> Self {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(job.schema.clone()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Self { job, limit, properties, metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl fmt::Debug for PostgresExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresExec({})", self.job.copy.text)
    }
}

impl DisplayAs for PostgresExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresExec: {}", self.job.copy.text)?;
        match self.limit {
            Some(limit) => write!(f, ", fetch={limit}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for PostgresExec {
    fn name(&self) -> &'static str {
        "PostgresExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> PlanResult<TreeNodeRecursion>,
    ) -> PlanResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(Self::new(self.job.clone(), limit)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let start = Reading::start(self.job.clone(), self.limit);
        let batches = futures::stream::once(start)
            .map_ok(|reading| {
                futures::stream::try_unfold(reading, |mut reading| async move { Ok(reading.batch().await?.map(|batch| (batch, reading))) })
            })
            .try_flatten()
            .inspect_ok(move |batch: &RecordBatch| metrics.record_output(batch.num_rows()))
            .map_err(external);
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.job.schema.clone(), batches)))
    }
}

/// A COPY that runs.
struct Reading {
    job: Arc<Job>,
    /// Declared before the session, so that it is dropped first.
    copy: Pin<Box<CopyOutStream>>,
    link: Link,
    rows: Rows,
    /// Rows that may still be handed out.
    left: Option<usize>,
    is_done: bool,
}

impl Reading {
    async fn start(job: Arc<Job>, limit: Option<usize>) -> Result<Self> {
        let target = &job.shape.target;
        let stored = job.link.lock().take();
        let mut link = match stored.filter(|link| !link.client.is_closed()) {
            Some(link) => link,
            None => target.dial().await?,
        };
        job.copy.prepare(target, &link, &job.shape.label).await?;
        job.check_unchanged(&link).await?;
        link.is_busy = true;
        let copy = link.client.copy_out(&job.copy.text).await.map_err(|error| refusal::reading(target, &job.shape.label, error))?;
        let rows = Rows::new(&job.columns, job.rejects.is_some())?;
        Ok(Self { copy: Box::pin(copy), link, rows, left: limit, is_done: limit == Some(0), job })
    }

    /// The next batch; None at the end.
    async fn batch(&mut self) -> Result<Option<RecordBatch>> {
        while !self.is_done && !self.rows.is_full() && self.left.is_none_or(|left| self.rows.good() < left) {
            match self.copy.next().await {
                Some(Ok(piece)) => self.rows.feed(piece)?,
                Some(Err(error)) => {
                    self.link.is_busy = error.as_db_error().is_none() && !error.is_closed();
                    return Err(refusal::reading(&self.job.shape.target, &self.job.shape.label, error));
                }
                None => {
                    self.is_done = true;
                    self.link.is_busy = false;
                    if !self.rows.is_complete() {
                        return Err(Error::new(Code::Protocol, "the stream of rows from PostgreSQL ended in the middle"));
                    }
                }
            }
        }
        let gathered = self.rows.take()?;
        if gathered.rows == 0 && gathered.rejects.is_empty() && self.is_done {
            return Ok(None);
        }
        let mut batch = self.job.assemble(gathered)?;
        if let Some(left) = &mut self.left {
            batch = batch.slice(0, batch.num_rows().min(*left));
            *left -= batch.num_rows();
            self.is_done |= *left == 0;
        }
        Ok(Some(batch))
    }
}

impl Job {
    /// The columns were looked at some time before; rows are read only if they still are what they were.
    async fn check_unchanged(&self, link: &Link) -> Result<()> {
        let shape = &self.shape;
        let now = describe::again(&shape.target, link, &shape.from, &shape.label).await?;
        let same = self.columns.iter().filter(|fitted| !fitted.spec.rescues).all(|fitted| {
            if fitted.select == Select::Nothing {
                return remote_of(&fitted.spec, &now).is_none();
            }
            let remote = now.iter().find(|remote| remote.name == fitted.remote);
            remote.and_then(|remote| fit(fitted.spec.clone(), remote).ok()).as_ref() == Some(fitted)
        });
        if same {
            return Ok(());
        }
        Err(Error::new(Code::Conflict, format!("columns of {} were changed on the server while it was read", shape.label)))
    }

    fn assemble(&self, gathered: Gathered) -> Result<RecordBatch> {
        let Gathered { columns, rows, positions, rejects } = gathered;
        if let Some(sink) = &self.rejects {
            sink.count_read(rows + rejects.len());
            for reject in rejects {
                sink.push(SourceReject { source: self.shape.source.to_string(), reject });
            }
        }
        let arrays = self.outputs.iter().map(|output| {
            Ok(match output {
                Output::Column(index) => match columns.get(*index) {
                    Some(column) => column.clone(),
                    None => return Err(Error::internal("a column of PostgreSQL did not arrive")),
                },
                Output::Source => repeated(&self.shape.source, rows)?,
                Output::Position => Arc::new(Int64Array::from(positions.clone())) as ArrayRef,
            })
        });
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options).map_err(assembly)
    }
}

/// One text for all rows.
fn repeated(text: &str, rows: usize) -> Result<ArrayRef> {
    let values: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let keys = Int32Array::from(vec![0; rows]);
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values).map_err(assembly)?))
}

pub(super) fn assembly(error: arrow::error::ArrowError) -> Error {
    Error::internal("columns of PostgreSQL do not fit together").caused_by(error)
}
