//! A path over a document.

use std::cmp::Ordering;

use datafusion_common::Result;

use super::parse::{Expr, Op, Path, Place, Step};
use crate::document::Value;
use crate::failure::{Kind, failed};

/// What a condition says; None is unknown.
type Truth = Option<bool>;

pub(super) fn query(path: &Path, document: &Value) -> Result<Vec<Value>> {
    Run { is_strict: path.is_strict, root: document }.values(&path.expr, document)
}

struct Run<'a> {
    is_strict: bool,
    root: &'a Value,
}

impl Run<'_> {
    fn values(&self, expr: &Expr, current: &Value) -> Result<Vec<Value>> {
        Ok(match expr {
            Expr::Root => vec![self.root.clone()],
            Expr::Current => vec![current.clone()],
            Expr::Literal(value) => vec![value.clone()],
            Expr::Steps(start, steps) => {
                let mut values = self.values(start, current)?;
                for step in steps {
                    let mut next = Vec::new();
                    for value in values {
                        self.step(step, value, &mut next)?;
                    }
                    values = next;
                }
                values
            }
            condition => vec![self.holds(condition, current)?.map_or(Value::Null, Value::Bool)],
        })
    }

    /// In lax mode an array stands for its items.
    fn spread(&self, value: Value) -> Vec<Value> {
        match value {
            Value::Array(items) if !self.is_strict => items,
            other => vec![other],
        }
    }

    fn missing(&self, message: &str) -> Result<()> {
        if self.is_strict { Err(failed(Kind::NoJsonMember, message)) } else { Ok(()) }
    }

    fn step(&self, step: &Step, value: Value, out: &mut Vec<Value>) -> Result<()> {
        match step {
            Step::Member(name) => {
                for value in self.spread(value) {
                    match value {
                        Value::Object(members) => match members.get(name) {
                            Some(member) => out.push(member.clone()),
                            None => self.missing(&format!("JSON object does not contain key \"{name}\""))?,
                        },
                        _ => self.missing("jsonpath member accessor can only be applied to an object")?,
                    }
                }
            }
            Step::AnyMember => {
                for value in self.spread(value) {
                    match value {
                        Value::Object(members) => out.extend(members.into_iter().map(|(_, member)| member)),
                        _ => self.missing("jsonpath wildcard member accessor can only be applied to an object")?,
                    }
                }
            }
            Step::Items => match value {
                Value::Array(items) => out.extend(items),
                other if !self.is_strict => out.push(other),
                _ => self.missing("jsonpath wildcard array accessor can only be applied to an array")?,
            },
            Step::Range(from, to) => self.range(*from, *to, value, out)?,
            Step::Filter(condition) => {
                for value in self.spread(value) {
                    if self.holds(condition, &value)? == Some(true) {
                        out.push(value);
                    }
                }
            }
            Step::Method(name) => self.method(name, value, out)?,
        }
        Ok(())
    }

    fn range(&self, from: Place, to: Place, value: Value, out: &mut Vec<Value>) -> Result<()> {
        let items = match value {
            Value::Array(items) => items,
            other if !self.is_strict => vec![other],
            _ => return self.missing("jsonpath array accessor can only be applied to an array"),
        };
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let at = |place: Place| match place {
            Place::At(at) => at,
            Place::BeforeLast(before) => length - 1 - before,
        };
        let (from, to) = (at(from), at(to));
        if from < 0 || to >= length || from > to {
            self.missing("jsonpath array subscript is out of bounds")?;
        }
        let wanted = |index: usize| i64::try_from(index).is_ok_and(|index| (from..=to).contains(&index));
        out.extend(items.into_iter().enumerate().filter(|(index, _)| wanted(*index)).map(|(_, item)| item));
        Ok(())
    }

    fn method(&self, name: &str, value: Value, out: &mut Vec<Value>) -> Result<()> {
        let number = |value: &Value| match value {
            Value::Number(number) => number.as_str().parse::<f64>().ok(),
            Value::String(text) if name == "double" => text.trim().parse::<f64>().ok(),
            _ => None,
        };
        match name {
            "size" => out.push(Value::number(&if let Value::Array(items) = &value { items.len() } else { 1 }.to_string())),
            "type" => out.push(Value::String(kind(&value).to_owned())),
            _ => {
                for value in self.spread(value) {
                    let found = number(&value).ok_or_else(|| {
                        failed(Kind::JsonItem, format!("jsonpath item method .{name}() can only be applied to a numeric value"))
                    })?;
                    let changed = match name {
                        "abs" => found.abs(),
                        "floor" => found.floor(),
                        "ceiling" => found.ceil(),
                        _ => found,
                    };
                    out.push(Value::number(&changed.to_string()));
                }
            }
        }
        Ok(())
    }

    fn holds(&self, condition: &Expr, current: &Value) -> Result<Truth> {
        Ok(match condition {
            Expr::And(left, right) => match (self.holds(left, current)?, self.holds(right, current)?) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Expr::Or(left, right) => match (self.holds(left, current)?, self.holds(right, current)?) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Expr::Not(inner) => self.holds(inner, current)?.map(|truth| !truth),
            Expr::Exists(inner) => Some(!self.values(inner, current)?.is_empty()),
            Expr::Compare(left, op, right) => {
                let (left, right) = (self.operands(left, current)?, self.operands(right, current)?);
                let pairs = left.iter().flat_map(|one| right.iter().map(move |other| compared(one, *op, other)));
                any(pairs)
            }
            Expr::StartsWith(inner, start) => {
                any(self.operands(inner, current)?.iter().map(|value| value.as_str().map(|text| text.starts_with(start))))
            }
            Expr::LikeRegex(inner, pattern) => {
                let regex =
                    regex::Regex::new(pattern).map_err(|e| failed(Kind::InvalidRegex, format!("invalid regular expression: {e}")))?;
                any(self.operands(inner, current)?.iter().map(|value| value.as_str().map(|text| regex.is_match(text))))
            }
            other => match self.values(other, current)?.as_slice() {
                [Value::Bool(truth)] => Some(*truth),
                _ => None,
            },
        })
    }

    fn operands(&self, expr: &Expr, current: &Value) -> Result<Vec<Value>> {
        Ok(self.values(expr, current)?.into_iter().flat_map(|value| self.spread(value)).collect())
    }
}

fn any(truths: impl Iterator<Item = Truth>) -> Truth {
    let mut unknown = false;
    for truth in truths {
        match truth {
            Some(true) => return Some(true),
            Some(false) => {}
            None => unknown = true,
        }
    }
    if unknown { None } else { Some(false) }
}

/// Values of different kinds cannot be compared, except with null.
fn compared(one: &Value, op: Op, other: &Value) -> Truth {
    let same_kind = kind(one) == kind(other);
    if one.is_array() || one.is_object() || other.is_array() || other.is_object() {
        return None;
    }
    if !same_kind {
        let has_null = one.is_null() || other.is_null();
        return has_null.then_some(op == Op::Ne);
    }
    let order = one.order(other);
    Some(match op {
        Op::Eq => order == Ordering::Equal,
        Op::Ne => order != Ordering::Equal,
        Op::Lt => order == Ordering::Less,
        Op::Le => order != Ordering::Greater,
        Op::Gt => order == Ordering::Greater,
        Op::Ge => order != Ordering::Less,
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
