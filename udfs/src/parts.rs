//! `extract_field(field, x) -> numeric`, what `extract(field from x)` is planned to; `date_part(field, x) -> double precision`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Datelike};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::failure::{Kind, failed};
use crate::timestamps::east_of;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum As {
    Numeric,
    Float,
}

pub fn extract_field() -> ScalarUDF {
    ScalarUDF::new_from_impl(Part { form: As::Numeric, signature: Signature::any(2, Volatility::Stable) })
}

pub fn date_part() -> ScalarUDF {
    ScalarUDF::new_from_impl(Part { form: As::Float, signature: Signature::any(2, Volatility::Stable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Part {
    form: As,
    signature: Signature,
}

/// Digits behind the point: fractions of seconds are shown in full.
fn scale(field: &str, of: &DataType) -> i8 {
    match field {
        "epoch" if matches!(of, DataType::Date32 | DataType::Date64) => 0,
        "second" | "seconds" | "epoch" => 6,
        "millisecond" | "milliseconds" => 3,
        _ => 0,
    }
}

impl ScalarUDFImpl for Part {
    fn name(&self) -> &'static str {
        match self.form {
            As::Numeric => "extract_field",
            As::Float => "date_part",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let data_type = match (self.form, args.scalar_arguments.first().copied().flatten(), args.arg_fields.get(1)) {
            (As::Numeric, Some(ScalarValue::Utf8(Some(field))), Some(of)) => {
                DataType::Decimal128(20, scale(&field.to_lowercase(), of.data_type()))
            }
            (As::Numeric, _, _) => DataType::Decimal128(38, 10),
            (As::Float, _, _) => DataType::Float64,
        };
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [field, value] = args.args.as_slice() else {
            return Err(DataFusionError::Internal("a part of a time has other arguments".to_owned()));
        };
        let ColumnarValue::Scalar(ScalarValue::Utf8(Some(field))) = field else {
            return Err(failed(Kind::NotSupported, "the field of date_part must be a constant"));
        };
        let zone = args.config_options.execution.time_zone.clone().unwrap_or_else(|| "UTC".to_owned());
        let array = value.to_array(1)?;
        let micros = parts(&field.trim().to_lowercase(), &array, &zone)?;
        let answer: ArrayRef = match args.return_field.data_type() {
            DataType::Decimal128(precision, scale) => {
                let cut = 10_i128.pow(u32::try_from(6 - (*scale).min(6)).unwrap_or(0));
                let more = 10_i128.pow(u32::try_from((*scale - 6).max(0)).unwrap_or(0));
                let units: Decimal128Array = micros.iter().map(|value| value.map(|value| value / cut * more)).collect();
                Arc::new(units.with_precision_and_scale(*precision, *scale)?)
            }
            #[expect(clippy::cast_precision_loss, reason = "as PostgreSQL gives it")]
            _ => Arc::new(micros.iter().map(|value| value.map(|value| value as f64 / 1e6)).collect::<Float64Array>()),
        };
        match value {
            ColumnarValue::Scalar(_) => ScalarValue::try_from_array(&answer, 0).map(ColumnarValue::Scalar),
            ColumnarValue::Array(_) => Ok(ColumnarValue::Array(answer)),
        }
    }
}

/// The part in millionths.
fn parts(field: &str, array: &ArrayRef, zone: &str) -> Result<Vec<Option<i128>>> {
    let unknown = |of: &str| failed(Kind::InvalidParameter, format!("unit \"{field}\" not recognized for type {of}"));
    match array.data_type() {
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _) | DataType::Null => {
            let is_zoned = matches!(array.data_type(), DataType::Timestamp(_, Some(_)));
            let utc = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, is_zoned.then(|| "UTC".into())))?;
            let moments = utc.as_primitive::<TimestampMicrosecondType>();
            let part = |at: i64| {
                let east = if is_zoned { east_of(at, zone).unwrap_or(0) } else { 0 };
                of_moment(field, at, east, is_zoned)
                    .ok_or_else(|| unknown(if is_zoned { "timestamp with time zone" } else { "timestamp without time zone" }))
            };
            moments.iter().map(|at| at.map(part).transpose()).collect()
        }
        DataType::Time32(_) | DataType::Time64(_) => {
            let times = cast(&cast(array, &DataType::Time64(TimeUnit::Microsecond))?, &DataType::Int64)?;
            let times = times.as_primitive::<arrow::datatypes::Int64Type>();
            let part = |micros: i64| of_time(field, micros).ok_or_else(|| unknown("time without time zone"));
            times.iter().map(|micros| micros.map(part).transpose()).collect()
        }
        DataType::Interval(_) | DataType::Duration(_) => {
            let spans = cast(array, &DataType::Interval(IntervalUnit::MonthDayNano))?;
            let spans = spans.as_primitive::<IntervalMonthDayNanoType>();
            let part = |span: arrow::datatypes::IntervalMonthDayNano| of_span(field, span).ok_or_else(|| unknown("interval"));
            spans.iter().map(|span| span.map(part).transpose()).collect()
        }
        other => Err(DataFusionError::Plan(format!("No function matches the given name and argument types: date_part(text, {other})"))),
    }
}

fn of_time(field: &str, micros: i64) -> Option<i128> {
    let million = i128::from(SECOND);
    let micros = i128::from(micros);
    Some(match field {
        "microsecond" | "microseconds" => micros % (60 * million) * million,
        "millisecond" | "milliseconds" => micros % (60 * million) * 1_000,
        "second" | "seconds" => micros % (60 * million),
        "minute" | "minutes" => micros / (60 * million) % 60 * million,
        "hour" | "hours" => micros / (3_600 * million) * million,
        "epoch" => micros,
        _ => return None,
    })
}

fn of_moment(field: &str, at: i64, east: i64, is_zoned: bool) -> Option<i128> {
    let local = at.checked_add(east * SECOND)?;
    let day = DateTime::from_timestamp_micros(local)?.date_naive();
    let whole = |number: i64| i128::from(number) * i128::from(SECOND);
    let year = i64::from(day.year());
    Some(match field {
        "epoch" => i128::from(at),
        "timezone" if is_zoned => whole(east),
        "timezone_hour" if is_zoned => whole(east / 3_600),
        "timezone_minute" if is_zoned => whole(east / 60 % 60),
        "year" | "years" => whole(if year > 0 { year } else { year - 1 }),
        "isoyear" => whole(day.iso_week().year().into()),
        "month" | "months" | "mon" => whole(day.month().into()),
        "day" | "days" => whole(day.day().into()),
        "dow" => whole(day.weekday().num_days_from_sunday().into()),
        "isodow" => whole(day.weekday().number_from_monday().into()),
        "doy" => whole(day.ordinal().into()),
        "week" | "weeks" => whole(day.iso_week().week().into()),
        "quarter" => whole(i64::from(day.month0() / 3 + 1)),
        "decade" | "decades" => whole(year.div_euclid(10)),
        "century" | "centuries" => whole((year + 99).div_euclid(100)),
        "millennium" | "millenniums" => whole((year + 999).div_euclid(1_000)),
        "julian" => whole(i64::from(day.num_days_from_ce()) + 1_721_425),
        time => of_time(time, local.rem_euclid(DAY))?,
    })
}

fn of_span(field: &str, span: arrow::datatypes::IntervalMonthDayNano) -> Option<i128> {
    let million = i128::from(SECOND);
    let whole = |number: i32| i128::from(number) * million;
    let micros = span.nanoseconds / 1_000;
    Some(match field {
        // A year is 365.25 days, a month thirty.
        "epoch" => {
            let years = i128::from(span.months / 12) * 31_557_600 * million;
            let months = i128::from(span.months % 12) * 30 * i128::from(DAY);
            years + months + i128::from(span.days) * i128::from(DAY) + i128::from(micros)
        }
        "year" | "years" => whole(span.months / 12),
        "month" | "months" | "mon" => whole(span.months % 12),
        "quarter" => whole(span.months % 12 / 3 + 1),
        "decade" | "decades" => whole(span.months / 120),
        "century" | "centuries" => whole(span.months / 1_200),
        "day" | "days" => whole(span.days),
        time => of_time(time, micros)?,
    })
}
