//! `jsonb_build_object(key, value, ..) -> jsonb`: an object of the given members.

use arrow::datatypes::DataType;
use datafusion_common::{DataFusionError, ScalarValue};
use datafusion_expr::{ScalarUDF, Signature, TypeSignature, Volatility};
use serde_json::{Map, Value};

use crate::json::to_value;
use crate::row::{RowFunction, text};

pub fn jsonb_build_object() -> ScalarUDF {
    let signature = Signature::one_of(vec![TypeSignature::VariadicAny, TypeSignature::Nullary], Volatility::Immutable);
    RowFunction::new("jsonb_build_object", signature, DataType::Utf8).alias("json_build_object").marked("jsonb").takes_null().body(|args| {
        let mut members = Map::new();
        for pair in args.chunks(2) {
            let [key, value] = pair else {
                return Err(DataFusionError::Execution("jsonb_build_object takes keys and values in pairs".to_owned()));
            };
            if key.is_null() {
                return Err(DataFusionError::Execution("a key of jsonb_build_object must not be NULL".to_owned()));
            }
            let key = text(key).map_or_else(|_| key.to_string(), str::to_owned);
            members.insert(key, to_value(value)?);
        }
        Ok(ScalarValue::Utf8(Some(Value::Object(members).to_string())))
    })
}
