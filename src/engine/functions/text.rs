//! `text(x)`: what a cast to text is rewritten to. A cast would keep the mark of a document or a uuid on what is plain text from then on.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    cast as cast_of,
};

#[derive(Debug, PartialEq, Eq, Hash)]
struct Text {
    signature: Signature,
}

pub(super) fn text() -> ScalarUDF {
    ScalarUDF::new_from_impl(Text { signature: Signature::any(1, Volatility::Immutable) })
}

impl ScalarUDFImpl for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), DataType::Utf8, args.arg_fields.iter().any(|field| field.is_nullable()))))
    }

    /// A plain cast wherever it does the same, since filters on casts are understood further down.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let [value] = args.as_slice() else { return Ok(ExprSimplifyResult::Original(args)) };
        let (_, field) = value.to_field(info.schema())?;
        if !field.metadata().is_empty() || is_bytea(field.data_type()) {
            return Ok(ExprSimplifyResult::Original(args));
        }
        Ok(ExprSimplifyResult::Simplified(match field.data_type() {
            DataType::Utf8 => value.clone(),
            _ => cast_of(value.clone(), DataType::Utf8),
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.first() {
            Some(ColumnarValue::Array(array)) => shown(array).map(ColumnarValue::Array),
            Some(ColumnarValue::Scalar(value)) => ScalarValue::try_from_array(&shown(&value.to_array()?)?, 0).map(ColumnarValue::Scalar),
            None => Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None))),
        }
    }
}

fn is_bytea(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

/// Bytes are shown in hex, as PostgreSQL does by default; not every sequence of them is a text.
fn shown(array: &ArrayRef) -> Result<ArrayRef> {
    if !is_bytea(array.data_type()) {
        return Ok(cast(array, &DataType::Utf8)?);
    }
    let bytes = cast(array, &DataType::Binary)?;
    let Some(bytes) = bytes.as_any().downcast_ref::<BinaryArray>() else { return Ok(bytes) };
    let hex = |bytes: &[u8]| bytes.iter().fold(String::from("\\x"), |text, byte| text + &format!("{byte:02x}"));
    Ok(Arc::new(bytes.iter().map(|bytes| bytes.map(hex)).collect::<StringArray>()))
}
