//! Where a value lies in a record: the part of SQL/JSON paths that names members and elements.
//!
//! `$.a.b`, `$.a[0]`, `$['x y']`, `$."x y"`, `$.a[*].b`. Without a leading `$` the text is the name of a member as it stands. As in SQL/JSON's lax
//! mode, what is not there is absent, never an error.

use super::tape::{Kind, Value};
use crate::error::{Code, Error, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Element(usize),
    All,
}

pub(super) enum Found<'a> {
    Absent,
    One(Value<'a>),
    /// All that `[*]` reached.
    Many(Vec<Value<'a>>),
}

/// # Errors
/// `InvalidDefinition` for what is not such a path.
pub(super) fn parse(text: &str) -> Result<Vec<Step>> {
    let Some(mut rest) = text.strip_prefix('$') else {
        return Ok(vec![Step::Member(text.to_owned())]);
    };
    let wrong = || {
        Error::new(Code::InvalidDefinition, format!("\"{text}\" is not a path"))
            .hint("Paths look like $.a.b, $.a[0], $['x y'] or $.a[*].".to_owned())
    };
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, behind) = step(rest).ok_or_else(wrong)?;
        steps.push(step);
        rest = behind;
    }
    Ok(steps)
}

fn step(text: &str) -> Option<(Step, &str)> {
    if let Some(name) = text.strip_prefix(".\"") {
        let (name, rest) = name.split_once('"')?;
        return Some((Step::Member(name.to_owned()), rest));
    }
    if let Some(name) = text.strip_prefix('.') {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (name, rest) = name.split_at_checked(end)?;
        return match name {
            "" => None,
            name => Some((Step::Member(name.to_owned()), rest)),
        };
    }
    let inner = text.strip_prefix('[')?;
    if let Some(quote) = inner.chars().next().filter(|first| matches!(first, '\'' | '"')) {
        let (name, rest) = inner.get(1..)?.split_once(quote)?;
        return Some((Step::Member(name.to_owned()), rest.strip_prefix(']')?));
    }
    let (index, rest) = inner.split_once(']')?;
    let step = if index.trim() == "*" { Step::All } else { Step::Element(index.trim().parse().ok()?) };
    Some((step, rest))
}

pub(super) fn find<'a>(value: Value<'a>, steps: &[Step]) -> Found<'a> {
    let mut value = value;
    for (done, step) in steps.iter().enumerate() {
        let next = match step {
            Step::Member(name) => value.member(name),
            Step::Element(index) if value.kind() == Kind::Array => value.elements().nth(*index),
            // Lax mode: a value that is no array is an array of itself.
            Step::Element(index) => (*index == 0).then_some(value),
            Step::All => {
                let mut many = Vec::new();
                all(value, steps.get(done..).unwrap_or_default(), &mut many);
                return Found::Many(many);
            }
        };
        match next {
            Some(next) => value = next,
            None => return Found::Absent,
        }
    }
    Found::One(value)
}

fn all<'a>(value: Value<'a>, steps: &[Step], found: &mut Vec<Value<'a>>) {
    let Some((_, rest)) = steps.split_first() else { return };
    let mut take = |value| match find(value, rest) {
        Found::Absent => {}
        Found::One(value) => found.push(value),
        Found::Many(values) => found.extend(values),
    };
    match value.kind() {
        Kind::Array => value.elements().for_each(take),
        _ => take(value),
    }
}
