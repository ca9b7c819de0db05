//! Forms (`application/x-www-form-urlencoded`) to a JSON object.
//!
//! Stricter than browsers, which replace what they cannot read: an escape that is cut and bytes that are no UTF-8 are faults, because a
//! record must say what was sent or say nothing.

use serde_json::{Map, Value};

use crate::query;

use super::error::Fault;

/// # Errors
/// `BadEscape` or `NotUtf8`, with the place of the name or value.
pub(super) fn to_json(body: &[u8]) -> Result<Vec<u8>, (usize, Fault)> {
    let mut object = Map::new();
    for (name, value) in query::pairs(body) {
        let name = text(body, name)?;
        let value = Value::String(text(body, value)?);
        match object.get_mut(&name) {
            None => {
                object.insert(name, value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Ok(Value::Object(object).to_string().into_bytes())
}

fn text(body: &[u8], piece: &[u8]) -> Result<String, (usize, Fault)> {
    query::decode(piece).ok_or_else(|| {
        // A piece is part of the body, so the distance of the two is its place.
        let at = piece.as_ptr().addr().saturating_sub(body.as_ptr().addr());
        let fault = match query::escapes_are_whole(piece) {
            true => Fault::NotUtf8,
            false => Fault::BadEscape,
        };
        (at, fault)
    })
}
