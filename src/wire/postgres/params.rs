//! Bound parameters: bytes in text or binary to values of the engine.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano};
use bytes::Bytes;
use chrono::TimeZone;
use datafusion::common::ScalarValue;
use pgwire::api::Type;
use uuid::Uuid;

use super::encode::{EPOCH_DAYS, EPOCH_MICROS, MICROS_PER_DAY, Zone, parse_numeric};
use super::frontend::{Bind, Body, utf8};
use super::portal::Prepared;
use super::types::{Format, Kind, PgType, TYPE_KEY};
use crate::error::{Code, Error, Result};
use crate::session::Description;

const MAX_PARAMETERS: usize = 65_535;

/// The types announced for `$1`, `$2`, ..: the client's where it named one, otherwise what the statement needs.
pub(super) fn types(description: &Description, oids: &[u32]) -> Result<Vec<PgType>> {
    let needed = &description.parameters;
    let count = needed.len().max(oids.len());
    if count > MAX_PARAMETERS {
        return Err(Error::new(Code::NotSupported, "a statement can have at most 65535 parameters"));
    }
    let one = |index: usize| {
        let named = named(oids, index);
        match (named, needed.get(index)) {
            (Some(oid), _) => PgType::of_oid(oid).ok_or_else(|| {
                Error::new(Code::NotSupported, format!("parameter ${} has a type of oid {oid}, which is not supported", index + 1))
            }),
            (None, Some(needed)) => {
                let is_oid = description.marks.contains(&(index + 1, "oid"));
                match needed {
                    DataType::Int32 if is_oid => return Ok(PgType { kind: Kind::Oid(Type::OID.oid()), is_array: false }),
                    DataType::List(_) if is_oid => return Ok(PgType { kind: Kind::Oid(Type::OID.oid()), is_array: true }),
                    _ => {}
                }
                let mark = description.marks.iter().find(|(number, _)| *number == index + 1).map(|(_, word)| (*word).to_owned());
                Ok(PgType::of_field(&marked(needed, mark)))
            }
            (None, None) => Ok(PgType { kind: Kind::Text, is_array: false }),
        }
    };
    (0..count).map(one).collect()
}

/// A field of that type; text and arrays of text are what the mark says.
fn marked(data_type: &DataType, mark: Option<String>) -> Field {
    let metadata = mark.map(|word| (TYPE_KEY.to_owned(), word)).into_iter().collect();
    let is_text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match data_type {
        DataType::List(item) if is_text(item.data_type()) => {
            let item = item.as_ref().clone().with_metadata(metadata);
            Field::new("", DataType::List(Arc::new(item)), true)
        }
        other if is_text(other) => Field::new("", other.clone(), true).with_metadata(metadata),
        other => Field::new("", other.clone(), true),
    }
}

/// The type that the client names for the parameter.
fn named(oids: &[u32], index: usize) -> Option<u32> {
    oids.get(index).copied().filter(|oid| *oid != 0 && *oid != Type::UNKNOWN.oid())
}

/// The oids that the client is told: its own again, also where two of them are one type here, as `varchar` and `text`.
pub(super) fn announced(types: &[PgType], oids: &[u32]) -> Vec<u32> {
    types.iter().enumerate().map(|(index, own)| named(oids, index).unwrap_or_else(|| own.oid())).collect()
}

/// The values of a Bind message, in the types the statement needs.
pub(super) fn decode(prepared: &Prepared, bind: &Bind, zone: &Zone) -> Result<Vec<ScalarValue>> {
    let types = &prepared.parameters;
    let (given, needed) = (bind.parameters.len(), types.len());
    if given != needed {
        let name = &bind.statement;
        let message = format!("bind message supplies {given} parameters, but prepared statement \"{name}\" requires {needed}");
        return Err(Error::new(Code::Protocol, message));
    }
    if bind.parameter_formats.len() > 1 && bind.parameter_formats.len() != given {
        let message = format!("bind message has {} parameter formats but {given} parameters", bind.parameter_formats.len());
        return Err(Error::new(Code::Protocol, message));
    }
    let one = |(index, (value, pg_type)): (usize, (&Option<Bytes>, &PgType))| {
        let wanted = prepared.description.parameters.get(index);
        let Some(bytes) = value else {
            let data_type = wanted.cloned().unwrap_or_else(|| pg_type.arrow());
            return ScalarValue::try_new_null(&data_type).map_err(|error| Error::internal("a type has no NULL").caused_by(error));
        };
        let value = match Format::of(&bind.parameter_formats, index)? {
            Format::Text => from_text(*pg_type, utf8(bytes)?, zone),
            Format::Binary => from_binary(*pg_type, bytes.clone(), index),
        }?;
        fit(value, wanted)
    };
    bind.parameters.iter().zip(types).enumerate().map(one).collect()
}

/// Makes the value what the statement needs; a number keeps all its digits.
fn fit(value: ScalarValue, wanted: Option<&DataType>) -> Result<ScalarValue> {
    let Some(wanted) = wanted else { return Ok(value) };
    if &value.data_type() == wanted || (value.data_type().is_decimal() && wanted.is_decimal()) {
        return Ok(value);
    }
    let message = || format!("a parameter of type {} cannot be used as {wanted}", value.data_type());
    value.cast_to(wanted).map_err(|error| Error::new(Code::WrongType, message()).caused_by(error))
}

fn from_binary(pg_type: PgType, bytes: Bytes, index: usize) -> Result<ScalarValue> {
    from_bytes(pg_type, bytes).map_err(|error| match error.code() {
        Code::Protocol => Error::new(Code::Protocol, format!("incorrect binary data format in bind parameter {}", index + 1)),
        _ => error,
    })
}

/// A value in the binary form of its type.
///
/// # Errors
/// `Protocol` when the bytes are not of that form.
pub(super) fn from_bytes(pg_type: PgType, bytes: Bytes) -> Result<ScalarValue> {
    let mut body = Body(bytes);
    let value = if pg_type.is_array { array_from_binary(pg_type.kind, &mut body) } else { value_from_binary(pg_type.kind, &mut body) };
    value.and_then(|value| body.finish().map(|()| value))
}

fn value_from_binary(kind: Kind, body: &mut Body) -> Result<ScalarValue> {
    Ok(match kind {
        Kind::Bool => {
            let [byte] = body.array()?;
            ScalarValue::Boolean(Some(byte != 0))
        }
        Kind::Int2 => ScalarValue::Int16(Some(i16::from_be_bytes(body.array()?))),
        Kind::Int4 => ScalarValue::Int32(Some(i32::from_be_bytes(body.array()?))),
        Kind::Int8 => ScalarValue::Int64(Some(i64::from_be_bytes(body.array()?))),
        Kind::Oid(_) => ScalarValue::Int64(Some(u32::from_be_bytes(body.array()?).into())),
        Kind::Float4 => ScalarValue::Float32(Some(f32::from_be_bytes(body.array()?))),
        Kind::Float8 => ScalarValue::Float64(Some(f64::from_be_bytes(body.array()?))),
        Kind::Numeric(_) => numeric_from_binary(body)?,
        Kind::Text | Kind::Json | Kind::Char | Kind::Vector { .. } => text_value(rest(body)?),
        Kind::Jsonb => match body.array()? {
            [1] => text_value(rest(body)?),
            [version] => return Err(Error::new(Code::Protocol, format!("unsupported jsonb version number {version}"))),
        },
        Kind::Uuid => text_value(Uuid::from_bytes(body.array()?).hyphenated().to_string()),
        Kind::Bytea => ScalarValue::Binary(Some(std::mem::take(&mut body.0).to_vec())),
        Kind::Date => {
            let days = i32::from_be_bytes(body.array()?).checked_add(EPOCH_DAYS);
            ScalarValue::Date32(Some(days.ok_or_else(|| Error::new(Code::DatetimeOutOfRange, "date out of range"))?))
        }
        Kind::Time => {
            let micros = i64::from_be_bytes(body.array()?);
            let is_time = (0..=MICROS_PER_DAY).contains(&micros);
            ScalarValue::Time64Microsecond(Some(
                is_time.then_some(micros).ok_or_else(|| Error::new(Code::DatetimeOutOfRange, "time out of range"))?,
            ))
        }
        Kind::Timestamp => ScalarValue::TimestampMicrosecond(Some(micros_from_binary(body)?), None),
        Kind::TimestampTz => ScalarValue::TimestampMicrosecond(Some(micros_from_binary(body)?), Some("UTC".into())),
        Kind::Interval => {
            let micros = i64::from_be_bytes(body.array()?);
            let (days, months) = (body.i32()?, body.i32()?);
            let nanos = micros.checked_mul(1_000).ok_or_else(|| Error::new(Code::DatetimeOutOfRange, "interval out of range"))?;
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(months, days, nanos)))
        }
    })
}

fn micros_from_binary(body: &mut Body) -> Result<i64> {
    let micros = i64::from_be_bytes(body.array()?);
    micros.checked_add(EPOCH_MICROS).ok_or_else(|| Error::new(Code::DatetimeOutOfRange, "timestamp out of range"))
}

fn rest(body: &mut Body) -> Result<String> {
    no_nul(utf8(&std::mem::take(&mut body.0))?)
}

fn no_nul(text: &str) -> Result<String> {
    if text.contains('\0') {
        return Err(Error::new(Code::InvalidEncoding, "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    Ok(text.to_owned())
}

fn text_value(text: String) -> ScalarValue {
    ScalarValue::Utf8(Some(text))
}

/// Digits in groups of four, the weight of the first, sign, and how many digits are shown behind the point.
fn numeric_from_binary(body: &mut Body) -> Result<ScalarValue> {
    let count = u16::from_be_bytes(body.array()?);
    let weight = i16::from_be_bytes(body.array()?);
    let sign = u16::from_be_bytes(body.array()?);
    let shown = u16::from_be_bytes(body.array()?);
    let is_negative = match sign {
        0x0000 => false,
        0x4000 => true,
        0xC000 | 0xD000 | 0xF000 => return Err(Error::new(Code::NotSupported, "numeric NaN and infinity are not supported")),
        _ => return Err(Error::new(Code::Protocol, "invalid sign in external \"numeric\" value")),
    };
    let out_of_range = || Error::new(Code::NumericOutOfRange, "numeric value has more than 38 digits");
    let mut digits = String::new();
    for _ in 0..count {
        let group = u16::from_be_bytes(body.array()?);
        if group > 9_999 {
            return Err(Error::new(Code::Protocol, "invalid digit in external \"numeric\" value"));
        }
        digits.push_str(&format!("{group:04}"));
    }
    let scale = i8::try_from(shown).ok().filter(|scale| *scale <= 38).ok_or_else(out_of_range)?;
    // The last group stands for ten thousand to this power; the last shown digit may be before or behind its end.
    let last = i32::from(weight) - i32::from(count) + 1;
    let shift = last * 4 + i32::from(scale);
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return decimal(0, scale);
    }
    let distance = usize::try_from(shift.unsigned_abs()).map_err(|_| out_of_range())?;
    let digits = match shift >= 0 {
        true if distance > 38 => return Err(out_of_range()),
        true => format!("{digits}{}", "0".repeat(distance)),
        false => digits.get(..digits.len().saturating_sub(distance)).filter(|rest| !rest.is_empty()).unwrap_or("0").to_owned(),
    };
    let unscaled: i128 = digits.parse().map_err(|_| out_of_range())?;
    decimal(if is_negative { -unscaled } else { unscaled }, scale)
}

fn decimal(unscaled: i128, scale: i8) -> Result<ScalarValue> {
    let digits = unscaled.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1);
    let precision = u8::try_from(digits).unwrap_or(u8::MAX).max(scale.unsigned_abs());
    if precision > 38 {
        return Err(Error::new(Code::NumericOutOfRange, "numeric value has more than 38 digits"));
    }
    Ok(ScalarValue::Decimal128(Some(unscaled), precision, scale))
}

/// One dimension at most. The item type the client names is checked by the items' own lengths.
fn array_from_binary(kind: Kind, body: &mut Body) -> Result<ScalarValue> {
    let (dimensions, _has_null, item_oid) = (body.i32()?, body.i32()?, body.i32()?);
    let kind = u32::try_from(item_oid).ok().and_then(PgType::of_oid).map_or(kind, |named| named.kind);
    let mut items = Vec::new();
    match dimensions {
        0 => {}
        1 => {
            let (length, _lower_bound) = (body.i32()?, body.i32()?);
            for _ in 0..length {
                items.push(match body.value()? {
                    Some(bytes) => {
                        let mut item = Body(bytes);
                        let value = value_from_binary(kind, &mut item)?;
                        item.finish()?;
                        value
                    }
                    None => null(kind)?,
                });
            }
        }
        _ => return Err(Error::new(Code::NotSupported, "arrays of more than one dimension are not supported")),
    }
    list(kind, items)
}

fn null(kind: Kind) -> Result<ScalarValue> {
    ScalarValue::try_new_null(&kind.arrow()).map_err(|error| Error::internal("a type has no NULL").caused_by(error))
}

fn list(kind: Kind, items: Vec<ScalarValue>) -> Result<ScalarValue> {
    let bad = |error| Error::new(Code::InvalidText, "the items of an array have different types").caused_by(error);
    let data_type = match kind {
        // Numbers are brought to the longest fraction among them.
        Kind::Numeric(_) => {
            let scale = items
                .iter()
                .filter_map(|item| if let ScalarValue::Decimal128(Some(_), _, scale) = item { Some(*scale) } else { None })
                .max();
            DataType::Decimal128(38, scale.unwrap_or(0))
        }
        kind => kind.arrow(),
    };
    let items = items.iter().map(|item| item.cast_to(&data_type)).collect::<Result<Vec<_>, _>>().map_err(bad)?;
    let values: ArrayRef =
        if items.is_empty() { arrow::array::new_empty_array(&data_type) } else { ScalarValue::iter_to_array(items).map_err(bad)? };
    let field = Arc::new(Field::new_list_field(data_type, true));
    let list = ListArray::try_new(field, OffsetBuffer::from_lengths([values.len()]), values, None)
        .map_err(|error| Error::internal("an array could not be built").caused_by(error))?;
    Ok(ScalarValue::List(Arc::new(list)))
}

pub(super) fn from_text(pg_type: PgType, text: &str, zone: &Zone) -> Result<ScalarValue> {
    if !pg_type.is_array {
        return value_from_text(pg_type.kind, text, zone);
    }
    let items = split_array(text)?.into_iter().map(|item| match item {
        Some(item) => value_from_text(pg_type.kind, &item, zone),
        None => null(pg_type.kind),
    });
    list(pg_type.kind, items.collect::<Result<_>>()?)
}

fn value_from_text(kind: Kind, text: &str, zone: &Zone) -> Result<ScalarValue> {
    let bad = || Error::new(Code::InvalidText, format!("invalid input syntax for type {}: \"{text}\"", kind.name()));
    let trimmed = text.trim();
    Ok(match kind {
        Kind::Bool => ScalarValue::Boolean(Some(bool_from_text(trimmed).ok_or_else(bad)?)),
        Kind::Int2 => ScalarValue::Int16(Some(integer(trimmed, kind)?)),
        Kind::Int4 => ScalarValue::Int32(Some(integer(trimmed, kind)?)),
        Kind::Int8 => ScalarValue::Int64(Some(integer(trimmed, kind)?)),
        Kind::Oid(_) => ScalarValue::Int64(Some(integer::<u32>(trimmed, kind)?.into())),
        Kind::Float4 => ScalarValue::Float32(Some(trimmed.parse().map_err(|_| bad())?)),
        Kind::Float8 => ScalarValue::Float64(Some(trimmed.parse().map_err(|_| bad())?)),
        Kind::Numeric(_) => {
            let (unscaled, _, scale) = parse_numeric(trimmed)?.ok_or_else(bad)?;
            decimal(unscaled, scale)?
        }
        Kind::Text | Kind::Char | Kind::Vector { .. } => text_value(no_nul(text)?),
        Kind::Json | Kind::Jsonb => {
            serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| bad().detail(format!("{error}.")))?;
            text_value(text.to_owned())
        }
        Kind::Uuid => text_value(Uuid::parse_str(trimmed).map_err(|_| bad())?.hyphenated().to_string()),
        Kind::Bytea => ScalarValue::Binary(Some(bytea_from_text(text).ok_or_else(bad)?)),
        Kind::TimestampTz => {
            let moment = match zone {
                Zone::Fixed(offset) => micros_in(offset, trimmed),
                Zone::Named(named) => micros_in(named, trimmed),
            };
            ScalarValue::TimestampMicrosecond(Some(moment.ok_or_else(bad)?), Some("UTC".into()))
        }
        Kind::Date | Kind::Time | Kind::Timestamp | Kind::Interval => {
            let options = CastOptions { safe: false, ..CastOptions::default() };
            let text = if kind == Kind::Date { day(trimmed) } else { trimmed };
            let array = cast_with_options(&StringArray::from(vec![text]), &kind.arrow(), &options).map_err(|_| bad())?;
            ScalarValue::try_from_array(&array, 0).map_err(|_| bad())?
        }
    })
}

/// The day alone: a time and an offset behind it say nothing about a date.
fn day(text: &str) -> &str {
    let is_time = |rest: &str| rest.chars().all(|sign| sign.is_ascii_digit() || matches!(sign, ':' | '.' | '+' | '-' | ' '));
    text.split_once([' ', 'T']).filter(|(_, rest)| is_time(rest)).map_or(text, |(day, _)| day)
}

/// A moment without a zone of its own is one on that wall clock.
fn micros_in<T: TimeZone>(zone: &T, text: &str) -> Option<i64> {
    string_to_datetime(zone, text).ok().map(|moment| moment.timestamp_micros())
}

fn integer<T: FromStr>(text: &str, kind: Kind) -> Result<T> {
    text.parse().map_err(|_| match text.parse::<i128>() {
        Ok(_) => Error::new(Code::NumericOutOfRange, format!("value \"{text}\" is out of range for type {}", kind.name())),
        Err(_) => Error::new(Code::InvalidText, format!("invalid input syntax for type {}: \"{text}\"", kind.name())),
    })
}

fn bool_from_text(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Some(true),
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// `\x` and hexadecimal digits, or the older form with octal escapes.
fn bytea_from_text(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(digits) = text.strip_prefix("\\x") {
        let mut digits = digits.chars().filter(|digit| !digit.is_whitespace()).map(|digit| digit.to_digit(16));
        while let Some(high) = digits.next() {
            bytes.push(u8::try_from(high? * 16 + digits.next()??).ok()?);
        }
        return Some(bytes);
    }
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        match rest {
            [b'\\', behind @ ..] => {
                bytes.push(b'\\');
                rest = behind;
            }
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', behind @ ..] => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = behind;
            }
            _ => return None,
        }
    }
    Some(bytes)
}

/// The items of `{a,"b c",NULL}`.
fn split_array(text: &str) -> Result<Vec<Option<String>>> {
    let bad = || Error::new(Code::InvalidText, format!("malformed array literal: \"{text}\""));
    let inner = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or_else(bad)?;
    if inner.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut items = Vec::new();
    let (mut item, mut is_quoted, mut is_inside) = (String::new(), false, false);
    let mut chars = inner.chars();
    while let Some(next) = chars.next() {
        match next {
            '\\' => item.push(chars.next().ok_or_else(bad)?),
            '"' => {
                is_quoted = true;
                is_inside = !is_inside;
            }
            ',' if !is_inside => {
                items.push(array_item(std::mem::take(&mut item), is_quoted).ok_or_else(bad)?);
                is_quoted = false;
            }
            '{' | '}' if !is_inside => return Err(bad()),
            blank if blank.is_whitespace() && !is_inside && (item.is_empty() || is_quoted) => {}
            other => item.push(other),
        }
    }
    if is_inside {
        return Err(bad());
    }
    items.push(array_item(item, is_quoted).ok_or_else(bad)?);
    Ok(items)
}

/// `None` for nothing between two commas; the inner `None` is NULL.
#[expect(clippy::option_option, reason = "the outer one says whether there is an item, the inner one is SQL's NULL")]
fn array_item(item: String, is_quoted: bool) -> Option<Option<String>> {
    match is_quoted {
        true => Some(Some(item)),
        false if item.trim_end().eq_ignore_ascii_case("null") => Some(None),
        false => Some(item.trim_end().to_owned()).filter(|item| !item.is_empty()).map(Some),
    }
}
