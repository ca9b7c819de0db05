//! SQL/JSON paths: `jsonb_path_query`, `jsonb_path_query_array`, `jsonb_path_query_first`, `jsonb_path_exists`, `jsonb_path_match`.
//!
//! Lax and strict mode, members, items, filters with comparisons, `&&`, `||`, `!`, `exists`, `starts with`, `like_regex`, arithmetic of constants
//! and the methods `size`, `type`, `double`, `abs`, `floor`, `ceiling`. Anything else is refused by name, never guessed.

mod parse;
mod run;

use arrow::array::{Array, ListArray, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{ScalarUDF, Signature, Volatility};
use std::sync::Arc;

use crate::document::{Value, parse as document};
use crate::row::{RowFunction, text};

fn function(name: &str, returns: DataType) -> RowFunction {
    RowFunction::new(name, Signature::any(2, Volatility::Immutable), returns)
}

fn found(args: &[ScalarValue]) -> Result<Vec<Value>> {
    let [from, path] = args else { return Ok(Vec::new()) };
    let path = parse::path(text(path)?)?;
    run::query(&path, &document(text(from)?)?)
}

fn item() -> Field {
    Field::new("item", DataType::Utf8, true).with_metadata([("weir.type".to_owned(), "jsonb".to_owned())].into())
}

/// All that is found, as an array to unnest.
pub fn jsonb_path_items() -> ScalarUDF {
    function("jsonb_path_items", DataType::List(Arc::new(item()))).body(|args| {
        let values: StringArray = found(args)?.iter().map(|value| Some(value.to_string())).collect();
        let offsets = OffsetBuffer::from_lengths([values.len()]);
        Ok(ScalarValue::List(Arc::new(ListArray::try_new(Arc::new(item()), offsets, Arc::new(values), None)?)))
    })
}

pub fn jsonb_path_query_array() -> ScalarUDF {
    function("jsonb_path_query_array", DataType::Utf8)
        .marked("jsonb")
        .body(|args| Ok(ScalarValue::Utf8(Some(Value::Array(found(args)?).to_string()))))
}

pub fn jsonb_path_query_first() -> ScalarUDF {
    function("jsonb_path_query_first", DataType::Utf8)
        .marked("jsonb")
        .body(|args| Ok(ScalarValue::Utf8(found(args)?.first().map(Value::to_string))))
}

pub fn jsonb_path_exists() -> ScalarUDF {
    function("jsonb_path_exists", DataType::Boolean).body(|args| Ok(ScalarValue::Boolean(Some(!found(args)?.is_empty()))))
}

/// What a path that is a predicate says.
pub fn jsonb_path_match() -> ScalarUDF {
    function("jsonb_path_match", DataType::Boolean).body(|args| {
        Ok(ScalarValue::Boolean(match found(args)?.as_slice() {
            [Value::Bool(flag)] => Some(*flag),
            _ => None,
        }))
    })
}
