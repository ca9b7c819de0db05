//! Which types hold the values of which others: what a column may become without a value being lost, and what values that do not fit it are.

use arrow::datatypes::{DataType, TimeUnit};

use super::convert;
use super::json;
use super::types::{Logical, timestamp};

/// Most digits of a decimal.
const MAX_DIGITS: u8 = 38;
const DAY_MICROS: i64 = 86_400_000_000;

/// Whether every value of `from` is a value of `to`, and more.
pub fn is_wider(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    match (from, to) {
        (T::Int16, T::Int32 | T::Int64) | (T::Int32, T::Int64) | (T::Float32, T::Float64) => true,
        (T::Date32, T::Timestamp(TimeUnit::Microsecond, None)) => true,
        (T::Decimal128(precision, scale), T::Decimal128(wide_precision, wide_scale)) => {
            let whole = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
            from != to && wide_scale >= scale && whole(*wide_precision, *wide_scale) >= whole(*precision, *scale)
        }
        _ => false,
    }
}

/// Whether there is a type that is wider.
fn can_widen(data_type: &DataType) -> bool {
    use DataType as T;
    match data_type {
        T::Int16 | T::Int32 | T::Float32 | T::Date32 => true,
        T::Decimal128(precision, _) => *precision < MAX_DIGITS,
        _ => false,
    }
}

/// The least type wider than `from` that takes those of the texts that any wider type takes; None when none of them takes one more.
pub fn wider<'a>(from: &DataType, texts: impl Iterator<Item = &'a str>) -> Option<DataType> {
    if !can_widen(from) {
        return None;
    }
    let mut wide = from.clone();
    for text in texts {
        if let Some(needed) = widened(&wide, text) {
            wide = needed;
        }
    }
    (wide != *from).then_some(wide)
}

/// The type that takes the text as well.
fn widened(from: &DataType, text: &str) -> Option<DataType> {
    use DataType as T;
    let text = text.trim_ascii();
    match from {
        T::Int16 | T::Int32 => {
            let value = convert::integer(text).ok()?;
            let needed = match (i16::try_from(value), i32::try_from(value)) {
                (Ok(_), _) => T::Int16,
                (_, Ok(_)) => T::Int32,
                _ => T::Int64,
            };
            is_wider(from, &needed).then_some(needed)
        }
        T::Float32 => (convert::real(text).is_err() && convert::double(text).is_ok()).then_some(T::Float64),
        T::Date32 => {
            // A date takes the text as well, and drops what stands behind it.
            let of_day = convert::timestamp(text, None).ok()?.rem_euclid(DAY_MICROS);
            (of_day != 0 && convert::names_zone(text) == Some(false)).then(timestamp)
        }
        T::Decimal128(precision, scale) => {
            let (whole, fraction) = digits(text)?;
            let scale = u8::try_from(*scale).ok()?;
            let whole = whole.max(precision.saturating_sub(scale));
            let fraction = fraction.max(scale);
            let needed = T::Decimal128(whole.checked_add(fraction)?, i8::try_from(fraction).ok()?);
            (whole + fraction <= MAX_DIGITS && is_wider(from, &needed)).then_some(needed)
        }
        _ => None,
    }
}

/// How many digits a plain number has before and after its point, without zeros that say nothing.
fn digits(text: &str) -> Option<(u8, u8)> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if (whole.is_empty() && fraction.is_empty()) || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    Some((u8::try_from(whole.len()).ok()?, u8::try_from(fraction.len()).ok()?))
}

/// What values that a column could not take are.
#[derive(Debug, Clone, PartialEq)]
pub enum Misfit {
    /// A wider type takes them.
    Wider(DataType),
    /// Objects or lists.
    Nested,
    /// They are something else; text holds them and what was there before.
    Text,
}

/// `texts` are values that a column of this type could not take.
pub fn misfit<'a>(data_type: &DataType, logical: Logical, texts: impl Iterator<Item = &'a str> + Clone) -> Misfit {
    let takes = |wide: &DataType, text: &str| widened(wide, text).is_none() && fits(wide, text);
    if let Some(wide) = wider(data_type, texts.clone())
        && texts.clone().all(|text| takes(&wide, text))
    {
        return Misfit::Wider(wide);
    }
    let is_nested = |text: &str| text.trim_ascii_start().starts_with(['{', '[']) && json::checked(text).is_ok();
    let mut seen = texts.peekable();
    match logical {
        Logical::Jsonb => Misfit::Text,
        _ if seen.peek().is_some() && seen.all(is_nested) => Misfit::Nested,
        _ => Misfit::Text,
    }
}

fn fits(data_type: &DataType, text: &str) -> bool {
    use DataType as T;
    match data_type {
        T::Int16 | T::Int32 | T::Int64 => convert::integer(text.trim_ascii()).is_ok(),
        T::Float32 | T::Float64 => convert::double(text.trim_ascii()).is_ok(),
        T::Date32 | T::Timestamp(..) => {
            convert::timestamp(text.trim_ascii(), None).is_ok() || convert::date(text.trim_ascii(), None).is_ok()
        }
        T::Decimal128(..) => digits(text.trim_ascii()).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_type_is_the_least_that_takes_all_that_one_can_take() {
        use DataType as T;
        let of = |from: &DataType, texts: &[&str]| wider(from, texts.iter().copied());
        assert_eq!(of(&T::Int16, &["1", "40000", "x"]), Some(T::Int32));
        assert_eq!(of(&T::Int16, &["40000", "-3000000000"]), Some(T::Int64));
        assert_eq!(of(&T::Int32, &["2147483647", "1.5", "99999999999999999999"]), None);
        assert_eq!(of(&T::Int64, &["99999999999999999999"]), None);
        assert_eq!(of(&T::Float32, &["1e300"]), Some(T::Float64));
        assert_eq!(of(&T::Date32, &["2026-01-02", "2026-01-02 03:04:05"]), Some(timestamp()));
        assert_eq!(of(&T::Date32, &["2026-01-02 03:04:05+01", "2026-01-02 00:00:00", "soon"]), None);
        assert_eq!(of(&T::Decimal128(6, 2), &["12345.6", "0.125", "-00007.100"]), Some(T::Decimal128(8, 3)));
        assert_eq!(of(&T::Decimal128(38, 10), &["1"]), None);
        assert_eq!(of(&T::Utf8, &["1"]), None);
    }

    #[test]
    fn wider_holds_whole_digits_and_scale() {
        use DataType as T;
        assert!(is_wider(&T::Decimal128(6, 2), &T::Decimal128(8, 4)) && is_wider(&T::Decimal128(6, 2), &T::Decimal128(7, 2)));
        assert!(!is_wider(&T::Decimal128(6, 2), &T::Decimal128(7, 4)) && !is_wider(&T::Decimal128(6, 2), &T::Decimal128(6, 2)));
        assert!(!is_wider(&T::Int64, &T::Float64) && !is_wider(&T::Int32, &T::Int16) && !is_wider(&T::Utf8, &T::LargeUtf8));
    }

    #[test]
    fn what_does_not_fit_is_told_apart() {
        let of = |from: &DataType, texts: &[&str]| misfit(from, Logical::Plain, texts.iter().copied());
        assert_eq!(of(&DataType::Int32, &["3000000000"]), Misfit::Wider(DataType::Int64));
        assert_eq!(of(&DataType::Int32, &["3000000000", "x"]), Misfit::Text);
        assert_eq!(of(&DataType::Int64, &[r#"{"a": 1}"#, "[1]"]), Misfit::Nested);
        assert_eq!(of(&DataType::Int64, &[r#"{"a": 1"#]), Misfit::Text);
    }
}
