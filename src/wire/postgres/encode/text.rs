//! Text forms on the wire: those of `weir_udfs::forms`, and arrays over the cells of this room.

use std::ops::Range;

use arrow::datatypes::IntervalMonthDayNano;
use bytes::{BufMut, BytesMut};
use weir_udfs::forms;

use super::Cells;
use super::calendar::Zone;
use crate::error::Result;

pub(super) fn put_text(value: &str, out: &mut BytesMut) -> Result<()> {
    forms::put_text(value, out);
    Ok(())
}

/// A document in the one form that jsonb has; files of the lake may hold it as it came.
pub(super) fn put_document(value: &str, out: &mut BytesMut) -> Result<()> {
    use std::fmt::Write;
    match weir_udfs::document::parse(value) {
        Ok(document) => out
            .write_fmt(format_args!("{document}"))
            .map_err(|e| crate::error::Error::internal("a document could not be written").caused_by(e)),
        Err(_) => put_text(value, out),
    }
}

pub(super) fn put_int(value: i64, out: &mut BytesMut) -> Result<()> {
    forms::put_int(value, out);
    Ok(())
}

pub(super) fn put_float4(value: f32, out: &mut BytesMut) -> Result<()> {
    forms::put_float4(value, out);
    Ok(())
}

pub(super) fn put_float8(value: f64, out: &mut BytesMut) -> Result<()> {
    forms::put_float8(value, out);
    Ok(())
}

pub(super) fn put_decimal128(unscaled: i128, precision: u8, scale: i8, out: &mut BytesMut) -> Result<()> {
    forms::put_decimal128(unscaled, precision, scale, out);
    Ok(())
}

pub(super) fn put_decimal(unscaled: &str, scale: i8, out: &mut BytesMut) -> Result<()> {
    forms::put_decimal(unscaled, scale, out);
    Ok(())
}

pub(super) fn put_bytea(value: &[u8], out: &mut BytesMut) -> Result<()> {
    forms::put_bytea(value, out);
    Ok(())
}

pub(super) fn put_date(days: i32, out: &mut BytesMut) -> Result<()> {
    forms::put_date(days, out);
    Ok(())
}

pub(super) fn put_time(micros: i64, out: &mut BytesMut) -> Result<()> {
    forms::put_time(micros, out);
    Ok(())
}

/// With a zone: the wall clock there, and how far east of UTC it is.
pub(super) fn put_timestamp(micros: i64, zone: Option<&Zone>, out: &mut BytesMut) -> Result<()> {
    forms::put_timestamp(micros, zone.map(|zone| zone.offset_seconds(micros)), out);
    Ok(())
}

pub(super) fn put_interval(value: IntervalMonthDayNano, out: &mut BytesMut) -> Result<()> {
    forms::put_interval(value, out);
    Ok(())
}

/// `{1,NULL,"a b"}`.
pub(super) fn put_array(items: &dyn Cells, rows: Range<usize>, out: &mut BytesMut) -> Result<()> {
    let mut item = BytesMut::new();
    out.put_u8(b'{');
    for (index, row) in rows.enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        if items.is_null(row) {
            put_text("NULL", out)?;
            continue;
        }
        item.clear();
        items.put(row, &mut item)?;
        forms::put_item(&item, out);
    }
    out.put_u8(b'}');
    Ok(())
}
