//! `jsonb_set(document, path text, value [, create_missing]) -> jsonb`: the document with one value replaced.
//!
//! The path is PostgreSQL's text form, `'{address,0,city}'`. Only the last step is created when missing.

use arrow::datatypes::DataType;
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{ScalarUDF, Signature, TypeSignature, Volatility};

use crate::document::{Value, parse};
use crate::failure::{Kind, failed};
use crate::row::{RowFunction, text};

pub fn jsonb_set() -> ScalarUDF {
    let three = TypeSignature::Exact(vec![DataType::Utf8, DataType::Utf8, DataType::Utf8]);
    let four = TypeSignature::Exact(vec![DataType::Utf8, DataType::Utf8, DataType::Utf8, DataType::Boolean]);
    RowFunction::new("jsonb_set", Signature::one_of(vec![three, four], Volatility::Immutable), DataType::Utf8).marked("jsonb").body(
        |args| {
            let [document, path, value, create @ ..] = args else { return Ok(ScalarValue::Utf8(None)) };
            let create = !matches!(create.first(), Some(ScalarValue::Boolean(Some(false))));
            let mut document = parse(text(document)?)?;
            let value = parse(text(value)?)?;
            let path = text(path)?.trim().trim_start_matches('{').trim_end_matches('}').to_owned();
            let steps: Vec<&str> = path.split(',').map(|step| step.trim().trim_matches('"')).filter(|step| !step.is_empty()).collect();
            set(&mut document, &steps, value, create)?;
            Ok(ScalarValue::Utf8(Some(document.to_string())))
        },
    )
}

/// `jsonb_insert(document, path, value [, after])`: a new item before or after the one at the path, or a new member.
pub fn jsonb_insert() -> ScalarUDF {
    let three = TypeSignature::Exact(vec![DataType::Utf8, DataType::Utf8, DataType::Utf8]);
    let four = TypeSignature::Exact(vec![DataType::Utf8, DataType::Utf8, DataType::Utf8, DataType::Boolean]);
    RowFunction::new("jsonb_insert", Signature::one_of(vec![three, four], Volatility::Immutable), DataType::Utf8).marked("jsonb").body(
        |args| {
            let [document, path, value, after @ ..] = args else { return Ok(ScalarValue::Utf8(None)) };
            let after = matches!(after.first(), Some(ScalarValue::Boolean(Some(true))));
            let (mut document, value) = (parse(text(document)?)?, parse(text(value)?)?);
            let steps: Vec<String> = crate::array_text::items(text(path)?)?.into_iter().flatten().collect();
            insert(&mut document, &steps, value, after)?;
            Ok(ScalarValue::Utf8(Some(document.to_string())))
        },
    )
}

fn insert(document: &mut Value, steps: &[String], value: Value, after: bool) -> Result<()> {
    let Some((step, rest)) = steps.split_first() else { return Ok(()) };
    match (document, rest.is_empty()) {
        (Value::Object(members), true) => {
            if members.contains_key(step) {
                return Err(failed(Kind::InvalidParameter, "cannot replace existing key"));
            }
            members.insert(step.clone(), value);
        }
        (Value::Object(members), false) => {
            if let Some(member) = members.get_mut(step) {
                insert(member, rest, value, after)?;
            }
        }
        (Value::Array(items), is_last) => {
            let Ok(index) = step.parse::<i64>() else { return Ok(()) };
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let place = if index < 0 { length + index } else { index };
            match is_last {
                true => {
                    let place = (place + i64::from(after)).clamp(0, length);
                    items.insert(usize::try_from(place).unwrap_or(0).min(items.len()), value);
                }
                false => {
                    if let Some(item) = usize::try_from(place).ok().and_then(|place| items.get_mut(place)) {
                        insert(item, rest, value, after)?;
                    }
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn set(document: &mut Value, steps: &[&str], value: Value, create: bool) -> Result<()> {
    let Some((step, rest)) = steps.split_first() else { return Ok(()) };
    match document {
        Value::Object(members) => match (members.get_mut(step), rest.is_empty()) {
            (Some(member), true) => *member = value,
            (Some(member), false) => set(member, rest, value, create)?,
            (None, true) if create => {
                members.insert((*step).to_owned(), value);
            }
            (None, _) => {}
        },
        Value::Array(items) => {
            let Ok(index) = step.parse::<i64>() else { return Ok(()) };
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let place = if index < 0 { length + index } else { index };
            match usize::try_from(place).ok().and_then(|place| items.get_mut(place)) {
                Some(item) if rest.is_empty() => *item = value,
                Some(item) => set(item, rest, value, create)?,
                None if rest.is_empty() && create && index < 0 => items.insert(0, value),
                None if rest.is_empty() && create => items.push(value),
                None => {}
            }
        }
        _ => {}
    }
    Ok(())
}
