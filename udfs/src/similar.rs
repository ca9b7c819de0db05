//! `similar_to_regex(pattern)`: the regular expression that `SIMILAR TO pattern` means.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::ScalarUDF;

use crate::row::{RowFunction, text};

pub fn similar_to_regex() -> ScalarUDF {
    RowFunction::exact("similar_to_regex", vec![DataType::Utf8], DataType::Utf8).body(|args| {
        let Some(pattern) = args.first() else { return Ok(ScalarValue::Utf8(None)) };
        Ok(ScalarValue::Utf8(Some(translated(text(pattern)?))))
    })
}

fn translated(pattern: &str) -> String {
    let mut regex = String::from("^(?s:");
    let mut chars = pattern.chars();
    let mut in_set = false;
    while let Some(next) = chars.next() {
        match next {
            '\\' => match chars.next() {
                Some(plain) => regex.push_str(&regex::escape(&plain.to_string())),
                None => regex.push_str("\\\\"),
            },
            ']' if in_set => {
                in_set = false;
                regex.push(']');
            }
            other if in_set => regex.push(other),
            '[' => {
                in_set = true;
                regex.push('[');
            }
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            '(' => regex.push_str("(?:"),
            '.' | '^' | '$' => {
                regex.push('\\');
                regex.push(next);
            }
            other => regex.push(other),
        }
    }
    regex.push_str(")$");
    regex
}
