//! Numbers of any length: digits in groups of four on the wire, an unscaled integer in Arrow.

use bytes::{BufMut, BytesMut};

use crate::error::{Code, Error, Result};

const NEGATIVE: u16 = 0x4000;

/// The same digits as its text shows.
pub(super) fn put_shown(unscaled: i128, precision: u8, scale: i8, out: &mut BytesMut) -> Result<()> {
    let shown = weir_udfs::forms::shown_scale(unscaled, precision, scale);
    let cut = u32::try_from(scale - shown).ok().and_then(|places| 10_i128.checked_pow(places)).unwrap_or(1);
    put(&(unscaled / cut).to_string(), shown, out)
}

/// Appends the binary form of the integer `unscaled` divided by ten to the power of `scale`.
pub(super) fn put(unscaled: &str, scale: i8, out: &mut BytesMut) -> Result<()> {
    let (is_negative, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, unscaled),
    };
    let shown = usize::try_from(scale).unwrap_or(0);
    // Zeros in front and behind bring the point to a border between groups of four.
    let behind = if scale < 0 { usize::from(scale.unsigned_abs()) } else { (4 - shown % 4) % 4 };
    let fraction = shown + if scale < 0 { 0 } else { behind };
    let length = (digits.len() + behind).max(fraction);
    let front = (4 - length % 4) % 4 + length - digits.len() - behind;
    let padded = [&b"0".repeat(front), digits.as_bytes(), &b"0".repeat(behind)].concat();
    let groups: Vec<i16> = padded.chunks(4).map(|group| group.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0'))).collect();
    let whole = groups.len() - fraction / 4;
    let first = groups.iter().position(|group| *group != 0);
    let Some(first) = first else {
        [0, 0, 0, out_i16(shown)?].iter().for_each(|part| out.put_i16(*part));
        return Ok(());
    };
    let last = groups.iter().rposition(|group| *group != 0).unwrap_or(first);
    let sent = groups.get(first..=last).unwrap_or_default();
    out.put_i16(out_i16(sent.len())?);
    out.put_i16(i16::try_from(i64::try_from(whole).unwrap_or(0) - i64::try_from(first).unwrap_or(0) - 1).unwrap_or(0));
    out.put_u16(if is_negative { NEGATIVE } else { 0 });
    out.put_i16(out_i16(shown)?);
    sent.iter().for_each(|group| out.put_i16(*group));
    Ok(())
}

fn out_i16(value: usize) -> Result<i16> {
    i16::try_from(value).map_err(|_| Error::internal("a numeric has too many digits"))
}

/// The unscaled integer, precision and scale of a decimal number in text; `None` when it is not one.
///
/// # Errors
/// `NumericOutOfRange` for more than 38 digits.
pub(in super::super) fn parse(text: &str) -> Result<Option<(i128, u8, i8)>> {
    let text = text.trim();
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => match exponent.parse::<i16>() {
            Ok(exponent) => (number, exponent),
            Err(_) => return Ok(None),
        },
        None => (text, 0),
    };
    let (is_negative, number) = match number.strip_prefix(['-', '+']) {
        Some(rest) => (number.starts_with('-'), rest),
        None => (false, number),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let too_long = || Error::new(Code::NumericOutOfRange, "numeric value has more than 38 digits");
    let mut digits = format!("{whole}{fraction}").trim_start_matches('0').to_owned();
    let mut scale = i64::try_from(fraction.len()).map_err(|_| too_long())? - i64::from(exponent);
    if scale < 0 && !digits.is_empty() {
        let zeros = usize::try_from(-scale).ok().filter(|zeros| *zeros <= 38).ok_or_else(too_long)?;
        digits.push_str(&"0".repeat(zeros));
    }
    scale = scale.max(0);
    if digits.len() > 38 || scale > 38 {
        return Err(too_long());
    }
    let unscaled: i128 = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| too_long())? };
    let scale = i8::try_from(scale).map_err(|_| too_long())?;
    let precision = u8::try_from(digits.len()).map_err(|_| too_long())?.max(scale.unsigned_abs()).max(1);
    Ok(Some((if is_negative { -unscaled } else { unscaled }, precision, scale)))
}
