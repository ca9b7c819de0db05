//! `to_bytea(text) -> bytea`: what a cast to bytea does.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::ScalarUDF;

use crate::failure::{Kind, failed, unreadable};
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
            None => Err(match typed.strip_prefix("\\x") {
                Some(digits) => match digits.chars().find(|digit| !digit.is_ascii_hexdigit() && !digit.is_ascii_whitespace()) {
                    Some(wrong) => failed(Kind::InvalidParameter, format!("invalid hexadecimal digit: \"{wrong}\"")),
                    None => failed(Kind::InvalidParameter, "invalid hexadecimal data: odd number of digits"),
                },
                None => unreadable("bytea", typed),
            }),
        }
    })
}

/// `\x` and hexadecimal digits with blanks between, or text with `\\` for a backslash and `\ooo` for a byte.
fn bytes(typed: &str) -> Option<Vec<u8>> {
    let Some(hex) = typed.strip_prefix("\\x") else { return escaped(typed.as_bytes()) };
    let mut digits = hex.chars().filter(|digit| !digit.is_ascii_whitespace()).map(|digit| digit.to_digit(16));
    let mut bytes = Vec::with_capacity(hex.len() / 2);
    while let Some(high) = digits.next() {
        bytes.push(u8::try_from(high? << 4 | digits.next()??).ok()?);
    }
    Some(bytes)
}

fn escaped(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        match rest {
            [b'\\', behind @ ..] => {
                bytes.push(b'\\');
                rest = behind;
            }
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', behind @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = behind;
            }
            _ => return None,
        }
    }
    Some(bytes)
}
