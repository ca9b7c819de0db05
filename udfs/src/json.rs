//! `json(text) -> json`, `jsonb(text) -> jsonb`: what a cast to those types does.
//!
//! The text is checked; jsonb also loses white space and all but the last of equal keys, as in PostgreSQL.

use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::ScalarUDF;
use serde_json::Value;

use crate::row::{RowFunction, text};

pub fn json() -> ScalarUDF {
    RowFunction::exact("json", vec![DataType::Utf8], DataType::Utf8).marked("jsonb").body(|args| {
        let Some(argument) = args.first() else { return Ok(ScalarValue::Utf8(None)) };
        let document = text(argument)?;
        parse(document)?;
        Ok(ScalarValue::Utf8(Some(document.to_owned())))
    })
}

pub fn jsonb() -> ScalarUDF {
    RowFunction::exact("jsonb", vec![DataType::Utf8], DataType::Utf8).marked("jsonb").body(|args| {
        let Some(argument) = args.first() else { return Ok(ScalarValue::Utf8(None)) };
        Ok(ScalarValue::Utf8(Some(parse(text(argument)?)?.to_string())))
    })
}

/// Reads a document.
///
/// # Errors
/// With the parser's own line, which ends up in the detail.
pub(crate) fn parse(document: &str) -> Result<Value> {
    serde_json::from_str(document).map_err(|e| DataFusionError::ArrowError(Box::new(ArrowError::JsonError(e.to_string())), None))
}

/// A value of SQL as JSON. Text of a marked column cannot be told from other text here: it stays a string.
pub(crate) fn to_value(value: &ScalarValue) -> Result<Value> {
    Ok(match value {
        value if value.is_null() => Value::Null,
        ScalarValue::Boolean(Some(flag)) => Value::Bool(*flag),
        ScalarValue::Int8(Some(number)) => Value::from(*number),
        ScalarValue::Int16(Some(number)) => Value::from(*number),
        ScalarValue::Int32(Some(number)) => Value::from(*number),
        ScalarValue::Int64(Some(number)) => Value::from(*number),
        ScalarValue::UInt64(Some(number)) => Value::from(*number),
        ScalarValue::Float32(Some(number)) => Value::from(*number),
        ScalarValue::Float64(Some(number)) => Value::from(*number),
        ScalarValue::Decimal128(..) => parse(&value.to_string()).unwrap_or(Value::Null),
        other => match text(other) {
            Ok(text) => Value::String(text.to_owned()),
            Err(_) => Value::String(other.to_string()),
        },
    })
}
