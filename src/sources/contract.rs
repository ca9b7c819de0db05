//! What a connector and a source promise.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use parking_lot::Mutex;
use serde_json::Value as Json;
use weir_catalog::{ChangeKind, ObjectId, Store};
use weir_sql::statements::create_source::CreateSource;

use crate::clock::{Clock, Micros};
use crate::error::{Error, Result};
use crate::formats::{ColumnSpec, Reject};
use crate::spec::{Options, Spec};

/// A kind of system that can be connected to.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Options of the connection itself.
    fn spec(&self) -> &'static Spec;

    /// Options of a source on such a connection (`WITH (…)` of CREATE SOURCE).
    fn source_spec(&self) -> &'static Spec;

    /// Whether a source on it needs FORMAT (files, queues) or has typed rows of its own (databases).
    fn takes_format(&self) -> bool;

    /// Whether a connection reads what the server's own account may read: only roles that may read that can make one.
    fn reads_server_files(&self) -> bool {
        false
    }

    /// Opens a source. Must not fail because the system is down: dial at the first read.
    async fn open(&self, request: OpenRequest) -> Result<Arc<dyn Source>>;

    /// Tries the connection, one check after the other (address, log-in, rights); a failed check is a row, not an error.
    async fn validate(&self, connection: &Options) -> Vec<Check>;

    /// Relations of a remote schema, for IMPORT FOREIGN SCHEMA: name, columns, primary key, and the WITH text of a source on it.
    async fn list_schema(&self, connection: &Options, schema: &str) -> Result<Vec<RemoteRelation>>;
}

#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    pub check: String,
    pub ok: bool,
    pub detail: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RemoteRelation {
    pub name: String,
    pub columns: Vec<ColumnSpec>,
    pub primary_key: Vec<String>,
    /// Options for CREATE SOURCE .. WITH, as key and literal text.
    pub options: Vec<(String, String)>,
}

/// All that a connector may look at when it opens a source. Destructure it without `..`.
pub struct OpenRequest {
    pub source_id: ObjectId,
    /// `schema.name`, for messages.
    pub name: String,
    /// Of the connection, secrets revealed.
    pub connection: Options,
    /// Of the source, secrets revealed.
    pub options: Options,
    /// The statement: columns, FORMAT, INCREMENTAL BY, INCLUDE, rules.
    pub definition: CreateSource,
    /// Columns as they were stored last: those found when the definition declares none, and those that a new field became.
    pub found: Option<SchemaRef>,
    /// The file ledger and nothing else of it.
    pub store: Arc<dyn Store>,
    pub clock: Clock,
}

/// A position within a source: opaque JSON, ordered only by the source itself.
pub type Position = Json;

/// Rows after `from` (None = the very first) up to and including `to`.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    pub from: Option<Position>,
    pub to: Position,
}

/// How much one batch may hold; whichever comes first. A single file or page may exceed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimit {
    pub files: usize,
    pub bytes: u64,
}

/// A registered source, opened.
///
/// Delivery: `scan` of the same range gives the same rows, in the same order within a partition, however often it is called, or fails with
/// `DataException` when the source no longer has them. Reading never changes the source; only `release` may.
#[async_trait]
pub trait Source: Send + Sync {
    /// Columns as users see them: declared or found, then INCLUDE columns. Never the provenance columns.
    fn schema(&self) -> SchemaRef;

    /// Columns that a query can name and that `*` does not give. Every scan has them behind those of `schema()`.
    ///
    /// Where [`CHANGE_COLUMN`] is among them, a row of which it says `delete` is one that is gone.
    fn hidden(&self) -> SchemaRef {
        Arc::new(Schema::empty())
    }

    /// The end of the next batch after `from`; None when there is nothing new. Files within their settle time are not offered.
    async fn next(&self, from: Option<&Position>, limit: &BatchLimit) -> Result<Option<Position>>;

    /// How the rows of a range, or with None the system as it is now, differ from the columns. Asked before a run is frozen, so that every
    /// attempt at it reads the same columns; and when the source cannot be read, for the reason.
    async fn drift(&self, range: Option<&Range>) -> Result<Drift>;

    /// What a column would have to become to take values that it refused in these records; None when nothing would help.
    async fn suits(&self, column: &str, records: Vec<RawRecord>) -> Result<Option<Seen>>;

    /// The rows of a range (None = all there is now), as a table whose first columns are `schema()`; with `provenance`, then `_source` and
    /// `_source_position`.
    async fn scan(&self, range: Option<Range>, request: ScanRequest) -> Result<Arc<dyn TableProvider>>;

    /// Turns raw records of dead letters back into rows: a table like `scan`'s, without ranges. Records that still fail go to `rejects`.
    async fn decode_again(&self, records: Vec<RawRecord>, request: ScanRequest) -> Result<Arc<dyn TableProvider>>;

    /// The position up to which nothing came behind `from` that a run would have to read; None when there is no such stretch. A pipeline may be
    /// moved there without a run.
    async fn passes_over(&self, _from: &Position) -> Result<Option<Position>> {
        Ok(None)
    }

    /// Words about records that are there but that no range from this position on will ever have; None when every record will be read.
    async fn left_out(&self, from: &Position) -> Result<Option<String>>;

    /// Everything up to `to` is in the lake; the source may forget it.
    async fn release(&self, to: &Position) -> Result<()>;

    /// The position that a time or a value given by the user stands for (RESET OFFSETS .. TO, STARTING AT).
    async fn position_at(&self, point: &StartPoint) -> Result<Option<Position>>;

    /// Arrival time of the oldest record after `from`, for lag; None when caught up or unknown.
    async fn oldest_unread(&self, from: Option<&Position>) -> Result<Option<Micros>>;
}

/// Says what became of a row, among the hidden columns of a source whose rows change.
pub const CHANGE_COLUMN: &str = "_change_type";

/// How rows differ from the columns of their source.
#[derive(Debug, Clone, Default)]
pub struct Drift {
    /// The columns as the rows need them, as the catalog keeps them: with fields that became columns, and with wider types. None when they
    /// stay as they are.
    pub columns: Option<SchemaRef>,
    pub seen: Vec<Seen>,
    /// Why the source takes nothing of it (ON SCHEMA CHANGE FAIL, or rows that cannot be read at all).
    pub refused: Option<Error>,
}

/// A change of a source's columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub kind: ChangeKind,
    pub column: String,
    /// What it was, in words: a type, a name.
    pub before: Option<String>,
    pub after: String,
    /// The column as it would be, where its type or its NOT NULL change, or where it is new.
    pub field: Option<Field>,
    /// The file or table that shows it.
    pub seen_in: String,
    /// Whether the source's policy follows it by itself.
    pub is_followed: bool,
}

/// Where to begin reading.
#[derive(Debug, Clone, PartialEq)]
pub enum StartPoint {
    Earliest,
    Latest,
    /// A timestamp or cursor value as text.
    At(String),
}

/// One dead letter of stage `decode` on its way back.
#[derive(Debug, Clone, PartialEq)]
pub struct RawRecord {
    pub raw: Vec<u8>,
    pub source: String,
    pub position: i64,
}

/// How a scan is to behave.
#[derive(Clone, Default)]
pub struct ScanRequest {
    /// Append `_source` (Dictionary(Int32, Utf8)) and `_source_position` (Int64).
    pub provenance: bool,
    /// Where bad records go. None: an ad-hoc read leaves them out and counts them (the statement says so in a notice).
    pub rejects: Option<RejectSink>,
    /// Keep the source's order: one partition. Otherwise up to `partitions`, in any order.
    pub ordered: bool,
    pub partitions: usize,
}

/// A rejected record with the file or table it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceReject {
    pub source: String,
    pub reject: Reject,
}

/// Collects rejects beside the plan. Cheap to clone; the runner drains it as batches pass, so it stays small.
#[derive(Clone, Default)]
pub struct RejectSink {
    waiting: Arc<Mutex<Vec<SourceReject>>>,
    /// Records the source handed out, good and bad, for conservation.
    read: Arc<std::sync::atomic::AtomicI64>,
    /// Records of each file, by its source and its number in the ledger.
    files: Arc<Mutex<BTreeMap<FileKey, i64>>>,
}

/// A version of a file: its source, and its number in the ledger.
pub type FileKey = (ObjectId, i64);

impl RejectSink {
    pub fn push(&self, reject: SourceReject) {
        self.waiting.lock().push(reject);
    }

    /// What has come since the last call.
    pub fn drain(&self) -> Vec<SourceReject> {
        std::mem::take(&mut *self.waiting.lock())
    }

    /// Gives what has come since the last call to all of the others, whole to each, and forgets it: they have read the same records.
    pub fn pour(&self, into: &[RejectSink]) {
        let (waiting, files) = (self.drain(), std::mem::take(&mut *self.files.lock()));
        let read = self.read.swap(0, std::sync::atomic::Ordering::Relaxed);
        for sink in into {
            sink.read.fetch_add(read, std::sync::atomic::Ordering::Relaxed);
            let mut known = sink.files.lock();
            files.iter().for_each(|(file, records)| *known.entry(*file).or_insert(0) += records);
            drop(known);
            sink.waiting.lock().extend(waiting.iter().cloned());
        }
    }

    /// Every source counts each record here exactly once, as a row or as a reject, when it leaves the decoder.
    pub fn count_read(&self, records: usize) {
        let records = i64::try_from(records).unwrap_or(i64::MAX);
        self.read.fetch_add(records, std::sync::atomic::Ordering::Relaxed);
    }

    /// As `count_read`, of records of that file. Called with none for a file that is about to be read.
    pub fn count_file(&self, file: FileKey, records: usize) {
        *self.files.lock().entry(file).or_insert(0) += i64::try_from(records).unwrap_or(i64::MAX);
    }

    /// Records per file so far.
    pub fn files(&self) -> BTreeMap<FileKey, i64> {
        self.files.lock().clone()
    }

    pub fn read(&self) -> i64 {
        self.read.load(std::sync::atomic::Ordering::Relaxed)
    }
}
