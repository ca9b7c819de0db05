//! `jsonb_contains(a jsonb, b jsonb) -> boolean`, written `a @> b`: whether all of b is found in a, at the same place.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::ScalarUDF;

use crate::document::{Value, parse};
use crate::row::{RowFunction, text};

pub fn jsonb_contains() -> ScalarUDF {
    RowFunction::exact("jsonb_contains", vec![DataType::Utf8, DataType::Utf8], DataType::Boolean).body(|args| {
        let [whole, part] = args else { return Ok(ScalarValue::Boolean(None)) };
        let (whole, part) = (parse(text(whole)?)?, parse(text(part)?)?);
        // An array contains a value that stands alone; only at the top.
        let is_item = match &whole {
            Value::Array(items) if !part.is_array() && !part.is_object() => items.contains(&part),
            _ => false,
        };
        Ok(ScalarValue::Boolean(Some(is_item || contains(&whole, &part))))
    })
}

fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|found| contains(found, value)))
        }
        (Value::Array(whole), Value::Array(part)) => part.iter().all(|value| whole.iter().any(|found| contains(found, value))),
        (whole, part) => whole == part,
    }
}
