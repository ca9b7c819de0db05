//! `jsonb_build_object(key, value, ..) -> jsonb` and `jsonb_build_array(value, ..) -> jsonb`. Values that are JSON stay what they are.

use arrow::datatypes::DataType;
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{ScalarUDF, Signature, TypeSignature, Volatility};

use crate::document::{Map, Value};

use crate::json::to_value;
use crate::row::{RowFunction, is_json, text};

fn any(name: &str) -> RowFunction {
    let signature = Signature::one_of(vec![TypeSignature::VariadicAny, TypeSignature::Nullary], Volatility::Immutable);
    RowFunction::new(name, signature, DataType::Utf8).marked("jsonb").takes_null()
}

pub fn jsonb_build_object() -> ScalarUDF {
    any("jsonb_build_object").alias("json_build_object").body_with_fields(|args, fields| {
        let mut members = Map::new();
        for (pair, fields) in args.chunks(2).zip(fields.chunks(2)) {
            let ([key, value], [_, field]) = (pair, fields) else {
                return Err(crate::failure::failed(
                    crate::failure::Kind::InvalidParameter,
                    "argument list must have even number of elements",
                ));
            };
            if key.is_null() {
                return Err(crate::failure::failed(crate::failure::Kind::InvalidParameter, "a key of jsonb_build_object must not be NULL"));
            }
            let key = text(key).map_or_else(|_| key.to_string(), str::to_owned);
            members.insert(key, to_value(value, is_json(field))?);
        }
        Ok(ScalarValue::Utf8(Some(Value::Object(members).to_string())))
    })
}

pub fn jsonb_build_array() -> ScalarUDF {
    any("jsonb_build_array").alias("json_build_array").body_with_fields(|args, fields| {
        let items = args.iter().zip(fields).map(|(value, field)| to_value(value, is_json(field)));
        Ok(ScalarValue::Utf8(Some(Value::Array(items.collect::<Result<_>>()?).to_string())))
    })
}
