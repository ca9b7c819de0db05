//! `jsonb_typeof(jsonb) -> text`: object, array, string, number, boolean or null.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::ScalarUDF;

use crate::document::{Value, parse};
use crate::row::{RowFunction, text};

pub fn jsonb_typeof() -> ScalarUDF {
    RowFunction::exact("jsonb_typeof", vec![DataType::Utf8], DataType::Utf8).alias("json_typeof").body(|args| {
        let Some(document) = args.first() else { return Ok(ScalarValue::Utf8(None)) };
        let name = match parse(text(document)?)? {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        Ok(ScalarValue::Utf8(Some(name.to_owned())))
    })
}
