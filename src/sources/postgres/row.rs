//! A row that could not be kept, as the JSON object that its dead letter carries.
//!
//! Every value is written so that nothing is lost: decimals and JSON as text, bytes in hex, NaN and infinities by name. Made only for rejects.

use chrono::{DateTime, NaiveDate};
use serde_json::{Map, Value as Json};

use super::column::{days, integer, items, micros, without_version};
use super::numeric;
use super::types::{Fitted, Wire};

const EPOCH_FROM_CE: i32 = 719_163;

/// The object of a row; `None` stands for NULL.
pub(super) fn object<'a>(columns: impl Iterator<Item = (&'a Fitted, Option<&'a [u8]>)>) -> Vec<u8> {
    let mut object = Map::new();
    for (fitted, bytes) in columns {
        object.insert(fitted.spec.name.clone(), bytes.map_or(Json::Null, |bytes| value(&fitted.wire, bytes)));
    }
    Json::Object(object).to_string().into_bytes()
}

fn value(wire: &Wire, bytes: &[u8]) -> Json {
    known(wire, bytes).unwrap_or_else(|| Json::String(hex(bytes)))
}

/// None when the bytes are not a value of that kind.
fn known(wire: &Wire, bytes: &[u8]) -> Option<Json> {
    Some(match wire {
        Wire::Bool => Json::Bool(bytes != [0]),
        Wire::Int2 | Wire::Int4 | Wire::Int8 => Json::from(integer(wire, bytes).ok()?),
        Wire::Float4 => {
            let float = f32::from_be_bytes(bytes.try_into().ok()?);
            // By way of text: 0.1 stays 0.1.
            number(float.to_string(), float.is_finite())?
        }
        Wire::Float8 => {
            let float = f64::from_be_bytes(bytes.try_into().ok()?);
            number(float.to_string(), float.is_finite())?
        }
        Wire::Numeric(_) => Json::String(numeric::text(bytes)?),
        Wire::Text | Wire::Json | Wire::Jsonb => Json::String(String::from_utf8_lossy(without_version(wire, bytes).ok()?).into_owned()),
        Wire::Bytea => Json::String(hex(bytes)),
        Wire::Date => Json::String(match i32::from_be_bytes(bytes.try_into().ok()?) {
            i32::MAX => "infinity".to_owned(),
            i32::MIN => "-infinity".to_owned(),
            since_2000 => date(days(bytes).ok()?).unwrap_or_else(|| format!("{since_2000} days after 2000-01-01")),
        }),
        Wire::Timestamp | Wire::Timestamptz => Json::String(match i64::from_be_bytes(bytes.try_into().ok()?) {
            i64::MAX => "infinity".to_owned(),
            i64::MIN => "-infinity".to_owned(),
            since_2000 => time(micros(bytes).ok()?, *wire == Wire::Timestamptz)
                .unwrap_or_else(|| format!("{since_2000} microseconds after 2000-01-01")),
        }),
        Wire::Uuid => Json::String(uuid::Uuid::from_slice(bytes).ok()?.hyphenated().to_string()),
        Wire::List(of) => {
            let items = items(bytes).ok()?;
            Json::Array(items.into_iter().map(|item| item.map_or(Json::Null, |bytes| value(of, bytes))).collect())
        }
    })
}

fn number(text: String, is_finite: bool) -> Option<Json> {
    if is_finite { serde_json::from_str(&text).ok() } else { Some(Json::String(text)) }
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\\x{digits}")
}

/// `days` since 1970.
fn date(days: i32) -> Option<String> {
    let date = NaiveDate::from_num_days_from_ce_opt(days.checked_add(EPOCH_FROM_CE)?)?;
    Some(date.to_string())
}

fn time(micros: i64, has_zone: bool) -> Option<String> {
    let format = if has_zone { "%Y-%m-%dT%H:%M:%S%.6fZ" } else { "%Y-%m-%dT%H:%M:%S%.6f" };
    Some(DateTime::from_timestamp_micros(micros)?.format(format).to_string())
}
