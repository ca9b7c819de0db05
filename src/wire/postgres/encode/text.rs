//! Text forms, as PostgreSQL prints them with DateStyle ISO, IntervalStyle postgres and bytea_output hex.

use std::fmt::Write;
use std::ops::Range;

use arrow::datatypes::IntervalMonthDayNano;
use bytes::{BufMut, BytesMut};

use super::Cells;
use super::calendar::{MICROS_PER_DAY, Zone, date};
use crate::error::{Error, Result};

pub(super) fn put_text(value: &str, out: &mut BytesMut) -> Result<()> {
    out.put_slice(value.as_bytes());
    Ok(())
}

pub(super) fn put_int(value: i64, out: &mut BytesMut) -> Result<()> {
    // Digits from the end of the longest number, its sign in front.
    let mut digits = [0_u8; 20];
    let mut rest = value.unsigned_abs();
    let mut length = 0;
    for place in digits.iter_mut().rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        length += 1;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.put_u8(b'-');
    }
    out.put_slice(digits.get(20 - length..).unwrap_or_default());
    Ok(())
}

/// `scientific` is the shortest form that reads back the same, as `{:e}` prints it; from `max_exponent` on it keeps an exponent.
pub(super) fn put_float(scientific: &str, max_exponent: i32, out: &mut BytesMut) -> Result<()> {
    match scientific {
        "inf" => return put_text("Infinity", out),
        "-inf" => return put_text("-Infinity", out),
        "NaN" => return put_text("NaN", out),
        _ => {}
    }
    let (sign, number) = scientific.strip_prefix('-').map_or(("", scientific), |number| ("-", number));
    let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let exponent: i32 = exponent.parse().map_err(|error| Error::internal("a float has no exponent").caused_by(error))?;
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    put_text(sign, out)?;
    if exponent < -4 || exponent >= max_exponent {
        let sign = if exponent < 0 { '-' } else { '+' };
        return write(out, format_args!("{mantissa}e{sign}{:02}", exponent.unsigned_abs()));
    }
    let width = usize::try_from(exponent.unsigned_abs()).unwrap_or(0);
    if exponent < 0 {
        return write(out, format_args!("0.{:0>width$}{rest}", first));
    }
    match rest.split_at_checked(width) {
        None | Some((_, "")) => write(out, format_args!("{first}{rest:0<width$}")),
        Some((whole, fraction)) => write(out, format_args!("{first}{whole}.{fraction}")),
    }
}

pub(super) fn put_decimal128(unscaled: i128, scale: i8, out: &mut BytesMut) -> Result<()> {
    if scale == 0
        && let Ok(small) = i64::try_from(unscaled)
    {
        return put_int(small, out);
    }
    let Some(power) = u32::try_from(scale).ok().and_then(|scale| 10_i128.checked_pow(scale)) else {
        return put_decimal(&unscaled.to_string(), scale, out);
    };
    if unscaled < 0 {
        out.put_u8(b'-');
    }
    let width = usize::try_from(scale).unwrap_or(0);
    let unscaled = unscaled.unsigned_abs();
    let power = power.unsigned_abs();
    if scale == 0 {
        return write(out, format_args!("{unscaled}"));
    }
    write(out, format_args!("{}.{:0width$}", unscaled / power, unscaled % power))
}

/// The integer `unscaled` with the point `scale` digits from its end.
pub(super) fn put_decimal(unscaled: &str, scale: i8, out: &mut BytesMut) -> Result<()> {
    let (sign, digits) = unscaled.strip_prefix('-').map_or(("", unscaled), |digits| ("-", digits));
    let places = usize::from(scale.unsigned_abs());
    if scale <= 0 {
        let zeros = if digits == "0" { 0 } else { places };
        return write(out, format_args!("{sign}{digits}{:0<zeros$}", ""));
    }
    let width = places + 1;
    let padded = format!("{digits:0>width$}");
    let (whole, fraction) = padded.split_at_checked(padded.len() - places).unwrap_or((&padded, ""));
    write(out, format_args!("{sign}{whole}.{fraction}"))
}

pub(super) fn put_bytea(value: &[u8], out: &mut BytesMut) -> Result<()> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
    out.reserve(2 + 2 * value.len());
    out.put_slice(b"\\x");
    for byte in value {
        out.put_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    Ok(())
}

pub(super) fn put_date(days: i32, out: &mut BytesMut) -> Result<()> {
    let era = put_day(days.into(), out)?;
    put_text(era, out)
}

/// Appends year, month and day; returns what follows at the end of all.
fn put_day(days: i64, out: &mut BytesMut) -> Result<&'static str> {
    let (year, month, day) = date(days);
    let (shown, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    put_padded(shown, 4, out);
    out.put_u8(b'-');
    put_padded(month, 2, out);
    out.put_u8(b'-');
    put_padded(day, 2, out);
    Ok(era)
}

pub(super) fn put_time(micros: i64, out: &mut BytesMut) -> Result<()> {
    let seconds = micros / 1_000_000;
    put_padded(seconds / 3600, 2, out);
    out.put_u8(b':');
    put_padded(seconds / 60 % 60, 2, out);
    out.put_u8(b':');
    put_padded(seconds % 60, 2, out);
    put_fraction(micros % 1_000_000, out);
    Ok(())
}

/// A dot and the digits of the microseconds without zeros at the end; nothing for a full second.
fn put_fraction(micros: i64, out: &mut BytesMut) {
    if micros == 0 {
        return;
    }
    let (mut digits, mut width) = (micros, 6);
    while digits % 10 == 0 {
        digits /= 10;
        width -= 1;
    }
    out.put_u8(b'.');
    put_padded(digits, width, out);
}

/// A number that is not negative, with zeros in front up to that many digits.
fn put_padded(value: i64, width: usize, out: &mut BytesMut) {
    let mut power = 10_i64.saturating_pow(u32::try_from(width.saturating_sub(1)).unwrap_or(0));
    while value / power >= 10 {
        power = power.saturating_mul(10);
    }
    while power > 0 {
        out.put_u8(b'0' + u8::try_from(value / power % 10).unwrap_or(0));
        power /= 10;
    }
}

/// With a zone: the wall clock there, and how far east of UTC it is.
pub(super) fn put_timestamp(micros: i64, zone: Option<&Zone>, out: &mut BytesMut) -> Result<()> {
    let east = zone.map(|zone| zone.offset_seconds(micros));
    let local = micros.saturating_add(east.unwrap_or(0) * 1_000_000);
    let era = put_day(local.div_euclid(MICROS_PER_DAY), out)?;
    out.put_u8(b' ');
    put_time(local.rem_euclid(MICROS_PER_DAY), out)?;
    if let Some(east) = east {
        out.put_u8(if east < 0 { b'-' } else { b'+' });
        let east = east.abs();
        put_padded(east / 3600, 2, out);
        for part in [east % 3600 / 60, east % 60].iter().take(if east % 60 != 0 { 2 } else { usize::from(east % 3600 != 0) }) {
            out.put_u8(b':');
            put_padded(*part, 2, out);
        }
    }
    put_text(era, out)
}

/// `1 year 2 mons -3 days 04:05:06.7`.
pub(super) fn put_interval(value: IntervalMonthDayNano, out: &mut BytesMut) -> Result<()> {
    let start = out.len();
    let micros = value.nanoseconds / 1_000;
    let parts = [(value.months / 12, "year"), (value.months % 12, "mon"), (value.days, "day")];
    let mut is_after_negative = false;
    for (count, unit) in parts.into_iter().filter(|(count, _)| *count != 0) {
        let space = if out.len() > start { " " } else { "" };
        let sign = if is_after_negative && count > 0 { "+" } else { "" };
        let plural = if count == 1 { "" } else { "s" };
        write(out, format_args!("{space}{sign}{count} {unit}{plural}"))?;
        is_after_negative = count < 0;
    }
    if micros != 0 || out.len() == start {
        if out.len() > start {
            out.put_u8(b' ');
        }
        match micros {
            ..0 => out.put_u8(b'-'),
            _ if is_after_negative => out.put_u8(b'+'),
            _ => {}
        }
        put_time(i64::try_from(micros.unsigned_abs()).unwrap_or(i64::MAX), out)?;
    }
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
        put_item(&item, out);
    }
    out.put_u8(b'}');
    Ok(())
}

fn put_item(item: &[u8], out: &mut BytesMut) {
    let is_special = |byte: &u8| matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\') || byte.is_ascii_whitespace() || *byte == 0x0b;
    if !item.is_empty() && !item.iter().any(is_special) && !item.eq_ignore_ascii_case(b"NULL") {
        return out.put_slice(item);
    }
    out.put_u8(b'"');
    for byte in item {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

fn write(out: &mut BytesMut, text: std::fmt::Arguments<'_>) -> Result<()> {
    out.write_fmt(text).map_err(|error| Error::internal("a value could not be written").caused_by(error))
}
