//! Functions over bytes: `||`, `get_byte`, `set_byte`, `get_bit`, `set_bit`, parts, places and trimming.

use arrow::datatypes::DataType;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ScalarUDF, Signature, Volatility};

use crate::failure::{Kind, failed};
use crate::row::{RowFunction, bytes};

fn function(name: &str, arguments: usize, returns: DataType) -> RowFunction {
    RowFunction::new(name, Signature::any(arguments, Volatility::Immutable), returns)
}

fn binary(bytes: Vec<u8>) -> ScalarValue {
    ScalarValue::Binary(Some(bytes))
}

fn number(value: &ScalarValue) -> Result<i64> {
    match value.cast_to(&DataType::Int64)? {
        ScalarValue::Int64(Some(number)) => Ok(number),
        _ => Err(DataFusionError::Execution("a number is expected".to_owned())),
    }
}

/// The place of a byte or bit, which must be there.
fn place(at: i64, length: usize) -> Result<usize> {
    let found = usize::try_from(at).ok().filter(|at| *at < length);
    found.ok_or_else(|| {
        let last = i64::try_from(length).unwrap_or(i64::MAX) - 1;
        failed(Kind::OutOfArray, format!("index {at} out of valid range, 0..{last}"))
    })
}

/// `a || b` of bytes.
pub fn bytea_concat() -> ScalarUDF {
    function("bytea_concat", 2, DataType::Binary).body(|args| {
        let [one, other] = args else { return Ok(ScalarValue::Binary(None)) };
        Ok(binary([bytes(one)?, bytes(other)?].concat()))
    })
}

pub fn get_byte() -> ScalarUDF {
    function("get_byte", 2, DataType::Int32).body(|args| {
        let [value, at] = args else { return Ok(ScalarValue::Int32(None)) };
        let value = bytes(value)?;
        let at = place(number(at)?, value.len())?;
        Ok(ScalarValue::Int32(value.get(at).map(|byte| i32::from(*byte))))
    })
}

pub fn set_byte() -> ScalarUDF {
    function("set_byte", 3, DataType::Binary).body(|args| {
        let [value, at, new] = args else { return Ok(ScalarValue::Binary(None)) };
        let mut value = bytes(value)?.to_vec();
        let at = place(number(at)?, value.len())?;
        let new = u8::try_from(number(new)?.rem_euclid(256)).unwrap_or(0);
        if let Some(byte) = value.get_mut(at) {
            *byte = new;
        }
        Ok(binary(value))
    })
}

pub fn get_bit() -> ScalarUDF {
    function("get_bit", 2, DataType::Int32).body(|args| {
        let [value, at] = args else { return Ok(ScalarValue::Int32(None)) };
        let value = bytes(value)?;
        let at = place(number(at)?, value.len().saturating_mul(8))?;
        Ok(ScalarValue::Int32(value.get(at / 8).map(|byte| i32::from(byte >> (at % 8) & 1))))
    })
}

pub fn set_bit() -> ScalarUDF {
    function("set_bit", 3, DataType::Binary).body(|args| {
        let [value, at, new] = args else { return Ok(ScalarValue::Binary(None)) };
        let mut value = bytes(value)?.to_vec();
        let at = place(number(at)?, value.len().saturating_mul(8))?;
        let new = match number(new)? {
            0 => false,
            1 => true,
            _ => return Err(failed(Kind::InvalidParameter, "new bit must be 0 or 1")),
        };
        if let Some(byte) = value.get_mut(at / 8) {
            let bit = 1 << (at % 8);
            *byte = if new { *byte | bit } else { *byte & !bit };
        }
        Ok(binary(value))
    })
}

/// `substring(bytes, from [, count])`.
pub fn bytea_substring() -> ScalarUDF {
    RowFunction::any("bytea_substring", DataType::Binary).body(|args| {
        let [value, from, rest @ ..] = args else { return Ok(ScalarValue::Binary(None)) };
        let (value, from) = (bytes(value)?, number(from)?);
        let end = match rest.first() {
            Some(count) => {
                let count = number(count)?;
                if count < 0 {
                    return Err(failed(Kind::Substring, "negative substring length not allowed"));
                }
                from.saturating_add(count)
            }
            None => i64::MAX,
        };
        let at = |place: i64| usize::try_from(place.max(1) - 1).unwrap_or(usize::MAX).min(value.len());
        Ok(binary(value.get(at(from)..at(end).max(at(from))).unwrap_or_default().to_vec()))
    })
}

/// `position(part in bytes)`.
pub fn bytea_position() -> ScalarUDF {
    function("bytea_position", 2, DataType::Int32).body(|args| {
        let [value, part] = args else { return Ok(ScalarValue::Int32(None)) };
        let (value, part) = (bytes(value)?, bytes(part)?);
        let found = match part.len() {
            0 => Some(0),
            length => value.windows(length).position(|window| window == part),
        };
        Ok(ScalarValue::Int32(Some(found.and_then(|at| i32::try_from(at + 1).ok()).unwrap_or(0))))
    })
}

/// `overlay(bytes placing part from place [for count])`.
pub fn bytea_overlay() -> ScalarUDF {
    RowFunction::any("bytea_overlay", DataType::Binary).body(|args| {
        let [value, part, from, rest @ ..] = args else { return Ok(ScalarValue::Binary(None)) };
        let (value, part, from) = (bytes(value)?, bytes(part)?, number(from)?);
        let count = rest.first().map_or(Ok(i64::try_from(part.len()).unwrap_or(i64::MAX)), number)?;
        let at = |place: i64| usize::try_from(place.max(1) - 1).unwrap_or(usize::MAX).min(value.len());
        let (start, end) = (at(from), at(from.saturating_add(count)));
        Ok(binary([value.get(..start).unwrap_or_default(), part, value.get(end..).unwrap_or_default()].concat()))
    })
}

fn trimmed(name: &str, start: bool, end: bool) -> ScalarUDF {
    function(name, 2, DataType::Binary).body(move |args| {
        let [value, set] = args else { return Ok(ScalarValue::Binary(None)) };
        let (mut value, set) = (bytes(value)?, bytes(set)?);
        while let Some((first, rest)) = value.split_first().filter(|(first, _)| start && set.contains(first)) {
            let _ = first;
            value = rest;
        }
        while let Some((last, rest)) = value.split_last().filter(|(last, _)| end && set.contains(last)) {
            let _ = last;
            value = rest;
        }
        Ok(binary(value.to_vec()))
    })
}

pub fn bytea_btrim() -> ScalarUDF {
    trimmed("bytea_btrim", true, true)
}

pub fn bytea_ltrim() -> ScalarUDF {
    trimmed("bytea_ltrim", true, false)
}

pub fn bytea_rtrim() -> ScalarUDF {
    trimmed("bytea_rtrim", false, true)
}

/// `like` of bytes: `%` is any number of bytes, `_` one, a backslash takes the next as it is.
pub fn bytea_like() -> ScalarUDF {
    function("bytea_like", 2, DataType::Boolean).body(|args| {
        let [value, pattern] = args else { return Ok(ScalarValue::Boolean(None)) };
        Ok(ScalarValue::Boolean(Some(is_like(bytes(value)?, bytes(pattern)?))))
    })
}

fn is_like(value: &[u8], pattern: &[u8]) -> bool {
    let (mut value, mut pattern) = (value, pattern);
    // Where to go on when what follows the last percent sign does not fit here.
    let mut again: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match (pattern, value) {
            ([b'%', rest @ ..], _) => {
                again = Some((rest, value));
                pattern = rest;
                continue;
            }
            ([], []) => return true,
            ([b'_', rest @ ..], [_, behind @ ..]) => Some((rest, behind)),
            ([b'\\', wanted, rest @ ..], [found, behind @ ..]) if wanted == found => Some((rest, behind)),
            ([wanted, rest @ ..], [found, behind @ ..]) if wanted == found && *wanted != b'\\' => Some((rest, behind)),
            _ => None,
        };
        match (step, again) {
            (Some((rest, behind)), _) => (pattern, value) = (rest, behind),
            (None, Some((rest, [_, behind @ ..]))) => {
                again = Some((rest, behind));
                (pattern, value) = (rest, behind);
            }
            _ => return false,
        }
    }
}
