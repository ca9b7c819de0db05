//! `json(text) -> json`, `jsonb(text) -> jsonb`: what a cast to those types does.
//!
//! The text is checked; jsonb also loses white space and all but the last of equal keys, as in PostgreSQL.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::ScalarUDF;
use serde_json::{Map, Value};

use crate::row::{RowFunction, is_json, text};

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

/// A value of SQL as JSON: documents stay what they are, other text is a string.
///
/// # Errors
/// When a document is none.
pub(crate) fn to_value(value: &ScalarValue, is_document: bool) -> Result<Value> {
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
        ScalarValue::Decimal128(..) => {
            let digits = value.cast_to(&DataType::Utf8)?;
            parse(text(&digits)?)?
        }
        ScalarValue::List(list) => items(&list.value(0))?,
        ScalarValue::LargeList(list) => items(&list.value(0))?,
        ScalarValue::Struct(row) => {
            let mut members = Map::new();
            for (field, column) in row.fields().iter().zip(row.columns()) {
                members.insert(field.name().clone(), to_value(&ScalarValue::try_from_array(column, 0)?, is_json(field))?);
            }
            Value::Object(members)
        }
        ScalarValue::TimestampSecond(..)
        | ScalarValue::TimestampMillisecond(..)
        | ScalarValue::TimestampMicrosecond(..)
        | ScalarValue::TimestampNanosecond(..)
        | ScalarValue::Date32(_)
        | ScalarValue::Date64(_)
        | ScalarValue::Time64Microsecond(_) => {
            // Arrow writes them with a T, as JSON has them.
            let shown = value.cast_to(&DataType::Utf8)?;
            Value::String(text(&shown)?.to_owned())
        }
        other => match text(other) {
            Ok(document) if is_document => parse(document)?,
            Ok(text) => Value::String(text.to_owned()),
            Err(_) => {
                let message = format!("{} cannot be made into JSON", other.data_type());
                return Err(DataFusionError::NotImplemented(message));
            }
        },
    })
}

fn items(array: &ArrayRef) -> Result<Value> {
    let mut values = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        values.push(to_value(&ScalarValue::try_from_array(array, row)?, false)?);
    }
    Ok(Value::Array(values))
}
