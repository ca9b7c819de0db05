//! Dead letters on their way back: the JSON objects of `row`, perhaps repaired by hand, to rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, Int64Array, ListArray, NullBufferBuilder, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use serde_json::Value as Json;

use super::exec::assembly;
use super::table::schema_of;
use crate::error::{Error, Result};
use crate::formats::{ColumnSpec, Logical, OnError, Reject, type_name};
use crate::sources::contract::{RawRecord, ScanRequest, SourceReject};

/// Records and what they are to become.
pub(super) struct Again {
    pub(super) columns: Vec<ColumnSpec>,
    pub(super) records: Vec<RawRecord>,
    pub(super) request: ScanRequest,
}

/// A value as text that Arrow's casts read.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Null,
    Text(String),
    List(Vec<Option<String>>),
}

struct Failure {
    rule: String,
    error: String,
}

impl Again {
    pub(super) fn table(self) -> Result<Arc<dyn TableProvider>> {
        let mut cells: Vec<Vec<Cell>> = vec![Vec::new(); self.columns.len()];
        let mut kept: Vec<&RawRecord> = Vec::new();
        for record in &self.records {
            match self.row(record) {
                Ok(row) => {
                    for (column, cell) in cells.iter_mut().zip(row) {
                        column.push(cell);
                    }
                    kept.push(record);
                }
                Err(Failure { rule, error }) => self.refuse(record, rule, error),
            }
        }
        if let Some(sink) = &self.request.rejects {
            sink.count_read(self.records.len());
        }
        let mut arrays = Vec::with_capacity(cells.len() + 2);
        for (spec, cells) in self.columns.iter().zip(&cells) {
            arrays.push(array(cells, &spec.data_type).map_err(assembly)?);
        }
        if self.request.provenance {
            arrays.push(sources(&kept)?);
            arrays.push(Arc::new(Int64Array::from_iter_values(kept.iter().map(|record| record.position))));
        }
        let schema = schema_of(self.columns.iter(), self.request.provenance);
        let options = RecordBatchOptions::new().with_row_count(Some(kept.len()));
        let batch = RecordBatch::try_new_with_options(schema.clone(), arrays, &options).map_err(assembly)?;
        let table = MemTable::try_new(schema, vec![vec![batch]]);
        Ok(Arc::new(table.map_err(|error| Error::internal("repaired rows do not make a table").caused_by(error))?))
    }

    fn refuse(&self, record: &RawRecord, rule: String, error: String) {
        if let Some(sink) = &self.request.rejects {
            let reject = Reject { rule, error, raw: record.raw.clone(), position: record.position };
            sink.push(SourceReject { source: record.source.clone(), reject });
        }
    }

    fn row(&self, record: &RawRecord) -> Result<Vec<Cell>, Failure> {
        let object = match serde_json::from_slice(&record.raw) {
            Ok(Json::Object(object)) => object,
            _ => return Err(Failure { rule: "record".to_owned(), error: "the record is not a JSON object".to_owned() }),
        };
        self.columns.iter().map(|spec| checked(spec, object.get(&spec.name).unwrap_or(&Json::Null))).collect()
    }
}

/// The value of a column, if it is one.
fn checked(spec: &ColumnSpec, value: &Json) -> Result<Cell, Failure> {
    let not_null = || Failure { rule: format!("not_null:{}", spec.name), error: format!("column \"{}\" is null", spec.name) };
    let cell = cell(spec, value);
    let converted = match &cell {
        Some(Cell::Null) => return if spec.not_null { Err(not_null()) } else { Ok(Cell::Null) },
        Some(cell) => array(std::slice::from_ref(cell), &spec.data_type).is_ok_and(|array| array.is_valid(0)),
        None => false,
    };
    match cell {
        Some(cell) if converted => Ok(cell),
        _ if spec.on_error == OnError::Null && !spec.not_null => Ok(Cell::Null),
        _ => {
            let shown: String = value.to_string().chars().take(80).collect();
            let kind = type_name(&spec.data_type, spec.logical);
            Err(Failure { rule: format!("type:{}", spec.name), error: format!("invalid value for type {kind}: {shown}") })
        }
    }
}

/// None for a value that no text of the column's type stands for.
fn cell(spec: &ColumnSpec, value: &Json) -> Option<Cell> {
    match (value, &spec.data_type) {
        (Json::Null, _) => Some(Cell::Null),
        (Json::Array(items), DataType::List(_)) => {
            let texts = items.iter().map(|item| if item.is_null() { Some(None) } else { text(item).map(Some) });
            texts.collect::<Option<Vec<_>>>().map(Cell::List)
        }
        (_, DataType::List(_)) => None,
        (_, DataType::Utf8) if spec.logical == Logical::Jsonb => match value {
            Json::String(text) => serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok().then(|| Cell::Text(text.clone())),
            other => Some(Cell::Text(other.to_string())),
        },
        (Json::String(text), DataType::Utf8) if spec.logical == Logical::Uuid => {
            uuid::Uuid::try_parse(text.trim_ascii()).ok().map(|id| Cell::Text(id.hyphenated().to_string()))
        }
        _ => text(value).map(Cell::Text),
    }
}

fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

type Converted<T> = Result<T, arrow::error::ArrowError>;

fn array(cells: &[Cell], data_type: &DataType) -> Converted<ArrayRef> {
    let DataType::List(field) = data_type else {
        let texts = cells.iter().map(|cell| match cell {
            Cell::Text(text) => Some(text.clone()),
            _ => None,
        });
        return flat(texts.collect(), data_type);
    };
    let (mut texts, mut lengths) = (Vec::new(), Vec::with_capacity(cells.len()));
    let mut nulls = NullBufferBuilder::new(cells.len());
    for cell in cells {
        match cell {
            Cell::List(items) => {
                texts.extend(items.iter().cloned());
                lengths.push(items.len());
                nulls.append_non_null();
            }
            _ => {
                lengths.push(0);
                nulls.append_null();
            }
        }
    }
    let values = flat(texts, field.data_type())?;
    Ok(Arc::new(ListArray::try_new(field.clone(), OffsetBuffer::from_lengths(lengths), values, nulls.finish())?))
}

fn flat(texts: Vec<Option<String>>, data_type: &DataType) -> Converted<ArrayRef> {
    if *data_type == DataType::Binary {
        let bytes = texts.iter().map(|text| text.as_deref().map(hex).transpose());
        return Ok(Arc::new(BinaryArray::from_iter(bytes.collect::<Converted<Vec<Option<Vec<u8>>>>>()?)));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(&StringArray::from(texts), data_type, &options)
}

fn hex(text: &str) -> Converted<Vec<u8>> {
    let wrong = || arrow::error::ArrowError::CastError("not bytes in hex".to_owned());
    let digits = text.strip_prefix("\\x").ok_or_else(wrong)?.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = digits.chunks(2).map(|two| match two {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect::<Option<Vec<u8>>>().ok_or_else(wrong)
}

/// `_source` of every record.
fn sources(records: &[&RawRecord]) -> Result<ArrayRef> {
    let texts = StringArray::from_iter_values(records.iter().map(|record| record.source.as_str()));
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    cast_with_options(&texts, &dictionary, &CastOptions::default()).map_err(assembly)
}
