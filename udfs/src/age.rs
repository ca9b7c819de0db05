//! `age(timestamp, timestamp) -> interval`: the difference in years, months and days, as people count them.
//!
//! Dates count from midnight. With one argument the session's own function counts from today.

use arrow::array::timezone::Tz;
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDateTime, NaiveTime, Offset, TimeZone, Timelike};
use datafusion_common::{Result, ScalarValue, exec_err};
use datafusion_expr::ScalarUDF;

use crate::row::RowFunction;

/// The function for sessions in that zone, at that time in microseconds since 1970 UTC.
pub fn age(zone: &str, now: i64) -> ScalarUDF {
    let zone: Option<Tz> = zone.parse().ok();
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    RowFunction::any("age", interval).body(move |args| match args {
        [later, earlier] => Ok(between(wall_clock(later, zone)?, wall_clock(earlier, zone)?)),
        [earlier] => {
            let now = wall_clock(&ScalarValue::TimestampMicrosecond(Some(now), Some("UTC".into())), zone)?;
            Ok(between(now.date().and_time(NaiveTime::MIN), wall_clock(earlier, zone)?))
        }
        _ => exec_err!("age takes one or two times"),
    })
}

/// From `earlier` to `later`; both are wall clocks.
fn between(later: NaiveDateTime, earlier: NaiveDateTime) -> ScalarValue {
    let is_negative = later < earlier;
    let (high, low) = if is_negative { (earlier, later) } else { (later, earlier) };
    let mut months = (i64::from(high.year()) - i64::from(low.year())) * 12 + i64::from(high.month()) - i64::from(low.month());
    let mut days = i64::from(high.day()) - i64::from(low.day());
    let nanos = |at: NaiveDateTime| i64::from(at.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(at.nanosecond());
    let mut rest = nanos(high) - nanos(low);
    if rest < 0 {
        rest += 86_400_000_000_000;
        days -= 1;
    }
    if days < 0 {
        // PostgreSQL borrows the length of the month that the earlier time lies in.
        days += i64::from(month_length(low));
        months -= 1;
    }
    let sign = if is_negative { -1 } else { 1 };
    let whole = |number: i64| i32::try_from(number * sign).unwrap_or(i32::MAX);
    ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(whole(months), whole(days), rest * sign)))
}

/// The wall clock of a date or timestamp: in the zone when it is a moment.
fn wall_clock(value: &ScalarValue, zone: Option<Tz>) -> Result<NaiveDateTime> {
    let is_moment = matches!(value.data_type(), DataType::Timestamp(_, Some(_)));
    let utc = is_moment.then(|| "UTC".into());
    let ScalarValue::TimestampMicrosecond(Some(micros), _) = value.cast_to(&DataType::Timestamp(TimeUnit::Microsecond, utc))? else {
        return exec_err!("age does not take a value of type {}", value.data_type());
    };
    let Some(time) = DateTime::from_timestamp_micros(micros).map(|time| time.naive_utc()) else {
        return exec_err!("timestamp out of range");
    };
    let east = zone.filter(|_| is_moment).map_or(0, |zone| zone.offset_from_utc_datetime(&time).fix().local_minus_utc());
    match time.checked_add_signed(chrono::TimeDelta::seconds(east.into())) {
        Some(time) => Ok(time),
        None => exec_err!("timestamp out of range"),
    }
}

fn month_length(at: NaiveDateTime) -> u8 {
    at.date().num_days_in_month()
}
