//! `timestamp(x)`, `timestamptz(x)`: what casts to those types do.
//!
//! Text may leave out seconds, minutes of the offset or the whole time, as PostgreSQL allows. Without an offset `timestamptz` reads local time
//! of the session's zone; `timestamp` ignores an offset. Between the two types the clock on the wall stays the same.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Offset, TimeZone};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// Both functions for sessions in that zone.
pub fn in_zone(zone: &str) -> [ScalarUDF; 2] {
    [false, true].map(|zoned| {
        let name = if zoned { "timestamptz" } else { "timestamp" };
        ScalarUDF::new_from_impl(ToTimestamp { name, zoned, zone: zone.into(), signature: Signature::any(1, Volatility::Immutable) })
    })
}

/// Microseconds since 1970 UTC of a text; None when it is no time.
pub fn parse(text: &str, zone: &str) -> Option<i64> {
    let zone: Tz = zone.parse().ok()?;
    let text = text.trim();
    match text.to_ascii_lowercase().as_str() {
        "epoch" => return Some(0),
        _ if text.len() < 8 => return None,
        _ => {}
    }
    string_to_datetime(&zone, text).or_else(|_| string_to_datetime(&zone, &completed(text))).ok().map(|time| time.timestamp_micros())
}

/// The same text with what may be left out.
fn completed(text: &str) -> String {
    let Some((date, rest)) = text.split_once([' ', 'T']) else { return text.to_owned() };
    let rest = rest.trim();
    let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.'))).unwrap_or(rest.len());
    let (time, offset) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let offset = offset.trim();
    // Midnight at the end of a day.
    let ends_day = time.strip_prefix("24:00").is_some_and(|rest| rest.chars().all(|c| matches!(c, ':' | '.' | '0')));
    let next = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok().and_then(|date| date.succ_opt()).filter(|_| ends_day);
    let (date, time) = match next {
        Some(next) => (next.format("%Y-%m-%d").to_string(), "00:00:00"),
        None => (date.to_owned(), time),
    };
    let time = match time.split(':').count() {
        1 if !time.is_empty() => format!("{time}:00:00"),
        2 => format!("{time}:00"),
        _ => time.to_owned(),
    };
    let offset = match offset.strip_prefix(['+', '-']) {
        Some(digits) if digits.len() == 1 => format!("{}0{digits}:00", &offset.get(..1).unwrap_or("+")),
        Some(digits) if digits.len() == 2 => format!("{offset}:00"),
        Some(_) => offset.to_owned(),
        None if offset.eq_ignore_ascii_case("z") || offset.eq_ignore_ascii_case("utc") || offset.eq_ignore_ascii_case("gmt") => {
            "Z".to_owned()
        }
        None if offset.is_empty() => String::new(),
        None if abbreviated(offset).is_some() => abbreviated(offset).unwrap_or_default().to_owned(),
        None => format!(" {offset}"),
    };
    format!("{date}T{time}{offset}")
}

/// Zones by the letters that PostgreSQL knows them by.
fn abbreviated(zone: &str) -> Option<&'static str> {
    const ZONES: &[(&str, &str)] = &[
        ("ACDT", "+10:30"),
        ("ACST", "+09:30"),
        ("ADT", "-03:00"),
        ("AEDT", "+11:00"),
        ("AEST", "+10:00"),
        ("AKDT", "-08:00"),
        ("AKST", "-09:00"),
        ("AST", "-04:00"),
        ("AWST", "+08:00"),
        ("BST", "+01:00"),
        ("CDT", "-05:00"),
        ("CEST", "+02:00"),
        ("CET", "+01:00"),
        ("CST", "-06:00"),
        ("EDT", "-04:00"),
        ("EEST", "+03:00"),
        ("EET", "+02:00"),
        ("EST", "-05:00"),
        ("HKT", "+08:00"),
        ("HST", "-10:00"),
        ("IST", "+02:00"),
        ("JST", "+09:00"),
        ("KST", "+09:00"),
        ("MDT", "-06:00"),
        ("MSK", "+03:00"),
        ("MST", "-07:00"),
        ("NZDT", "+13:00"),
        ("NZST", "+12:00"),
        ("PDT", "-07:00"),
        ("PST", "-08:00"),
        ("WEST", "+01:00"),
        ("WET", "+00:00"),
    ];
    ZONES.iter().find(|(name, _)| name.eq_ignore_ascii_case(zone)).map(|(_, offset)| *offset)
}

/// The time without what comes after it: `timestamp` does not look at an offset.
fn without_offset(text: &str) -> &str {
    let Some(time) = text.find([' ', 'T', 't']) else { return text };
    let after = text.get(time + 1..).unwrap_or("");
    let end = after.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | ' '))).unwrap_or(after.len());
    text.get(..time + 1 + end).unwrap_or(text).trim_end()
}

/// Seconds that the zone's wall clock is before that of UTC at that moment.
#[must_use]
pub fn east_of(micros: i64, zone: &str) -> Option<i64> {
    let zone: Tz = zone.parse().ok()?;
    let utc = DateTime::from_timestamp_micros(micros)?.naive_utc();
    Some(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc().into())
}

#[derive(Debug)]
struct ToTimestamp {
    name: &'static str,
    zoned: bool,
    zone: Arc<str>,
    signature: Signature,
}

impl PartialEq for ToTimestamp {
    fn eq(&self, other: &Self) -> bool {
        self.zoned == other.zoned && self.zone == other.zone
    }
}

impl Eq for ToTimestamp {}

impl Hash for ToTimestamp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.zoned.hash(state);
        self.zone.hash(state);
    }
}

impl ScalarUDFImpl for ToTimestamp {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Microsecond, self.zoned.then(|| Arc::clone(&self.zone))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.first() {
            Some(ColumnarValue::Scalar(value)) => {
                let array = self.convert(&value.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
            Some(ColumnarValue::Array(array)) => Ok(ColumnarValue::Array(self.convert(array)?)),
            None => Err(DataFusionError::Internal(format!("{} without an argument", self.name))),
        }
    }
}

impl ToTimestamp {
    fn convert(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let naive = DataType::Timestamp(TimeUnit::Microsecond, None);
        let micros: TimestampMicrosecondArray = match array.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
                self.read(&cast(array, &DataType::Utf8)?)?
            }
            DataType::Timestamp(_, Some(_)) if !self.zoned => {
                // The wall clock of the session, not that of the value's label.
                let zone = self.tz()?;
                let utc = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(&self.zone))))?;
                utc.as_primitive::<TimestampMicrosecondType>().unary_opt(|at| local(at, &zone))
            }
            DataType::Timestamp(_, Some(_)) => {
                return Ok(cast(array, &DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(&self.zone))))?);
            }
            DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64 | DataType::Null => {
                let local = cast(array, &naive)?;
                match self.zoned {
                    true => return Ok(cast(&local, &DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(&self.zone))))?),
                    false => return Ok(local),
                }
            }
            other => return Err(DataFusionError::Plan(format!("cannot cast type {other} to {}: Unsupported CAST", self.name))),
        };
        let zone = self.zoned.then(|| Arc::clone(&self.zone));
        Ok(Arc::new(micros.with_timezone_opt(zone)))
    }

    fn tz(&self) -> Result<Tz> {
        self.zone.parse().map_err(|e: ArrowError| DataFusionError::ArrowError(Box::new(e), None))
    }

    fn read(&self, array: &ArrayRef) -> Result<TimestampMicrosecondArray> {
        let zone = if self.zoned { self.zone.as_ref() } else { "UTC" };
        let texts = array.as_string::<i32>();
        let mut micros = PrimitiveArray::<TimestampMicrosecondType>::builder(texts.len());
        for text in texts {
            match text {
                None => micros.append_null(),
                Some(text) => {
                    let meant = if self.zoned { text } else { without_offset(text.trim()) };
                    let at = parse(meant, zone).ok_or_else(|| unreadable(text, self.name))?;
                    micros.append_value(at);
                }
            }
        }
        Ok(micros.finish())
    }
}

fn unreadable(text: &str, name: &str) -> DataFusionError {
    let message = format!("Cannot cast string '{text}' to value of {name} type");
    DataFusionError::ArrowError(Box::new(ArrowError::CastError(message)), None)
}

/// Local time of that moment, as if it were UTC.
fn local(at: i64, zone: &Tz) -> Option<i64> {
    let utc: NaiveDateTime = DateTime::from_timestamp_micros(at)?.naive_utc();
    let offset = zone.offset_from_utc_datetime(&utc).fix().local_minus_utc();
    at.checked_add(i64::from(offset) * 1_000_000)
}
