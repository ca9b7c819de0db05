//! Typed columns of a file as the columns that a source declares.
//!
//! Text is read as everywhere else. Other types are cast, and a value that would change its meaning fails: a fraction on its way to an integer,
//! a number on its way to a time or a boolean, whatever does not fit.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Scalar, StringBuilder, new_null_array};
use arrow::compute::kernels::cmp::neq;
use arrow::compute::kernels::zip::zip;
use arrow::compute::{CastOptions, and_not, can_cast_types, cast_with_options, is_not_null, is_null};
use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::json::writer::{EncoderOptions, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Error, Result};
use crate::formats::column::{Column, Failure, Patterns, null_failure, type_failure};
use crate::formats::contract::{ColumnSpec, OnError};
use crate::formats::convert::Wrong;
use crate::formats::types::{Logical, timestamp, timestamptz};

pub(super) struct Converted {
    pub array: ArrayRef,
    /// Rows that must be turned away.
    pub failed: Vec<(usize, Failure)>,
}

fn broken(error: arrow::error::ArrowError) -> Error {
    Error::internal("a column cannot be converted").caused_by(error)
}

/// `array` None: the file has no such column.
pub(super) fn convert(spec: &ColumnSpec, array: Option<&ArrayRef>, rows: usize) -> Result<Converted> {
    let Some(array) = array else { return by_text(spec, rows, |_, column| column.absent()) };
    let plain = match array.data_type() {
        DataType::Dictionary(_, value) => cast(array, value)?,
        _ => array.clone(),
    };
    match plain.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let text = cast(&plain, &DataType::Utf8)?;
            let text = text.as_string::<i32>();
            let is_sound = memchr::memchr(0, text.value_data()).is_none();
            if is_sound && spec.data_type == DataType::Utf8 && spec.logical == Logical::Plain && (!spec.not_null || text.null_count() == 0)
            {
                return Ok(Converted { array: Arc::new(text.clone()), failed: Vec::new() });
            }
            by_text(spec, rows, |row, column| if text.is_null(row) { column.null() } else { column.unchecked_text(text.value(row)) })
        }
        from if spec.logical == Logical::Jsonb || (is_nested(from) && spec.data_type == DataType::Utf8) => {
            let json = as_json(&plain)?;
            finish(spec, &plain, json)
        }
        from if spec.logical == Logical::Plain && keeps_meaning(from, &spec.data_type) && can_cast_types(from, &spec.data_type) => {
            let converted = cast(&plain, &spec.data_type)?;
            let converted = without_fractions_lost(&plain, converted)?;
            finish(spec, &plain, converted)
        }
        _ => finish(spec, &plain, new_null_array(&spec.data_type, rows)),
    }
}

fn by_text(spec: &ColumnSpec, rows: usize, fill: impl Fn(usize, &mut Column<'_>) -> Result<(), Failure>) -> Result<Converted> {
    let patterns = Patterns::default();
    let mut column = Column::new(spec, &patterns, rows)?;
    let mut failed = Vec::new();
    for row in 0..rows {
        if let Err(failure) = fill(row, &mut column) {
            failed.push((row, failure));
        }
    }
    Ok(Converted { array: column.finish(), failed })
}

fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    cast_with_options(array, to, &CastOptions { safe: true, ..CastOptions::default() }).map_err(broken)
}

fn is_nested(data_type: &DataType) -> bool {
    use DataType as T;
    matches!(
        data_type,
        T::Struct(_) | T::List(_) | T::LargeList(_) | T::FixedSizeList(..) | T::Map(..) | T::ListView(_) | T::LargeListView(_)
    )
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// Whether a cast says the same in other words, rather than guessing a unit.
fn keeps_meaning(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    if is_nested(from) {
        return false;
    }
    match to {
        T::Boolean => *from == T::Boolean,
        T::Date32 | T::Timestamp(..) => from.is_temporal() && !matches!(from, T::Time32(_) | T::Time64(_)),
        T::Binary => matches!(from, T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_)),
        to if is_number(to) => is_number(from),
        _ => true,
    }
}

/// Nulls what lost its fraction on the way to an integer.
fn without_fractions_lost(from: &ArrayRef, to: ArrayRef) -> Result<ArrayRef> {
    let may_lose = to.data_type().is_integer() && !from.data_type().is_integer();
    if !may_lose {
        return Ok(to);
    }
    let back = cast(&to, from.data_type())?;
    let lost = neq(&back, from).map_err(broken)?;
    arrow::compute::nullif(&to, &lost).map_err(broken)
}

/// Finds the values that did not convert and does what the column wants done with them.
fn finish(spec: &ColumnSpec, from: &ArrayRef, to: ArrayRef) -> Result<Converted> {
    let wrong: BooleanArray = and_not(&is_not_null(from).map_err(broken)?, &is_not_null(&to).map_err(broken)?).map_err(broken)?;
    let mut failed = Vec::new();
    let mut array = to;
    if wrong.true_count() > 0 {
        let default = match &spec.on_error {
            OnError::Default(text) => by_text(spec, 1, |_, column| column.text(text)).ok().filter(|value| value.failed.is_empty()),
            OnError::Null | OnError::Reject => None,
        };
        if let Some(default) = default {
            array = zip(&wrong, &Scalar::new(default.array), &array).map_err(broken)?;
        } else if spec.on_error != OnError::Null {
            let options = FormatOptions::default();
            let shown = ArrayFormatter::try_new(from, &options).map_err(broken)?;
            let rows = (0..wrong.len()).filter(|row| wrong.value(*row));
            failed.extend(rows.map(|row| (row, type_failure(spec, &shown.value(row).to_string(), Wrong::Syntax))));
        }
    }
    if spec.not_null && array.null_count() > 0 {
        let nulls = is_null(&array).map_err(broken)?;
        failed.extend((0..nulls.len()).filter(|row| nulls.value(*row)).map(|row| (row, null_failure(spec))));
    }
    // The reason that came first stands: a value that did not convert is null too.
    failed.sort_by_key(|(row, _)| *row);
    failed.dedup_by_key(|(row, _)| *row);
    Ok(Converted { array, failed })
}

/// Every value as JSON text.
fn as_json(array: &ArrayRef) -> Result<ArrayRef> {
    let field = Arc::new(Field::new("value", array.data_type().clone(), true));
    let options = EncoderOptions::default();
    let mut encoder = make_encoder(&field, array, &options).map_err(broken)?;
    let mut builder = StringBuilder::with_capacity(array.len(), array.len() * 16);
    let mut text = Vec::new();
    for row in 0..array.len() {
        text.clear();
        if array.is_null(row) {
            builder.append_null();
            continue;
        }
        encoder.encode(row, &mut text);
        builder.append_value(String::from_utf8_lossy(&text));
    }
    Ok(Arc::new(builder.finish()))
}

/// The column that a field of a file becomes when a source declares none.
pub(super) fn inferred(field: &Field) -> Field {
    use DataType as T;
    let (data_type, logical) = match field.data_type() {
        T::Boolean => (T::Boolean, Logical::Plain),
        T::Int8 | T::Int16 | T::UInt8 => (T::Int16, Logical::Plain),
        T::Int32 | T::UInt16 => (T::Int32, Logical::Plain),
        T::Int64 | T::UInt32 => (T::Int64, Logical::Plain),
        T::UInt64 => (T::Decimal128(20, 0), Logical::Plain),
        T::Float16 | T::Float32 => (T::Float32, Logical::Plain),
        T::Float64 => (T::Float64, Logical::Plain),
        T::Decimal128(precision, scale) if *scale >= 0 => (T::Decimal128(*precision, *scale), Logical::Plain),
        T::Decimal32(precision, scale) | T::Decimal64(precision, scale) if *scale >= 0 => {
            (T::Decimal128(*precision, *scale), Logical::Plain)
        }
        T::Date32 | T::Date64 => (T::Date32, Logical::Plain),
        T::Timestamp(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond, zone) => {
            (if zone.is_some() { timestamptz() } else { timestamp() }, Logical::Plain)
        }
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => (T::Binary, Logical::Plain),
        T::Dictionary(_, value) => return inferred(&Field::new(field.name(), value.as_ref().clone(), true)),
        nested if is_nested(nested) => (T::Utf8, Logical::Jsonb),
        T::Utf8 | T::LargeUtf8 | T::Utf8View => (T::Utf8, Logical::of(field)),
        _ => (T::Utf8, Logical::Plain),
    };
    logical.mark(Field::new(field.name(), data_type, true))
}
