//! Casts that the planner cannot make by itself become functions.
//!
//! Casts to `json`, `jsonb` and `uuid` check the text and mark the column, since a cast cannot carry the mark. Casts to `regclass` and its kin
//! look names up. A parameter keeps its cast, from which its type is learnt.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, CastKind, CharacterLength, DataType, Expr, Function, FunctionArguments, TimezoneInfo, Value, ValueWithSpan, VisitorMut,
};

use super::{call, last_name, named};

/// Prefix of the functions that stand for a cast to `regclass` and its kin; see `functions/reg.rs`.
const REG: &[&str] =
    &["regclass", "regtype", "regproc", "regprocedure", "regnamespace", "regrole", "regoper", "regoperator", "regconfig", "regcollation"];

pub(super) struct Casts;

impl VisitorMut for Casts {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let replacement = match expr {
            Expr::Value(ValueWithSpan { value: Value::Number(digits, long), span }) => written_out(digits)
                .map(|digits| exact(Expr::Value(ValueWithSpan { value: Value::Number(digits.clone(), *long), span: *span }), &digits)),
            Expr::TypedString(typed) if moment(&typed.value.value, &typed.data_type).is_some() => {
                moment(&typed.value.value, &typed.data_type)
            }
            Expr::TypedString(typed) => checked_by(&typed.data_type).map(|function| call(function, vec![Expr::Value(typed.value.clone())])),
            Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr: inner, data_type, .. } => cast(inner, data_type),
            _ => None,
        };
        if let Some(replacement) = replacement {
            *expr = replacement;
        }
        ControlFlow::Continue(())
    }
}

/// `'today'::date` and its kin, which mean another day every day.
fn moment(value: &Value, data_type: &DataType) -> Option<Expr> {
    let Value::SingleQuotedString(word) = value else { return None };
    let day = || call("current_date", Vec::new());
    let moved = |days: &str, op: BinaryOperator| Expr::BinaryOp {
        left: Box::new(day()),
        op,
        right: Box::new(Expr::Value(Value::Number(days.to_owned(), false).with_empty_span())),
    };
    let is_date = matches!(data_type, DataType::Date);
    let found = match word.trim().to_ascii_lowercase().as_str() {
        "now" if is_date => day(),
        "now" => call("now", Vec::new()),
        "today" => day(),
        "tomorrow" => Expr::Nested(Box::new(moved("1", BinaryOperator::Plus))),
        "yesterday" => Expr::Nested(Box::new(moved("1", BinaryOperator::Minus))),
        _ => return None,
    };
    match data_type {
        DataType::Date => Some(found),
        DataType::Timestamp(_, _) => checked_by(data_type).map(|function| call(function, vec![found])),
        _ => None,
    }
}

fn cast(inner: &Expr, data_type: &DataType) -> Option<Expr> {
    if let Expr::Value(value) = inner
        && let Some(found) = moment(&value.value, data_type)
    {
        return Some(found);
    }
    let type_name = type_name(data_type);
    if let Some(found) = reg_call(inner)
        && let Some(name) = &type_name
    {
        // `x::regclass::oid` is the number, `x::regclass::text` the name, whatever `x` is.
        let kind = found.0.split('_').next().unwrap_or(found.0.as_str()).to_owned();
        return match name.as_str() {
            "oid" | "int4" | "integer" | "int" | "int8" | "bigint" => Some(renamed(found.1, &format!("{kind}_oid"))),
            "text" | "name" | "varchar" => Some(renamed(found.1, &format!("{kind}_name"))),
            _ => None,
        };
    }
    if let Some(reg) = type_name.as_deref().and_then(|name| REG.iter().find(|reg| **reg == name)) {
        return Some(call(reg, vec![inner.clone()]));
    }
    if let Some(length) = length_of(data_type) {
        let length = Expr::Value(Value::Number(length.to_string(), false).with_empty_span());
        return Some(call("varchar", vec![inner.clone(), length]));
    }
    match checked_by(data_type)? {
        "timestamp" | "timestamptz" | "to_bytea" | "text" if is_parameter(inner) => None,
        function => {
            let cast = call(function, vec![inner.clone()]);
            Some(match data_type {
                DataType::Timestamp(Some(digits @ ..6), _) => {
                    let digits = Expr::Value(Value::Number(digits.to_string(), false).with_empty_span());
                    call("rounded_to", vec![cast, digits])
                }
                _ => cast,
            })
        }
    }
}

/// A number with an exponent is numeric, also when it is whole.
fn exact(value: Expr, digits: &str) -> Expr {
    if digits.contains('.') {
        return value;
    }
    let length = u64::try_from(digits.len()).unwrap_or(38);
    let data_type = DataType::Numeric(sqlparser::ast::ExactNumberInfo::PrecisionAndScale(length, 0));
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(value), data_type, array: false, format: None }
}

/// `1e15` as digits: as a decimal of negative scale it would come out of a conversion as 999999999999999.9.
fn written_out(number: &str) -> Option<String> {
    let (mantissa, exponent) = number.split_once(['e', 'E'])?;
    let exponent: usize = exponent.trim_start_matches('+').parse().ok().filter(|exponent| (1..=38).contains(exponent))?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (moved, rest) = fraction.split_at_checked(exponent).unwrap_or((fraction, ""));
    let zeros = "0".repeat(exponent - moved.len());
    let digits = format!("{whole}{moved}{zeros}");
    if digits.len() + rest.len() > 38 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(if rest.is_empty() { digits } else { format!("{digits}.{rest}") })
}

fn is_parameter(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::Placeholder(_), .. }))
}

/// A call that an inner cast has become.
fn reg_call(expr: &Expr) -> Option<(String, &Function)> {
    let Expr::Function(function) = expr else { return None };
    let name = last_name(&function.name)?;
    let is_one = REG.contains(&name.as_str()) && matches!(&function.args, FunctionArguments::List(list) if list.args.len() == 1);
    is_one.then_some((name, function))
}

fn renamed(function: &Function, name: &str) -> Expr {
    Expr::Function(Function { name: named(name), ..function.clone() })
}

fn type_name(data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Custom(name, arguments) if arguments.is_empty() => last_name(name),
        DataType::Regclass => Some("regclass".to_owned()),
        DataType::Text => Some("text".to_owned()),
        DataType::Varchar(None) | DataType::CharacterVarying(None) => Some("varchar".to_owned()),
        DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => Some("int4".to_owned()),
        DataType::BigInt(None) | DataType::Int8(None) => Some("int8".to_owned()),
        _ => None,
    }
}

/// The most characters that a value of the type has.
fn length_of(data_type: &DataType) -> Option<u64> {
    match data_type {
        DataType::Varchar(Some(CharacterLength::IntegerLength { length, .. }))
        | DataType::CharacterVarying(Some(CharacterLength::IntegerLength { length, .. }))
        | DataType::Char(Some(CharacterLength::IntegerLength { length, .. }))
        | DataType::Character(Some(CharacterLength::IntegerLength { length, .. })) => Some(*length),
        DataType::Char(None) | DataType::Character(None) => Some(1),
        _ => None,
    }
}

fn checked_by(data_type: &DataType) -> Option<&'static str> {
    match data_type {
        DataType::Text | DataType::Varchar(None) | DataType::CharacterVarying(None) => Some("text"),
        DataType::JSON => Some("json"),
        DataType::JSONB => Some("jsonb"),
        DataType::Uuid => Some("to_uuid"),
        DataType::Bytea => Some("to_bytea"),
        DataType::Timestamp(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => Some("timestamptz"),
        DataType::Timestamp(_, _) => Some("timestamp"),
        DataType::Custom(name, arguments) if arguments.is_empty() => match last_name(name)?.as_str() {
            "json" => Some("json"),
            "jsonb" => Some("jsonb"),
            "uuid" => Some("to_uuid"),
            "bytea" => Some("to_bytea"),
            _ => None,
        },
        _ => None,
    }
}
