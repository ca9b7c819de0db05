//! Operators and calls by the types of their arguments.

use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, InList, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast, lit};
use weir_udfs::row::{is_json, mark_of};

use super::super::functions::{cut, divide, shown, spans, text};
use super::literals::{alike, alike_list, as_type, call as own_call, common_mark, is_unknown, read, with_mark};
use super::plan::operation;

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

pub(super) fn binary(binary: BinaryExpr, schema: &DFSchema) -> Result<Expr> {
    let BinaryExpr { left, op, right } = binary;
    if is_comparison(op) {
        let [left, right] = alike([*left, *right], schema)?;
        return Ok(compared(left, op, right, schema));
    }
    match op {
        Operator::StringConcat => concatenated(*left, *right, schema),
        Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo => {
            arithmetic(*left, op, *right, schema)
        }
        _ => Ok(operation(*left, op, *right)),
    }
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
    let special =
        expr.to_field(schema).is_ok_and(|(_, field)| is_json(&field) || matches!(field.data_type(), DataType::Interval(_)));
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
    let texted = |expr: Expr, data_type: &DataType| if is_text(data_type) || *data_type == DataType::Null { expr } else { text().call(vec![expr]) };
    Ok(operation(texted(left, &one), Operator::StringConcat, texted(right, &other)))
}

fn arithmetic(left: Expr, op: Operator, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let (left, right) = beside(left, op, right, schema)?;
    let (Ok(one), Ok(other)) = (left.get_type(schema), right.get_type(schema)) else { return Ok(operation(left, op, right)) };
    if op == Operator::Divide && is_exact(&one) && is_exact(&other) && (one.is_decimal() || other.is_decimal()) {
        return Ok(divide().call(vec![left, right]));
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
        (DataType::Date32, Operator::Plus | Operator::Minus, interval) if is_interval(interval) => operation(cast(left, TIMESTAMP), op, right),
        (interval, Operator::Plus, DataType::Date32) if is_interval(interval) => operation(cast(right, TIMESTAMP), op, left),
        (DataType::Date32, Operator::Plus, DataType::Time64(_)) => {
            operation(cast(left, TIMESTAMP), op, spans::of_time().call(vec![right]))
        }
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
            let args = alike_list(args, schema)?;
            let mark = common_mark(&args.iter().collect::<Vec<_>>(), schema);
            Ok(with_mark(rebuilt(args), mark))
        }
        "nullif" => {
            let args = alike_list(args, schema)?;
            let mark = args.first().and_then(|first| common_mark(&[first], schema));
            Ok(with_mark(rebuilt(args), mark))
        }
        "varchar" => match args.as_slice() {
            [value, Expr::Literal(ScalarValue::Int64(Some(length)), _)] => Ok(length_of(value.clone(), *length)),
            [value, Expr::Literal(ScalarValue::Int32(Some(length)), _)] => Ok(length_of(value.clone(), (*length).into())),
            _ => Ok(rebuilt(args)),
        },
        "array_has" | "array_contains" | "list_has" | "array_has_all" | "array_has_any" => Ok(rebuilt(in_array(args, schema)?)),
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

/// `x = ANY ('{..}')`: the array has the type of what is looked for.
fn in_array(args: Vec<Expr>, schema: &DFSchema) -> Result<Vec<Expr>> {
    let [list, item] = args.as_slice() else { return Ok(args) };
    let text = match list {
        Expr::ScalarFunction(read) if read.func.name() == "array_in" => match read.args.as_slice() {
            [Expr::Literal(ScalarValue::Utf8(Some(text)), _)] => text,
            _ => return Ok(args),
        },
        Expr::Literal(ScalarValue::Utf8(Some(text)), None) => text,
        _ => {
            // A literal that is looked for in an array of another type than text.
            if let (true, Ok(DataType::List(element))) = (is_unknown(item), list.get_type(schema))
                && (!is_text(element.data_type()) || mark_of(&element).is_some())
            {
                return Ok(vec![list.clone(), read(item.clone(), &element)?]);
            }
            return Ok(args);
        }
    };
    let Ok((_, field)) = item.to_field(schema) else { return Ok(args) };
    let wanted = match field.data_type() {
        list @ DataType::List(_) => list.clone(),
        _ => DataType::List(Arc::new(field.as_ref().clone().with_name("item").with_nullable(true))),
    };
    Ok(vec![Expr::Literal(super::literals::array(text, &wanted)?, None), item.clone()])
}
