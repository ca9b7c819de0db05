//! `convert_from(bytea, encoding) -> text` and `convert_to(text, encoding) -> bytea`: text and its bytes in UTF-8 or Latin-1.
//! `encode(bytea, format) -> text` and `decode(text, format) -> bytea`: bytes as hex, base64 or escape, written as PostgreSQL writes them.

use arrow::datatypes::DataType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::ScalarUDF;

use crate::row::{RowFunction, bytea_and_text, bytes, text};

pub fn convert_from() -> ScalarUDF {
    RowFunction::new("convert_from", bytea_and_text(), DataType::Utf8).body(|args| {
        let [value, encoding] = args else { return Ok(ScalarValue::Utf8(None)) };
        let bytes = bytes(value)?;
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

/// Characters of base64 on one line.
const LINE: usize = 76;

pub fn encode() -> ScalarUDF {
    RowFunction::new("encode", bytea_and_text(), DataType::Utf8).body(|args| {
        let [value, format] = args else { return Ok(ScalarValue::Utf8(None)) };
        let bytes = bytes(value)?;
        let encoded = match Format::named(text(format)?)? {
            Format::Hex => bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
                hex.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or_default()));
                hex
            }),
            Format::Base64 => lines(&STANDARD.encode(bytes)),
            Format::Escape => bytes.iter().fold(String::with_capacity(bytes.len()), |mut escaped, byte| {
                match byte {
                    0 | 128.. => escaped.push_str(&format!("\\{byte:03o}")),
                    b'\\' => escaped.push_str("\\\\"),
                    plain => escaped.push(char::from(*plain)),
                }
                escaped
            }),
        };
        Ok(ScalarValue::Utf8(Some(encoded)))
    })
}

pub fn decode() -> ScalarUDF {
    RowFunction::exact("decode", vec![DataType::Utf8, DataType::Utf8], DataType::Binary).body(|args| {
        let [value, format] = args else { return Ok(ScalarValue::Binary(None)) };
        let value = text(value)?;
        let decoded = match Format::named(text(format)?)? {
            Format::Hex => unhex(value)?,
            Format::Base64 => {
                let digits: Vec<u8> = value.bytes().filter(|byte| !matches!(byte, b' ' | b'\n' | b'\t' | b'\r')).collect();
                STANDARD.decode(digits).map_err(|error| DataFusionError::Execution(format!("invalid base64: {error}")))?
            }
            Format::Escape => unescape(value)?,
        };
        Ok(ScalarValue::Binary(Some(decoded)))
    })
}

enum Format {
    Hex,
    Base64,
    Escape,
}

impl Format {
    fn named(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "hex" => Ok(Format::Hex),
            "base64" => Ok(Format::Base64),
            "escape" => Ok(Format::Escape),
            _ => Err(DataFusionError::Execution(format!("unrecognized encoding: \"{name}\": one of hex, base64, escape"))),
        }
    }
}

/// A line break after every [`LINE`] characters, none at the end.
fn lines(encoded: &str) -> String {
    let mut broken = String::with_capacity(encoded.len() + encoded.len() / LINE);
    for (at, digit) in encoded.chars().enumerate() {
        if at > 0 && at % LINE == 0 {
            broken.push('\n');
        }
        broken.push(digit);
    }
    broken
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for c in text.chars().filter(|c| !matches!(c, ' ' | '\n' | '\t' | '\r')) {
        let digit = c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let digit = digit.ok_or_else(|| DataFusionError::Execution(format!("invalid hexadecimal digit: \"{c}\"")))?;
        match high.take() {
            None => high = Some(digit),
            Some(high) => decoded.push(high << 4 | digit),
        }
    }
    match high {
        None => Ok(decoded),
        Some(_) => Err(DataFusionError::Execution("invalid hexadecimal data: odd number of digits".to_owned())),
    }
}

fn unescape(text: &str) -> Result<Vec<u8>> {
    let invalid =
        || DataFusionError::Execution("invalid input syntax for type bytea: \\\\ or \\ and three octal digits expected".to_owned());
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            decoded.push(byte);
            continue;
        }
        let first = bytes.next().ok_or_else(invalid)?;
        if first == b'\\' {
            decoded.push(first);
            continue;
        }
        let mut value = 0_u32;
        for digit in [Some(first), bytes.next(), bytes.next()] {
            let digit = digit.and_then(|digit| char::from(digit).to_digit(8)).ok_or_else(invalid)?;
            value = value * 8 + digit;
        }
        decoded.push(u8::try_from(value).map_err(|_| invalid())?);
    }
    Ok(decoded)
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
