//! Values of one column on their way into an array, with what the source says about values that do not convert.
//!
//! A value that fails takes a NULL's place, so that columns stay aligned; the caller throws the whole row out afterwards.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BinaryBuilder, BooleanArray, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder,
    Int16Builder, Int32Builder, Int64Array, Int64Builder, StringBuilder, TimestampMicrosecondBuilder, new_empty_array,
};
use arrow::compute::filter;
use arrow::datatypes::{DataType, Schema, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use memchr::memchr;
use serde_json::Value as Json;

use super::contract::{ColumnSpec, Decoded, OnError, Reject};
use super::convert::{self, Wrong};
use super::json;
use super::types::{Logical, type_name};
use crate::error::{Code, Error, Result};

/// How dates and times are written where they are not ISO.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Patterns {
    pub date: Option<String>,
    pub timestamp: Option<String>,
}

/// Why a record is turned away because of one of its values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    pub rule: String,
    pub error: String,
}

enum Builder {
    Text(StringBuilder),
    Jsonb(StringBuilder),
    Uuid(StringBuilder),
    Boolean(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Timestamptz(TimestampMicrosecondBuilder),
    Binary(BinaryBuilder),
}

/// A column being filled.
pub(super) struct Column<'a> {
    spec: &'a ColumnSpec,
    patterns: &'a Patterns,
    builder: Builder,
}

macro_rules! each_builder {
    ($builder:expr, $inner:ident => $action:expr) => {
        match $builder {
            Builder::Text($inner) | Builder::Jsonb($inner) | Builder::Uuid($inner) => $action,
            Builder::Boolean($inner) => $action,
            Builder::Int16($inner) => $action,
            Builder::Int32($inner) => $action,
            Builder::Int64($inner) => $action,
            Builder::Float32($inner) => $action,
            Builder::Float64($inner) => $action,
            Builder::Decimal($inner, _, _) => $action,
            Builder::Date($inner) => $action,
            Builder::Timestamp($inner) | Builder::Timestamptz($inner) => $action,
            Builder::Binary($inner) => $action,
        }
    };
}

impl Builder {
    fn new(spec: &ColumnSpec, rows: usize) -> Result<Self> {
        let text = || StringBuilder::with_capacity(rows, rows * 8);
        let micros = || TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(spec.data_type.clone());
        Ok(match (&spec.data_type, spec.logical) {
            (DataType::Utf8, Logical::Plain) => Builder::Text(text()),
            (DataType::Utf8, Logical::Jsonb) => Builder::Jsonb(text()),
            (DataType::Utf8, Logical::Uuid) => Builder::Uuid(text()),
            (DataType::Boolean, _) => Builder::Boolean(BooleanBuilder::with_capacity(rows)),
            (DataType::Int16, _) => Builder::Int16(Int16Builder::with_capacity(rows)),
            (DataType::Int32, _) => Builder::Int32(Int32Builder::with_capacity(rows)),
            (DataType::Int64, _) => Builder::Int64(Int64Builder::with_capacity(rows)),
            (DataType::Float32, _) => Builder::Float32(Float32Builder::with_capacity(rows)),
            (DataType::Float64, _) => Builder::Float64(Float64Builder::with_capacity(rows)),
            (DataType::Decimal128(precision, scale), _) => {
                Builder::Decimal(Decimal128Builder::with_capacity(rows).with_data_type(spec.data_type.clone()), *precision, *scale)
            }
            (DataType::Date32, _) => Builder::Date(Date32Builder::with_capacity(rows)),
            (DataType::Timestamp(TimeUnit::Microsecond, None), _) => Builder::Timestamp(micros()),
            (DataType::Timestamp(TimeUnit::Microsecond, Some(_)), _) => Builder::Timestamptz(micros()),
            (DataType::Binary, _) => Builder::Binary(BinaryBuilder::with_capacity(rows, rows * 8)),
            (other, _) => {
                return Err(Error::new(Code::NotSupported, format!("column \"{}\" of type {other} cannot be read from text", spec.name)));
            }
        })
    }

    fn null(&mut self) {
        each_builder!(self, builder => builder.append_null());
    }

    /// Appends the value of a text; on an error nothing is appended.
    #[inline]
    fn text(&mut self, text: &str, patterns: &Patterns) -> convert::Converted<()> {
        match self {
            Builder::Text(builder) => builder.append_value(text),
            Builder::Jsonb(builder) => builder.append_value(json::checked(text).map_err(|_| Wrong::Syntax)?),
            Builder::Uuid(builder) => builder.append_value(convert::uuid(text)?),
            Builder::Boolean(builder) => builder.append_value(convert::boolean(text)?),
            Builder::Int16(builder) => builder.append_value(i16::try_from(convert::integer(text)?).map_err(|_| Wrong::Range)?),
            Builder::Int32(builder) => builder.append_value(i32::try_from(convert::integer(text)?).map_err(|_| Wrong::Range)?),
            Builder::Int64(builder) => builder.append_value(convert::integer(text)?),
            Builder::Float32(builder) => builder.append_value(convert::real(text)?),
            Builder::Float64(builder) => builder.append_value(convert::double(text)?),
            Builder::Decimal(builder, precision, scale) => builder.append_value(convert::decimal(text, *precision, *scale)?),
            Builder::Date(builder) => builder.append_value(convert::date(text, patterns.date.as_deref())?),
            Builder::Timestamp(builder) => builder.append_value(convert::timestamp(text, patterns.timestamp.as_deref())?),
            Builder::Timestamptz(builder) => builder.append_value(convert::timestamptz(text, patterns.timestamp.as_deref())?),
            Builder::Binary(builder) => builder.append_value(convert::bytea(text)?),
        }
        Ok(())
    }

    fn finish(mut self) -> ArrayRef {
        each_builder!(&mut self, builder => Arc::new(builder.finish()))
    }
}

impl<'a> Column<'a> {
    pub(super) fn new(spec: &'a ColumnSpec, patterns: &'a Patterns, rows: usize) -> Result<Self> {
        Ok(Self { spec, patterns, builder: Builder::new(spec, rows)? })
    }

    /// Whether every text is a value of this column as it stands.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.builder, Builder::Text(_))
    }

    /// Whether values are stored as JSON.
    pub(super) fn is_jsonb(&self) -> bool {
        matches!(self.builder, Builder::Jsonb(_))
    }

    /// Whether a boolean of the format itself may go in.
    pub(super) fn takes_boolean(&self) -> bool {
        matches!(self.builder, Builder::Boolean(_) | Builder::Text(_))
    }

    /// Whether a number of the format itself may go in: one for a date or a boolean would be a guess.
    pub(super) fn takes_number(&self) -> bool {
        use Builder as B;
        matches!(
            self.builder,
            B::Text(_) | B::Jsonb(_) | B::Int16(_) | B::Int32(_) | B::Int64(_) | B::Float32(_) | B::Float64(_) | B::Decimal(..)
        )
    }

    /// Appends the value of a text, or what the source wants in place of one that does not convert.
    #[inline]
    pub(super) fn text(&mut self, text: &str) -> Result<(), Failure> {
        match self.builder.text(text, self.patterns) {
            Ok(()) => Ok(()),
            Err(wrong) => self.wrong(text, wrong),
        }
    }

    /// As `text`, of a text that may hold a zero byte: no client could be sent it.
    pub(super) fn unchecked_text(&mut self, text: &str) -> Result<(), Failure> {
        match memchr(0, text.as_bytes()) {
            Some(_) if !matches!(self.builder, Builder::Binary(_)) => self.wrong(text, Wrong::Zero),
            _ => self.text(text),
        }
    }

    /// Appends JSON that has been checked; only for columns that store it.
    pub(super) fn json(&mut self, json: &str) {
        match &mut self.builder {
            Builder::Jsonb(builder) | Builder::Text(builder) => builder.append_value(json),
            other => other.null(),
        }
    }

    /// NULL, whatever the column says of NULLs.
    pub(super) fn no_value(&mut self) {
        self.builder.null();
    }

    /// The record has the field, and it is null.
    pub(super) fn null(&mut self) -> Result<(), Failure> {
        self.builder.null();
        if self.spec.not_null { Err(null_failure(self.spec)) } else { Ok(()) }
    }

    /// The record does not have the field at all.
    pub(super) fn absent(&mut self) -> Result<(), Failure> {
        match &self.spec.default {
            None => self.null(),
            Some(text) => match self.builder.text(text, self.patterns) {
                Ok(()) => Ok(()),
                Err(wrong) => {
                    self.builder.null();
                    Err(type_failure(self.spec, text, wrong))
                }
            },
        }
    }

    /// The record has something in the field that this column cannot take, whatever its text.
    pub(super) fn mismatch(&mut self, text: &str) -> Result<(), Failure> {
        self.wrong(text, Wrong::Syntax)
    }

    #[cold]
    fn wrong(&mut self, text: &str, wrong: Wrong) -> Result<(), Failure> {
        match &self.spec.on_error {
            OnError::Null => self.null(),
            OnError::Default(instead) if self.builder.text(instead, self.patterns).is_ok() => Ok(()),
            OnError::Default(_) | OnError::Reject => {
                self.builder.null();
                Err(type_failure(self.spec, text, wrong))
            }
        }
    }

    pub(super) fn finish(self) -> ArrayRef {
        self.builder.finish()
    }
}

/// Fields that no column takes, gathered for the column that rescues them.
#[derive(Default)]
pub(super) struct Rest {
    json: String,
}

impl Rest {
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.json(name, &Json::from(text).to_string());
    }

    /// `json` is a value that was checked.
    pub(super) fn json(&mut self, name: &str, json: &str) {
        self.json.push(if self.json.is_empty() { '{' } else { ',' });
        self.json.push_str(&Json::from(name).to_string());
        self.json.push(':');
        self.json.push_str(json);
    }

    /// Ends the record: its object, or NULL when there was nothing.
    pub(super) fn put(&mut self, column: &mut Column<'_>) {
        if self.json.is_empty() {
            column.no_value();
            return;
        }
        self.json.push('}');
        column.json(&self.json);
        self.json.clear();
    }
}

/// The column must not be null.
pub(super) fn null_failure(spec: &ColumnSpec) -> Failure {
    Failure { rule: format!("not_null:{}", spec.name), error: format!("column \"{}\" is null", spec.name) }
}

/// The text is not a value of the column's type.
pub(super) fn type_failure(spec: &ColumnSpec, text: &str, wrong: Wrong) -> Failure {
    let shown: String = text.chars().take(80).map(|c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c }).collect();
    let kind = type_name(&spec.data_type, spec.logical);
    let error = match wrong {
        Wrong::Zero => format!("a zero byte cannot be part of a value of type {kind}: \"{shown}\""),
        Wrong::Syntax => format!("invalid value for type {kind}: \"{shown}\""),
        Wrong::Range => format!("value \"{shown}\" is out of range for type {kind}"),
    };
    Failure { rule: format!("type:{}", spec.name), error }
}

/// The columns to return: `projection` are indices into `columns`.
pub(super) fn projected<'a>(columns: &'a [ColumnSpec], projection: Option<&[usize]>) -> Vec<&'a ColumnSpec> {
    match projection {
        None => columns.iter().collect(),
        Some(wanted) => wanted.iter().filter_map(|index| columns.get(*index)).collect(),
    }
}

/// Puts finished columns together and leaves out the rows that are marked as bad.
pub(super) fn batch(specs: &[&ColumnSpec], arrays: Vec<ArrayRef>, good: Option<&BooleanArray>, rows: usize) -> Result<RecordBatch> {
    let schema = Arc::new(Schema::new(specs.iter().map(|spec| spec.field()).collect::<Vec<_>>()));
    let (arrays, rows) = match good {
        None => (arrays, rows),
        Some(good) => {
            let kept = arrays.iter().map(|array| filter(array, good)).collect::<Result<Vec<_>, _>>().map_err(assembly)?;
            (kept, good.true_count())
        }
    };
    RecordBatch::try_new_with_options(schema, arrays, &RecordBatchOptions::new().with_row_count(Some(rows))).map_err(assembly)
}

fn assembly(error: arrow::error::ArrowError) -> Error {
    Error::internal("decoded columns do not fit together").caused_by(error)
}

/// A block that was found not to be a record.
pub(super) fn refused(reject: Reject, columns: &[ColumnSpec], projection: Option<&[usize]>, want_raw: bool) -> Result<Decoded> {
    let specs = projected(columns, projection);
    let arrays = specs.iter().map(|spec| new_empty_array(&spec.data_type)).collect();
    let batch = batch(&specs, arrays, None, 0)?;
    let raw = want_raw.then(|| BinaryArray::from_iter_values(std::iter::empty::<&[u8]>()));
    Ok(Decoded { batch, positions: Int64Array::from(Vec::<i64>::new()), raw, rejects: vec![reject], unknown_fields: Vec::new() })
}
