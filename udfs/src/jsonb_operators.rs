//! What the operators of jsonb do: `||`, `-`, `#-`, `?|`, `?&`, and `#>` with a path that is not a literal.

use arrow::array::AsArray;
use arrow::datatypes::DataType;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ScalarUDF, Signature, Volatility};

use crate::document::{Value, parse};
use crate::json::to_value;
use crate::row::{RowFunction, is_json, text};

fn two(name: &str, returns: DataType) -> RowFunction {
    RowFunction::new(name, Signature::any(2, Volatility::Immutable), returns)
}

fn document(value: Value) -> ScalarValue {
    ScalarValue::Utf8(Some(value.to_string()))
}

/// `a || b`: members together, items together; anything else counts as an array of itself.
pub fn jsonb_concat() -> ScalarUDF {
    two("jsonb_concat", DataType::Utf8).marked("jsonb").body(|args| {
        let [left, right] = args else { return Ok(ScalarValue::Utf8(None)) };
        Ok(document(match (parse(text(left)?)?, parse(text(right)?)?) {
            (Value::Object(mut members), Value::Object(more)) => {
                members.extend(more);
                Value::Object(members)
            }
            (left, right) => {
                let mut items = as_items(left);
                items.extend(as_items(right));
                Value::Array(items)
            }
        }))
    })
}

fn as_items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        other => vec![other],
    }
}

/// `document - key`, `document - place`, `document - keys`.
pub fn jsonb_delete() -> ScalarUDF {
    two("jsonb_delete", DataType::Utf8).marked("jsonb").body(|args| {
        let [from, what] = args else { return Ok(ScalarValue::Utf8(None)) };
        let mut value = parse(text(from)?)?;
        if what.data_type().is_integer() {
            let place = integer(what)?;
            match &mut value {
                Value::Array(items) => {
                    if let Some(index) = index_of(place, items.len()) {
                        items.remove(index);
                    }
                }
                _ => {
                    return Err(crate::failure::failed(
                        crate::failure::Kind::InvalidParameter,
                        "cannot delete from object using integer index",
                    ));
                }
            }
            return Ok(document(value));
        }
        for key in texts(what)? {
            match &mut value {
                Value::Object(members) => {
                    members.remove(&key);
                }
                Value::Array(items) => items.retain(|item| item.as_str() != Some(key.as_str())),
                _ => return Err(crate::failure::failed(crate::failure::Kind::InvalidParameter, "cannot delete from scalar")),
            }
        }
        Ok(document(value))
    })
}

/// `document #- path`.
pub fn jsonb_delete_path() -> ScalarUDF {
    two("jsonb_delete_path", DataType::Utf8).marked("jsonb").body(|args| {
        let [from, path] = args else { return Ok(ScalarValue::Utf8(None)) };
        let mut value = parse(text(from)?)?;
        delete(&mut value, &path_of(path)?);
        Ok(document(value))
    })
}

fn delete(value: &mut Value, path: &[String]) {
    let Some((step, rest)) = path.split_first() else { return };
    match (value, rest.is_empty()) {
        (Value::Object(members), true) => {
            members.remove(step);
        }
        (Value::Object(members), false) => {
            if let Some(member) = members.get_mut(step) {
                delete(member, rest);
            }
        }
        (Value::Array(items), last) => {
            let Some(index) = step.parse::<i64>().ok().and_then(|place| index_of(place, items.len())) else { return };
            match last {
                true => {
                    items.remove(index);
                }
                false => {
                    if let Some(item) = items.get_mut(index) {
                        delete(item, rest);
                    }
                }
            }
        }
        _ => {}
    }
}

/// `document ?| keys`.
pub fn jsonb_exists_any() -> ScalarUDF {
    two("jsonb_exists_any", DataType::Boolean).body(|args| exists(args, |keys, has| keys.iter().any(has)))
}

/// `document ?& keys`.
pub fn jsonb_exists_all() -> ScalarUDF {
    two("jsonb_exists_all", DataType::Boolean).body(|args| exists(args, |keys, has| keys.iter().all(has)))
}

fn exists(args: &[ScalarValue], how: impl Fn(&[String], &dyn Fn(&String) -> bool) -> bool) -> Result<ScalarValue> {
    let [whole, keys] = args else { return Ok(ScalarValue::Boolean(None)) };
    let (whole, keys) = (parse(text(whole)?)?, texts(keys)?);
    let has = |key: &String| match &whole {
        Value::Object(members) => members.contains_key(key),
        Value::Array(items) => items.iter().any(|item| item.as_str() == Some(key.as_str())),
        Value::String(own) => own == key,
        _ => false,
    };
    Ok(ScalarValue::Boolean(Some(how(&keys, &has))))
}

/// `document #> path`.
pub fn jsonb_at_path() -> ScalarUDF {
    two("jsonb_at_path", DataType::Utf8).marked("jsonb").body(|args| {
        let [from, path] = args else { return Ok(ScalarValue::Utf8(None)) };
        let value = parse(text(from)?)?;
        Ok(ScalarValue::Utf8(at(&value, &path_of(path)?).map(Value::to_string)))
    })
}

/// `document #>> path`.
pub fn jsonb_text_at_path() -> ScalarUDF {
    two("jsonb_text_at_path", DataType::Utf8).body(|args| {
        let [from, path] = args else { return Ok(ScalarValue::Utf8(None)) };
        let value = parse(text(from)?)?;
        Ok(ScalarValue::Utf8(at(&value, &path_of(path)?).and_then(shown)))
    })
}

/// `jsonb_extract_path(document, step, ..)`.
pub fn jsonb_extract_path() -> ScalarUDF {
    let steps = RowFunction::any("jsonb_extract_path", DataType::Utf8).alias("json_extract_path").marked("jsonb");
    steps.body(|args| Ok(ScalarValue::Utf8(extracted(args)?.as_ref().map(Value::to_string))))
}

/// `jsonb_extract_path_text(document, step, ..)`.
pub fn jsonb_extract_path_text() -> ScalarUDF {
    let steps = RowFunction::any("jsonb_extract_path_text", DataType::Utf8).alias("json_extract_path_text");
    steps.body(|args| Ok(ScalarValue::Utf8(extracted(args)?.as_ref().and_then(shown))))
}

fn extracted(args: &[ScalarValue]) -> Result<Option<Value>> {
    let Some((from, steps)) = args.split_first() else { return Ok(None) };
    let value = parse(text(from)?)?;
    let steps: Vec<String> = steps.iter().map(|step| text(step).map(str::to_owned)).collect::<Result<_>>()?;
    Ok(at(&value, &steps).cloned())
}

/// A value as `->>` gives it: a string bare, JSON's null as NULL.
pub(crate) fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Object(members) => members.get(step),
        Value::Array(items) => items.get(step.parse::<i64>().ok().and_then(|place| index_of(place, items.len()))?),
        _ => None,
    })
}

/// A place counted from the end when it is negative.
fn index_of(place: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let index = if place < 0 { length + place } else { place };
    usize::try_from(index).ok().filter(|_| index < length)
}

fn integer(value: &ScalarValue) -> Result<i64> {
    match value.cast_to(&DataType::Int64)? {
        ScalarValue::Int64(Some(number)) => Ok(number),
        _ => Err(DataFusionError::Execution("a number is expected".to_owned())),
    }
}

/// A path as an array, or in the text form of one: `{a,0}`.
fn path_of(value: &ScalarValue) -> Result<Vec<String>> {
    match text(value) {
        Ok(written) => {
            let inner = written.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let inner = inner.ok_or_else(|| DataFusionError::Execution(format!("malformed array literal: \"{written}\"")))?;
            let steps = inner.split(',').map(|step| step.trim().trim_matches('"').to_owned());
            Ok(steps.filter(|step| !step.is_empty()).collect())
        }
        Err(_) => texts(value),
    }
}

/// One text, or the texts of an array.
fn texts(value: &ScalarValue) -> Result<Vec<String>> {
    if let ScalarValue::List(list) = value {
        let items = arrow::compute::cast(&list.value(0), &DataType::Utf8)?;
        let items = items.as_string::<i32>();
        return Ok(items.iter().flatten().map(str::to_owned).collect());
    }
    text(value).map(|text| vec![text.to_owned()])
}

/// `to_jsonb(value)`: any value as a document.
pub fn to_jsonb() -> ScalarUDF {
    let one = RowFunction::new("to_jsonb", Signature::any(1, Volatility::Immutable), DataType::Utf8);
    one.alias("to_json").alias("row_to_json").alias("array_to_json").marked("jsonb").body_with_fields(|args, fields| {
        let (Some(value), Some(field)) = (args.first(), fields.first()) else { return Ok(ScalarValue::Utf8(None)) };
        Ok(document(to_value(value, is_json(field))?))
    })
}

/// `jsonb_strip_nulls(document)`: without the members that are null.
pub fn jsonb_strip_nulls() -> ScalarUDF {
    let one = RowFunction::exact("jsonb_strip_nulls", vec![DataType::Utf8], DataType::Utf8).alias("json_strip_nulls").marked("jsonb");
    one.body(|args| {
        let Some(from) = args.first() else { return Ok(ScalarValue::Utf8(None)) };
        let mut value = parse(text(from)?)?;
        strip(&mut value);
        Ok(document(value))
    })
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// `jsonb_pretty(document)`: indented by four.
pub fn jsonb_pretty() -> ScalarUDF {
    RowFunction::exact("jsonb_pretty", vec![DataType::Utf8], DataType::Utf8).body(|args| {
        let Some(from) = args.first() else { return Ok(ScalarValue::Utf8(None)) };
        let value = parse(text(from)?)?;
        let mut written = String::new();
        value.pretty(0, &mut written);
        Ok(ScalarValue::Utf8(Some(written)))
    })
}
