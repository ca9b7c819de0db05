//! `length`, `octet_length` and `bit_length` of bytea; of text they are DataFusion's own.

use std::sync::Arc;

use arrow::compute::{cast, kernels};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

#[derive(Debug, PartialEq, Eq, Hash, Clone, Copy)]
enum Unit {
    Bytes,
    Bits,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Length {
    of_text: Arc<ScalarUDF>,
    unit: Unit,
    signature: Signature,
}

/// The function that takes the place of one of text.
pub(super) fn length(of_text: Arc<ScalarUDF>) -> ScalarUDF {
    let unit = if of_text.name() == "bit_length" { Unit::Bits } else { Unit::Bytes };
    ScalarUDF::new_from_impl(Length { of_text, unit, signature: Signature::user_defined(Volatility::Immutable) })
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

impl ScalarUDFImpl for Length {
    fn name(&self) -> &str {
        self.of_text.name()
    }

    fn aliases(&self) -> &[String] {
        self.of_text.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if let [binary] = types
            && is_binary(binary)
        {
            return Ok(vec![DataType::Binary]);
        }
        let fields: Vec<FieldRef> = types.iter().map(|data_type| Arc::new(Field::new("", data_type.clone(), true))).collect();
        let fields = fields_with_udf(&fields, self.of_text.as_ref())?;
        Ok(fields.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [binary] if is_binary(binary) => Ok(DataType::Int32),
            _ => self.of_text.return_type(types),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(value) = args.args.first().filter(|value| is_binary(&value.data_type())) else {
            return self.of_text.invoke_with_args(args);
        };
        let array = cast(&value.to_array(1)?, &DataType::Binary)?;
        let lengths = match self.unit {
            Unit::Bytes => kernels::length::length(&array)?,
            Unit::Bits => kernels::length::bit_length(&array)?,
        };
        match value {
            ColumnarValue::Scalar(_) => ScalarValue::try_from_array(&lengths, 0).map(ColumnarValue::Scalar),
            ColumnarValue::Array(_) => Ok(ColumnarValue::Array(lengths)),
        }
    }
}
