//! `to_timestamp(text, pattern) -> timestamptz` and `to_date(text, pattern) -> date` with PostgreSQL's patterns; `to_timestamp(seconds)`.
//!
//! Understood: YYYY, YY, MM, Mon, Month, DD, DDD, HH24, HH12, HH, MI, SS, MS, US, AM, PM, TZH, TZM, quoted text. Any other letters of a pattern
//! are an error, never skipped. Text without a zone is UTC.

use arrow::datatypes::{DataType, TimeUnit};
use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ScalarUDF, Signature, TypeSignature, Volatility};

use crate::row::{RowFunction, text};

pub fn to_timestamp() -> ScalarUDF {
    let pattern = TypeSignature::Exact(vec![DataType::Utf8, DataType::Utf8]);
    let seconds = TypeSignature::Exact(vec![DataType::Float64]);
    let returns = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    RowFunction::new("to_timestamp", Signature::one_of(vec![pattern, seconds], Volatility::Immutable), returns).body(|args| {
        let micros = match args {
            [ScalarValue::Float64(Some(seconds))] => micros_of(*seconds)?,
            [given, pattern] => read(text(given)?, text(pattern)?)?.time()?.and_utc().timestamp_micros(),
            _ => return Ok(ScalarValue::TimestampMicrosecond(None, Some("UTC".into()))),
        };
        Ok(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())))
    })
}

pub fn to_date() -> ScalarUDF {
    RowFunction::exact("to_date", vec![DataType::Utf8, DataType::Utf8], DataType::Date32).body(|args| {
        let [given, pattern] = args else { return Ok(ScalarValue::Date32(None)) };
        let date = read(text(given)?, text(pattern)?)?.date()?;
        Ok(ScalarValue::Date32(Some(date.num_days_from_ce() - 719_163)))
    })
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
fn micros_of(seconds: f64) -> Result<i64> {
    let micros = (seconds * 1e6).round();
    match micros.abs() < 9.2e18 {
        true => Ok(micros as i64),
        false => Err(failed("timestamp out of range")),
    }
}

fn failed(message: &str) -> DataFusionError {
    DataFusionError::Execution(message.to_owned())
}

/// What the text said, each part where the pattern has it.
#[derive(Default)]
struct Parts {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
    afternoon: Option<bool>,
    /// Minutes east of Greenwich.
    offset: i64,
    west: bool,
}

impl Parts {
    fn date(&self) -> Result<NaiveDate> {
        let year = self.year.unwrap_or(1);
        let date = match self.day_of_year {
            Some(day) => NaiveDate::from_yo_opt(year, day),
            None => NaiveDate::from_ymd_opt(year, self.month.unwrap_or(1), self.day.unwrap_or(1)),
        };
        date.ok_or_else(|| failed("date/time field value out of range"))
    }

    fn time(&self) -> Result<NaiveDateTime> {
        let hour = match (self.afternoon, self.hour) {
            (None, hour) => hour,
            (Some(_), 0) | (Some(_), 13..) => return Err(failed("hour is invalid for the 12-hour clock")),
            (Some(afternoon), hour) => hour % 12 + if afternoon { 12 } else { 0 },
        };
        let (hour, next_day) = if hour == 24 { (0, 1) } else { (hour, 0) };
        let time = NaiveTime::from_hms_micro_opt(hour, self.minute, self.second, self.micros);
        let at = time.and_then(|time| self.date().ok()?.checked_add_days(Days::new(next_day)).map(|date| date.and_time(time)));
        let shift = chrono::TimeDelta::minutes(if self.west { -self.offset } else { self.offset });
        at.and_then(|at| at.checked_sub_signed(shift)).ok_or_else(|| failed("date/time field value out of range"))
    }
}

/// Longest first.
const WORDS: &[&str] = &[
    "HH24", "HH12", "YYYY", "MONTH", "DDD", "MON", "TZH", "TZM", "DAY", "HH", "MI", "MM", "MS", "DD", "SS", "US", "YY", "AM", "PM", "TZ",
    "DY",
];

const MONTHS: &[&str] =
    &["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];

fn read(given: &str, pattern: &str) -> Result<Parts> {
    let mut parts = Parts::default();
    let (mut rest, mut pattern) = (given.trim(), pattern.trim());
    while !pattern.is_empty() {
        if let Some(after) = strip(pattern, "FM") {
            pattern = after;
            continue;
        }
        if let Some((literal, after)) = pattern.strip_prefix('"').and_then(|inner| inner.split_once('"')) {
            let skipped = literal.chars().count();
            rest = rest.char_indices().nth(skipped).map_or("", |(at, _)| rest.get(at..).unwrap_or(""));
            pattern = after;
            continue;
        }
        match WORDS.iter().find_map(|word| strip(pattern, word).map(|after| (*word, after))) {
            Some((word, after)) => {
                // Two fields without anything between are told apart by their width.
                let fixed = after.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
                rest = take(&mut parts, word, rest.trim_start(), fixed)?;
                pattern = after;
            }
            None => {
                let mut chars = pattern.chars();
                let separator = chars.next().unwrap_or(' ');
                if separator.is_alphanumeric() && !matches!(separator, 'T' | 't') {
                    return Err(DataFusionError::NotImplemented(format!("\"{separator}\" in a pattern for dates")));
                }
                pattern = chars.as_str();
                rest = match rest.strip_prefix(|c: char| c == separator || (!c.is_alphanumeric() && !matches!(c, '+' | '-'))) {
                    Some(after) => after,
                    None if separator == '-' => rest.strip_prefix('-').unwrap_or(rest),
                    None => rest,
                };
            }
        }
    }
    Ok(parts)
}

/// Patterns are read without regard to case.
fn strip<'a>(pattern: &'a str, word: &str) -> Option<&'a str> {
    let (head, after) = pattern.split_at_checked(word.len())?;
    head.eq_ignore_ascii_case(word).then_some(after)
}

fn take<'a>(parts: &mut Parts, word: &str, rest: &'a str, fixed: bool) -> Result<&'a str> {
    let invalid = || failed(&format!("invalid value \"{rest}\" for \"{word}\""));
    let digits = |most: usize| {
        let end = rest.char_indices().take_while(|(at, c)| *at < most && c.is_ascii_digit()).count();
        let (number, after) = rest.split_at_checked(end)?;
        number.parse::<u32>().ok().map(|value| (value, end, after))
    };
    let number = |most: usize| digits(most).ok_or_else(invalid);
    match word {
        "YYYY" => {
            let (year, _, after) = number(if fixed { 4 } else { 6 })?;
            parts.year = i32::try_from(year).ok();
            return Ok(after);
        }
        "YY" => {
            let (year, _, after) = number(2)?;
            // The year nearest to 2020.
            parts.year = i32::try_from(year).ok().map(|year| if year < 70 { 2000 + year } else { 1900 + year });
            return Ok(after);
        }
        "MON" | "MONTH" | "DAY" | "DY" => return named(parts, word, rest).ok_or_else(invalid),
        "AM" | "PM" => {
            let (half, after) = rest.split_at_checked(2).ok_or_else(invalid)?;
            parts.afternoon = Some(match half.to_ascii_lowercase().as_str() {
                "am" => false,
                "pm" => true,
                _ => return Err(invalid()),
            });
            return Ok(after);
        }
        "MS" | "US" => {
            let width = if word == "MS" { 3 } else { 6 };
            let (value, length, after) = number(width)?;
            parts.micros = value * 10u32.pow(u32::try_from(6 - length).unwrap_or(0));
            return Ok(after);
        }
        "TZH" => {
            parts.west = rest.starts_with('-');
            let unsigned = rest.trim_start_matches(['+', '-']);
            let (hours, after) = unsigned.split_at_checked(2).ok_or_else(invalid)?;
            parts.offset += hours.parse::<i64>().map_err(|_| invalid())? * 60;
            return Ok(after);
        }
        "TZM" => {
            let (minutes, _, after) = number(2)?;
            parts.offset += i64::from(minutes);
            return Ok(after);
        }
        "TZ" => return Err(DataFusionError::NotImplemented("TZ in a pattern for dates".to_owned())),
        _ => {}
    }
    let (value, _, after) = number(if word == "DDD" { 3 } else { 2 })?;
    match word {
        "MM" => parts.month = Some(value),
        "DD" => parts.day = Some(value),
        "DDD" => parts.day_of_year = Some(value),
        "HH24" | "HH" | "HH12" => parts.hour = value,
        "MI" => parts.minute = value,
        _ => parts.second = value,
    }
    Ok(after)
}

/// A month by its name, whole or its first three letters; the name of a day says nothing and is passed over.
fn named<'a>(parts: &mut Parts, word: &str, rest: &'a str) -> Option<&'a str> {
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (name, after) = rest.split_at_checked(end)?;
    if matches!(word, "DAY" | "DY") {
        return Some(after);
    }
    let name = name.to_ascii_lowercase();
    let place = MONTHS.iter().position(|month| *month == name || month.get(..3) == Some(name.as_str()))?;
    parts.month = u32::try_from(place + 1).ok();
    Some(after)
}
