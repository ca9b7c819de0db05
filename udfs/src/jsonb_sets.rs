//! What gives rows from a document, as one array to unnest, and what makes a document from the rows of an aggregate.
//!
//! `jsonb_array_elements`, `jsonb_object_keys`, `jsonb_each` and `jsonb_agg` are put in these words before planning.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ScalarUDF, Signature, Volatility};

use crate::document::{Map, Value, parse};
use crate::jsonb_operators::shown;
use crate::row::{RowFunction, text};

/// Whether values keep their quotes.
#[derive(Clone, Copy)]
enum As {
    Document,
    Text,
}

fn value_field(name: &str, form: As) -> Field {
    let field = Field::new(name, DataType::Utf8, true);
    match form {
        As::Document => field.with_metadata(HashMap::from([("weir.type".to_owned(), "jsonb".to_owned())])),
        As::Text => field,
    }
}

fn written(value: &Value, form: As) -> Option<String> {
    match form {
        As::Document => Some(value.to_string()),
        As::Text => shown(value),
    }
}

fn list_of(field: Field, values: ArrayRef) -> Result<ScalarValue> {
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    Ok(ScalarValue::List(Arc::new(ListArray::try_new(Arc::new(field), offsets, values, None)?)))
}

fn elements(name: &str, form: As) -> ScalarUDF {
    let returns = DataType::List(Arc::new(value_field("item", form)));
    RowFunction::exact(name, vec![DataType::Utf8], returns).body(move |args| {
        let Some(document) = args.first() else { return Err(DataFusionError::Internal("a document is missing".to_owned())) };
        let Value::Array(items) = parse(text(document)?)? else {
            return Err(crate::failure::failed(
                crate::failure::Kind::InvalidParameter,
                "cannot extract elements from an object or a scalar",
            ));
        };
        let values: StringArray = items.iter().map(|item| written(item, form)).collect();
        list_of(value_field("item", form), Arc::new(values))
    })
}

pub fn jsonb_elements() -> ScalarUDF {
    elements("jsonb_elements", As::Document)
}

pub fn jsonb_elements_text() -> ScalarUDF {
    elements("jsonb_elements_text", As::Text)
}

fn object(document: &ScalarValue) -> Result<Map> {
    match parse(text(document)?)? {
        Value::Object(members) => Ok(members),
        _ => Err(crate::failure::failed(crate::failure::Kind::InvalidParameter, "an object is expected")),
    }
}

pub fn jsonb_keys() -> ScalarUDF {
    let returns = DataType::List(Arc::new(value_field("item", As::Text)));
    RowFunction::exact("jsonb_keys", vec![DataType::Utf8], returns).body(|args| {
        let Some(document) = args.first() else { return Err(DataFusionError::Internal("a document is missing".to_owned())) };
        let keys: StringArray = object(document)?.iter().map(|(key, _)| Some(key)).collect();
        list_of(value_field("item", As::Text), Arc::new(keys))
    })
}

fn members(name: &str, form: As) -> ScalarUDF {
    let fields = Fields::from(vec![Field::new("key", DataType::Utf8, true), value_field("value", form)]);
    let item = Field::new("item", DataType::Struct(fields.clone()), true);
    RowFunction::exact(name, vec![DataType::Utf8], DataType::List(Arc::new(item.clone()))).body(move |args| {
        let Some(document) = args.first() else { return Err(DataFusionError::Internal("a document is missing".to_owned())) };
        let members = object(document)?;
        let keys: StringArray = members.iter().map(|(key, _)| Some(key)).collect();
        let values: StringArray = members.iter().map(|(_, value)| written(value, form)).collect();
        let rows = StructArray::try_new(fields.clone(), vec![Arc::new(keys), Arc::new(values)], None)?;
        list_of(item.clone(), Arc::new(rows))
    })
}

pub fn jsonb_members() -> ScalarUDF {
    members("jsonb_members", As::Document)
}

pub fn jsonb_members_text() -> ScalarUDF {
    members("jsonb_members_text", As::Text)
}

fn documents(list: &ScalarValue) -> Result<Vec<Value>> {
    let ScalarValue::List(list) = list else {
        return Err(crate::failure::failed(crate::failure::Kind::InvalidParameter, "an array of documents is expected"));
    };
    let texts = arrow::compute::cast(&list.value(0), &DataType::Utf8)?;
    texts.as_string::<i32>().iter().map(|document| document.map_or(Ok(Value::Null), parse)).collect()
}

/// `jsonb_collect(documents)`: one array of them; what `jsonb_agg` is.
pub fn jsonb_collect() -> ScalarUDF {
    let one = RowFunction::new("jsonb_collect", Signature::any(1, Volatility::Immutable), DataType::Utf8).marked("jsonb");
    one.body(|args| {
        let Some(list) = args.first() else { return Ok(ScalarValue::Utf8(None)) };
        Ok(ScalarValue::Utf8(Some(Value::Array(documents(list)?).to_string())))
    })
}

/// `jsonb_collect_members(documents)`: one object from pairs `[key, value]`; what `jsonb_object_agg` is.
pub fn jsonb_collect_members() -> ScalarUDF {
    let one = RowFunction::new("jsonb_collect_members", Signature::any(1, Volatility::Immutable), DataType::Utf8).marked("jsonb");
    one.body(|args| {
        let Some(list) = args.first() else { return Ok(ScalarValue::Utf8(None)) };
        let mut members = Map::new();
        for pair in documents(list)? {
            let Value::Array(pair) = pair else { continue };
            let mut parts = pair.into_iter();
            match (parts.next(), parts.next()) {
                (Some(Value::Null) | None, _) => {
                    return Err(crate::failure::failed(crate::failure::Kind::InvalidParameter, "field name must not be null"));
                }
                (Some(key), value) => members.insert(shown(&key).unwrap_or_default(), value.unwrap_or(Value::Null)),
            };
        }
        Ok(ScalarValue::Utf8(Some(Value::Object(members).to_string())))
    })
}
