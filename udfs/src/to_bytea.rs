//! `to_bytea(text) -> bytea`: what a cast to bytea does. `\x` and hex digits are bytes; any other text is its own bytes.

use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion_common::{DataFusionError, ScalarValue};
use datafusion_expr::ScalarUDF;

use crate::row::{RowFunction, text};

pub fn to_bytea() -> ScalarUDF {
    RowFunction::any("to_bytea", DataType::Binary).body(|args| {
        let Some(argument) = args.first() else { return Ok(ScalarValue::Binary(None)) };
        match argument {
            ScalarValue::Binary(bytes)
            | ScalarValue::LargeBinary(bytes)
            | ScalarValue::BinaryView(bytes)
            | ScalarValue::FixedSizeBinary(_, bytes) => return Ok(ScalarValue::Binary(bytes.clone())),
            _ => {}
        }
        let typed = text(argument)?;
        match bytes(typed) {
            Some(bytes) => Ok(ScalarValue::Binary(Some(bytes))),
            None => {
                let message = format!("Cannot cast string '{typed}' to value of Binary type");
                Err(DataFusionError::ArrowError(Box::new(ArrowError::CastError(message)), None))
            }
        }
    })
}

fn bytes(typed: &str) -> Option<Vec<u8>> {
    let Some(hex) = typed.strip_prefix("\\x") else { return Some(typed.as_bytes().to_vec()) };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = hex.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}
