//! Functions that PostgreSQL has for text and for bytes under one name.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// Names of the functions of text, and of those of bytes.
pub(super) const BOTH: &[(&str, &str)] = &[
    ("substr", "bytea_substring"),
    ("strpos", "bytea_position"),
    ("overlay", "bytea_overlay"),
    ("btrim", "bytea_btrim"),
    ("ltrim", "bytea_ltrim"),
    ("rtrim", "bytea_rtrim"),
];

/// The one of text, which leaves bytes to the other.
pub(super) fn either(of_text: Arc<ScalarUDF>, of_bytes: Arc<ScalarUDF>) -> ScalarUDF {
    ScalarUDF::new_from_impl(Either { of_text, of_bytes, signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Either {
    of_text: Arc<ScalarUDF>,
    of_bytes: Arc<ScalarUDF>,
    signature: Signature,
}

fn are_bytes(types: &[DataType]) -> bool {
    matches!(types.first(), Some(DataType::Binary | DataType::LargeBinary | DataType::BinaryView))
}

impl ScalarUDFImpl for Either {
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
        if are_bytes(types) {
            let lowered = |data_type: &DataType| if data_type.is_integer() { DataType::Int64 } else { DataType::Binary };
            return Ok(types.iter().map(lowered).collect());
        }
        let fields: Vec<FieldRef> = types.iter().map(|data_type| Arc::new(Field::new("", data_type.clone(), true))).collect();
        let fields = fields_with_udf(&fields, self.of_text.as_ref())?;
        Ok(fields.iter().map(|field| field.data_type().clone()).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        if are_bytes(types) { self.of_bytes.return_type(types) } else { self.of_text.return_type(types) }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        if are_bytes(&types) { self.of_bytes.return_field_from_args(args) } else { self.of_text.return_field_from_args(args) }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        if are_bytes(&types) { self.of_bytes.invoke_with_args(args) } else { self.of_text.invoke_with_args(args) }
    }
}
