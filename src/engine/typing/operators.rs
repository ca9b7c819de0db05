//! Operators and calls by the types of their arguments.

use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, InList, Placeholder, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Like, Operator, ScalarUDF, cast, lit};
use weir_udfs::row::{is_json, mark_of};

use super::super::errors::external;
use super::super::functions::{cut, divide, shown, spans, text};
use super::super::types::shown_type;
use super::literals::{alike, alike_list, as_type, call as own_call, common_mark, doubles, is_unknown, read, with_mark};
use super::plan::operation;
use crate::error::{Code, Error};

const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_bytea(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

fn is_exact(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Decimal128(..))
}

/// What the planner has no types for, at once; the rest when types are known.
pub(in crate::engine) fn planned(left: Expr, op: Operator, right: Expr, schema: &DFSchema) -> Result<Expr> {
    match op {
        Operator::StringConcat => concatenated(left, right, schema),
        _ => arithmetic(left, op, right, schema),
    }
}

pub(super) fn binary(binary: BinaryExpr, schema: &DFSchema) -> Result<Expr> {
    let BinaryExpr { left, op, right } = binary;
    if is_comparison(op) {
        let [left, right] = alike([*left, *right], schema)?;
        if let (Ok((_, one)), Ok((_, other))) = (left.to_field(schema), right.to_field(schema))
            && !(is_unknown(&left) || is_unknown(&right))
        {
            refuse_text_beside_number(&one, op, &other)?;
        }
        return Ok(compared(left, op, right, schema));
    }
    match op {
        Operator::StringConcat => concatenated(*left, *right, schema),
        Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo => {
            arithmetic(*left, op, *right, schema)
        }
        Operator::RegexMatch | Operator::RegexNotMatch | Operator::RegexIMatch | Operator::RegexNotIMatch => {
            Ok(operation(*left, op, regex(*right)?))
        }
        _ => Ok(operation(*left, op, *right)),
    }
}

/// A pattern in the words of the library that matches it.
pub(super) fn regex(pattern: Expr) -> Result<Expr> {
    match pattern {
        Expr::Literal(ScalarValue::Utf8(Some(written)), metadata) => {
            Ok(Expr::Literal(ScalarValue::Utf8(Some(weir_udfs::translated_regex(&written)?)), metadata))
        }
        Expr::Literal(..) => Ok(pattern),
        // It is such a pattern already.
        Expr::ScalarFunction(ref function) if matches!(function.func.name(), "similar_to_regex" | "regex_pattern") => Ok(pattern),
        other => Ok(weir_udfs::regex_pattern().call(vec![other])),
    }
}

/// Bytes are matched by a function of their own.
pub(super) fn like(like: Like, schema: &DFSchema) -> Result<Expr> {
    let is_bytes = like.expr.get_type(schema).is_ok_and(|data_type| is_bytea(&data_type));
    if let Expr::Literal(ScalarValue::Utf8(Some(pattern)), _) = like.pattern.as_ref()
        && (pattern.len() - pattern.trim_end_matches('\\').len()) % 2 == 1
    {
        return Err(external(Error::new(Code::InvalidEscape, "LIKE pattern must not end with escape character")));
    }
    if !is_bytes || like.escape_char.is_some() || like.case_insensitive {
        return Ok(Expr::Like(like));
    }
    let field = arrow::datatypes::Field::new("", DataType::Binary, true);
    let found = own_call("bytea_like", vec![*like.expr, read(*like.pattern, &field)?])?;
    Ok(if like.negated { Expr::Not(Box::new(found)) } else { found })
}

/// Text is compared with text only: whether its digits are meant must be said.
fn refuse_text_beside_number(one: &Field, op: Operator, other: &Field) -> Result<()> {
    let text = |field: &Field| is_text(field.data_type()) && mark_of(field).is_none();
    let number = |field: &Field| field.data_type().is_numeric() || matches!(field.data_type(), DataType::Boolean | DataType::Date32);
    if !((text(one) && number(other)) || (number(one) && text(other))) {
        return Ok(());
    }
    let name = |field: &Field| shown_type(field).split('(').next().unwrap_or("").to_owned();
    let error = Error::new(Code::UndefinedFunction, format!("operator does not exist: {} {op} {}", name(one), name(other)));
    Err(external(error.hint("You might need to add explicit type casts.".to_owned())))
}

/// Documents and intervals have an order that their bytes do not have.
fn compared(left: Expr, op: Operator, right: Expr, schema: &DFSchema) -> Expr {
    let field = |expr: &Expr| expr.to_field(schema).map(|(_, field)| field);
    if let (Ok(one), Ok(other)) = (field(&left), field(&right)) {
        let is_interval = |data_type: &DataType| matches!(data_type, DataType::Interval(_) | DataType::Duration(_));
        if is_interval(one.data_type()) && is_interval(other.data_type()) {
            let size = |expr: Expr| spans::size().call(vec![as_type(expr, schema, &DataType::Interval(IntervalUnit::MonthDayNano))]);
            return operation(size(left), op, size(right));
        }
        let is_distinction = matches!(op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom);
        if is_json(&one) && is_json(&other) && !is_distinction {
            return match own_call("jsonb_order", vec![left.clone(), right.clone()]) {
                Ok(order) => operation(order, op, lit(0_i32)),
                Err(_) => operation(left, op, right),
            };
        }
    }
    operation(left, op, right)
}

/// As two comparisons where the order is our own.
pub(super) fn between(between: Between, schema: &DFSchema) -> Result<Expr> {
    let field = between.expr.to_field(schema).map(|(_, field)| field);
    let special = field.is_ok_and(|field| is_json(&field) || matches!(field.data_type(), DataType::Interval(_)));
    if !special {
        return Ok(Expr::Between(between));
    }
    let Between { expr, negated, low, high } = between;
    let inside = compared(*expr.clone(), Operator::GtEq, *low, schema).and(compared(*expr, Operator::LtEq, *high, schema));
    Ok(if negated { Expr::Not(Box::new(inside)) } else { inside })
}

/// As comparisons where equality is our own.
pub(super) fn among(expr: Expr, list: Vec<Expr>, negated: bool, schema: &DFSchema) -> Result<Expr> {
    let special = expr.to_field(schema).is_ok_and(|(_, field)| is_json(&field) || matches!(field.data_type(), DataType::Interval(_)));
    if !special {
        return Ok(Expr::InList(InList { expr: Box::new(expr), list, negated }));
    }
    let found = list.into_iter().map(|item| compared(expr.clone(), Operator::Eq, item, schema)).reduce(Expr::or);
    let found = found.unwrap_or_else(|| lit(false));
    Ok(if negated { Expr::Not(Box::new(found)) } else { found })
}

/// Bytes with bytes are bytes; anything else with a text is text.
fn concatenated(left: Expr, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let (Ok(one), Ok(other)) = (left.get_type(schema), right.get_type(schema)) else {
        return Ok(operation(left, Operator::StringConcat, right));
    };
    let bytes = |expr: Expr| match is_unknown(&expr) {
        true => read(expr, &arrow::datatypes::Field::new("", DataType::Binary, true)),
        false => Ok(expr),
    };
    if (is_bytea(&one) && (is_bytea(&other) || is_unknown(&right))) || (is_bytea(&other) && is_unknown(&left)) {
        return own_call("bytea_concat", vec![bytes(left)?, bytes(right)?]);
    }
    if matches!(one, DataType::List(_)) || matches!(other, DataType::List(_)) {
        return Ok(operation(left, Operator::StringConcat, right));
    }
    let texted =
        |expr: Expr, data_type: &DataType| if is_text(data_type) || *data_type == DataType::Null { expr } else { text().call(vec![expr]) };
    Ok(operation(texted(left, &one), Operator::StringConcat, texted(right, &other)))
}

fn arithmetic(left: Expr, op: Operator, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let (left, right) = beside(left, op, right, schema)?;
    let (Ok(one), Ok(other)) = (left.get_type(schema), right.get_type(schema)) else { return Ok(operation(left, op, right)) };
    if op == Operator::Divide && is_exact(&one) && is_exact(&other) && (one.is_decimal() || other.is_decimal()) {
        return Ok(divide().call(vec![left, right]));
    }
    // A real beside any other number is double precision.
    let wide = |expr: Expr, own: &DataType| if *own == DataType::Float32 { cast(expr, DataType::Float64) } else { expr };
    if (one == DataType::Float32) != (other == DataType::Float32) && one.is_numeric() && other.is_numeric() {
        return Ok(operation(wide(left, &one), op, wide(right, &other)));
    }
    let day = |expr: Expr| cast(expr, DataType::Int32);
    let is_interval = |data_type: &DataType| matches!(data_type, DataType::Interval(_) | DataType::Duration(_));
    let whole = |data_type: &DataType| data_type.is_integer();
    Ok(match (&one, op, &other) {
        (DataType::Date32, Operator::Plus | Operator::Minus, number) if whole(number) => {
            cast(operation(day(left), op, day(right)), DataType::Date32)
        }
        (number, Operator::Plus, DataType::Date32) if whole(number) => cast(operation(day(left), op, day(right)), DataType::Date32),
        (DataType::Date32, Operator::Minus, DataType::Date32) => operation(day(left), op, day(right)),
        (DataType::Date32, Operator::Plus | Operator::Minus, interval) if is_interval(interval) => {
            operation(cast(left, TIMESTAMP), op, right)
        }
        (interval, Operator::Plus, DataType::Date32) if is_interval(interval) => operation(cast(right, TIMESTAMP), op, left),
        (DataType::Date32, Operator::Plus, DataType::Time64(_)) => operation(cast(left, TIMESTAMP), op, spans::of_time().call(vec![right])),
        (DataType::Timestamp(..) | DataType::Date32, Operator::Minus, DataType::Timestamp(..) | DataType::Date32) => {
            let micros = |expr: Expr, data_type: &DataType| match data_type {
                DataType::Timestamp(TimeUnit::Microsecond, _) => expr,
                _ => cast(expr, TIMESTAMP),
            };
            spans::between().call(vec![micros(left, &one), micros(right, &other)])
        }
        (interval, Operator::Multiply | Operator::Divide, number) if is_interval(interval) && number.is_numeric() => {
            let factor = match op {
                Operator::Divide => operation(lit(1_f64), op, cast(right, DataType::Float64)),
                _ => cast(right, DataType::Float64),
            };
            spans::scaled().call(vec![as_type(left, schema, &DataType::Interval(IntervalUnit::MonthDayNano)), factor])
        }
        (number, Operator::Multiply, interval) if is_interval(interval) && number.is_numeric() => {
            let right = as_type(right, schema, &DataType::Interval(IntervalUnit::MonthDayNano));
            spans::scaled().call(vec![right, cast(left, DataType::Float64)])
        }
        (DataType::Time64(_), Operator::Minus, DataType::Time64(_)) => {
            operation(spans::of_time().call(vec![left]), op, spans::of_time().call(vec![right]))
        }
        _ => operation(left, op, right),
    })
}

/// A literal beside a number is a number; beside a time what the operator takes there.
fn beside(left: Expr, op: Operator, right: Expr, schema: &DFSchema) -> Result<(Expr, Expr)> {
    let field = |data_type: DataType| arrow::datatypes::Field::new("", data_type, true);
    let meant = |literal: Expr, other: &Expr| match other.get_type(schema) {
        Ok(number) if number.is_numeric() => read(literal, &field(number)),
        Ok(DataType::Timestamp(..)) if op == Operator::Plus => read(literal, &field(DataType::Interval(IntervalUnit::MonthDayNano))),
        Ok(DataType::Interval(_)) => read(literal, &field(DataType::Interval(IntervalUnit::MonthDayNano))),
        Ok(day @ DataType::Date32) => read(literal, &field(day)),
        Ok(at @ DataType::Timestamp(..)) => Ok(cast(literal, at)),
        _ => Ok(literal),
    };
    Ok(match (is_unknown(&left), is_unknown(&right)) {
        (true, false) => (meant(left, &right)?, right),
        (false, true) => {
            let right = meant(right, &left)?;
            (left, right)
        }
        _ => (left, right),
    })
}

/// Functions that take values of any type as text, or give one of several values.
pub(super) fn call(function: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
    let ScalarFunction { func, args } = function;
    let rebuilt = |args: Vec<Expr>| Expr::ScalarFunction(ScalarFunction { func: Arc::clone(&func), args });
    match func.name() {
        "concat" | "concat_ws" | "format" | "quote_literal" | "quote_nullable" => Ok(rebuilt(as_texts(args, schema)?)),
        "coalesce" | "greatest" | "least" => {
            let args = doubles(alike_list(args, schema)?, schema);
            let mark = common_mark(&args.iter().collect::<Vec<_>>(), schema);
            Ok(with_mark(rebuilt(args), mark))
        }
        "nullif" => {
            let args = doubles(alike_list(args, schema)?, schema);
            let mark = args.first().and_then(|first| common_mark(&[first], schema));
            Ok(with_mark(rebuilt(args), mark))
        }
        "varchar" => match args.as_slice() {
            [value, Expr::Literal(ScalarValue::Int64(Some(length)), _)] => Ok(length_of(value.clone(), *length)),
            [value, Expr::Literal(ScalarValue::Int32(Some(length)), _)] => Ok(length_of(value.clone(), (*length).into())),
            _ => Ok(rebuilt(args)),
        },
        "in_array" => in_array(args, func, schema),
        _ => Ok(rebuilt(args)),
    }
}

fn length_of(value: Expr, length: i64) -> Expr {
    cut(u64::try_from(length).unwrap_or(0)).call(vec![text().call(vec![value])])
}

/// Each argument as text, those that are text already as they are.
pub(super) fn as_texts(args: Vec<Expr>, schema: &DFSchema) -> Result<Vec<Expr>> {
    let texted = |arg: Expr| match arg.to_field(schema) {
        Ok((_, field)) if (is_text(field.data_type()) && mark_of(&field).is_none()) || *field.data_type() == DataType::Null => arg,
        Ok(_) => shown().call(vec![arg]),
        Err(_) => arg,
    };
    Ok(args.into_iter().map(texted).collect())
}

/// `x = ANY (array)`: literals on either side have the type of the other; a list of constants is IN.
fn in_array(args: Vec<Expr>, func: Arc<ScalarUDF>, schema: &DFSchema) -> Result<Expr> {
    let Ok([item, list]) = <[Expr; 2]>::try_from(args) else { return Ok(lit(ScalarValue::Boolean(None))) };
    let Ok((_, field)) = item.to_field(schema) else {
        return Ok(Expr::ScalarFunction(ScalarFunction { func, args: vec![item, list] }));
    };
    let list = match &list {
        // A parameter is an array of what is looked for.
        Expr::Placeholder(parameter) if parameter.field.as_ref().is_none_or(|known| !known.data_type().is_nested()) => {
            let element = Field::new_list_field(field.data_type().clone(), true).with_metadata(field.metadata().clone());
            let array = Field::new("", DataType::List(Arc::new(element)), true);
            Expr::Placeholder(Placeholder::new_with_field(parameter.id.clone(), Some(Arc::new(array))))
        }
        Expr::Literal(ScalarValue::Utf8(Some(text)), None) => {
            let element = Field::new_list_field(field.data_type().clone(), true).with_metadata(field.metadata().clone());
            Expr::Literal(super::literals::array(text, &DataType::List(Arc::new(element)))?, None)
        }
        _ => list,
    };
    let item = match list.get_type(schema) {
        Ok(DataType::List(element)) if is_unknown(&item) => read(item, &element)?,
        _ => item,
    };
    let constants = match &list {
        Expr::ScalarFunction(made) if made.func.name() == "make_array" && made.args.iter().all(|arg| matches!(arg, Expr::Literal(..))) => {
            Some(made.args.clone())
        }
        Expr::Literal(ScalarValue::List(values), _) if values.len() == 1 => {
            let values = values.value(0);
            let each = (0..values.len()).map(|at| ScalarValue::try_from_array(&values, at).map(|value| Expr::Literal(value, None)));
            Some(each.collect::<Result<Vec<_>>>()?)
        }
        _ => None,
    };
    match constants {
        Some(constants) if !constants.is_empty() => {
            let mut all = vec![item];
            all.extend(constants);
            let mut all = alike_list(all, schema)?.into_iter();
            let first = all.next().unwrap_or_else(|| lit(ScalarValue::Boolean(None)));
            among(first, all.collect(), false, schema)
        }
        _ => Ok(Expr::ScalarFunction(ScalarFunction { func, args: vec![item, list] })),
    }
}
