//! Turns batches into durable Parquet files that one commit can take over.
//!
//! Several writers may feed one commit. A file belongs to nobody until it is committed: dropped before that, it is removed; left behind
//! by a crash, it is invisible to readers. Memory holds one row group per writer, whatever the size of the input.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema, SchemaRef};
use arrow::row::{OwnedRow, RowConverter, SortField};
use parking_lot::Mutex;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::failure::{blocking_failed, io_failed, parquet_failed};
use super::filters::filtered;
use super::log::AddFile;
use super::schema;
use super::stats;
use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::stores::{create_dir_durable, sync_dir, sync_file};

/// Column of change files that says what happened to the row.
pub(super) const CHANGE_TYPE: &str = "_change_type";

/// Folder of change files, given by the protocol.
pub(super) const CHANGE_FOLDER: &str = "_change_data";

/// Files of so many partitions are open at a time; the largest is closed to make room.
const OPEN_PARTITIONS: usize = 64;

/// How a writer cuts its input into files.
#[derive(Debug, Clone)]
pub struct WriterOptions {
    /// The columns to write when they are not the table's present ones: those of a `replace` with a new schema.
    pub schema: Option<SchemaRef>,
    pub target_file_bytes: usize,
    pub row_group_rows: usize,
    /// Encoded bytes that may wait in memory for their row group to end.
    pub row_group_bytes: usize,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self { schema: None, target_file_bytes: 128 << 20, row_group_rows: 1 << 18, row_group_bytes: 16 << 20 }
    }
}

/// How large files become in a table that is written to by key: every file in which a row changes is written again, so that a few changes
/// should meet a small share of the table, and a large table should not have too many files.
pub(super) fn keyed_file_bytes(table_bytes: u64) -> usize {
    usize::try_from(table_bytes / 64).unwrap_or(usize::MAX).clamp(8 << 20, WriterOptions::default().target_file_bytes)
}

/// What the files are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Data,
    Changes,
}

/// What a writer needs to know of its table.
#[derive(Clone)]
pub(super) struct Layout {
    pub root: PathBuf,
    pub schema: SchemaRef,
    pub partition_by: Vec<String>,
    /// Columns by whose values rows are looked up.
    pub key: Vec<String>,
    pub clock: Clock,
    pub in_flight: InFlight,
}

/// Files that are whole and durable but not yet part of the table; removed when dropped.
#[derive(Debug)]
pub struct Written {
    pub(super) schema: SchemaRef,
    pub(super) files: Vec<AddFile>,
    rows: i64,
    guard: Guard,
}

impl Written {
    pub fn rows(&self) -> i64 {
        self.rows
    }

    /// Lets a commit have the files: from here they stay, whatever happens. Whoever calls it has the turn.
    pub(super) fn hand_over(mut self) -> Vec<AddFile> {
        self.guard.release();
        self.files
    }

    /// Says whether the files outlive this value, where several hold it.
    pub(super) fn keep(&self, stays: bool) {
        self.guard.keep.store(stays, Ordering::Release);
    }
}

/// Files of a table that are being written or wait for their commit, so that nobody takes them for left over.
#[derive(Debug, Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashSet<PathBuf>>>);

impl InFlight {
    pub(super) fn holds(&self, path: &Path) -> bool {
        self.0.lock().contains(path)
    }
}

/// Removes its files when dropped.
#[derive(Debug)]
struct Guard {
    paths: Vec<PathBuf>,
    keep: AtomicBool,
    in_flight: InFlight,
}

impl Guard {
    fn new(in_flight: InFlight) -> Self {
        Self { paths: Vec::new(), keep: AtomicBool::new(false), in_flight }
    }

    fn enter(&mut self, path: PathBuf) {
        self.in_flight.0.lock().insert(path.clone());
        self.paths.push(path);
    }

    fn release(&mut self) {
        let mut in_flight = self.in_flight.0.lock();
        for path in self.paths.drain(..) {
            in_flight.remove(&path);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.keep.load(Ordering::Acquire) {
            for path in &self.paths {
                // A file that stays is an orphan, which no reader sees.
                drop(std::fs::remove_file(path));
            }
        }
        self.release();
    }
}

/// Writes rows of one table into files.
pub struct Writer {
    layout: Layout,
    options: WriterOptions,
    purpose: Purpose,
    /// Columns that a file holds: all but the partition columns.
    stored: SchemaRef,
    /// Turns partition values into comparable keys; none in a table without partitions.
    partitions: Option<RowConverter>,
    open: HashMap<Option<OwnedRow>, OpenFile>,
    sealing: Vec<JoinHandle<Result<AddFile>>>,
    folders: BTreeSet<PathBuf>,
    rows: i64,
    guard: Guard,
}

struct OpenFile {
    writer: ArrowWriter<File>,
    /// A second handle of the same file, to sync it after the writer closed.
    handle: File,
    name: String,
    partition: BTreeMap<String, Option<String>>,
    with_nan: HashSet<String>,
}

impl Writer {
    pub(super) fn new(layout: Layout, options: WriterOptions, purpose: Purpose) -> Result<Self> {
        let mut layout = layout;
        if let Some(schema) = &options.schema {
            layout.schema = schema.clone();
        }
        if purpose == Purpose::Changes {
            let mut fields = layout.schema.fields().to_vec();
            fields.push(Arc::new(Field::new(CHANGE_TYPE, DataType::Utf8, true)));
            layout.schema = Arc::new(Schema::new(fields));
        }
        let is_partition = |field: &Field| layout.partition_by.contains(field.name());
        let stored: Vec<_> = layout.schema.fields().iter().filter(|field| !is_partition(field)).cloned().collect();
        let sort = layout.schema.fields().iter().filter(|field| is_partition(field)).map(|field| SortField::new(field.data_type().clone()));
        let partitions = match layout.partition_by.is_empty() {
            true => None,
            false => Some(RowConverter::new(sort.collect()).map_err(|source| {
                Error::new(Code::NotSupported, "the table is partitioned by a column of a type that has no order").caused_by(source)
            })?),
        };
        Ok(Self {
            guard: Guard::new(layout.in_flight.clone()),
            layout,
            options,
            purpose,
            stored: Arc::new(Schema::new(stored)),
            partitions,
            open: HashMap::new(),
            sealing: Vec::new(),
            folders: BTreeSet::new(),
            rows: 0,
        })
    }

    /// Adds rows, columns matched by name; missing nullable columns become NULL.
    ///
    /// # Errors
    /// `UndefinedColumn`, `WrongType` or `NotNullViolated` when the rows do not fit the table; `Io` or `DiskFull` when they cannot be kept.
    #[expect(clippy::unused_async, reason = "stores that are not local write over the network here")]
    pub async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.push(&batch)
    }

    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = schema::conform(batch, &self.layout.schema)?;
        self.rows += i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
        if self.partitions.is_none() {
            return self.put(None, BTreeMap::new(), &batch);
        }
        for (key, values, rows) in self.split(&batch)? {
            self.put(Some(key), values, &rows)?;
        }
        Ok(())
    }

    /// The rows of each partition, with the partition's values as the log writes them.
    #[expect(clippy::type_complexity, reason = "read by one caller, three lines above")]
    fn split(&self, batch: &RecordBatch) -> Result<Vec<(OwnedRow, BTreeMap<String, Option<String>>, RecordBatch)>> {
        let Some(converter) = &self.partitions else { return Ok(Vec::new()) };
        let fields = self.layout.schema.fields().iter().filter(|field| self.layout.partition_by.contains(field.name()));
        let mut columns = Vec::new();
        let mut texts = Vec::new();
        for field in fields {
            let column = batch.column_by_name(field.name()).ok_or_else(|| Error::internal("a partition column is missing"))?;
            let column = schema::cast(column, field.data_type(), field.name())?;
            let text = schema::cast(&column, &DataType::Utf8, field.name())?;
            texts.push((
                field.name().clone(),
                text.as_string_opt::<i32>().cloned().unwrap_or_else(|| StringArray::new_null(batch.num_rows())),
            ));
            columns.push(column);
        }
        let rows = converter
            .convert_columns(&columns)
            .map_err(|source| Error::internal("partition values cannot be compared").caused_by(source))?;
        let mut groups: HashMap<OwnedRow, Vec<u32>> = HashMap::new();
        for (index, row) in (0_u32..).zip(rows.iter()) {
            groups.entry(row.owned()).or_default().push(index);
        }
        let mut parts = Vec::with_capacity(groups.len());
        for (key, indices) in groups {
            let first = indices.first().and_then(|index| usize::try_from(*index).ok()).unwrap_or(0);
            let values = texts
                .iter()
                .map(|(name, text)| {
                    // The protocol has no empty text as a partition value: it means NULL.
                    let value = text.is_valid(first).then(|| text.value(first).to_owned()).filter(|value| !value.is_empty());
                    (name.clone(), value)
                })
                .collect();
            let part = take_record_batch(batch, &UInt32Array::from(indices))
                .map_err(|source| Error::internal("rows cannot be split").caused_by(source))?;
            parts.push((key, values, part));
        }
        Ok(parts)
    }

    fn put(&mut self, key: Option<OwnedRow>, partition: BTreeMap<String, Option<String>>, batch: &RecordBatch) -> Result<()> {
        let names = self.stored.fields().iter().map(|field| batch.schema_ref().index_of(field.name()));
        let indices = names.collect::<Result<Vec<_>, _>>().map_err(|source| Error::internal("a column is missing").caused_by(source))?;
        let batch = batch.project(&indices).map_err(|source| Error::internal("columns cannot be picked").caused_by(source))?;
        if !self.open.contains_key(&key) {
            self.make_room();
            let file = self.create(partition)?;
            self.open.insert(key.clone(), file);
        }
        let Some(file) = self.open.get_mut(&key) else { return Err(Error::internal("an open file is missing")) };
        room().map_err(|source| io_failed("a data file cannot be written", source))?;
        file.watch_nan(&batch);
        file.writer.write(&batch).map_err(parquet_failed)?;
        if file.writer.in_progress_size() >= self.options.row_group_bytes {
            file.writer.flush().map_err(parquet_failed)?;
        }
        let size = file.writer.bytes_written() + file.writer.in_progress_size();
        if size >= self.options.target_file_bytes {
            self.seal(&key);
        } else {
            self.ease()?;
        }
        Ok(())
    }

    /// Keeps what all open partitions hold in memory under the limit of one row group.
    fn ease(&mut self) -> Result<()> {
        if self.open.len() < 2
            || self.open.values().map(|file| file.writer.in_progress_size()).sum::<usize>() < self.options.row_group_bytes
        {
            return Ok(());
        }
        match self.open.values_mut().max_by_key(|file| file.writer.in_progress_size()) {
            Some(largest) => largest.writer.flush().map_err(parquet_failed),
            None => Ok(()),
        }
    }

    fn make_room(&mut self) {
        if self.open.len() >= OPEN_PARTITIONS {
            let largest = self.open.iter().max_by_key(|(_, file)| file.writer.bytes_written() + file.writer.in_progress_size());
            if let Some(key) = largest.map(|(key, _)| key.clone()) {
                self.seal(&key);
            }
        }
    }

    fn create(&mut self, partition: BTreeMap<String, Option<String>>) -> Result<OpenFile> {
        let mut name = match self.purpose {
            Purpose::Data => String::new(),
            Purpose::Changes => format!("{CHANGE_FOLDER}/"),
        };
        for (column, value) in &partition {
            name.push_str(&format!("{}={}/", plain(column), plain(value.as_deref().unwrap_or("__HIVE_DEFAULT_PARTITION__"))));
        }
        let folder = self.layout.root.join(&name);
        if self.folders.insert(folder.clone()) {
            create_dir_durable(&folder).map_err(|source| io_failed("a folder of the table cannot be created", source))?;
        }
        let prefix = if self.purpose == Purpose::Data { "part" } else { "cdc" };
        name.push_str(&format!("{prefix}-{}.snappy.parquet", Uuid::now_v7()));
        let path = self.layout.root.join(&name);
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| io_failed("a data file cannot be created", source))?;
        self.guard.enter(path);
        let handle = file.try_clone().map_err(|source| io_failed("a data file cannot be opened twice", source))?;
        // The embedded Arrow schema is left out: the table's schema is the log's business, and its column types are all Parquet's own.
        let options = ArrowWriterOptions::new().with_properties(self.properties()).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(file, self.stored.clone(), options).map_err(parquet_failed)?;
        Ok(OpenFile { writer, handle, name, partition, with_nan: HashSet::new() })
    }

    /// Ends a file: its last row group is encoded and it is synced, beside the caller.
    fn seal(&mut self, key: &Option<OwnedRow>) {
        if let Some(file) = self.open.remove(key) {
            let stored = self.stored.clone();
            let at = self.layout.clock.now().div_euclid(1000);
            self.sealing.push(tokio::task::spawn_blocking(move || file.close(&stored, at)));
        }
    }

    /// Ends all files. On return they are durable, and so are their names.
    pub async fn finish(mut self) -> Result<Written> {
        let keys: Vec<_> = self.open.keys().cloned().collect();
        for key in keys {
            self.seal(&key);
        }
        let mut files = Vec::with_capacity(self.sealing.len());
        for task in std::mem::take(&mut self.sealing) {
            files.push(task.await.map_err(blocking_failed)??);
        }
        let folders = std::mem::take(&mut self.folders);
        if !files.is_empty() {
            tokio::task::spawn_blocking(move || folders.iter().try_for_each(|folder| sync_dir(folder)))
                .await
                .map_err(blocking_failed)?
                .map_err(|source| io_failed("a folder of the table cannot be synced", source))?;
        }
        Ok(Written { schema: self.layout.schema, files, rows: self.rows, guard: self.guard })
    }
}

impl OpenFile {
    /// Remembers float columns with NaN: a file's bounds ignore NaN, so they would let readers skip rows that match.
    fn watch_nan(&mut self, batch: &RecordBatch) {
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let has_nan = match field.data_type() {
                DataType::Float32 => column.as_primitive::<Float32Type>().values().iter().any(|value| value.is_nan()),
                DataType::Float64 => column.as_primitive::<Float64Type>().values().iter().any(|value| value.is_nan()),
                _ => false,
            };
            if has_nan && !self.with_nan.contains(field.name()) {
                self.with_nan.insert(field.name().clone());
            }
        }
    }

    fn close(self, stored: &SchemaRef, at_ms: i64) -> Result<AddFile> {
        let Self { writer, handle, name, partition, with_nan } = self;
        let metadata = writer.close().map_err(parquet_failed)?;
        sync_file(&handle, Path::new(&name)).map_err(|source| io_failed("a data file cannot be synced", source))?;
        let size = handle.metadata().map_err(|source| io_failed("a data file cannot be measured", source))?.len();
        Ok(AddFile {
            path: name,
            partition_values: partition,
            size: i64::try_from(size).unwrap_or(i64::MAX),
            modification_time: at_ms,
            data_change: true,
            stats: Some(stats::of_file(&metadata, stored, &with_nan)),
        })
    }
}

/// Where a test fills the disk.
fn room() -> std::io::Result<()> {
    fail::fail_point!("data.write", |_| Err(std::io::ErrorKind::StorageFull.into()));
    Ok(())
}

impl Writer {
    fn properties(&self) -> WriterProperties {
        let properties = properties(&self.stored, &self.options);
        match self.purpose {
            Purpose::Data => filtered(properties, &self.stored, &self.layout.key).build(),
            // Changes are read from one end to the other.
            Purpose::Changes => properties.build(),
        }
    }
}

/// Dictionaries pay for text; for numbers their hashing costs more than the bytes it saves. Whole numbers, and what Parquet stores as such, are
/// written as packed differences: keys, times and positions shrink to a fraction, so that there is less to compress.
fn properties(stored: &SchemaRef, options: &WriterOptions) -> WriterPropertiesBuilder {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(options.row_group_rows))
        .set_dictionary_enabled(true)
        .set_created_by(concat!("weir ", env!("CARGO_PKG_VERSION")).to_owned());
    for field in stored.fields().iter().filter(|field| field.data_type().is_numeric() || field.data_type().is_temporal()) {
        let column = ColumnPath::new(vec![field.name().clone()]);
        if is_whole_number(field.data_type()) {
            properties = properties.set_column_encoding(column.clone(), Encoding::DELTA_BINARY_PACKED);
        }
        properties = properties.set_column_dictionary_enabled(column, false);
    }
    properties
}

/// Whether Parquet stores the type as INT32 or INT64.
fn is_whole_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal128(precision, _) => *precision <= 18,
        _ => data_type.is_integer() || data_type.is_temporal(),
    }
}

/// A folder name needs no meaning, so only characters that survive every encoding are kept.
fn plain(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' }).collect()
}

/// The rows with the change that they stand for.
pub(super) fn as_changes(batch: &RecordBatch, change: &str) -> Result<RecordBatch> {
    let mut fields = batch.schema_ref().fields().to_vec();
    fields.push(Arc::new(Field::new(CHANGE_TYPE, DataType::Utf8, true)));
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(change, batch.num_rows()))));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|source| Error::internal("changes cannot be put together").caused_by(source))
}
