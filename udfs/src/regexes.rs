//! `regexp_all_matches` (what `regexp_matches` gives as rows), `regexp_split_to_array`, `regexp_substr` (what `substring(x from pattern)` is).
//!
//! Patterns are those of Rust's regex: no look-around, no back references; such a pattern is an error, never a wrong answer.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ScalarUDF, Signature, TypeSignature, Volatility};
use regex::{Regex, RegexBuilder};

use crate::row::{RowFunction, text};

fn two_or_three(name: &str, returns: DataType) -> RowFunction {
    let of = |count: usize| TypeSignature::Exact(vec![DataType::Utf8; count]);
    RowFunction::new(name, Signature::one_of(vec![of(2), of(3)], Volatility::Immutable), returns)
}

fn texts() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

/// The pattern, and whether it is to be found everywhere.
fn pattern(args: &[ScalarValue]) -> Result<(Regex, bool)> {
    let written = args.get(1).map(text).transpose()?.unwrap_or_default();
    let flags = args.get(2).map(text).transpose()?.unwrap_or_default();
    let mut builder = RegexBuilder::new(written);
    let mut everywhere = false;
    for flag in flags.chars() {
        match flag {
            'g' => everywhere = true,
            'i' => _ = builder.case_insensitive(true),
            'n' | 'm' => _ = builder.multi_line(true),
            's' => _ = builder.dot_matches_new_line(true),
            'x' => _ = builder.ignore_whitespace(true),
            'c' => {}
            other => return Err(DataFusionError::Execution(format!("invalid regular expression option: \"{other}\""))),
        }
    }
    if !flags.contains(['n', 'm']) {
        builder.dot_matches_new_line(true);
    }
    let regex = builder.build().map_err(|e| DataFusionError::Execution(format!("invalid regular expression: {e}")))?;
    Ok((regex, everywhere))
}

fn list_of(values: ArrayRef) -> Result<ScalarValue> {
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    Ok(ScalarValue::List(Arc::new(ListArray::try_new(field, offsets, values, None)?)))
}

pub fn regexp_all_matches() -> ScalarUDF {
    let returns = DataType::List(Arc::new(Field::new_list_field(texts(), true)));
    two_or_three("regexp_all_matches", returns).body(|args| {
        let Some(given) = args.first() else { return Err(DataFusionError::Internal("a text is missing".to_owned())) };
        let (regex, everywhere) = pattern(args)?;
        let most = if everywhere { usize::MAX } else { 1 };
        let (mut found, mut lengths) = (Vec::new(), Vec::new());
        for captures in regex.captures_iter(text(given)?).take(most) {
            // Without groups the whole match is the one group.
            let groups: Vec<Option<String>> =
                captures.iter().skip(usize::from(captures.len() > 1)).map(|m| m.map(|m| m.as_str().to_owned())).collect();
            lengths.push(groups.len());
            found.extend(groups);
        }
        let values: ArrayRef = Arc::new(StringArray::from(found));
        let field = Arc::new(Field::new_list_field(DataType::Utf8, true));
        list_of(Arc::new(ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), values, None)?))
    })
}

pub fn regexp_split_to_array() -> ScalarUDF {
    two_or_three("regexp_split_to_array", texts()).body(|args| {
        let Some(given) = args.first() else { return Err(DataFusionError::Internal("a text is missing".to_owned())) };
        let (regex, _) = pattern(args)?;
        let given = text(given)?;
        let mut parts: Vec<&str> = Vec::new();
        let mut start = 0;
        for found in regex.find_iter(given) {
            // An empty match at either end splits nothing off.
            if found.is_empty() && (found.start() == 0 || found.start() == given.len()) {
                continue;
            }
            parts.extend(given.get(start..found.start()));
            start = found.end();
        }
        parts.extend(given.get(start..));
        list_of(Arc::new(StringArray::from(parts)))
    })
}

pub fn regexp_substr() -> ScalarUDF {
    two_or_three("regexp_substr", DataType::Utf8).body(|args| {
        let Some(given) = args.first() else { return Ok(ScalarValue::Utf8(None)) };
        let (regex, _) = pattern(args)?;
        let captures = regex.captures(text(given)?);
        let found = captures.and_then(|captures| captures.get(usize::from(captures.len() > 1)).map(|found| found.as_str().to_owned()));
        Ok(ScalarValue::Utf8(found))
    })
}
