//! `json(text) -> json`, `jsonb(text) -> jsonb`: what a cast to those types does; and values of SQL as JSON.
//!
//! The text is checked; json keeps it, jsonb has one form of it. See `document`.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::ScalarUDF;

use crate::document::{Map, Value, parse};
use crate::failure::{Kind, failed};
use crate::forms;
use crate::row::{RowFunction, is_json, text};

pub fn json() -> ScalarUDF {
    RowFunction::exact("json", vec![DataType::Utf8], DataType::Utf8).marked("json").body(|args| {
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

/// `jsonb_order(a, b)`: less than, equal to or greater than zero; what comparisons of documents are planned to.
pub fn jsonb_order() -> ScalarUDF {
    RowFunction::exact("jsonb_order", vec![DataType::Utf8, DataType::Utf8], DataType::Int32).body(|args| {
        let [one, other] = args else { return Ok(ScalarValue::Int32(None)) };
        let order = parse(text(one)?)?.order(&parse(text(other)?)?);
        Ok(ScalarValue::Int32(Some(order as i32)))
    })
}

/// `jsonb_scalar(document, type)`: the text of a number or boolean, for a cast of it to that type.
pub fn jsonb_scalar() -> ScalarUDF {
    RowFunction::exact("jsonb_scalar", vec![DataType::Utf8, DataType::Utf8], DataType::Utf8).body(|args| {
        let [document, data_type] = args else { return Ok(ScalarValue::Utf8(None)) };
        let data_type = text(data_type)?;
        let kind = match parse(text(document)?)? {
            scalar @ Value::Bool(_) if data_type == "boolean" => return Ok(ScalarValue::Utf8(Some(scalar.to_string()))),
            scalar @ Value::Number(_) if data_type != "boolean" => return Ok(ScalarValue::Utf8(Some(scalar.to_string()))),
            Value::Bool(_) => "boolean",
            Value::Number(_) => "numeric",
            Value::Null => "null",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        Err(failed(Kind::InvalidParameter, format!("cannot cast jsonb {kind} to type {data_type}")))
    })
}

/// `jsonb_object(array)` of keys and values in turn, `jsonb_object(keys, values)`; arrays may be in their text form.
pub fn jsonb_object() -> ScalarUDF {
    RowFunction::any("jsonb_object", DataType::Utf8).alias("json_object").marked("jsonb").body(|args| {
        let pairs: Vec<(Option<String>, Option<String>)> = match args {
            [both] => {
                let both = texts(both)?;
                if both.len() % 2 != 0 {
                    return Err(failed(Kind::InvalidParameter, "array must have even number of elements"));
                }
                both.chunks(2).map(|pair| (pair.first().cloned().flatten(), pair.get(1).cloned().flatten())).collect()
            }
            [keys, values] => {
                let (keys, values) = (texts(keys)?, texts(values)?);
                if keys.len() != values.len() {
                    return Err(failed(Kind::InvalidParameter, "mismatched array dimensions"));
                }
                keys.into_iter().zip(values).collect()
            }
            _ => return Ok(ScalarValue::Utf8(None)),
        };
        let mut members = Map::new();
        for (key, value) in pairs {
            let key = key.ok_or_else(|| failed(Kind::InvalidParameter, "null value not allowed for object key"))?;
            members.insert(key, value.map_or(Value::Null, Value::String));
        }
        Ok(ScalarValue::Utf8(Some(Value::Object(members).to_string())))
    })
}

fn texts(value: &ScalarValue) -> Result<Vec<Option<String>>> {
    if let ScalarValue::List(list) = value {
        let items = arrow::compute::cast(&list.value(0), &DataType::Utf8)?;
        return Ok(arrow::array::AsArray::as_string::<i32>(&items).iter().map(|item| item.map(str::to_owned)).collect());
    }
    crate::array_text::items(text(value)?)
}

/// A value of SQL as JSON: documents stay what they are, other text is a string.
///
/// # Errors
/// When a document is none.
pub(crate) fn to_value(value: &ScalarValue, is_document: bool) -> Result<Value> {
    let written = |put: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    };
    Ok(match value {
        value if value.is_null() => Value::Null,
        ScalarValue::Boolean(Some(flag)) => Value::Bool(*flag),
        ScalarValue::Float32(Some(number)) => Value::number(&written(&|out| forms::put_float4(*number, out))),
        ScalarValue::Float64(Some(number)) => Value::number(&written(&|out| forms::put_float8(*number, out))),
        ScalarValue::Decimal128(Some(unscaled), precision, scale) => {
            Value::number(&written(&|out| forms::put_decimal128(*unscaled, *precision, *scale, out)))
        }
        number if number.data_type().is_numeric() => Value::number(text(&number.cast_to(&DataType::Utf8)?)?),
        ScalarValue::List(list) => items(&list.value(0), list_item(value))?,
        ScalarValue::LargeList(list) => items(&list.value(0), list_item(value))?,
        ScalarValue::Struct(row) => {
            let mut members = Vec::new();
            for (field, column) in row.fields().iter().zip(row.columns()) {
                members.push((field.name().clone(), to_value(&ScalarValue::try_from_array(column, 0)?, is_json(field))?));
            }
            let mut object = Map::new();
            object.extend(members);
            Value::Object(object)
        }
        ScalarValue::TimestampSecond(..)
        | ScalarValue::TimestampMillisecond(..)
        | ScalarValue::TimestampMicrosecond(..)
        | ScalarValue::TimestampNanosecond(..) => moment(value)?,
        ScalarValue::Date32(Some(days)) => Value::String(written(&|out| forms::put_date(*days, out))),
        ScalarValue::Time64Microsecond(Some(micros)) => Value::String(written(&|out| forms::put_time(*micros, out))),
        ScalarValue::IntervalMonthDayNano(Some(interval)) => Value::String(written(&|out| forms::put_interval(*interval, out))),
        ScalarValue::Binary(Some(bytes)) => Value::String(written(&|out| forms::put_bytea(bytes, out))),
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

/// With a T between date and time, and a full offset, as JSON has them.
fn moment(value: &ScalarValue) -> Result<Value> {
    let zone = match value.data_type() {
        DataType::Timestamp(_, zone) => zone,
        _ => None,
    };
    let micros = value.cast_to(&DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, zone.clone()))?;
    let ScalarValue::TimestampMicrosecond(Some(micros), _) = micros else { return Ok(Value::Null) };
    let mut out = Vec::new();
    let east = zone.and_then(|zone| crate::timestamps::east_of(micros, &zone));
    forms::put_timestamp(micros, east, &mut out);
    let mut shown = String::from_utf8_lossy(&out).replacen(' ', "T", 1);
    // An offset of whole hours has its minutes here.
    if east.is_some_and(|east| east % 3600 == 0) {
        shown.push_str(":00");
    }
    Ok(Value::String(shown))
}

fn list_item(list: &ScalarValue) -> Option<Field> {
    match list.data_type() {
        DataType::List(item) | DataType::LargeList(item) => Some(item.as_ref().clone()),
        _ => None,
    }
}

fn items(array: &ArrayRef, item: Option<Field>) -> Result<Value> {
    let is_document = item.as_ref().is_some_and(is_json);
    let mut values = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        values.push(to_value(&ScalarValue::try_from_array(array, row)?, is_document)?);
    }
    Ok(Value::Array(values))
}
