//! A lake table as a source: its rows once, then what changed from version to version.
//!
//! A position names the table by its own identity and a version: everything up to there is read. A position of another table is refused, and so
//! is one whose changes are gone: nothing is begun anew or passed over that nobody asked for. Versions that change no row are passed over.
//!
//! The rows of a version are given as they were before those that they are now (see `delta::feed`), so that a keyed write that takes them in
//! order holds what the table holds, however the versions are cut into runs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::contract::{BatchLimit, Drift, Position, Range, RawRecord, RejectSink, ScanRequest, Seen, Source, StartPoint};
use super::{POSITION_COLUMN, SOURCE_COLUMN};
use crate::clock::Micros;
use crate::delta::{Ahead, FEED, Most, Piece, Read, Table};
use crate::error::{Code, Error, Result};

/// Batches that wait between a reader and the plan.
const AHEAD: usize = 2;

/// How far a table is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct At {
    /// Identity of the table.
    table: String,
    /// None: nothing is read yet, and all rows of the table come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<Read>,
}

pub struct LakeTable {
    /// `schema.name`, for messages and as the rows' source.
    name: String,
    table: Arc<Table>,
    /// The columns that are read, whatever those of a version were.
    columns: SchemaRef,
}

impl LakeTable {
    /// # Errors
    /// `NotSupported` for a table with a column of its own that is called like one of the feed.
    pub fn open(name: String, table: Arc<Table>, columns: SchemaRef) -> Result<Self> {
        let hidden = hidden();
        if let Some(taken) = columns.fields().iter().find(|field| hidden.column_with_name(field.name()).is_some()) {
            return Err(Error::new(
                Code::NotSupported,
                format!("table \"{name}\" cannot be read as a stream because it has a column \"{}\" of its own", taken.name()),
            )
            .hint("CREATE TABLE .. AS SELECT makes a table with another name for the column.".to_owned()));
        }
        // Versions before a column was added do not have it.
        let nullable: Vec<_> = columns.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        Ok(Self { name, table, columns: Arc::new(Schema::new(nullable)) })
    }

    fn position(&self, version: Option<Read>) -> Result<Position> {
        let at = At { table: self.table.identity(), version };
        serde_json::to_value(at).map_err(|error| Error::internal("a position cannot be written").caused_by(error))
    }

    /// Up to where a position says that everything is read; None when nothing is.
    fn read(&self, position: &Position) -> Result<Option<Read>> {
        let unknown = |error| Error::internal(format!("{position} is no position in table \"{}\"", self.name)).caused_by(error);
        let at: At = serde_json::from_value(position.clone()).map_err(unknown)?;
        if at.table != self.table.identity() {
            return Err(self.begin_again(
                Error::new(Code::WrongState, format!("table \"{}\" is not the one that was read before", self.name))
                    .detail("It was made anew since: the position is one in the table that was there before."),
            ));
        }
        Ok(at.version)
    }

    async fn read_here(&self, position: &Position) -> Result<Option<Read>> {
        let read = self.read(position)?;
        let newest = self.table.version().await?;
        if read.is_some_and(|read| read > version_as_read(newest)) {
            return Err(self.begin_again(
                Error::new(Code::WrongState, format!("table \"{}\" is older than what was read of it", self.name))
                    .detail(format!("Its newest version is {newest}, and the position is {position}.")),
            ));
        }
        Ok(read)
    }

    /// Changes that are gone are an error until somebody says where to go on.
    fn begin_again(&self, error: Error) -> Error {
        if error.code() != Code::WrongState {
            return error;
        }
        error.hint(format!(
            "ALTER PIPELINE .. RESET OFFSETS FOR {} TO EARLIEST reads the table's rows again and then goes on; TO LATEST goes on with what \
             changes from now on; TO n with version n.",
            self.name
        ))
    }

    fn told<T>(&self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|error| self.begin_again(error))
    }

    async fn ahead(&self, read: Read, limit: &BatchLimit) -> Result<Ahead> {
        self.told(self.table.ahead(read, Most { versions: limit.files, bytes: limit.bytes }).await)
    }

    async fn pieces(&self, range: &Range) -> Result<Vec<Piece>> {
        let from = match &range.from {
            Some(from) => self.read(from)?,
            None => None,
        };
        let to = self.read_here(&range.to).await?.and_then(|to| u64::try_from(to).ok());
        match (from, to) {
            (None, Some(to)) => self.told(self.table.pieces_of(to).await),
            (Some(from), Some(to)) => self.told(self.table.changes_between(from, to).await),
            (_, None) => Ok(Vec::new()),
        }
    }
}

fn version_as_read(version: u64) -> Read {
    Read::try_from(version).unwrap_or(Read::MAX)
}

/// What the feed says of each row.
fn hidden() -> SchemaRef {
    let [change, version, timestamp] = FEED;
    Arc::new(Schema::new(vec![
        Field::new(change, DataType::Utf8, false),
        Field::new(version, DataType::Int64, false),
        Field::new(timestamp, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
    ]))
}

#[async_trait]
impl Source for LakeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns)
    }

    fn hidden(&self) -> SchemaRef {
        hidden()
    }

    async fn next(&self, from: Option<&Position>, limit: &BatchLimit) -> Result<Option<Position>> {
        let read = match from {
            Some(from) => self.read_here(from).await?,
            None => None,
        };
        let Some(read) = read else {
            let newest = self.table.version().await?;
            // A table that nothing was ever put into has nothing to give.
            let is_untouched = newest == 0 && self.table.pieces_of(0).await?.is_empty();
            return if is_untouched { Ok(None) } else { self.position(Some(version_as_read(newest))).map(Some) };
        };
        match self.ahead(read, limit).await? {
            Ahead::Rows(to) => self.position(Some(version_as_read(to))).map(Some),
            Ahead::Nothing | Ahead::Quiet(_) => Ok(None),
        }
    }

    async fn passes_over(&self, from: &Position) -> Result<Option<Position>> {
        let Some(read) = self.read_here(from).await? else { return Ok(None) };
        match self.ahead(read, &BatchLimit { files: 1, bytes: u64::MAX }).await? {
            Ahead::Quiet(to) => self.position(Some(version_as_read(to))).map(Some),
            Ahead::Nothing | Ahead::Rows(_) => Ok(None),
        }
    }

    async fn drift(&self, _range: Option<&Range>) -> Result<Drift> {
        Ok(Drift::default())
    }

    async fn suits(&self, _column: &str, _records: Vec<RawRecord>) -> Result<Option<Seen>> {
        Ok(None)
    }

    async fn scan(&self, range: Option<Range>, request: ScanRequest) -> Result<Arc<dyn TableProvider>> {
        let pieces = match range {
            Some(range) => self.pieces(&range).await?,
            None => self.table.pieces_of(self.table.version().await?).await?,
        };
        let mut fields: Vec<_> = self.columns.fields().iter().chain(hidden().fields()).cloned().collect();
        if request.provenance {
            let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            fields.push(Arc::new(Field::new(SOURCE_COLUMN, dictionary, false)));
            fields.push(Arc::new(Field::new(POSITION_COLUMN, DataType::Int64, false)));
        }
        let schema = Arc::new(Schema::new(fields));
        let (name, columns) = (self.name.as_str().into(), Arc::clone(&self.columns));
        Ok(Arc::new(Feed { name, columns, schema, pieces: pieces.into(), request }))
    }

    async fn decode_again(&self, _records: Vec<RawRecord>, _request: ScanRequest) -> Result<Arc<dyn TableProvider>> {
        Err(Error::internal(format!("table \"{}\" has no records that could be decoded", self.name)))
    }

    async fn left_out(&self, _from: &Position) -> Result<Option<String>> {
        Ok(None)
    }

    async fn release(&self, _to: &Position) -> Result<()> {
        Ok(())
    }

    async fn position_at(&self, point: &StartPoint) -> Result<Option<Position>> {
        let newest = version_as_read(self.table.version().await?);
        let read = match point {
            // Said and not left out: what follows is meant for this table.
            StartPoint::Earliest => None,
            StartPoint::Latest => Some(newest),
            StartPoint::At(text) => match text.trim().parse::<Read>() {
                Ok(version) if (0..=newest.saturating_add(1)).contains(&version) => Some(version - 1),
                Ok(version) => {
                    return Err(Error::new(Code::InvalidParameter, format!("table \"{}\" has no version {version}", self.name))
                        .hint(format!("Its newest version is {newest}.")));
                }
                Err(_) => {
                    let at = crate::formats::timestamp_micros(text).ok_or_else(|| {
                        Error::new(Code::InvalidParameter, format!("\"{text}\" is neither a version nor a time"))
                            .hint("A stream of a lake table begins at a version, 12, or at a time, '2026-01-01 12:00+01:00'.".to_owned())
                    })?;
                    Some(self.table.read_before(at).await?)
                }
            },
        };
        self.position(read).map(Some)
    }

    async fn oldest_unread(&self, from: Option<&Position>) -> Result<Option<Micros>> {
        let read = match from {
            Some(from) => self.read_here(from).await?.unwrap_or(-1),
            None => -1,
        };
        match self.table.first_change_behind(read).await {
            // The first commits are gone, and nothing was read yet: what waits is at least as old as what is kept.
            Err(error) if read < 0 && error.code() == Code::WrongState => Ok(Some(self.table.newest().await?.1)),
            outcome => self.told(outcome),
        }
    }
}

/// The rows of a range.
struct Feed {
    name: Arc<str>,
    columns: SchemaRef,
    schema: SchemaRef,
    pieces: Arc<[Piece]>,
    request: ScanRequest,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Feed({}, {} files)", self.name, self.pieces.len())
    }
}

#[async_trait]
impl TableProvider for Feed {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
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
        let origins = output.iter().map(|index| self.origin(*index, &mut wanted)).collect();
        let job = Arc::new(Job {
            name: Arc::clone(&self.name),
            columns: Arc::new(self.columns.project(&wanted)?),
            schema: Arc::clone(&schema),
            origins,
            rejects: self.request.rejects.clone(),
        });
        let count = if self.request.ordered { 1 } else { self.request.partitions.max(1) };
        let partition = |number: usize| {
            let pieces = self.pieces.iter().skip(number).step_by(count).cloned().collect();
            Arc::new(Partition { job: Arc::clone(&job), pieces, is_taken: AtomicBool::new(false) }) as Arc<dyn PartitionStream>
        };
        Ok(Arc::new(StreamingTableExec::try_new(schema, (0..count).map(partition).collect(), None, [], false, limit)?))
    }
}

/// Where an output column comes from.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// Index into the columns that are read.
    Read(usize),
    Change,
    Version,
    Timestamp,
    Source,
}

impl Feed {
    fn origin(&self, index: usize, wanted: &mut Vec<usize>) -> Origin {
        match index.checked_sub(self.columns.fields().len()) {
            None => {
                wanted.push(index);
                Origin::Read(wanted.len() - 1)
            }
            Some(0) => Origin::Change,
            Some(2) => Origin::Timestamp,
            Some(3) => Origin::Source,
            Some(_) => Origin::Version,
        }
    }
}

/// What the partitions of a scan have in common.
struct Job {
    name: Arc<str>,
    /// Columns that are read of the files.
    columns: SchemaRef,
    schema: SchemaRef,
    origins: Vec<Origin>,
    rejects: Option<RejectSink>,
}

struct Partition {
    job: Arc<Job>,
    pieces: Vec<Piece>,
    is_taken: AtomicBool,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "files: {}", self.pieces.len())
    }
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.job.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.job.schema);
        if self.is_taken.swap(true, Ordering::Relaxed) {
            let error = Error::internal("the feed of a table was read twice");
            return Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter([Err(external(error))])));
        }
        let (job, pieces) = (Arc::clone(&self.job), self.pieces.clone());
        let (sender, receiver) = mpsc::channel(AHEAD);
        // It ends by itself when the receiver is dropped.
        drop(tokio::task::spawn_blocking(move || job.read(&pieces, &sender)));
        let rows = futures::stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
        Box::pin(RecordBatchStreamAdapter::new(schema, rows.map(|batch| batch.map_err(external))))
    }
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl Job {
    fn read(&self, pieces: &[Piece], sender: &mpsc::Sender<Result<RecordBatch>>) {
        for piece in pieces {
            let rows = match piece.read(&self.columns) {
                Ok(rows) => rows,
                Err(error) => return drop(sender.blocking_send(Err(error))),
            };
            for batch in rows {
                let batch = batch.and_then(|(batch, changes)| self.assemble(piece, &batch, &changes));
                let ends = batch.is_err();
                if batch.as_ref().is_ok_and(|batch| batch.num_rows() == 0) {
                    continue;
                }
                if sender.blocking_send(batch).is_err() || ends {
                    return;
                }
            }
        }
    }

    fn assemble(&self, piece: &Piece, batch: &RecordBatch, changes: &ArrayRef) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        if let Some(sink) = &self.rejects {
            sink.count_read(rows);
        }
        let column = |origin: &Origin| -> Result<ArrayRef> {
            Ok(match origin {
                Origin::Read(at) => batch.columns().get(*at).cloned().ok_or_else(|| Error::internal("a column of the feed is missing"))?,
                Origin::Change => Arc::clone(changes),
                Origin::Version => Arc::new(Int64Array::from_value(version_as_read(piece.version), rows)),
                Origin::Timestamp => Arc::new(TimestampMicrosecondArray::from_value(piece.committed_at, rows).with_timezone("UTC")),
                Origin::Source => {
                    let values: ArrayRef = Arc::new(StringArray::from(vec![self.name.as_ref()]));
                    Arc::new(DictionaryArray::<Int32Type>::try_new(Int32Array::from_value(0, rows), values).map_err(assembly)?)
                }
            })
        };
        let columns = self.origins.iter().map(column).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(assembly)
    }
}

fn assembly(error: arrow::error::ArrowError) -> Error {
    Error::internal("columns of a feed do not fit together").caused_by(error)
}

#[cfg(test)]
mod tests;
