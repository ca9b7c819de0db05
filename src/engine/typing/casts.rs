//! Casts by the types on both sides.

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, cast};
use weir_udfs::row::{is_json, mark_of};

use super::super::errors::external;
use super::super::functions::{convert, differs, float_scale, own_scale, text};
use super::super::types::shown_type;
use super::literals;
use crate::error::{Code, Error};

/// numeric without digits is planned to this.
const NUMERIC: DataType = DataType::Decimal128(38, 10);

/// `expr` as `to`, with PostgreSQL's values.
pub(super) fn cast_to(expr: Expr, to: &FieldRef, schema: &DFSchema) -> Result<Expr> {
    let as_planned = |expr: Expr| Expr::Cast(Cast { expr: Box::new(expr), field: to.clone() });
    let Ok((_, from)) = expr.to_field(schema) else { return Ok(as_planned(expr)) };
    refuse(&from, to.data_type())?;
    if let (true, DataType::List(_)) = (literals::is_unknown(&expr), to.data_type())
        && let Expr::Literal(ScalarValue::Utf8(Some(text)), _) = &expr
    {
        return Ok(Expr::Literal(literals::array(text, to.data_type())?, None));
    }
    if is_json(&from) && !is_text(to.data_type()) {
        let meant = shown_type(&Field::new("", to.data_type().clone(), true));
        let meant = meant.split('(').next().unwrap_or_default().to_owned();
        let scalar = literals::call("jsonb_scalar", vec![expr, datafusion::logical_expr::lit(meant)])?;
        return Ok(convert(to.data_type().clone()).call(vec![scalar]));
    }
    if *to.data_type() == NUMERIC {
        return Ok(numeric(expr, &from));
    }
    match differs(from.data_type(), to.data_type()) {
        true => converted(expr, to.data_type()),
        false if is_text(to.data_type()) && !is_text(from.data_type()) => Ok(text().call(vec![expr])),
        false => Ok(as_planned(expr)),
    }
}

/// A constant is read at once, so that an error needs no row.
fn converted(expr: Expr, to: &DataType) -> Result<Expr> {
    let function = convert(to.clone());
    match expr {
        Expr::Literal(value @ ScalarValue::Utf8(Some(_)), None) => Ok(Expr::Literal(literals::now(&function, value)?, None)),
        other => Ok(function.call(vec![other])),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// A number keeps the digits it has; a column of text or floats has no number of digits of its own.
fn numeric(expr: Expr, from: &Field) -> Expr {
    match (&expr, from.data_type()) {
        (Expr::Literal(ScalarValue::Utf8(Some(text)), _), _) => match own_scale(text) {
            Some(number) => Expr::Literal(number, None),
            None => convert(NUMERIC).call(vec![expr]),
        },
        (_, DataType::Decimal128(..)) => expr,
        (_, DataType::Int16) => cast(expr, DataType::Decimal128(5, 0)),
        (_, DataType::Int32) => cast(expr, DataType::Decimal128(10, 0)),
        (_, DataType::Int64) => cast(expr, DataType::Decimal128(19, 0)),
        (constant, DataType::Float32 | DataType::Float64) => match float(constant).and_then(float_scale) {
            Some(number) => Expr::Literal(number, None),
            None => convert(NUMERIC).call(vec![expr]),
        },
        (_, other) if differs(other, &NUMERIC) => convert(NUMERIC).call(vec![expr]),
        _ => cast(expr, NUMERIC),
    }
}

/// The value of a constant float.
fn float(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(number)), _) => Some(*number),
        Expr::Literal(ScalarValue::Float32(Some(number)), _) => number.to_string().parse().ok(),
        Expr::Cast(Cast { expr, field }) if field.data_type().is_floating() => match expr.as_ref() {
            Expr::Literal(value, _) => match value.cast_to(field.data_type()).ok()? {
                ScalarValue::Float64(Some(number)) => Some(number),
                ScalarValue::Float32(Some(number)) => number.to_string().parse().ok(),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// Casts that PostgreSQL does not have, and that would mean something here.
fn refuse(from: &Field, to: &DataType) -> Result<()> {
    let exact = |data_type: &DataType| data_type.is_decimal() || data_type.is_floating();
    let is_bool = |data_type: &DataType| *data_type == DataType::Boolean;
    let wrong = (is_bool(from.data_type()) && (exact(to) || matches!(to, DataType::Int64 | DataType::Int16)))
        || (is_bool(to) && (exact(from.data_type()) || matches!(from.data_type(), DataType::Int64 | DataType::Int16)));
    match wrong && mark_of(from).is_none() {
        true => {
            let (from, to) = (shown_type(from), shown_type(&Field::new("", to.clone(), true)));
            let (from, to) = (from.split('(').next().unwrap_or(""), to.split('(').next().unwrap_or(""));
            let error = Error::new(Code::CannotCast, format!("cannot cast type {from} to {to}"));
            Err(external(error.hint("Cast to integer first, or compare: x <> 0.".to_owned())))
        }
        false => Ok(()),
    }
}

/// For callers that have no plan: a value on its way into a column.
pub(in crate::engine) fn assigned(value: Expr, schema: &DFSchema, to: &DataType) -> Result<Expr, DataFusionError> {
    match value.get_type(schema) {
        Ok(DataType::Boolean) if to.is_numeric() => {
            let name = shown_type(&Field::new("", to.clone(), true));
            Err(external(Error::new(Code::WrongType, format!("a column of type {name} takes no boolean"))))
        }
        Ok(from) if differs(&from, to) => converted(value, to),
        _ => value.cast_to(to, schema),
    }
}
