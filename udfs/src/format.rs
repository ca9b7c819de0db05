//! `format(pattern, ..)` with `%s`, `%I`, `%L`, `%1$s` and `%%`; `quote_literal`, `quote_nullable`, `like_escape`, `pg_size_pretty`.

use arrow::datatypes::DataType;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ScalarUDF, Signature, TypeSignature, Volatility};

use crate::row::{RowFunction, text};

fn shown(value: &ScalarValue) -> Result<String> {
    match value {
        ScalarValue::Boolean(Some(flag)) => Ok(if *flag { "t" } else { "f" }.to_owned()),
        value if value.is_null() => Ok(String::new()),
        value => text(&value.cast_to(&DataType::Utf8)?).map(str::to_owned),
    }
}

fn identifier(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if value.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

pub fn format() -> ScalarUDF {
    RowFunction::any("format", DataType::Utf8).takes_null().body(|args| {
        let Some((pattern, values)) = args.split_first().filter(|(pattern, _)| !pattern.is_null()) else {
            return Ok(ScalarValue::Utf8(None));
        };
        Ok(ScalarValue::Utf8(Some(filled(text(pattern)?, values)?)))
    })
}

fn filled(pattern: &str, values: &[ScalarValue]) -> Result<String> {
    let failed = |message: &str| DataFusionError::Execution(message.to_owned());
    let mut written = String::with_capacity(pattern.len() * 2);
    let mut chars = pattern.chars().peekable();
    let mut next = 0usize;
    while let Some(c) = chars.next() {
        if c != '%' {
            written.push(c);
            continue;
        }
        let mut digits = String::new();
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        if !digits.is_empty() && chars.next_if_eq(&'$').is_none() {
            return Err(DataFusionError::NotImplemented("a width in format()".to_owned()));
        }
        let kind = chars.next().ok_or_else(|| failed("unterminated format() type specifier"))?;
        if kind == '%' {
            written.push('%');
            continue;
        }
        let at = match digits.parse::<usize>() {
            Ok(place) => place.checked_sub(1).ok_or_else(|| failed("format specifies argument 0, but arguments are numbered from 1"))?,
            Err(_) => next,
        };
        next = at + 1;
        let value = values.get(at).ok_or_else(|| failed("too few arguments for format()"))?;
        match kind {
            's' => written.push_str(&shown(value)?),
            'I' if value.is_null() => return Err(failed("null values cannot be formatted as an SQL identifier")),
            'I' => written.push_str(&identifier(&shown(value)?)),
            'L' if value.is_null() => written.push_str("NULL"),
            'L' => written.push_str(&literal(&shown(value)?)),
            other => return Err(failed(&format!("unrecognized format() type specifier \"{other}\""))),
        }
    }
    Ok(written)
}

pub fn quote_literal() -> ScalarUDF {
    let one = RowFunction::new("quote_literal", Signature::any(1, Volatility::Immutable), DataType::Utf8);
    one.body(|args| Ok(ScalarValue::Utf8(args.first().map(shown).transpose()?.as_deref().map(literal))))
}

pub fn quote_nullable() -> ScalarUDF {
    let one = RowFunction::new("quote_nullable", Signature::any(1, Volatility::Immutable), DataType::Utf8).takes_null();
    one.body(|args| match args.first() {
        Some(value) if !value.is_null() => Ok(ScalarValue::Utf8(Some(literal(&shown(value)?)))),
        _ => Ok(ScalarValue::Utf8(Some("NULL".to_owned()))),
    })
}

/// `like_escape(pattern, escape)`: the pattern with a backslash for its escape character.
pub fn like_escape() -> ScalarUDF {
    RowFunction::exact("like_escape", vec![DataType::Utf8, DataType::Utf8], DataType::Utf8).body(|args| {
        let [pattern, escape] = args else { return Ok(ScalarValue::Utf8(None)) };
        let mut escapes = text(escape)?.chars();
        let (escape, more) = (escapes.next(), escapes.next());
        if more.is_some() {
            return Err(DataFusionError::Execution("invalid escape string".to_owned()));
        }
        let mut written = String::new();
        let mut chars = text(pattern)?.chars();
        while let Some(c) = chars.next() {
            if Some(c) == escape {
                let escaped =
                    chars.next().ok_or_else(|| DataFusionError::Execution("LIKE pattern must not end with escape character".to_owned()))?;
                written.push('\\');
                written.push(escaped);
            } else if c == '\\' {
                written.push_str("\\\\");
            } else {
                written.push(c);
            }
        }
        Ok(ScalarValue::Utf8(Some(written)))
    })
}

/// `pg_size_pretty(bytes)`: as PostgreSQL rounds it.
pub fn pg_size_pretty() -> ScalarUDF {
    let whole = TypeSignature::Exact(vec![DataType::Int64]);
    RowFunction::new("pg_size_pretty", Signature::one_of(vec![whole], Volatility::Immutable), DataType::Utf8).body(|args| {
        let Some(ScalarValue::Int64(Some(bytes))) = args.first() else { return Ok(ScalarValue::Utf8(None)) };
        Ok(ScalarValue::Utf8(Some(size(*bytes))))
    })
}

fn size(bytes: i64) -> String {
    const LIMIT: i64 = 10 * 1024;
    if bytes.saturating_abs() < LIMIT {
        return format!("{bytes} bytes");
    }
    // One bit more than shown is kept until the last step, for rounding.
    let mut halves = bytes >> 9;
    for unit in ["kB", "MB", "GB", "TB"] {
        if halves.saturating_abs() < LIMIT * 2 - 1 {
            return format!("{} {unit}", rounded(halves));
        }
        halves >>= 10;
    }
    format!("{} PB", rounded(halves))
}

fn rounded(halves: i64) -> i64 {
    (halves + halves.signum()) / 2
}
