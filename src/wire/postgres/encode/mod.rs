//! Columns of a record batch to DataRow messages, text or binary.
//!
//! A batch is lowered once, column by column, to the few Arrow types that `Kind::arrow` names; then each cell is appended to
//! the connection's own buffer. Nothing is allocated per row.

mod binary;
mod calendar;
mod json;
mod numeric;
mod text;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, StringArray, StringViewArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field};
use arrow::record_batch::RecordBatch;
use bytes::{BufMut, BytesMut};

pub(super) use calendar::{EPOCH_DAYS, EPOCH_MICROS, MICROS_PER_DAY, Zone};
pub(super) use numeric::parse as parse_numeric;

use super::types::{Column, Format, Kind, PgType};
use crate::error::{Code, Error, Result};

/// The cells of one column of one batch.
trait Cells: Send + Sync {
    fn is_null(&self, row: usize) -> bool;
    /// Appends the value without its length. The row must exist and not be NULL.
    fn put(&self, row: usize, out: &mut BytesMut) -> Result<()>;
}

struct Typed<A, F> {
    array: A,
    put: F,
}

impl<A: Array + Send + Sync, F: Fn(&A, usize, &mut BytesMut) -> Result<()> + Send + Sync> Cells for Typed<A, F> {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn put(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        (self.put)(&self.array, row, out)
    }
}

/// One batch, ready to be appended row by row.
pub(super) struct Rows {
    cells: Vec<Box<dyn Cells>>,
    len: usize,
}

impl Rows {
    /// # Errors
    /// `NumericOutOfRange` or `DatetimeOutOfRange` when a value has no Postgres form.
    pub(super) fn new(batch: &RecordBatch, columns: &[Column], zone: &Zone) -> Result<Self> {
        let cells = batch.columns().iter().zip(columns).map(|(array, column)| column_cells(array, column, zone));
        Ok(Self { cells: cells.collect::<Result<_>>()?, len: batch.num_rows() })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Appends one row as a DataRow message. On an error the buffer is as before.
    pub(super) fn put(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        let start = out.len();
        let done = self.put_cells(row, out);
        if done.is_err() {
            out.truncate(start);
        }
        done
    }

    fn put_cells(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        out.put_u8(b'D');
        put_sized(out, 4, |out| self.put_tuple(row, out))
    }

    /// Appends the number of cells and each with its length.
    pub(super) fn put_tuple(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        let count =
            i16::try_from(self.cells.len()).map_err(|_| Error::new(Code::NotSupported, "target lists can have at most 32767 entries"))?;
        out.put_i16(count);
        self.cells.iter().try_for_each(|cells| put_cell(cells.as_ref(), row, out))
    }

    /// Appends one cell without its length; false, and nothing, for NULL.
    pub(super) fn put_value(&self, column: usize, row: usize, out: &mut BytesMut) -> Result<bool> {
        let Some(cells) = self.cells.get(column) else { return Err(Error::internal("a row has fewer cells than columns")) };
        if cells.is_null(row) {
            return Ok(false);
        }
        cells.put(row, out).map(|()| true)
    }
}

fn put_cell(cells: &dyn Cells, row: usize, out: &mut BytesMut) -> Result<()> {
    if cells.is_null(row) {
        out.put_i32(-1);
        return Ok(());
    }
    put_sized(out, 0, |out| cells.put(row, out))
}

/// Appends a length of four bytes and what `body` appends; `extra` is added to the length.
pub(super) fn put_sized(out: &mut BytesMut, extra: usize, body: impl FnOnce(&mut BytesMut) -> Result<()>) -> Result<()> {
    let at = out.len();
    out.put_i32(0);
    body(out)?;
    let length = i32::try_from(out.len() - at - 4 + extra)
        .map_err(|_| Error::new(Code::OutOfMemory, "a row is too long to be sent").detail("A message holds at most 2 GB."))?;
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// Of the type `oid`.
const OID: u32 = 26;

fn column_cells(array: &ArrayRef, column: &Column, zone: &Zone) -> Result<Box<dyn Cells>> {
    let PgType { kind, is_array } = column.pg_type;
    if !is_array {
        return match (kind, array.data_type()) {
            (Kind::Vector { of_oids }, DataType::List(_)) => match column.format {
                Format::Text => value_cells(&vector(array)?, Kind::Text, column.format, zone),
                Format::Binary => {
                    let item = if of_oids { Kind::Oid(OID) } else { Kind::Int2 };
                    let as_array = Column { pg_type: PgType { kind: item, is_array: true }, ..*column };
                    column_cells(array, &as_array, zone)
                }
            },
            (Kind::Text, DataType::List(_) | DataType::LargeList(_)) => {
                let texts = crate::engine::texts_of(array)?;
                value_cells(&texts, kind, column.format, zone)
            }
            _ => value_cells(array, kind, column.format, zone),
        };
    }
    let item = item_type(array.data_type()).ok_or_else(|| Error::internal("an array column is not a list"))?;
    let array = lower(array, &DataType::List(Arc::new(Field::new_list_field(item, true))))?;
    let list = array.as_list_opt::<i32>().ok_or_else(|| Error::internal("a list did not become a list"))?.clone();
    let items = value_cells(list.values(), kind, column.format, zone)?;
    Ok(match column.format {
        Format::Text => Box::new(Typed {
            array: list,
            put: move |list: &ListArray, row, out: &mut BytesMut| text::put_array(items.as_ref(), range(list, row), out),
        }),
        Format::Binary => Box::new(Typed {
            array: list,
            put: move |list: &ListArray, row, out: &mut BytesMut| binary::put_array(items.as_ref(), kind.oid(), range(list, row), out),
        }),
    })
}

/// Numbers with blanks between, as int2vector is written.
fn vector(array: &ArrayRef) -> Result<ArrayRef> {
    let lists = lower(array, &DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))))?;
    let lists = lists.as_list_opt::<i32>().ok_or_else(|| Error::internal("a list did not become a list"))?;
    let joined = lists.iter().map(|numbers| {
        let numbers = numbers?;
        let numbers = numbers.as_string_opt::<i32>()?;
        Some(numbers.iter().flatten().collect::<Vec<_>>().join(" "))
    });
    Ok(Arc::new(joined.collect::<StringArray>()))
}

fn range(list: &ListArray, row: usize) -> std::ops::Range<usize> {
    let at = |index: usize| list.value_offsets().get(index).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
    at(row)..at(row + 1)
}

fn item_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => Some(item.data_type().clone()),
        _ => None,
    }
}

/// Casts to exactly that type; a value that does not fit is an error, never NULL.
fn lower(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, to, &options)
        .map_err(|error| Error::new(Code::DataException, format!("a value cannot be sent as {to}")).caused_by(error))
}

fn value_cells(array: &ArrayRef, kind: Kind, format: Format, zone: &Zone) -> Result<Box<dyn Cells>> {
    if matches!(kind, Kind::Jsonb | Kind::Json) && json::has_parts(array.data_type()) {
        return json::cells(array, kind, format);
    }
    let array = match kind {
        // Short strings live inside a view: it is read as it is.
        Kind::Text | Kind::Json | Kind::Jsonb | Kind::Char if array.data_type() == &DataType::Utf8View => Arc::clone(array),
        Kind::Uuid if matches!(array.data_type(), DataType::FixedSizeBinary(16)) => return uuid_bytes(array, format),
        Kind::TimestampTz => {
            let DataType::Timestamp(_, zone) = array.data_type() else { return Err(Error::internal("a timestamptz is no timestamp")) };
            lower(array, &DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, zone.clone()))?
        }
        kind => lower(array, &kind.arrow())?,
    };
    match format {
        Format::Text => text_cells(&array, kind, zone),
        Format::Binary => binary_cells(&array, kind),
    }
}

fn text_cells(array: &ArrayRef, kind: Kind, zone: &Zone) -> Result<Box<dyn Cells>> {
    match kind {
        Kind::Bool => typed(array, |a: &BooleanArray, row, out| {
            out.put_u8(if a.value(row) { b't' } else { b'f' });
            Ok(())
        }),
        Kind::Int2 => typed(array, |a: &Int16Array, row, out| text::put_int(a.value(row).into(), out)),
        Kind::Int4 => typed(array, |a: &Int32Array, row, out| text::put_int(a.value(row).into(), out)),
        Kind::Int8 | Kind::Oid(_) => typed(array, |a: &Int64Array, row, out| text::put_int(a.value(row), out)),
        Kind::Float4 => typed(array, |a: &Float32Array, row, out| text::put_float4(a.value(row), out)),
        Kind::Float8 => typed(array, |a: &Float64Array, row, out| text::put_float8(a.value(row), out)),
        Kind::Numeric(_) if matches!(array.data_type(), DataType::Decimal256(_, _)) => {
            typed(array, |a: &Decimal256Array, row, out| text::put_decimal(&a.value(row).to_string(), a.scale(), out))
        }
        Kind::Numeric(_) => typed(array, |a: &Decimal128Array, row, out| text::put_decimal128(a.value(row), a.precision(), a.scale(), out)),
        Kind::Jsonb => string_cells(array, text::put_document),
        Kind::Text | Kind::Json | Kind::Char | Kind::Uuid | Kind::Vector { .. } => string_cells(array, text::put_text),
        Kind::Bytea => typed(array, |a: &BinaryArray, row, out| text::put_bytea(a.value(row), out)),
        Kind::Date => typed(array, |a: &Date32Array, row, out| text::put_date(a.value(row), out)),
        Kind::Time => typed(array, |a: &Time64MicrosecondArray, row, out| text::put_time(a.value(row), out)),
        Kind::Timestamp => typed(array, |a: &TimestampMicrosecondArray, row, out| text::put_timestamp(a.value(row), None, out)),
        Kind::TimestampTz => {
            let zone = zone.clone();
            typed(array, move |a: &TimestampMicrosecondArray, row, out| text::put_timestamp(a.value(row), Some(&zone), out))
        }
        Kind::Interval => typed(array, |a: &IntervalMonthDayNanoArray, row, out| text::put_interval(a.value(row), out)),
    }
}

fn binary_cells(array: &ArrayRef, kind: Kind) -> Result<Box<dyn Cells>> {
    match kind {
        Kind::Bool => typed(array, |a: &BooleanArray, row, out| {
            out.put_u8(a.value(row).into());
            Ok(())
        }),
        Kind::Int2 => typed(array, |a: &Int16Array, row, out| binary::put(a.value(row).to_be_bytes(), out)),
        Kind::Int4 => typed(array, |a: &Int32Array, row, out| binary::put(a.value(row).to_be_bytes(), out)),
        Kind::Int8 => typed(array, |a: &Int64Array, row, out| binary::put(a.value(row).to_be_bytes(), out)),
        Kind::Oid(_) => typed(array, |a: &Int64Array, row, out| binary::put_oid(a.value(row), out)),
        Kind::Float4 => typed(array, |a: &Float32Array, row, out| binary::put(a.value(row).to_be_bytes(), out)),
        Kind::Float8 => typed(array, |a: &Float64Array, row, out| binary::put(a.value(row).to_be_bytes(), out)),
        Kind::Numeric(_) if matches!(array.data_type(), DataType::Decimal256(_, _)) => {
            typed(array, |a: &Decimal256Array, row, out| numeric::put(&a.value(row).to_string(), a.scale(), out))
        }
        Kind::Numeric(_) => typed(array, |a: &Decimal128Array, row, out| numeric::put_shown(a.value(row), a.precision(), a.scale(), out)),
        Kind::Text | Kind::Json | Kind::Vector { .. } => string_cells(array, text::put_text),
        Kind::Jsonb => string_cells(array, |value, out| {
            out.put_u8(1);
            text::put_document(value, out)
        }),
        Kind::Char => string_cells(array, |value, out| {
            out.put_u8(value.as_bytes().first().copied().unwrap_or(0));
            Ok(())
        }),
        Kind::Uuid => string_cells(array, binary::put_uuid),
        Kind::Bytea => typed(array, |a: &BinaryArray, row, out| {
            out.put_slice(a.value(row));
            Ok(())
        }),
        Kind::Date => typed(array, |a: &Date32Array, row, out| binary::put_date(a.value(row), out)),
        Kind::Time => typed(array, |a: &Time64MicrosecondArray, row, out| binary::put(a.value(row).to_be_bytes(), out)),
        Kind::Timestamp | Kind::TimestampTz => {
            typed(array, |a: &TimestampMicrosecondArray, row, out| binary::put_timestamp(a.value(row), out))
        }
        Kind::Interval => typed(array, |a: &IntervalMonthDayNanoArray, row, out| binary::put_interval(a.value(row), out)),
    }
}

fn typed<A, F>(array: &ArrayRef, put: F) -> Result<Box<dyn Cells>>
where
    A: Array + Clone + Send + Sync + 'static,
    F: Fn(&A, usize, &mut BytesMut) -> Result<()> + Send + Sync + 'static,
{
    let array = array.as_any().downcast_ref::<A>().ok_or_else(|| Error::internal("an array has another type than its column"))?;
    Ok(Box::new(Typed { array: array.clone(), put }))
}

fn string_cells(array: &ArrayRef, put: fn(&str, &mut BytesMut) -> Result<()>) -> Result<Box<dyn Cells>> {
    match array.data_type() {
        DataType::Utf8View => typed(array, move |a: &StringViewArray, row, out| put(a.value(row), out)),
        _ => typed(array, move |a: &StringArray, row, out| put(a.value(row), out)),
    }
}

fn uuid_bytes(array: &ArrayRef, format: Format) -> Result<Box<dyn Cells>> {
    typed(array, move |a: &arrow::array::FixedSizeBinaryArray, row, out| match format {
        Format::Binary => {
            out.put_slice(a.value(row));
            Ok(())
        }
        Format::Text => {
            let id = uuid::Uuid::from_slice(a.value(row)).map_err(|error| Error::internal("a uuid is not 16 bytes").caused_by(error))?;
            text::put_text(id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()), out)
        }
    })
}
