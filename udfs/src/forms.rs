//! Text forms of values, as PostgreSQL prints them with DateStyle ISO, IntervalStyle postgres and bytea_output hex.

use std::fmt::Write;

use arrow::datatypes::IntervalMonthDayNano;
use bytes::BufMut;

pub const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Digits that a quotient shows at least; see [`put_decimal128`].
const SIGNIFICANT: i32 = 16;

/// Lets `write!` append to a buffer of bytes.
struct Text<'a, B>(&'a mut B);

impl<B: BufMut> Write for Text<'_, B> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.put_slice(text.as_bytes());
        Ok(())
    }
}

fn write<B: BufMut>(out: &mut B, text: std::fmt::Arguments<'_>) {
    // Appending to memory cannot fail.
    let _ = Text(out).write_fmt(text);
}

pub fn put_text<B: BufMut>(value: &str, out: &mut B) {
    out.put_slice(value.as_bytes());
}

pub fn put_int<B: BufMut>(value: i64, out: &mut B) {
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
}

pub fn put_float8<B: BufMut>(value: f64, out: &mut B) {
    put_float(&format!("{value:e}"), 15, out);
}

pub fn put_float4<B: BufMut>(value: f32, out: &mut B) {
    put_float(&format!("{value:e}"), 6, out);
}

/// `scientific` is the shortest form that reads back the same, as `{:e}` prints it; from `max_exponent` on it keeps an exponent.
fn put_float<B: BufMut>(scientific: &str, max_exponent: i32, out: &mut B) {
    match scientific {
        "inf" => return put_text("Infinity", out),
        "-inf" => return put_text("-Infinity", out),
        "NaN" => return put_text("NaN", out),
        _ => {}
    }
    let (sign, number) = scientific.strip_prefix('-').map_or(("", scientific), |number| ("-", number));
    let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    put_text(sign, out);
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

/// How many digits behind the point of a number of that type are shown; see [`put_decimal128`].
#[must_use]
pub fn shown_scale(unscaled: i128, precision: u8, scale: i8) -> i8 {
    if precision < 38 || scale < 10 {
        return scale;
    }
    let least = match scale {
        16 | 20 => quotient_scale(unscaled, scale),
        _ => 0,
    };
    let (mut shown, mut rest) = (scale, unscaled);
    while shown > least && rest % 10 == 0 {
        rest /= 10;
        shown -= 1;
    }
    shown
}

/// What PostgreSQL shows of a quotient: sixteen digits, counted in groups of four.
#[must_use]
pub fn quotient_scale(unscaled: i128, scale: i8) -> i8 {
    let most = i32::from(scale);
    let shown = match unscaled.unsigned_abs().checked_ilog10() {
        None => SIGNIFICANT + 4,
        // One divided by one looks smaller than it is before it is divided.
        Some(digits) => match i32::try_from(digits).unwrap_or(0) - most {
            0 if 10_u128.checked_pow(u32::from(scale.unsigned_abs())) == Some(unscaled.unsigned_abs()) => SIGNIFICANT + 4,
            exponent => SIGNIFICANT - 4 * exponent.div_euclid(4),
        },
    };
    i8::try_from(shown.clamp(0, most)).unwrap_or(scale)
}

/// A number whose type does not say how many digits it has (38 digits, ten or more of them behind the point) is shown without zeros at its end,
/// and a quotient (16 or 20 of them) with as many digits as PostgreSQL would have computed.
pub fn put_decimal128<B: BufMut>(unscaled: i128, precision: u8, scale: i8, out: &mut B) {
    let shown = shown_scale(unscaled, precision, scale);
    let cut = u32::try_from(scale - shown).ok().and_then(|places| 10_i128.checked_pow(places)).unwrap_or(1);
    let (unscaled, scale) = if shown < scale { (unscaled / cut, shown) } else { (unscaled, scale) };
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
    let (unscaled, power) = (unscaled.unsigned_abs(), power.unsigned_abs());
    if scale == 0 {
        return write(out, format_args!("{unscaled}"));
    }
    write(out, format_args!("{}.{:0width$}", unscaled / power, unscaled % power));
}

/// The integer `unscaled` with the point `scale` digits from its end.
pub fn put_decimal<B: BufMut>(unscaled: &str, scale: i8, out: &mut B) {
    let (sign, digits) = unscaled.strip_prefix('-').map_or(("", unscaled), |digits| ("-", digits));
    let places = usize::from(scale.unsigned_abs());
    if scale <= 0 {
        let zeros = if digits == "0" { 0 } else { places };
        return write(out, format_args!("{sign}{digits}{:0<zeros$}", ""));
    }
    let width = places + 1;
    let padded = format!("{digits:0>width$}");
    let (whole, fraction) = padded.split_at_checked(padded.len() - places).unwrap_or((&padded, ""));
    write(out, format_args!("{sign}{whole}.{fraction}"));
}

pub fn put_bytea<B: BufMut>(value: &[u8], out: &mut B) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
    out.put_slice(b"\\x");
    for byte in value {
        out.put_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar without end. Year 0 is 1 BC.
#[must_use]
pub fn date(days: i64) -> (i64, i64, i64) {
    // Years start in March here, so that the leap day is a year's last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

pub fn put_date<B: BufMut>(days: i32, out: &mut B) {
    let era = put_day(days.into(), out);
    put_text(era, out);
}

/// Appends year, month and day; returns what follows at the end of all.
fn put_day<B: BufMut>(days: i64, out: &mut B) -> &'static str {
    let (year, month, day) = date(days);
    let (shown, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    put_padded(shown, 4, out);
    out.put_u8(b'-');
    put_padded(month, 2, out);
    out.put_u8(b'-');
    put_padded(day, 2, out);
    era
}

pub fn put_time<B: BufMut>(micros: i64, out: &mut B) {
    let seconds = micros / 1_000_000;
    put_padded(seconds / 3600, 2, out);
    out.put_u8(b':');
    put_padded(seconds / 60 % 60, 2, out);
    out.put_u8(b':');
    put_padded(seconds % 60, 2, out);
    put_fraction(micros % 1_000_000, out);
}

/// A dot and the digits of the microseconds without zeros at the end; nothing for a full second.
fn put_fraction<B: BufMut>(micros: i64, out: &mut B) {
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
fn put_padded<B: BufMut>(value: i64, width: usize, out: &mut B) {
    let mut power = 10_i64.saturating_pow(u32::try_from(width.saturating_sub(1)).unwrap_or(0));
    while value / power >= 10 {
        power = power.saturating_mul(10);
    }
    while power > 0 {
        out.put_u8(b'0' + u8::try_from(value / power % 10).unwrap_or(0));
        power /= 10;
    }
}

/// With a zone, `east` says how many seconds its wall clock is before that of UTC.
pub fn put_timestamp<B: BufMut>(micros: i64, east: Option<i64>, out: &mut B) {
    let local = micros.saturating_add(east.unwrap_or(0) * 1_000_000);
    let era = put_day(local.div_euclid(MICROS_PER_DAY), out);
    out.put_u8(b' ');
    put_time(local.rem_euclid(MICROS_PER_DAY), out);
    if let Some(east) = east {
        out.put_u8(if east < 0 { b'-' } else { b'+' });
        let east = east.abs();
        put_padded(east / 3600, 2, out);
        for part in [east % 3600 / 60, east % 60].iter().take(if east % 60 != 0 { 2 } else { usize::from(east % 3600 != 0) }) {
            out.put_u8(b':');
            put_padded(*part, 2, out);
        }
    }
    put_text(era, out);
}

/// `1 year 2 mons -3 days 04:05:06.7`.
pub fn put_interval<B: BufMut>(value: IntervalMonthDayNano, out: &mut B) {
    let micros = value.nanoseconds / 1_000;
    let parts = [(value.months / 12, "year"), (value.months % 12, "mon"), (value.days, "day")];
    let (mut is_after_negative, mut is_first) = (false, true);
    for (count, unit) in parts.into_iter().filter(|(count, _)| *count != 0) {
        let space = if is_first { "" } else { " " };
        let sign = if is_after_negative && count > 0 { "+" } else { "" };
        let plural = if count == 1 { "" } else { "s" };
        write(out, format_args!("{space}{sign}{count} {unit}{plural}"));
        is_after_negative = count < 0;
        is_first = false;
    }
    if micros != 0 || is_first {
        if !is_first {
            out.put_u8(b' ');
        }
        match micros {
            ..0 => out.put_u8(b'-'),
            _ if is_after_negative => out.put_u8(b'+'),
            _ => {}
        }
        put_time(i64::try_from(micros.unsigned_abs()).unwrap_or(i64::MAX), out);
    }
}

/// One item of an array, in quotes where it must be.
pub fn put_item<B: BufMut>(item: &[u8], out: &mut B) {
    let is_special = |byte: &u8| matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\') || byte.is_ascii_whitespace() || *byte == 0x0b;
    if !item.is_empty() && !item.iter().any(is_special) && !item.eq_ignore_ascii_case(b"NULL") {
        return out.put_slice(item);
    }
    put_quoted(item, b'\\', out);
}

/// One value of a row, in quotes where it must be.
pub fn put_member<B: BufMut>(item: &[u8], out: &mut B) {
    let is_special = |byte: &u8| matches!(byte, b'(' | b')' | b',' | b'"' | b'\\') || byte.is_ascii_whitespace() || *byte == 0x0b;
    if !item.is_empty() && !item.iter().any(is_special) {
        return out.put_slice(item);
    }
    out.put_u8(b'"');
    for byte in item {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(*byte);
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

fn put_quoted<B: BufMut>(item: &[u8], escape: u8, out: &mut B) {
    out.put_u8(b'"');
    for byte in item {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(escape);
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}
