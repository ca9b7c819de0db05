//! Dates and times of day as PostgreSQL reads them beside the ISO forms: `20260102`, `January 8, 1999`, `1999-Jan-08`, `1/8/1999`, `04:05 PM`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, PrimitiveArray, StringArray};
use arrow::datatypes::{DataType, Date32Type, Time64MicrosecondType, TimeUnit};
use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};
use datafusion_common::{DataFusionError, Result};

use crate::failure::{Kind, failed};

const DATES: &[&str] =
    &["%Y-%m-%d", "%Y%m%d", "%B %d, %Y", "%b %d, %Y", "%Y-%b-%d", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%m/%d/%Y", "%Y/%m/%d", "%m-%d-%Y"];
const TIMES: &[&str] = &["%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p", "%H%M%S"];

/// Texts as dates or times of day.
///
/// # Errors
/// A text that is neither.
pub fn read(texts: &StringArray, to: &DataType) -> Result<ArrayRef> {
    match to {
        DataType::Date32 => {
            let mut days = PrimitiveArray::<Date32Type>::builder(texts.len());
            for text in texts {
                days.append_option(text.map(date).transpose()?);
            }
            Ok(Arc::new(days.finish()))
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            let mut micros = PrimitiveArray::<Time64MicrosecondType>::builder(texts.len());
            for text in texts {
                micros.append_option(text.map(time).transpose()?);
            }
            Ok(Arc::new(micros.finish()))
        }
        other => Err(DataFusionError::NotImplemented(format!("text cannot be read as {other}"))),
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'/' | b':' | b'.'))
}

/// Days since 1970-01-01.
///
/// # Errors
/// Whatever is no date.
pub fn date(text: &str) -> Result<i32> {
    let trimmed = text.trim();
    let (written, is_before) = match trimmed.strip_suffix("BC").or_else(|| trimmed.strip_suffix("bc")) {
        Some(rest) => (rest.trim_end(), true),
        None => (trimmed, false),
    };
    // A time of day behind the date is not looked at.
    let day = written.split_once('T').or_else(|| written.split_once(' ').filter(|(day, _)| is_digits(day))).map_or(written, |(day, _)| day);
    let found =
        DATES.iter().find_map(|form| NaiveDate::parse_from_str(day, form).ok().or_else(|| NaiveDate::parse_from_str(written, form).ok()));
    let found = match found {
        Some(found) if is_before => found.with_year(1 - found.year()),
        Some(found) => Some(found),
        None if trimmed.eq_ignore_ascii_case("epoch") => Some(NaiveDate::default()),
        None => None,
    };
    match found {
        Some(found) => Ok(found.num_days_from_ce() - NaiveDate::default().num_days_from_ce()),
        None if matches!(trimmed.to_ascii_lowercase().as_str(), "infinity" | "-infinity" | "today" | "now" | "tomorrow" | "yesterday") => {
            Err(failed(Kind::NotSupported, format!("date \"{text}\" is not supported")))
        }
        None if !day.is_empty() && is_digits(day) && day.len() >= 8 => {
            Err(failed(Kind::DatetimeOutOfRange, format!("date/time field value out of range: \"{text}\"")))
        }
        None => Err(failed(Kind::InvalidDatetime, format!("invalid input syntax for type date: \"{text}\""))),
    }
}

fn time(text: &str) -> Result<i64> {
    let found = TIMES.iter().find_map(|form| NaiveTime::parse_from_str(text.trim(), form).ok());
    match found {
        Some(time) => Ok(i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1_000)),
        None if is_digits(text.trim()) => Err(failed(Kind::DatetimeOutOfRange, format!("date/time field value out of range: \"{text}\""))),
        None => Err(failed(Kind::InvalidDatetime, format!("invalid input syntax for type time: \"{text}\""))),
    }
}
