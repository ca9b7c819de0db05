//! The data files of a version: what the log says of them, and their rows in order.
//!
//! Keyed writes and rewrites read files themselves, because they need to know where in a file a row stands.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{Field, Schema, SchemaRef};
use deltalake::kernel::{Add, EagerSnapshot, LogicalFileView};
use futures::TryStreamExt;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::RowGroupMetaData;
use serde_json::Value;

use super::failure::{delta_failed, io_failed, parquet_failed};
use super::log::{Action, AddFile};
use super::schema;
use super::stats;
use super::table::Table;
use crate::clock::Micros;
use crate::error::{Code, Error, Result};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 16 * 1024;

/// A Parquet file of a table, and the values of the columns that it leaves out.
#[derive(Debug, Clone)]
pub(super) struct DataFile {
    pub path: PathBuf,
    pub partition: BTreeMap<String, Option<String>>,
}

/// A file that belongs to a version.
#[derive(Clone)]
pub(super) struct LiveFile {
    pub data: DataFile,
    pub stats: Option<FileStats>,
    /// Its path as the log has it, decoded.
    pub name: String,
    view: LogicalFileView,
}

/// What the log says about a file's rows.
#[derive(Debug, Clone)]
pub(super) struct FileStats(Value);

impl FileStats {
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    #[cfg(test)]
    pub(super) fn of(json: Value) -> Self {
        Self(json)
    }

    pub(super) fn rows(&self) -> Option<i64> {
        self.0.get("numRecords").and_then(Value::as_i64)
    }

    /// How many rows have no value in a column of the first level.
    pub(super) fn nulls(&self, column: &str) -> Option<i64> {
        self.0.get("nullCount")?.get(column)?.as_i64()
    }

    /// Bounds of a column of the first level, as text; text bounds may be cut but still enclose.
    pub(super) fn bounds(&self, column: &str) -> Option<(String, String)> {
        let end = |name: &str| match self.0.get(name)?.get(column)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        Some((end("minValues")?, end("maxValues")?))
    }
}

impl LiveFile {
    /// The action that takes the file out of the table.
    pub(super) fn remove(&self, at: Micros) -> Result<Action> {
        self.taken_out(at, true)
    }

    /// The same where its rows are in other files of the same commit.
    pub(super) fn move_away(&self, at: Micros) -> Result<Action> {
        self.taken_out(at, false)
    }

    fn taken_out(&self, at: Micros, is_change: bool) -> Result<Action> {
        let mut remove = self.view.remove_action(is_change);
        remove.deletion_timestamp = Some(at.div_euclid(1000));
        raw(&remove).map(Action::Remove)
    }

    /// The action that takes the file out of the table because others hold its rows.
    pub(super) fn leave(&self, at: Micros) -> Result<Action> {
        let mut remove = self.view.remove_action(false);
        remove.deletion_timestamp = Some(at.div_euclid(1000));
        raw(&remove).map(Action::Remove)
    }

    pub(super) fn size(&self) -> i64 {
        self.view.size()
    }

    /// The action that brings the file back.
    pub(super) fn add(&self) -> Result<Action> {
        let add = Add {
            path: self.name.clone(),
            partition_values: self.view.partition_values_map(),
            size: self.view.size(),
            modification_time: self.view.modification_time(),
            data_change: true,
            stats: self.view.stats(),
            ..Add::default()
        };
        raw(&add).map(Action::AddRaw)
    }

    /// How many rows the file has, from its footer when the log does not say.
    pub(super) fn rows(&self) -> Result<i64> {
        match self.stats.as_ref().and_then(FileStats::rows) {
            Some(rows) => Ok(rows),
            None => {
                let file = File::open(&self.data.path).map_err(|source| io_failed("a data file cannot be opened", source))?;
                let footer = ParquetRecordBatchReaderBuilder::try_new(file).map_err(parquet_failed)?;
                Ok(footer.metadata().file_metadata().num_rows())
            }
        }
    }
}

fn raw(action: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(action).map_err(|source| Error::internal("an action cannot be encoded").caused_by(source))
}

impl Table {
    /// The files of a snapshot.
    ///
    /// # Errors
    /// `NotSupported` when rows are marked as deleted beside the files, or files lie outside the table.
    pub(super) async fn live_files(&self, snapshot: &EagerSnapshot) -> Result<Vec<LiveFile>> {
        let views: Vec<LogicalFileView> = snapshot.file_views(&self.log, None).try_collect().await.map_err(delta_failed)?;
        views.into_iter().map(|view| self.live_file(view)).collect()
    }

    fn live_file(&self, view: LogicalFileView) -> Result<LiveFile> {
        let name = view.path().into_owned();
        if view.deletion_vector_descriptor().is_some() || name.contains("://") || name.starts_with('/') {
            let message =
                format!("table \"{}\" cannot be changed because it uses deletion vectors or files of another table", self.location);
            return Err(Error::new(Code::NotSupported, message));
        }
        let data = DataFile { path: self.root.join(&name), partition: view.partition_values_map().into_iter().collect() };
        let stats = view.stats().and_then(|text| FileStats::parse(&text));
        Ok(LiveFile { data, stats, name, view })
    }

    /// A file that was just written, to read it back.
    pub(super) fn own_file(&self, file: &AddFile) -> DataFile {
        DataFile { path: self.root.join(&file.path), partition: file.partition_values.clone() }
    }
}

impl DataFile {
    /// All rows in the order of the file, with exactly these columns; those that the file does not know are NULL.
    pub(super) fn read(&self, columns: &SchemaRef) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        let opened = self.open()?;
        opened.rows(opened.builder()?, columns)
    }

    pub(super) fn open(&self) -> Result<Opened> {
        let file = File::open(&self.path).map_err(|source| io_failed("a data file cannot be opened", source))?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let footer = ArrowReaderMetadata::load(&file, options).map_err(parquet_failed)?;
        Ok(Opened { file, footer, partition: self.partition.clone() })
    }
}

/// A data file whose footer was read.
pub(super) struct Opened {
    file: File,
    footer: ArrowReaderMetadata,
    partition: BTreeMap<String, Option<String>>,
}

impl Opened {
    pub(super) fn groups(&self) -> &[RowGroupMetaData] {
        self.footer.metadata().row_groups()
    }

    /// The rows of one row group, as `DataFile::read` has them.
    pub(super) fn read_group(&self, group: usize, columns: &SchemaRef) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        self.rows(self.builder()?.with_row_groups(vec![group]), columns)
    }

    /// The place of a column of the first level among the file's, if it is there in just this type.
    pub(super) fn leaf(&self, field: &Field) -> Option<usize> {
        let known = self.footer.schema().field_with_name(field.name()).ok()?;
        let mut leaves = self.footer.parquet_schema().columns().iter();
        let at = leaves.position(|leaf| matches!(leaf.path().parts(), [name] if name == field.name()));
        at.filter(|_| known.data_type() == field.data_type())
    }

    /// The filter of a column's values in a row group.
    pub(super) fn filter(&self, group: usize, leaf: usize) -> Result<Option<Sbbf>> {
        self.builder()?.get_row_group_column_bloom_filter(group, leaf).map_err(parquet_failed)
    }

    /// What a row group's own statistics say of these columns of the first level.
    pub(super) fn stats(&self, group: usize, columns: &SchemaRef) -> Option<FileStats> {
        let group = self.groups().get(group)?;
        FileStats::parse(&stats::of_group(self.footer.parquet_schema(), group, columns))
    }

    fn builder(&self) -> Result<ParquetRecordBatchReaderBuilder<File>> {
        let file = self.file.try_clone().map_err(|source| io_failed("a data file cannot be opened twice", source))?;
        Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.footer.clone()))
    }

    fn rows(
        &self,
        builder: ParquetRecordBatchReaderBuilder<File>,
        columns: &SchemaRef,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        let stored = builder.schema().clone();
        let roots =
            stored.fields().iter().enumerate().filter(|(_, field)| columns.field_with_name(field.name()).is_ok()).map(|(root, _)| root);
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots.collect::<Vec<_>>());
        let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(parquet_failed)?;
        let (partition, columns) = (self.partition.clone(), columns.clone());
        Ok(reader.map(move |batch| {
            let batch = batch.map_err(|source| Error::new(Code::DataException, "a data file cannot be read").caused_by(source))?;
            complete(&batch, &partition, &columns)
        }))
    }
}

/// Adds the partition's values and brings all columns to the table's types.
fn complete(batch: &RecordBatch, partition: &BTreeMap<String, Option<String>>, columns: &SchemaRef) -> Result<RecordBatch> {
    let mut fields: Vec<_> = batch.schema_ref().fields().to_vec();
    let mut arrays = batch.columns().to_vec();
    for (name, value) in partition {
        if let Ok(field) = columns.field_with_name(name) {
            let text: ArrayRef = Arc::new(StringArray::from_iter(std::iter::repeat_n(value.as_deref(), batch.num_rows())));
            let array = schema::cast(&text, field.data_type(), name)?;
            fields.push(Arc::new(Field::new(name, field.data_type().clone(), true)));
            arrays.push(array);
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let whole = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|source| Error::internal("a file's columns cannot be put together").caused_by(source))?;
    schema::exact(&whole, columns)
}
