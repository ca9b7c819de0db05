//! `by_value(x)`: a float with one NaN and one zero, whatever its bits were.

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

pub(in crate::engine) fn by_value() -> ScalarUDF {
    ScalarUDF::new_from_impl(ByValue { signature: Signature::any(1, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ByValue {
    signature: Signature,
}

impl ScalarUDFImpl for ByValue {
    fn name(&self) -> &'static str {
        "by_value"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.into_iter().next() {
            Some(ColumnarValue::Array(array)) => Ok(ColumnarValue::Array(crate::delta::by_value(&array))),
            Some(ColumnarValue::Scalar(value)) => {
                ScalarValue::try_from_array(&crate::delta::by_value(&value.to_array()?), 0).map(ColumnarValue::Scalar)
            }
            None => Ok(ColumnarValue::Scalar(ScalarValue::Null)),
        }
    }
}
