//! `make_timestamp`, `make_timestamptz`, `make_interval`, `justify_days`, `justify_hours`, `justify_interval`, `isfinite`.

use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit};
use chrono::NaiveDate;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ScalarUDF, Signature, Volatility};

use crate::failure::{Kind, failed};
use crate::row::RowFunction;

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const NANOS_PER_DAY: i64 = 86_400_000_000_000;

fn whole(value: &ScalarValue) -> Result<i64> {
    match value.cast_to(&DataType::Int64)? {
        ScalarValue::Int64(Some(number)) => Ok(number),
        _ => Err(DataFusionError::Execution("a number is expected".to_owned())),
    }
}

fn float(value: &ScalarValue) -> Result<f64> {
    match value.cast_to(&DataType::Float64)? {
        ScalarValue::Float64(Some(number)) => Ok(number),
        _ => Err(DataFusionError::Execution("a number is expected".to_owned())),
    }
}

fn moment(args: &[ScalarValue]) -> Result<i64> {
    let [year, month, day, hour, minute, second] = args else {
        return Err(DataFusionError::Execution("six numbers are expected".to_owned()));
    };
    let wrong = || failed(Kind::DatetimeOutOfRange, "date/time field value out of range");
    let small = |value: &ScalarValue| u32::try_from(whole(value)?).map_err(|_| wrong());
    let year = i32::try_from(whole(year)?).map_err(|_| wrong())?;
    let date = NaiveDate::from_ymd_opt(year, small(month)?, small(day)?).ok_or_else(wrong)?;
    let seconds = float(second)?;
    if !(0.0..61.0).contains(&seconds) {
        return Err(wrong());
    }
    let time = date.and_hms_opt(small(hour)?, small(minute)?, 0).ok_or_else(wrong)?;
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    let micros = (seconds * 1e6).round() as i64;
    Ok(time.and_utc().timestamp_micros() + micros)
}

fn six(name: &str, returns: DataType) -> RowFunction {
    RowFunction::new(name, Signature::any(6, Volatility::Immutable), returns)
}

pub fn make_timestamp() -> ScalarUDF {
    six("make_timestamp", DataType::Timestamp(TimeUnit::Microsecond, None))
        .body(|args| Ok(ScalarValue::TimestampMicrosecond(Some(moment(args)?), None)))
}

/// Years, months, weeks, days, hours, minutes, seconds; what is left out is zero.
pub fn make_interval() -> ScalarUDF {
    RowFunction::any("make_interval", INTERVAL).body(|args| {
        let at = |index: usize| args.get(index).map_or(Ok(0), whole);
        let out = || failed(Kind::DatetimeOutOfRange, "interval out of range");
        let months = at(0)?.checked_mul(12).and_then(|months| months.checked_add(at(1).ok()?)).ok_or_else(out)?;
        let days = at(2)?.checked_mul(7).and_then(|days| days.checked_add(at(3).ok()?)).ok_or_else(out)?;
        let minutes = at(4)?.checked_mul(60).and_then(|minutes| minutes.checked_add(at(5).ok()?)).ok_or_else(out)?;
        let seconds = args.get(6).map_or(Ok(0.0), float)?;
        if seconds.abs() > 9e9 {
            return Err(out());
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        let micros = (seconds * 1e6).round() as i64;
        let nanos = minutes.checked_mul(60_000_000).and_then(|time| time.checked_add(micros)?.checked_mul(1_000)).ok_or_else(out)?;
        let span = IntervalMonthDayNano::new(i32::try_from(months).map_err(|_| out())?, i32::try_from(days).map_err(|_| out())?, nanos);
        Ok(ScalarValue::IntervalMonthDayNano(Some(span)))
    })
}

fn on_interval(name: &str, change: fn(IntervalMonthDayNano) -> Option<IntervalMonthDayNano>) -> ScalarUDF {
    RowFunction::exact(name, vec![INTERVAL], INTERVAL).body(move |args| match args {
        [ScalarValue::IntervalMonthDayNano(Some(span))] => {
            let changed = change(*span).ok_or_else(|| failed(Kind::DatetimeOutOfRange, "interval out of range"))?;
            Ok(ScalarValue::IntervalMonthDayNano(Some(changed)))
        }
        _ => Ok(ScalarValue::IntervalMonthDayNano(None)),
    })
}

fn with_days(span: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    let months = span.months.checked_add(span.days / 30)?;
    let mut changed = IntervalMonthDayNano::new(months, span.days % 30, span.nanoseconds);
    if changed.months > 0 && changed.days < 0 {
        (changed.months, changed.days) = (changed.months - 1, changed.days + 30);
    } else if changed.months < 0 && changed.days > 0 {
        (changed.months, changed.days) = (changed.months + 1, changed.days - 30);
    }
    Some(changed)
}

fn with_hours(span: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    let days = span.days.checked_add(i32::try_from(span.nanoseconds / NANOS_PER_DAY).ok()?)?;
    let mut changed = IntervalMonthDayNano::new(span.months, days, span.nanoseconds % NANOS_PER_DAY);
    if changed.days > 0 && changed.nanoseconds < 0 {
        (changed.days, changed.nanoseconds) = (changed.days - 1, changed.nanoseconds + NANOS_PER_DAY);
    } else if changed.days < 0 && changed.nanoseconds > 0 {
        (changed.days, changed.nanoseconds) = (changed.days + 1, changed.nanoseconds - NANOS_PER_DAY);
    }
    Some(changed)
}

fn with_both(span: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    let mut changed = with_days(with_hours(span)?)?;
    let below = |span: &IntervalMonthDayNano| span.days < 0 || (span.days == 0 && span.nanoseconds < 0);
    let above = |span: &IntervalMonthDayNano| span.days > 0 || (span.days == 0 && span.nanoseconds > 0);
    if changed.months > 0 && below(&changed) {
        (changed.months, changed.days) = (changed.months - 1, changed.days + 30);
    } else if changed.months < 0 && above(&changed) {
        (changed.months, changed.days) = (changed.months + 1, changed.days - 30);
    }
    if changed.days > 0 && changed.nanoseconds < 0 {
        (changed.days, changed.nanoseconds) = (changed.days - 1, changed.nanoseconds + NANOS_PER_DAY);
    } else if changed.days < 0 && changed.nanoseconds > 0 {
        (changed.days, changed.nanoseconds) = (changed.days + 1, changed.nanoseconds - NANOS_PER_DAY);
    }
    Some(changed)
}

pub fn justify_days() -> ScalarUDF {
    on_interval("justify_days", with_days)
}

pub fn justify_hours() -> ScalarUDF {
    on_interval("justify_hours", with_hours)
}

pub fn justify_interval() -> ScalarUDF {
    on_interval("justify_interval", with_both)
}

/// Nothing here is infinite.
pub fn isfinite() -> ScalarUDF {
    RowFunction::new("isfinite", Signature::any(1, Volatility::Immutable), DataType::Boolean).body(|_| Ok(ScalarValue::Boolean(Some(true))))
}
