//! Text to typed values: one function per type, the same for every format.
//!
//! White space around numbers, dates and booleans is passed over. A number that does not fit is refused, never clamped; a decimal with more
//! digits after the point than its column keeps is rounded half away from zero, as PostgreSQL does. A timestamp without a zone is UTC where the
//! column has one; digits below the microsecond are cut off.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400 * MICROS;
/// Days from 0001-01-01 to 1970-01-01, both in chrono's count.
const EPOCH_FROM_CE: i32 = 719_163;

/// Why a text is not a value of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    Syntax,
    Range,
    /// A zero byte, which PostgreSQL's text has no place for.
    Zero,
}

pub(super) type Converted<T> = Result<T, Wrong>;

/// A whole number in decimal digits, with an optional sign.
pub(super) fn integer(text: &str) -> Converted<i64> {
    let bytes = text.trim_ascii().as_bytes();
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() {
        return Err(Wrong::Syntax);
    }
    // Eighteen digits always fit: no check per digit.
    if digits.len() <= 18 {
        let mut value: i64 = 0;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return Err(Wrong::Syntax);
            }
            value = value * 10 + i64::from(digit);
        }
        return Ok(if negative { -value } else { value });
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(Wrong::Syntax);
    }
    text.trim_ascii().parse().map_err(|_| Wrong::Range)
}

pub(super) fn double(text: &str) -> Converted<f64> {
    let text = text.trim_ascii();
    let value: f64 = text.parse().map_err(|_| Wrong::Syntax)?;
    // An infinity that was not spelled as one is an overflow.
    if value.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::Range);
    }
    Ok(value)
}

pub(super) fn real(text: &str) -> Converted<f32> {
    let text = text.trim_ascii();
    let value: f32 = text.parse().map_err(|_| Wrong::Syntax)?;
    if value.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::Range);
    }
    Ok(value)
}

pub(super) fn boolean(text: &str) -> Converted<bool> {
    const TRUE: &[&str] = &["true", "t", "yes", "y", "on", "1"];
    const FALSE: &[&str] = &["false", "f", "no", "n", "off", "0"];
    let text = text.trim_ascii();
    let is_one_of = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_one_of(TRUE) {
        Ok(true)
    } else if is_one_of(FALSE) {
        Ok(false)
    } else {
        Err(Wrong::Syntax)
    }
}

/// The unscaled value of a decimal with `scale` digits after the point and at most `precision` digits in all.
pub(super) fn decimal(text: &str, precision: u8, scale: i8) -> Converted<i128> {
    if let Some(value) = short_decimal(text.as_bytes(), precision, scale) {
        return Ok(i128::from(value));
    }
    let text = text.trim_ascii();
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => {
            let (mantissa, rest) = text.split_at_checked(at).ok_or(Wrong::Syntax)?;
            let digits = rest.get(1..).ok_or(Wrong::Syntax)?;
            let exponent = integer(digits)?;
            (mantissa, i32::try_from(exponent).map_err(|_| Wrong::Range)?)
        }
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let value = unscaled(digits, i32::from(scale), exponent)?;
    if value >= 10_i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX) {
        return Err(Wrong::Range);
    }
    Ok(if negative { -value } else { value })
}

/// A plain decimal that needs no rounding and whose digits, with the zeros that its scale adds, surely fit: nearly every one there is.
#[inline]
fn short_decimal(text: &[u8], precision: u8, scale: i8) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    // Nineteen digits fit an unsigned number of 64 bits.
    if digits.len() > 19 {
        return None;
    }
    let (mut value, mut count, mut before_point) = (0_u64, 0_usize, None);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + u64::from(digit);
            count += 1;
        } else if *byte == b'.' && before_point.is_none() {
            before_point = Some(count);
        } else {
            return None;
        }
    }
    let after_point = before_point.map_or(0, |before| count - before);
    let zeros = usize::try_from(scale).ok()?.checked_sub(after_point)?;
    if count == 0 || count + zeros > usize::from(precision.min(18)) {
        return None;
    }
    let value = i64::try_from(value * 10_u64.pow(u32::try_from(zeros).ok()?)).ok()?;
    Some(if negative { -value } else { value })
}

fn unscaled(digits: &[u8], scale: i32, exponent: i32) -> Converted<i128> {
    let (mut value, mut after_point, mut seen, mut point) = (0_i128, 0_i32, false, false);
    // Digits behind the last one kept only decide the rounding, and of those only the first.
    let kept = scale.saturating_add(exponent);
    let mut first_dropped = None;
    for byte in digits {
        match byte {
            b'.' if !point => point = true,
            b'0'..=b'9' => {
                seen = true;
                if point && after_point >= kept {
                    first_dropped.get_or_insert(*byte);
                    continue;
                }
                value = value.checked_mul(10).and_then(|v| v.checked_add(i128::from(byte - b'0'))).ok_or(Wrong::Range)?;
                after_point += i32::from(point);
            }
            _ => return Err(Wrong::Syntax),
        }
    }
    if !seen {
        return Err(Wrong::Syntax);
    }
    let mut shift = kept - after_point;
    if shift >= 0 {
        if value != 0 {
            let factor = u32::try_from(shift).ok().and_then(|s| 10_i128.checked_pow(s)).ok_or(Wrong::Range)?;
            value = value.checked_mul(factor).ok_or(Wrong::Range)?;
        }
        return Ok(value + i128::from(first_dropped.is_some_and(|digit| digit >= b'5')));
    }
    // A negative exponent: whole digits fall below the scale.
    let mut last = 0;
    while shift < 0 {
        last = value % 10;
        value /= 10;
        shift += 1;
        if value == 0 && shift < 0 {
            last = 0;
            break;
        }
    }
    Ok(value + i128::from(last >= 5))
}

fn pair(bytes: &[u8], at: usize) -> Option<u32> {
    let tens = bytes.get(at)?.wrapping_sub(b'0');
    let ones = bytes.get(at + 1)?.wrapping_sub(b'0');
    (tens <= 9 && ones <= 9).then(|| u32::from(tens) * 10 + u32::from(ones))
}

/// Days since 1970-01-01 of `YYYY-MM-DD` at the start of the text.
fn leading_date(bytes: &[u8]) -> Converted<i32> {
    let parts = || {
        let year = pair(bytes, 0)? * 100 + pair(bytes, 2)?;
        let dashes = bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
        dashes.then_some(())?;
        Some((i32::try_from(year).ok()?, pair(bytes, 5)?, pair(bytes, 8)?))
    };
    let (year, month, day) = parts().ok_or(Wrong::Syntax)?;
    days(NaiveDate::from_ymd_opt(year, month, day).ok_or(Wrong::Range)?).ok_or(Wrong::Range)
}

fn days(date: NaiveDate) -> Option<i32> {
    use chrono::Datelike;
    date.num_days_from_ce().checked_sub(EPOCH_FROM_CE)
}

/// Days since 1970-01-01. A time behind the date is read and dropped, as PostgreSQL's cast does.
pub(super) fn date(text: &str, format: Option<&str>) -> Converted<i32> {
    let text = text.trim_ascii();
    if let Some(format) = format {
        let date = NaiveDate::parse_from_str(text, format).map_err(|_| Wrong::Syntax)?;
        return days(date).ok_or(Wrong::Range);
    }
    if text.len() == 10 {
        return leading_date(text.as_bytes());
    }
    let (local, _) = local_and_offset(text.as_bytes())?;
    i32::try_from(local.div_euclid(DAY)).map_err(|_| Wrong::Range)
}

/// Microseconds since 1970 on the wall clock of the text; a zone in the text is passed over.
pub(super) fn timestamp(text: &str, format: Option<&str>) -> Converted<i64> {
    let text = text.trim_ascii();
    match format {
        None => local_and_offset(text.as_bytes()).map(|(local, _)| local),
        Some(format) => match NaiveDateTime::parse_from_str(text, format) {
            Ok(local) => Ok(local.and_utc().timestamp_micros()),
            Err(_) => date(text, Some(format)).map(|days| i64::from(days) * DAY),
        },
    }
}

/// Microseconds since 1970-01-01 00:00 UTC.
pub(super) fn timestamptz(text: &str, format: Option<&str>) -> Converted<i64> {
    match format {
        None => {
            let (local, offset) = local_and_offset(text.trim_ascii().as_bytes())?;
            local.checked_sub(offset.unwrap_or(0)).ok_or(Wrong::Range)
        }
        Some(format) => match DateTime::parse_from_str(text.trim_ascii(), format) {
            Ok(zoned) => Ok(zoned.timestamp_micros()),
            Err(_) => timestamp(text, Some(format)),
        },
    }
}

/// Whether the text is a timestamp, and if so whether it names its zone.
pub(super) fn names_zone(text: &str) -> Option<bool> {
    local_and_offset(text.trim_ascii().as_bytes()).ok().map(|(_, offset)| offset.is_some())
}

/// `2024-05-01`, `2024-05-01T10:00`, `2024-05-01 10:00:00.123 +02:00`: microseconds on its wall clock, and its offset from UTC.
fn local_and_offset(bytes: &[u8]) -> Converted<(i64, Option<i64>)> {
    let midnight = i64::from(leading_date(bytes)?) * DAY;
    let Some(separator) = bytes.get(10) else {
        return Ok((midnight, None));
    };
    if !matches!(separator, b'T' | b't' | b' ') || bytes.get(13) != Some(&b':') {
        return Err(Wrong::Syntax);
    }
    let (hour, minute) = (pair(bytes, 11).ok_or(Wrong::Syntax)?, pair(bytes, 14).ok_or(Wrong::Syntax)?);
    let mut at = 16;
    let mut second = 0;
    if bytes.get(at) == Some(&b':') {
        second = pair(bytes, at + 1).ok_or(Wrong::Syntax)?;
        at += 3;
    }
    let mut fraction = 0_i64;
    if matches!(bytes.get(at), Some(b'.' | b',')) {
        at += 1;
        let start = at;
        while let Some(digit) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
            if at - start < 6 {
                fraction = fraction * 10 + i64::from(digit - b'0');
            }
            at += 1;
        }
        for _ in (at - start)..6 {
            fraction *= 10;
        }
        if at == start {
            return Err(Wrong::Syntax);
        }
    }
    // 24:00:00 and a leap second's :60 are what PostgreSQL takes too.
    if hour > 24 || minute > 59 || second > 60 || (hour == 24 && (minute, second, fraction) != (0, 0, 0)) {
        return Err(Wrong::Range);
    }
    let of_day = (i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)) * MICROS + fraction;
    let zone = bytes.get(at..).unwrap_or_default().trim_ascii();
    Ok((midnight + of_day, if zone.is_empty() { None } else { Some(offset(zone)?) }))
}

/// `Z`, `UTC`, `+02`, `+0200`, `+02:00`, `+02:00:30` in microseconds.
fn offset(zone: &[u8]) -> Converted<i64> {
    let (sign, digits) = match zone {
        [b'Z' | b'z'] => return Ok(0),
        _ if zone.eq_ignore_ascii_case(b"utc") || zone.eq_ignore_ascii_case(b"gmt") => return Ok(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return Err(Wrong::Syntax),
    };
    let part = |at| pair(digits, at).map(i64::from).ok_or(Wrong::Syntax);
    let colon = |at: usize| digits.get(at) == Some(&b':');
    let (hours, minutes, seconds) = match digits.len() {
        2 => (part(0)?, 0, 0),
        4 => (part(0)?, part(2)?, 0),
        5 if colon(2) => (part(0)?, part(3)?, 0),
        8 if colon(2) && colon(5) => (part(0)?, part(3)?, part(6)?),
        _ => return Err(Wrong::Syntax),
    };
    if hours > 15 || minutes > 59 || seconds > 59 {
        return Err(Wrong::Range);
    }
    Ok(sign * (hours * 3600 + minutes * 60 + seconds) * MICROS)
}

/// The usual spelling of a uuid: lower case, with dashes. Braces and missing dashes are taken, as PostgreSQL does.
pub(super) fn uuid(text: &str) -> Converted<String> {
    uuid::Uuid::try_parse(text.trim_ascii()).map(|id| id.hyphenated().to_string()).map_err(|_| Wrong::Syntax)
}

/// `\x` and hex digits, otherwise the text's own bytes.
pub(super) fn bytea(text: &str) -> Converted<Vec<u8>> {
    let Some(hex) = text.strip_prefix("\\x") else {
        return Ok(text.as_bytes().to_vec());
    };
    if hex.len() % 2 != 0 {
        return Err(Wrong::Syntax);
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    hex.as_bytes()
        .chunks_exact(2)
        .map(|two| match two {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect::<Option<_>>()
        .ok_or(Wrong::Syntax)
}
