//! `jsonb_array_length(jsonb) -> integer`: the number of items of an array; anything else is an error.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::ScalarUDF;

use crate::document::{Value, parse};
use crate::row::{RowFunction, text};

pub fn jsonb_array_length() -> ScalarUDF {
    RowFunction::exact("jsonb_array_length", vec![DataType::Utf8], DataType::Int32).alias("json_array_length").body(|args| {
        let Some(document) = args.first() else { return Ok(ScalarValue::Int32(None)) };
        match parse(text(document)?)? {
            Value::Array(items) => Ok(ScalarValue::Int32(i32::try_from(items.len()).ok())),
            _ => Err(crate::failure::failed(crate::failure::Kind::InvalidParameter, "cannot get array length of a non-array")),
        }
    })
}
