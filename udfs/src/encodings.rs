//! `convert_from(bytea, encoding) -> text` and `convert_to(text, encoding) -> bytea`: text and its bytes in UTF-8 or Latin-1.

use arrow::datatypes::DataType;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::ScalarUDF;

use crate::row::{RowFunction, text};

pub fn convert_from() -> ScalarUDF {
    RowFunction::exact("convert_from", vec![DataType::Binary, DataType::Utf8], DataType::Utf8).body(|args| {
        let [ScalarValue::Binary(Some(bytes)), encoding] = args else { return Ok(ScalarValue::Utf8(None)) };
        let converted = match Encoding::named(text(encoding)?, "source")? {
            Encoding::Utf8 => std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
                let wrong = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
                DataFusionError::Execution(format!("invalid byte sequence for encoding \"UTF8\": 0x{wrong:02x}"))
            })?,
            Encoding::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
        };
        match converted.contains('\0') {
            true => Err(DataFusionError::Execution("invalid byte sequence for encoding \"UTF8\": 0x00".to_owned())),
            false => Ok(ScalarValue::Utf8(Some(converted))),
        }
    })
}

pub fn convert_to() -> ScalarUDF {
    RowFunction::exact("convert_to", vec![DataType::Utf8, DataType::Utf8], DataType::Binary).body(|args| {
        let [value, encoding] = args else { return Ok(ScalarValue::Binary(None)) };
        let value = text(value)?;
        let bytes = match Encoding::named(text(encoding)?, "destination")? {
            Encoding::Utf8 => value.as_bytes().to_vec(),
            Encoding::Latin1 => value.chars().map(latin1).collect::<Result<_>>()?,
        };
        Ok(ScalarValue::Binary(Some(bytes)))
    })
}

enum Encoding {
    Utf8,
    Latin1,
}

impl Encoding {
    /// Names are compared as PostgreSQL does: by letters and digits, whatever their case.
    fn named(name: &str, end: &str) -> Result<Self> {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        match plain.as_str() {
            "utf8" | "unicode" => Ok(Encoding::Utf8),
            "latin1" | "iso88591" => Ok(Encoding::Latin1),
            _ => Err(DataFusionError::Execution(format!("invalid {end} encoding name \"{name}\": one of UTF8, LATIN1"))),
        }
    }
}

fn latin1(c: char) -> Result<u8> {
    u8::try_from(u32::from(c))
        .map_err(|_| DataFusionError::Execution(format!("character \"{c}\" has no equivalent in encoding \"LATIN1\"")))
}
