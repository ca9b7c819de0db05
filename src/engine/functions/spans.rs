//! Distances in time: their size, products with numbers, and what lies between two moments.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use weir_udfs::failure::{Kind, failed};

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const MICROS_PER_DAY: i64 = 86_400_000_000;
const NANOS_PER_DAY: i128 = 86_400_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Size,
    Between,
    Scaled,
    OfTime,
}

/// An interval as a number that has its order: a month is thirty days.
pub(in crate::engine) fn size() -> ScalarUDF {
    made(What::Size, 1)
}

/// `a - b` of two timestamps, in days and time.
pub(in crate::engine) fn between() -> ScalarUDF {
    made(What::Between, 2)
}

/// An interval times a number.
pub(in crate::engine) fn scaled() -> ScalarUDF {
    made(What::Scaled, 2)
}

/// A time of day as the interval since midnight.
pub(in crate::engine) fn of_time() -> ScalarUDF {
    made(What::OfTime, 1)
}

fn made(what: What, arguments: usize) -> ScalarUDF {
    ScalarUDF::new_from_impl(Span { what, signature: Signature::any(arguments, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Span {
    what: What,
    signature: Signature,
}

impl ScalarUDFImpl for Span {
    fn name(&self) -> &'static str {
        match self.what {
            What::Size => "interval_size",
            What::Between => "timestamp_difference",
            What::Scaled => "interval_times",
            What::OfTime => "interval_of_time",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.what == What::Size { DataType::Decimal128(38, 0) } else { INTERVAL })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let are_scalars = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if are_scalars { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let made = self.make(&arrays)?;
        match are_scalars {
            true => ScalarValue::try_from_array(&made, 0).map(ColumnarValue::Scalar),
            false => Ok(ColumnarValue::Array(made)),
        }
    }
}

impl Span {
    fn make(&self, args: &[ArrayRef]) -> Result<ArrayRef> {
        match (self.what, args) {
            (What::Size, [spans]) => {
                let spans = cast(spans, &INTERVAL)?;
                let sizes: Decimal128Array = spans
                    .as_primitive::<IntervalMonthDayNanoType>()
                    .unary(|span| (i128::from(span.months) * 30 + i128::from(span.days)) * NANOS_PER_DAY + i128::from(span.nanoseconds));
                Ok(Arc::new(sizes.with_precision_and_scale(38, 0)?))
            }
            (What::Between, [ends, starts]) => {
                let moment = DataType::Timestamp(TimeUnit::Microsecond, None);
                let (ends, starts) = (cast(ends, &moment)?, cast(starts, &moment)?);
                let (ends, starts) = (ends.as_primitive::<TimestampMicrosecondType>(), starts.as_primitive::<TimestampMicrosecondType>());
                let spans: PrimitiveArray<IntervalMonthDayNanoType> =
                    arrow::compute::kernels::arity::try_binary(ends, starts, |end, start| {
                        let micros = end.checked_sub(start).ok_or_else(overflow)?;
                        let days = i32::try_from(micros / MICROS_PER_DAY).map_err(|_| overflow())?;
                        Ok(IntervalMonthDayNano::new(0, days, micros % MICROS_PER_DAY * 1_000))
                    })?;
                Ok(Arc::new(spans))
            }
            (What::Scaled, [spans, factors]) => {
                let spans = cast(spans, &INTERVAL)?;
                let (spans, factors) = (spans.as_primitive::<IntervalMonthDayNanoType>(), factors.as_primitive::<Float64Type>());
                let spans: PrimitiveArray<IntervalMonthDayNanoType> =
                    arrow::compute::kernels::arity::try_binary(spans, factors, |span, factor| times(span, factor).ok_or_else(overflow))?;
                Ok(Arc::new(spans))
            }
            (What::OfTime, [times]) => {
                let times = cast(times, &DataType::Time64(TimeUnit::Microsecond))?;
                let spans: PrimitiveArray<IntervalMonthDayNanoType> = times
                    .as_primitive::<Time64MicrosecondType>()
                    .unary(|micros| IntervalMonthDayNano::new(0, 0, micros.saturating_mul(1_000)));
                Ok(Arc::new(spans))
            }
            _ => Err(DataFusionError::Internal("a function of intervals has other arguments".to_owned())),
        }
    }
}

fn overflow() -> arrow::error::ArrowError {
    arrow::error::ArrowError::ExternalError(Box::new(failed(Kind::DatetimeOutOfRange, "interval out of range")))
}

/// What is left of a month goes to days, what is left of a day to the time.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn times(span: IntervalMonthDayNano, factor: f64) -> Option<IntervalMonthDayNano> {
    let fits = |number: f64| (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number).then_some(number as i32);
    let months = f64::from(span.months) * factor;
    let whole_months = months.trunc();
    let days_of_months = ((months - whole_months) * 30.0 * 1e6).round() / 1e6;
    let days = f64::from(span.days) * factor;
    let whole_days = days.trunc() + days_of_months.trunc();
    let rest = (days - days.trunc()) + (days_of_months - days_of_months.trunc());
    #[expect(clippy::cast_precision_loss, reason = "as PostgreSQL multiplies")]
    let micros = (span.nanoseconds / 1_000) as f64 * factor + (rest * 86_400.0 * 1e6).round();
    let micros = (micros.abs() < 9e15).then_some(micros.round() as i64)?;
    Some(IntervalMonthDayNano::new(fits(whole_months)?, fits(whole_days)?, micros.checked_mul(1_000)?))
}
