//! The format `parquet` as the sources see it.
//!
//! Positions are row numbers from 1. A rejected row's raw form is the row as JSON, and a dead letter is read back from it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, BooleanArray, Int64Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::json::LineDelimitedWriter;
use arrow::record_batch::{RecordBatch, RecordBatchReader};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};

use super::convert::{Converted, convert, inferred};
use crate::error::{Code, Error, Result};
use crate::formats::column::{Column, Failure, Patterns, batch, projected, refused};
use crate::formats::contract::{Block, BlockContent, ColumnSpec, Decoded, Decoder, Depth, Format, Input, Reject, Survey, missing};
use crate::formats::json::{Record, rows as json_rows};
use crate::spec::{Options, Spec};

/// Rows decoded at a time, so that a large row group does not have to fit in memory.
const SLICE_ROWS: usize = 65_536;

const SPEC: Spec = Spec { name: "parquet", summary: "Typed columns; a source's columns are found by name.", options: &[] };

pub(in crate::formats) struct Parquet;

impl Format for Parquet {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn open(&self, _options: &Options) -> Result<Arc<dyn Decoder>> {
        Ok(Arc::new(ParquetDecoder))
    }
}

struct ParquetDecoder;

fn damaged(what: &str, detail: String) -> Error {
    Error::new(Code::DataException, what).detail(detail)
}

/// Runs the reader, which has been seen to panic on files made to break it.
fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(damaged("the file is not sound Parquet", "the reader gave up on it".to_owned())))
}

fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file =
        File::open(path).map_err(|error| Error::new(Code::Io, "the file cannot be opened").detail(error.to_string()).caused_by(error))?;
    guarded(|| ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged("the file is not sound Parquet", error.to_string())))
}

fn place(input: Input) -> Result<PathBuf> {
    match input {
        Input::File(path) => Ok(path),
        Input::Stream(_) => {
            Err(damaged("Parquet cannot be read from a stream", "Files are compressed inside; set compression = 'none'.".to_owned()))
        }
    }
}

/// Index of each column's field in the file.
fn sources(columns: &[ColumnSpec], file: &Schema) -> Vec<Option<usize>> {
    let (mut exact, mut folded) = (HashMap::new(), HashMap::new());
    for (index, field) in file.fields().iter().enumerate() {
        exact.entry(field.name().as_str()).or_insert(index);
        folded.entry(field.name().to_lowercase()).or_insert(index);
    }
    let find = |column: &ColumnSpec| {
        let found = column.field_names().find_map(|name| exact.get(name).or_else(|| folded.get(&name.to_lowercase())));
        found.copied().filter(|_| !column.rescues)
    };
    columns.iter().map(find).collect()
}

/// Fields that no column takes.
fn unknown<'a>(sources: &[Option<usize>], file: &'a Schema) -> Vec<(usize, &'a Field)> {
    let taken: HashSet<usize> = sources.iter().flatten().copied().collect();
    file.fields().iter().enumerate().filter(|(index, _)| !taken.contains(index)).map(|(index, field)| (index, field.as_ref())).collect()
}

/// Rows of a row group; `wanted` are indices of top-level fields, None for all.
fn read(path: &Path, group: usize, first_row: usize, rows: usize, wanted: Option<&[usize]>) -> Result<RecordBatch> {
    guarded(|| {
        let builder = open(path)?;
        let mask = match wanted {
            None => ProjectionMask::all(),
            Some(wanted) => ProjectionMask::roots(builder.parquet_schema(), wanted.iter().copied()),
        };
        let selection = RowSelection::from(vec![RowSelector::skip(first_row), RowSelector::select(rows)]);
        let unreadable = |error: String| damaged("a row group cannot be read", error);
        let reader = builder.with_row_groups(vec![group]).with_projection(mask).with_row_selection(selection).with_batch_size(rows.max(1));
        let reader = reader.build().map_err(|error| unreadable(error.to_string()))?;
        let schema = RecordBatchReader::schema(&reader);
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| unreadable(error.to_string()))?;
        let batch = concat_batches(&schema, &batches).map_err(|error| unreadable(error.to_string()))?;
        if batch.num_rows() == rows {
            Ok(batch)
        } else {
            Err(unreadable(format!("{rows} rows are promised, {} are there", batch.num_rows())))
        }
    })
}

/// Each row as JSON, without its line end.
fn as_json(batch: &RecordBatch) -> Vec<Vec<u8>> {
    let one = |row: usize| {
        let mut text = Vec::new();
        let mut writer = LineDelimitedWriter::new(&mut text);
        // What JSON cannot say is left out of the raw form; the dead letter still has its place and reason.
        let written = writer.write(&batch.slice(row, 1)).and_then(|()| writer.finish());
        drop(writer);
        if written.is_err() { b"{}".to_vec() } else { text.trim_ascii_end().to_vec() }
    };
    (0..batch.num_rows()).map(one).collect()
}

struct Slice {
    path: PathBuf,
    group: usize,
    first_row: usize,
    rows: usize,
    position: i64,
}

impl Slice {
    fn decode(&self, columns: &[ColumnSpec], projection: Option<&[usize]>, want_raw: bool) -> Result<Decoded> {
        let file_schema = open(&self.path)?.schema().clone();
        let sources = sources(columns, &file_schema);
        let unknown = unknown(&sources, &file_schema);
        let is_wanted = |index: usize| projection.is_none_or(|wanted| wanted.contains(&index));
        let mut wanted: Vec<usize> = sources.iter().flatten().copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let read_batch = read(&self.path, self.group, self.first_row, self.rows, Some(&wanted))?;
        let mut failures: BTreeMap<usize, Failure> = BTreeMap::new();
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
        for (index, (spec, source)) in columns.iter().zip(&sources).enumerate() {
            if spec.rescues && is_wanted(index) && !unknown.is_empty() {
                arrays.push(self.rest(spec, &unknown)?);
                continue;
            }
            let array = source.and_then(|source| wanted.binary_search(&source).ok()).map(|index| read_batch.column(index));
            let Converted { array, failed } = guarded(|| convert(spec, array, self.rows))?;
            for (row, failure) in failed {
                failures.entry(row).or_insert(failure);
            }
            arrays.push(array);
        }
        let taken = match projection {
            None => arrays,
            Some(wanted) => wanted.iter().filter_map(|index| arrays.get(*index).cloned()).collect(),
        };
        let good = (!failures.is_empty()).then(|| (0..self.rows).map(|row| Some(!failures.contains_key(&row))).collect::<BooleanArray>());
        let batch = batch(&projected(columns, projection), taken, good.as_ref(), self.rows)?;
        let position = |row: usize| self.position + i64::try_from(row).unwrap_or(0);
        let kept = || (0..self.rows).filter(|row| !failures.contains_key(row));
        let (mut raw, mut rejects) = (None, Vec::new());
        if want_raw || !failures.is_empty() {
            let whole = as_json(&read(&self.path, self.group, self.first_row, self.rows, None)?);
            let text = |row: usize| whole.get(row).cloned().unwrap_or_default();
            raw = want_raw.then(|| BinaryArray::from_iter_values(kept().map(text)));
            rejects = failures
                .iter()
                .map(|(row, f)| Reject { rule: f.rule.clone(), error: f.error.clone(), raw: text(*row), position: position(*row) })
                .collect();
        }
        let unknown_fields = unknown.iter().map(|(_, field)| field.name().clone()).collect();
        Ok(Decoded { batch, positions: kept().map(position).collect::<Int64Array>(), raw, rejects, unknown_fields })
    }

    /// What the fields without a column hold, for the column that rescues them.
    fn rest(&self, spec: &ColumnSpec, unknown: &[(usize, &Field)]) -> Result<ArrayRef> {
        let wanted: Vec<usize> = unknown.iter().map(|(index, _)| *index).collect();
        let rows = as_json(&read(&self.path, self.group, self.first_row, self.rows, Some(&wanted))?);
        let patterns = Patterns::default();
        let mut column = Column::new(spec, &patterns, self.rows)?;
        for row in rows {
            match std::str::from_utf8(&row) {
                Ok(json) if json != "{}" => column.json(json),
                _ => column.no_value(),
            }
        }
        Ok(column.finish())
    }
}

/// Rows of a group that cannot be read are one reject: which of them are good is not known.
fn lost(slice: &Slice, error: &Error) -> Reject {
    let detail = error.detail_text().unwrap_or_default();
    let error =
        format!("rows {} to {} cannot be read: {detail}", slice.position, slice.position + i64::try_from(slice.rows).unwrap_or(0) - 1);
    Reject { rule: "record".to_owned(), error, raw: Vec::new(), position: slice.position }
}

impl Decoder for ParquetDecoder {
    fn infer(&self, input: Input, _max_bytes: usize) -> Result<SchemaRef> {
        let builder = open(&place(input)?)?;
        let fields: Vec<Field> = builder.schema().fields().iter().map(|field| inferred(field)).collect();
        Ok(Arc::new(Schema::new(fields)))
    }

    fn survey(&self, input: Input, columns: &[ColumnSpec], _depth: Depth) -> Result<Survey> {
        let builder = open(&place(input)?)?;
        let sources = sources(columns, builder.schema());
        let new = unknown(&sources, builder.schema()).into_iter().map(|(_, field)| inferred(field)).collect();
        Ok(Survey { new, missing: missing(columns, &sources), is_strict: true })
    }

    fn blocks(&self, input: Input, columns: &[ColumnSpec], _target_bytes: usize) -> Result<Box<dyn Iterator<Item = Result<Block>> + Send>> {
        let path = place(input)?;
        let builder = open(&path)?;
        if !columns.is_empty() && sources(columns, builder.schema()).iter().all(Option::is_none) {
            return Err(Error::new(Code::DataException, "the file has none of the declared columns"));
        }
        let (mut blocks, mut position) = (Vec::new(), 1);
        for (index, group) in builder.metadata().row_groups().iter().enumerate() {
            let count = usize::try_from(group.num_rows())
                .map_err(|_| damaged("the file is not sound Parquet", "a negative row count".to_owned()))?;
            for first_row in (0..count).step_by(SLICE_ROWS) {
                let rows = SLICE_ROWS.min(count - first_row);
                blocks.push(Block {
                    first_position: position,
                    layout: None,
                    content: BlockContent::RowGroup { file: path.clone(), index, first_row, rows },
                });
                position += i64::try_from(rows).unwrap_or(0);
            }
        }
        Ok(Box::new(blocks.into_iter().map(Ok)))
    }

    fn decode(&self, block: Block, columns: &[ColumnSpec], projection: Option<&[usize]>, want_raw: bool) -> Result<Decoded> {
        let Block { first_position, layout: _, content } = block;
        match content {
            BlockContent::RowGroup { file, index, first_row, rows } => {
                let slice = Slice { path: file, group: index, first_row, rows, position: first_position };
                match slice.decode(columns, projection, want_raw) {
                    Err(error) if error.code() == Code::DataException => refused(lost(&slice, &error), columns, projection, want_raw),
                    outcome => outcome,
                }
            }
            BlockContent::Refused(reject) => refused(reject, columns, projection, want_raw),
            BlockContent::Bytes(bytes) => {
                let path = |column: &ColumnSpec| (!column.rescues).then(|| format!("$['{}']", column.field_name()));
                let named: Vec<ColumnSpec> = columns.iter().map(|column| ColumnSpec { path: path(column), ..column.clone() }).collect();
                let record = Record { raw: &bytes, position: first_position };
                json_rows(std::iter::once(record), &named, projection, want_raw, &Patterns::default())
            }
            BlockContent::Records { .. } => Err(Error::internal("parquet was given a block of another format")),
        }
    }
}
