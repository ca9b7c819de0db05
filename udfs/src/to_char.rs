//! `to_char(timestamp, pattern) -> text` with PostgreSQL's patterns: YYYY, MM, DD, HH24, MI, SS, MS, US, Mon, Day, ..
//!
//! FM takes padding away; text in double quotes is copied. Numbers have patterns of their own: `to_char_number`.

use arrow::datatypes::{DataType, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ScalarUDF, Signature, TypeSignature, Volatility};

use crate::failure::{Kind, failed};
use crate::row::{RowFunction, text};
use crate::to_char_number;

pub fn to_char() -> ScalarUDF {
    let any = TypeSignature::Any(2);
    RowFunction::new("to_char", Signature::one_of(vec![any], Volatility::Immutable), DataType::Utf8).body(|args| {
        let [value, pattern] = args else { return Ok(ScalarValue::Utf8(None)) };
        if value.data_type().is_numeric() {
            return Ok(ScalarValue::Utf8(Some(to_char_number::format(value, text(pattern)?)?)));
        }
        if let DataType::Time64(_) | DataType::Interval(_) = value.data_type() {
            return Ok(ScalarValue::Utf8(Some(of_clock(value, text(pattern)?)?)));
        }
        if text(pattern)?.to_uppercase().contains("TZ") {
            return Err(failed(Kind::NotSupported, "\"TZ\" in a pattern of to_char is not supported"));
        }
        let local = local_time(value)?;
        Ok(ScalarValue::Utf8(Some(format(&local, text(pattern)?))))
    })
}

/// The time on the wall clock of the value's own zone.
fn local_time(value: &ScalarValue) -> Result<NaiveDateTime> {
    let wrong = || DataFusionError::NotImplemented(format!("to_char of {}", value.data_type()));
    let zone = match value.data_type() {
        DataType::Timestamp(_, zone) => zone,
        DataType::Date32 | DataType::Date64 => None,
        _ => return Err(wrong()),
    };
    let naive = match &zone {
        // Arrow shifts to local time when the zone is dropped through text only, so the offset is added here.
        Some(zone) => {
            let shown = value.cast_to(&DataType::Timestamp(TimeUnit::Microsecond, Some(zone.clone())))?.cast_to(&DataType::Utf8)?;
            let shown = text(&shown)?.to_owned();
            return DateTime::parse_from_rfc3339(&shown).map(|time| time.naive_local()).map_err(|_| wrong());
        }
        None => value.cast_to(&DataType::Timestamp(TimeUnit::Microsecond, None))?,
    };
    match naive {
        ScalarValue::TimestampMicrosecond(Some(micros), _) => {
            DateTime::from_timestamp_micros(micros).map(|time| time.naive_utc()).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// A time of day, or an interval of less than a day, in hours, minutes and seconds.
fn of_clock(value: &ScalarValue, pattern: &str) -> Result<String> {
    let micros = match value {
        ScalarValue::Time64Microsecond(Some(micros)) => *micros,
        ScalarValue::IntervalMonthDayNano(Some(span)) => span.nanoseconds / 1_000,
        other => return Err(DataFusionError::NotImplemented(format!("to_char of {}", other.data_type()))),
    };
    let upper = pattern.to_uppercase();
    let has_date = ["Y", "MM", "MON", "D", "W", "Q", "J", "CC"].iter().any(|part| upper.contains(part));
    match DateTime::from_timestamp_micros(micros) {
        Some(time) if !has_date && (0..86_400_000_000).contains(&micros) => Ok(format(&time.naive_utc(), pattern)),
        _ => Err(failed(Kind::NotSupported, "to_char of an interval is supported for hours, minutes and seconds of less than a day")),
    }
}

type Part = fn(&NaiveDateTime) -> String;

/// Longest first, so that HH24 is not read as HH.
const PARTS: &[(&str, Part)] = &[
    ("Y,YYY", |t| format!("{},{:03}", t.year() / 1000, t.year() % 1000)),
    ("SSSSS", |t| t.num_seconds_from_midnight().to_string()),
    ("IDDD", |t| format!("{:03}", t.iso_week().week0() * 7 + t.weekday().number_from_monday())),
    ("HH24", |t| format!("{:02}", t.hour())),
    ("HH12", |t| format!("{:02}", t.hour12().1)),
    ("YYYY", |t| format!("{:04}", t.year())),
    ("MONTH", |t| format!("{:<9}", t.format("%B").to_string().to_uppercase())),
    ("Month", |t| format!("{:<9}", t.format("%B"))),
    ("month", |t| format!("{:<9}", t.format("%B").to_string().to_lowercase())),
    ("IYYY", |t| format!("{:04}", t.iso_week().year())),
    ("SSSS", |t| t.num_seconds_from_midnight().to_string()),
    ("YYY", |t| format!("{:03}", t.year().rem_euclid(1000))),
    ("IYY", |t| format!("{:03}", t.iso_week().year().rem_euclid(1000))),
    ("FF1", |t| fraction(t, 1)),
    ("FF2", |t| fraction(t, 2)),
    ("FF3", |t| fraction(t, 3)),
    ("FF4", |t| fraction(t, 4)),
    ("FF5", |t| fraction(t, 5)),
    ("FF6", |t| fraction(t, 6)),
    ("DDD", |t| format!("{:03}", t.ordinal())),
    ("DAY", |t| format!("{:<9}", t.format("%A").to_string().to_uppercase())),
    ("Day", |t| format!("{:<9}", t.format("%A"))),
    ("day", |t| format!("{:<9}", t.format("%A").to_string().to_lowercase())),
    ("MON", |t| t.format("%b").to_string().to_uppercase()),
    ("Mon", |t| t.format("%b").to_string()),
    ("mon", |t| t.format("%b").to_string().to_lowercase()),
    ("YY", |t| format!("{:02}", t.year().rem_euclid(100))),
    ("MM", |t| format!("{:02}", t.month())),
    ("DD", |t| format!("{:02}", t.day())),
    ("HH", |t| format!("{:02}", t.hour12().1)),
    ("MI", |t| format!("{:02}", t.minute())),
    ("SS", |t| format!("{:02}", t.second())),
    ("MS", |t| format!("{:03}", t.nanosecond() / 1_000_000)),
    ("US", |t| format!("{:06}", t.nanosecond() / 1_000)),
    ("IY", |t| format!("{:02}", t.iso_week().year().rem_euclid(100))),
    ("CC", |t| format!("{:02}", (t.year() - 1).div_euclid(100) + 1)),
    ("rm", |t| format!("{:<4}", roman(t).to_lowercase())),
    ("RM", |t| format!("{:<4}", roman(t))),
    ("IW", |t| format!("{:02}", t.iso_week().week())),
    ("WW", |t| format!("{:02}", (t.ordinal0() / 7) + 1)),
    ("DY", |t| t.format("%a").to_string().to_uppercase()),
    ("Dy", |t| t.format("%a").to_string()),
    ("dy", |t| t.format("%a").to_string().to_lowercase()),
    ("ID", |t| t.weekday().number_from_monday().to_string()),
    ("AM", |t| t.format("%p").to_string()),
    ("PM", |t| t.format("%p").to_string()),
    ("am", |t| t.format("%P").to_string()),
    ("pm", |t| t.format("%P").to_string()),
    ("J", |t| (t.date().num_days_from_ce() + 1_721_425).to_string()),
    ("Q", |t| (t.month0() / 3 + 1).to_string()),
    ("D", |t| t.weekday().number_from_sunday().to_string()),
    ("W", |t| (t.day0() / 7 + 1).to_string()),
    ("Y", |t| t.year().rem_euclid(10).to_string()),
    ("I", |t| t.iso_week().year().rem_euclid(10).to_string()),
];

/// That many digits behind the point of the second.
fn fraction(time: &NaiveDateTime, digits: usize) -> String {
    format!("{:06}", time.nanosecond() / 1_000).chars().take(digits).collect()
}

fn roman(time: &NaiveDateTime) -> &'static str {
    const MONTHS: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];
    usize::try_from(time.month0()).ok().and_then(|month| MONTHS.get(month)).copied().unwrap_or_default()
}

fn format(time: &NaiveDateTime, pattern: &str) -> String {
    let mut written = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut bare = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("FM") {
            (rest, bare) = (after, true);
            continue;
        }
        if let Some((literal, after)) = rest.strip_prefix('"').and_then(|inner| inner.split_once('"')) {
            written.push_str(literal);
            rest = after;
            continue;
        }
        let lower = |word: &str| rest.strip_prefix(word.to_lowercase().as_str());
        let found = PARTS.iter().find_map(|(word, part)| {
            let numeric = !matches!(word.to_uppercase().as_str(), "MONTH" | "MON" | "DAY" | "DY" | "AM" | "PM");
            rest.strip_prefix(word).or_else(|| lower(word).filter(|_| numeric)).map(|after| (part, after))
        });
        match found {
            Some((part, after)) => {
                let text = part(time);
                match bare {
                    true => written.push_str(unpadded(&text)),
                    false => written.push_str(&text),
                }
                (rest, bare) = (after, false);
            }
            None => {
                let mut chars = rest.chars();
                written.extend(chars.next());
                rest = chars.as_str();
            }
        }
    }
    written
}

/// FM: no leading zeros, no trailing spaces.
fn unpadded(text: &str) -> &str {
    let text = text.trim_end();
    match text.trim_start_matches('0') {
        "" => "0",
        rest if rest.starts_with(|c: char| c.is_ascii_digit()) => rest,
        _ => text,
    }
}
