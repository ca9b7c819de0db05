//! `rounded_to(timestamp, digits)`: what a cast to `timestamp(p)` or `timestamptz(p)` does to fractions of seconds.

use std::sync::Arc;

use arrow::array::{AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

pub fn rounded_to() -> ScalarUDF {
    ScalarUDF::new_from_impl(RoundedTo { signature: Signature::any(2, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RoundedTo {
    signature: Signature,
}

impl ScalarUDFImpl for RoundedTo {
    fn name(&self) -> &'static str {
        "rounded_to"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match types.first() {
            Some(DataType::Timestamp(_, zone)) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            _ => DataType::Timestamp(TimeUnit::Microsecond, None),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, ColumnarValue::Scalar(digits)] = args.args.as_slice() else {
            return Err(DataFusionError::Internal("rounded_to takes a timestamp and a constant".to_owned()));
        };
        let digits = match digits.cast_to(&DataType::Int64)? {
            ScalarValue::Int64(Some(digits)) => u32::try_from(digits.clamp(0, 6)).unwrap_or(6),
            _ => 6,
        };
        let unit = 10_i64.pow(6 - digits);
        let array = cast(&value.to_array(1)?, args.return_field.data_type())?;
        let zone = match array.data_type() {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => None,
        };
        let rounded: PrimitiveArray<TimestampMicrosecondType> =
            array.as_primitive::<TimestampMicrosecondType>().unary(|micros| micros.saturating_add(unit / 2).div_euclid(unit) * unit);
        let rounded = rounded.with_timezone_opt(zone);
        match value {
            ColumnarValue::Scalar(_) => ScalarValue::try_from_array(&rounded, 0).map(ColumnarValue::Scalar),
            ColumnarValue::Array(_) => Ok(ColumnarValue::Array(Arc::new(rounded))),
        }
    }
}
