//! Functions of regular expressions: `regexp_match`, `regexp_replace`, `regexp_all_matches` (what `regexp_matches` gives as rows),
//! `regexp_split_to_array`, `regexp_substr` (what `substring(x from pattern)` is).
//!
//! Patterns are PostgreSQL's as far as Rust's regex has them: no look-around, no back references; such a pattern is an error, never a wrong
//! answer. A pattern is read once for all rows that share it.

mod pattern;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListBuilder, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility};
use regex::Captures;

use crate::failure::{Kind, failed, with_detail};
use crate::row::{RowFunction, text};
use pattern::Pattern;
pub use pattern::translated;

/// `regex_pattern(pattern)`: the pattern in the words of Rust's regular expressions.
pub fn regex_pattern() -> ScalarUDF {
    RowFunction::exact("regex_pattern", vec![DataType::Utf8], DataType::Utf8).body(|args| match args.first() {
        Some(pattern) => Ok(ScalarValue::Utf8(Some(translated(text(pattern)?)?))),
        None => Ok(ScalarValue::Utf8(None)),
    })
}

pub fn regexp_match() -> ScalarUDF {
    Regexp::with_options("regexp_match", What::Match)
}

pub fn regexp_all_matches() -> ScalarUDF {
    Regexp::with_options("regexp_all_matches", What::All)
}

pub fn regexp_split_to_array() -> ScalarUDF {
    Regexp::with_options("regexp_split_to_array", What::Split)
}

pub fn regexp_substr() -> ScalarUDF {
    Regexp::with_options("regexp_substr", What::First)
}

pub fn regexp_replace() -> ScalarUDF {
    ScalarUDF::new_from_impl(Regexp {
        name: "regexp_replace",
        what: What::Replace,
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Match,
    All,
    Split,
    First,
    Replace,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Regexp {
    name: &'static str,
    what: What,
    signature: Signature,
}

impl Regexp {
    /// Of a text, a pattern and options.
    fn with_options(name: &'static str, what: What) -> ScalarUDF {
        let of = |count: usize| TypeSignature::Exact(vec![DataType::Utf8; count]);
        let signature = Signature::one_of(vec![of(2), of(3)], Volatility::Immutable);
        ScalarUDF::new_from_impl(Self { name, what, signature })
    }

    fn rows(&self, args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
        let [given, patterns, rest @ ..] = args else {
            return Err(DataFusionError::Internal(format!("{} takes a text and a pattern", self.name)));
        };
        let (given, patterns) = (Texts::of(given)?, Texts::of(patterns)?);
        let mut memo = Memo::default();
        if self.what == What::Replace {
            return replaced(&given, &patterns, rest, rows, &mut memo);
        }
        let options = rest.first().map(Texts::of).transpose()?;
        // None where an argument is NULL.
        let mut each = |row: usize| -> Result<Option<(&str, Arc<Pattern>)>> {
            let options = match &options {
                None => Some(""),
                Some(options) => options.at(row),
            };
            match (given.at(row), patterns.at(row), options) {
                (Some(given), Some(pattern), Some(options)) => Ok(Some((given, memo.pattern(pattern, options)?))),
                _ => Ok(None),
            }
        };
        match self.what {
            What::First => {
                let first = |row| Ok(each(row)?.and_then(|(given, pattern)| first(given, &pattern)));
                Ok(Arc::new((0..rows).map(first).collect::<Result<StringArray>>()?))
            }
            What::Split => {
                let mut lists = ListBuilder::new(StringBuilder::new());
                for row in 0..rows {
                    let found = each(row)?;
                    for part in found.iter().flat_map(|(given, pattern)| split(given, pattern)) {
                        lists.values().append_value(part);
                    }
                    lists.append(found.is_some());
                }
                Ok(Arc::new(lists.finish()))
            }
            What::Match => {
                let mut lists = ListBuilder::new(StringBuilder::new());
                for row in 0..rows {
                    let found = each(row)?;
                    if found.as_ref().is_some_and(|(_, pattern)| pattern.everywhere) {
                        let message = "regexp_match() does not support the \"global\" option";
                        return Err(with_detail(Kind::InvalidParameter, message, "Use the regexp_matches function instead.".to_owned()));
                    }
                    let captures = found.as_ref().and_then(|(given, pattern)| pattern.regex.captures(given));
                    groups(captures.as_ref(), lists.values());
                    lists.append(captures.is_some());
                }
                Ok(Arc::new(lists.finish()))
            }
            What::All | What::Replace => {
                let mut lists = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
                for row in 0..rows {
                    let found = each(row)?;
                    if let Some((given, pattern)) = &found {
                        let most = if pattern.everywhere { usize::MAX } else { 1 };
                        for captures in pattern.regex.captures_iter(given).take(most) {
                            groups(Some(&captures), lists.values().values());
                            lists.values().append(true);
                        }
                    }
                    lists.append(found.is_some());
                }
                Ok(Arc::new(lists.finish()))
            }
        }
    }
}

impl ScalarUDFImpl for Regexp {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// `regexp_replace(text, pattern, by [, options])` or `(text, pattern, by, from [, which [, options]])`.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let is_number = |at: usize| types.get(at).is_some_and(DataType::is_integer);
        let meant = |(at, given): (usize, &DataType)| match at {
            3 | 4 if is_number(at) => Ok(DataType::Int64),
            0..=2 | 5 => Ok(DataType::Utf8),
            3 if types.len() == 4 => Ok(DataType::Utf8),
            _ => Err(DataFusionError::Plan(format!("No function matches the given name and argument types: {}({given})", self.name))),
        };
        let are_texts = |data_type: &DataType| {
            matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null | DataType::Dictionary(..))
        };
        if !(3..=6).contains(&types.len()) || !types.iter().take(3).all(are_texts) {
            let types = types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(DataFusionError::Plan(format!("No function matches the given name and argument types: {}({types})", self.name)));
        }
        types.iter().enumerate().map(meant).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        let texts = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
        Ok(match self.what {
            What::First | What::Replace => DataType::Utf8,
            What::Match | What::Split => texts,
            What::All => DataType::List(Arc::new(Field::new_list_field(texts, true))),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) {
            return ScalarValue::try_from_array(&self.rows(&args.args, 1)?, 0).map(ColumnarValue::Scalar);
        }
        self.rows(&args.args, args.number_rows).map(ColumnarValue::Array)
    }
}

/// A column of texts, or one for all rows.
enum Texts {
    One(Option<String>),
    Many(StringArray),
}

impl Texts {
    fn of(value: &ColumnarValue) -> Result<Self> {
        match value {
            ColumnarValue::Scalar(scalar) if scalar.is_null() => Ok(Self::One(None)),
            ColumnarValue::Scalar(scalar) => Ok(Self::One(Some(text(scalar)?.to_owned()))),
            ColumnarValue::Array(array) => Ok(Self::Many(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())),
        }
    }

    fn at(&self, row: usize) -> Option<&str> {
        match self {
            Self::One(text) => text.as_deref(),
            Self::Many(texts) => texts.is_valid(row).then(|| texts.value(row)),
        }
    }
}

/// Patterns that were read already, by themselves and their options.
#[derive(Default)]
struct Memo {
    last: Option<(String, String, Arc<Pattern>)>,
    known: HashMap<(String, String), Arc<Pattern>>,
}

impl Memo {
    fn pattern(&mut self, written: &str, options: &str) -> Result<Arc<Pattern>> {
        if let Some((known, with, pattern)) = &self.last
            && known == written
            && with == options
        {
            return Ok(Arc::clone(pattern));
        }
        let key = (written.to_owned(), options.to_owned());
        let pattern = match self.known.get(&key) {
            Some(pattern) => Arc::clone(pattern),
            None => Arc::new(Pattern::new(written, options)?),
        };
        self.known.insert(key.clone(), Arc::clone(&pattern));
        self.last = Some((key.0, key.1, Arc::clone(&pattern)));
        Ok(pattern)
    }
}

/// What the groups found; without groups the whole match is the one group.
fn groups(captures: Option<&Captures<'_>>, into: &mut StringBuilder) {
    let Some(captures) = captures else { return };
    for group in captures.iter().skip(usize::from(captures.len() > 1)) {
        into.append_option(group.map(|group| group.as_str()));
    }
}

fn first(given: &str, pattern: &Pattern) -> Option<String> {
    let captures = pattern.regex.captures(given)?;
    captures.get(usize::from(captures.len() > 1)).map(|found| found.as_str().to_owned())
}

fn split<'a>(given: &'a str, pattern: &Pattern) -> Vec<&'a str> {
    let mut parts: Vec<&str> = Vec::new();
    let mut start = 0;
    for found in pattern.regex.find_iter(given) {
        // An empty match at either end splits nothing off.
        if found.is_empty() && (found.start() == 0 || found.start() == given.len()) {
            continue;
        }
        parts.extend(given.get(start..found.start()));
        start = found.end();
    }
    parts.extend(given.get(start..));
    parts
}

fn replaced(given: &Texts, patterns: &Texts, rest: &[ColumnarValue], rows: usize, memo: &mut Memo) -> Result<ArrayRef> {
    let [by, rest @ ..] = rest else { return Err(DataFusionError::Internal("regexp_replace takes three values".to_owned())) };
    let by = Texts::of(by)?;
    let has_place = rest.first().is_some_and(|arg| arg.data_type() == DataType::Int64);
    let options = if has_place { rest.get(2) } else { rest.first() };
    let options = options.map(Texts::of).transpose()?;
    let number = |at: usize| -> Result<Option<Int64Array>> {
        let Some(value) = rest.get(at).filter(|_| has_place) else { return Ok(None) };
        Ok(Some(value.to_array(rows)?.as_primitive::<Int64Type>().clone()))
    };
    let (from, which) = (number(0)?, number(1)?);
    let place = |numbers: &Option<Int64Array>, row: usize, default: i64| match numbers {
        None => Some(default),
        Some(numbers) => numbers.is_valid(row).then(|| numbers.value(row)),
    };
    let mut texts = StringBuilder::new();
    for row in 0..rows {
        let letters = options.as_ref().map_or(Some(""), |options| options.at(row));
        let (Some(given), Some(pattern), Some(by), Some(letters)) = (given.at(row), patterns.at(row), by.at(row), letters) else {
            texts.append_null();
            continue;
        };
        let pattern = memo.pattern(pattern, letters)?;
        let default = i64::from(!pattern.everywhere);
        let (Some(from), Some(which)) = (place(&from, row, 1), place(&which, row, default)) else {
            texts.append_null();
            continue;
        };
        for (name, value, least) in [("start", from, 1), ("n", which, 0)] {
            if value < least {
                return Err(failed(Kind::InvalidParameter, format!("invalid value for parameter \"{name}\": {value}")));
            }
        }
        texts.append_value(one_replaced(given, &pattern, by, from, which));
    }
    Ok(Arc::new(texts.finish()))
}

/// From the character `from` on, the match number `which`; all of them for zero.
fn one_replaced(given: &str, pattern: &Pattern, by: &str, from: i64, which: i64) -> String {
    let skipped = usize::try_from(from - 1).unwrap_or(usize::MAX);
    let begin = given.char_indices().nth(skipped).map_or(if skipped == 0 { 0 } else { given.len() }, |(at, _)| at);
    let (kept, searched) = given.split_at(begin);
    let mut out = String::from(kept);
    let mut end = 0;
    for (number, captures) in (1..).zip(pattern.regex.captures_iter(searched)) {
        if which != 0 && number != which {
            continue;
        }
        let Some(found) = captures.get(0) else { continue };
        out.push_str(searched.get(end..found.start()).unwrap_or_default());
        put(by, &captures, &mut out);
        end = found.end();
        if which != 0 {
            break;
        }
    }
    out.push_str(searched.get(end..).unwrap_or_default());
    out
}

/// `\1` is what a group found, `\&` the whole match; any other backslash is one.
fn put(by: &str, captures: &Captures<'_>, out: &mut String) {
    let mut chars = by.chars().peekable();
    while let Some(next) = chars.next() {
        if next != '\\' {
            out.push(next);
            continue;
        }
        match chars.peek().copied() {
            Some('&') => out.push_str(captures.get(0).map_or("", |found| found.as_str())),
            Some('\\') => out.push('\\'),
            Some(digit @ '1'..='9') => {
                let group = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok()).and_then(|group| captures.get(group));
                out.push_str(group.map_or("", |found| found.as_str()));
            }
            _ => {
                out.push('\\');
                continue;
            }
        }
        chars.next();
    }
}
