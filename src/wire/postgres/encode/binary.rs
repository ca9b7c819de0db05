//! Binary forms, as PostgreSQL's `typsend` functions give them.

use std::ops::Range;

use arrow::datatypes::IntervalMonthDayNano;
use bytes::{BufMut, BytesMut};
use uuid::Uuid;

use super::calendar::{EPOCH_DAYS, EPOCH_MICROS};
use super::{Cells, put_cell};
use crate::error::{Code, Error, Result};

pub(super) fn put<const N: usize>(bytes: [u8; N], out: &mut BytesMut) -> Result<()> {
    out.put_slice(&bytes);
    Ok(())
}

pub(super) fn put_oid(oid: i64, out: &mut BytesMut) -> Result<()> {
    out.put_u32(u32::try_from(oid).map_err(|_| Error::new(Code::NumericOutOfRange, "OID out of range"))?);
    Ok(())
}

pub(super) fn put_uuid(value: &str, out: &mut BytesMut) -> Result<()> {
    let id = Uuid::parse_str(value)
        .map_err(|error| Error::new(Code::InvalidText, format!("invalid input syntax for type uuid: \"{value}\"")).caused_by(error))?;
    out.put_slice(id.as_bytes());
    Ok(())
}

pub(super) fn put_date(days: i32, out: &mut BytesMut) -> Result<()> {
    let days = days.checked_sub(EPOCH_DAYS).ok_or_else(|| Error::new(Code::DatetimeOutOfRange, "date out of range"))?;
    put(days.to_be_bytes(), out)
}

pub(super) fn put_timestamp(micros: i64, out: &mut BytesMut) -> Result<()> {
    let micros = micros.checked_sub(EPOCH_MICROS).ok_or_else(|| Error::new(Code::DatetimeOutOfRange, "timestamp out of range"))?;
    put(micros.to_be_bytes(), out)
}

pub(super) fn put_interval(value: IntervalMonthDayNano, out: &mut BytesMut) -> Result<()> {
    out.put_i64(value.nanoseconds / 1_000);
    out.put_i32(value.days);
    out.put_i32(value.months);
    Ok(())
}

/// One dimension, counted from 1; an empty array has no dimension.
pub(super) fn put_array(items: &dyn Cells, item_oid: u32, rows: Range<usize>, out: &mut BytesMut) -> Result<()> {
    let length = i32::try_from(rows.len()).map_err(|_| Error::new(Code::OutOfMemory, "array size exceeds the maximum allowed"))?;
    out.put_i32(if rows.is_empty() { 0 } else { 1 });
    out.put_i32(rows.clone().any(|row| items.is_null(row)).into());
    out.put_u32(item_oid);
    if !rows.is_empty() {
        out.put_i32(length);
        out.put_i32(1);
    }
    rows.into_iter().try_for_each(|row| put_cell(items, row, out))
}
