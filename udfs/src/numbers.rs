//! `div(y, x)`: the quotient without its fraction. `width_bucket(value, low, high, count)`: which of equal buckets a value falls in.

use arrow::datatypes::DataType;
use datafusion_common::{DataFusionError, ScalarValue};
use datafusion_expr::{ScalarUDF, Signature, TypeSignature, Volatility};

use crate::row::RowFunction;

pub fn div() -> ScalarUDF {
    let whole = TypeSignature::Exact(vec![DataType::Int64, DataType::Int64]);
    RowFunction::new("div", Signature::one_of(vec![whole], Volatility::Immutable), DataType::Int64).body(|args| {
        let [ScalarValue::Int64(Some(y)), ScalarValue::Int64(Some(x))] = args else { return Ok(ScalarValue::Int64(None)) };
        match y.checked_div(*x) {
            Some(quotient) => Ok(ScalarValue::Int64(Some(quotient))),
            None => Err(DataFusionError::ArrowError(Box::new(arrow::error::ArrowError::DivideByZero), None)),
        }
    })
}

pub fn width_bucket() -> ScalarUDF {
    let arguments = vec![DataType::Float64, DataType::Float64, DataType::Float64, DataType::Int64];
    RowFunction::exact("width_bucket", arguments, DataType::Int64).body(|args| {
        let [
            ScalarValue::Float64(Some(value)),
            ScalarValue::Float64(Some(low)),
            ScalarValue::Float64(Some(high)),
            ScalarValue::Int64(Some(count)),
        ] = args
        else {
            return Ok(ScalarValue::Int64(None));
        };
        let failed = |message: &str| DataFusionError::Execution(message.to_owned());
        if *count <= 0 {
            return Err(failed("count must be greater than zero"));
        }
        if low == high || value.is_nan() || !low.is_finite() || !high.is_finite() {
            return Err(failed("lower bound cannot equal upper bound, and bounds must be finite"));
        }
        Ok(ScalarValue::Int64(Some(bucket(*value, *low, *high, *count))))
    })
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "the fraction lies between 0 and 1, the product below count"
)]
fn bucket(value: f64, low: f64, high: f64, count: i64) -> i64 {
    let fraction = (value - low) / (high - low);
    if fraction < 0.0 {
        0
    } else if fraction >= 1.0 {
        count.saturating_add(1)
    } else {
        (fraction * count as f64).floor() as i64 + 1
    }
}
