//! Files as a table: blocks are decoded on several threads, a few ahead of whoever reads, and never more.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, BinaryArray, DictionaryArray, Int32Array, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::{Mutex, mpsc};
use weir_sql::statements::create_source::{Meta, SchemaChange};

use super::connector::blocking;
use super::drift::unknown_field;
use super::feed::{Feeder, Item, Reading, Work};
use crate::error::{Error, Result};
use crate::formats::Decoded;
use crate::sources::contract::{FileKey, RejectSink, ScanRequest, SourceReject};
use crate::sources::{POSITION_COLUMN, SOURCE_COLUMN};

/// Blocks read but not yet decoded.
const WAITING_BLOCKS: usize = 4;
/// Blocks one partition decodes at a time, when several partitions share the work.
const AHEAD: usize = 2;
const BATCH_ROWS: usize = 16_384;

/// Where an output column comes from.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// Index into the columns that the decoder is asked for.
    Decoded(usize),
    File,
    Line,
    Raw,
    Source,
}

pub(super) struct FileTable {
    name: String,
    schema: SchemaRef,
    reading: Arc<Reading>,
    items: Arc<[Item]>,
    request: ScanRequest,
}

impl fmt::Debug for FileTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileTable({}, {} items)", self.name, self.items.len())
    }
}

impl FileTable {
    /// `columns` are those of the source; provenance columns are added here when asked for.
    pub(super) fn new(name: &str, columns: SchemaRef, reading: Arc<Reading>, items: Vec<Item>, request: ScanRequest) -> Self {
        let mut fields: Vec<Field> = columns.fields().iter().map(|field| field.as_ref().clone()).collect();
        if request.provenance {
            let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            fields.push(Field::new(SOURCE_COLUMN, dictionary, false));
            fields.push(Field::new(POSITION_COLUMN, DataType::Int64, false));
        }
        Self { name: name.to_owned(), schema: Arc::new(Schema::new(fields)), reading, items: items.into(), request }
    }

    fn origin(&self, index: usize, wanted: &mut Vec<usize>) -> Origin {
        let (declared, includes) = (self.reading.columns.len(), &self.reading.includes);
        if index < declared {
            wanted.push(index);
            return Origin::Decoded(wanted.len() - 1);
        }
        match includes.get(index - declared).map(|(meta, _)| *meta) {
            Some(Meta::Line) => Origin::Line,
            Some(Meta::Raw) => Origin::Raw,
            Some(_) => Origin::File,
            None if index - declared == includes.len() => Origin::Source,
            None => Origin::Line,
        }
    }
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let output: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema: SchemaRef = Arc::new(self.schema.project(&output)?);
        let mut wanted = Vec::new();
        let origins: Vec<Origin> = output.iter().map(|index| self.origin(*index, &mut wanted)).collect();
        let threads = self.request.partitions.max(1);
        let job = Arc::new(Job {
            reading: self.reading.clone(),
            items: self.items.clone(),
            schema: schema.clone(),
            origins,
            wanted,
            rejects: self.request.rejects.clone(),
            ahead: if self.request.ordered { threads.max(AHEAD) } else { AHEAD },
            feed: Mutex::new(Feed::Waiting),
        });
        let count = if self.request.ordered { 1 } else { threads };
        let partitions = (0..count)
            .map(|_| Arc::new(Partition { job: job.clone(), is_taken: AtomicBool::new(false) }) as Arc<dyn PartitionStream>)
            .collect();
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, [], false, limit)?))
    }
}

/// One execution of a scan: its partitions share the blocks.
struct Job {
    reading: Arc<Reading>,
    items: Arc<[Item]>,
    schema: SchemaRef,
    origins: Vec<Origin>,
    /// Columns that the decoder is asked for.
    wanted: Vec<usize>,
    rejects: Option<RejectSink>,
    ahead: usize,
    feed: Mutex<Feed>,
}

enum Feed {
    Waiting,
    Open(mpsc::Receiver<Result<Work>>),
}

struct Partition {
    job: Arc<Job>,
    is_taken: AtomicBool,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "files: {}", self.job.items.len())
    }
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.job.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = self.job.schema.clone();
        if self.is_taken.swap(true, Ordering::Relaxed) {
            let error = Error::internal("a scan of files was executed twice");
            return Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter([Err(external(error))])));
        }
        let job = self.job.clone();
        let ahead = job.ahead;
        let batches = futures::stream::unfold(job, |job| async move {
            let work = job.receive().await?;
            Some((job.clone().decode(work), job))
        })
        .buffered(ahead)
        .map_ok(|batch| futures::stream::iter(sliced(batch).into_iter().map(Ok)))
        .try_flatten()
        .map_err(external);
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn sliced(batch: RecordBatch) -> Vec<RecordBatch> {
    (0..batch.num_rows()).step_by(BATCH_ROWS).map(|start| batch.slice(start, BATCH_ROWS.min(batch.num_rows() - start))).collect()
}

impl Job {
    /// The next block, starting the reader at the first call.
    async fn receive(&self) -> Option<Result<Work>> {
        let mut feed = self.feed.lock().await;
        if let Feed::Waiting = *feed {
            if let Some(sink) = &self.rejects {
                // A file without a record is read as well.
                let entries = self.items.iter().filter_map(|item| if let Item::File { entry, .. } = item { *entry } else { None });
                entries.for_each(|entry| sink.count_file(entry, 0));
            }
            let (sender, receiver) = mpsc::channel(WAITING_BLOCKS);
            let keeps_rejects = self.rejects.is_some() && !self.reading.must_be_sound;
            let feeder = Feeder { reading: self.reading.clone(), items: self.items.clone(), keeps_rejects, sender };
            // It ends by itself when the receiver is dropped.
            drop(tokio::task::spawn_blocking(move || feeder.run()));
            *feed = Feed::Open(receiver);
        }
        match &mut *feed {
            Feed::Open(receiver) => receiver.recv().await,
            Feed::Waiting => None,
        }
    }

    async fn decode(self: Arc<Self>, work: Result<Work>) -> Result<RecordBatch> {
        let Work { source, entry, block } = work?;
        let job = self.clone();
        let decoded = blocking(move || {
            let want_raw = job.origins.iter().any(|origin| matches!(origin, Origin::Raw));
            job.reading.decoder.decode(block, &job.reading.columns, Some(&job.wanted), want_raw)
        });
        self.assemble(&source, entry, decoded.await?)
    }

    fn assemble(&self, source: &Arc<str>, entry: Option<FileKey>, decoded: Decoded) -> Result<RecordBatch> {
        let Decoded { batch, positions, raw, rejects, unknown_fields } = decoded;
        if let (true, Some(field)) = (self.reading.schema_change == SchemaChange::Fail, unknown_fields.first()) {
            return Err(unknown_field(source, field));
        }
        let rows = batch.num_rows();
        if let Some(sink) = &self.rejects {
            sink.count_read(rows + rejects.len());
            if let Some(entry) = entry {
                sink.count_file(entry, rows + rejects.len());
            }
            for reject in rejects {
                sink.push(SourceReject { source: source.to_string(), reject });
            }
        }
        let columns = self.origins.iter().map(|origin| match origin {
            Origin::Decoded(index) => Ok(batch.column(*index).clone()),
            Origin::File => Ok(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(source.as_ref(), rows))) as ArrayRef),
            Origin::Line => Ok(Arc::new(positions.clone()) as ArrayRef),
            Origin::Raw => Ok(Arc::new(raw.clone().unwrap_or_else(|| BinaryArray::new_null(rows))) as ArrayRef),
            Origin::Source => {
                let values: ArrayRef = Arc::new(StringArray::from(vec![source.as_ref()]));
                let keys = Int32Array::from(vec![0; rows]);
                let dictionary = DictionaryArray::<Int32Type>::try_new(keys, values).map_err(assembly)?;
                Ok(Arc::new(dictionary) as ArrayRef)
            }
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(assembly)
    }
}

fn assembly(error: arrow::error::ArrowError) -> Error {
    Error::internal("columns of a file do not fit together").caused_by(error)
}
