//! Expressions that must be known before planning: versions, points in time, the bounds of table_changes.
//!
//! They may use parameters, now() and arithmetic; never columns, never sub-queries.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use sqlparser::ast::{Expr as SqlExpr, ExprWithAlias, Query, Value, ValueWithSpan, Visit, Visitor};
use weir_sql::TemporalPoint;

use super::parameters;
use super::{Scope, Wanted, errors, rewrite};
use crate::clock::Micros;
use crate::error::{Code, Error, Result};

/// Which version a temporal clause means.
pub(super) fn point(point: &TemporalPoint, state: &SessionState, scope: &Scope) -> Result<Wanted> {
    match point {
        TemporalPoint::Version(expr) => Ok(Wanted::Version(version(&value(&expr.ast, state, scope)?)?)),
        TemporalPoint::Timestamp(expr) => Ok(Wanted::Time(time(value(&expr.ast, state, scope)?, scope)?)),
        TemporalPoint::Offset(expr) => Ok(Wanted::Time(offset(value(&expr.ast, state, scope)?, state, scope)?)),
    }
}

/// The parameters in a temporal clause, with the type their place asks for.
pub(super) fn parameters_of(point: &TemporalPoint) -> Vec<Expr> {
    let (expr, data_type) = match point {
        TemporalPoint::Version(expr) => (expr, DataType::Int64),
        TemporalPoint::Timestamp(expr) | TemporalPoint::Offset(expr) => (expr, DataType::Utf8),
    };
    let mut found = Placeholders(Vec::new());
    let _ = expr.ast.visit(&mut found);
    let field = Arc::new(Field::new("", data_type, true));
    found.0.into_iter().map(|id| Expr::Placeholder(Placeholder::new_with_field(id, Some(Arc::clone(&field))))).collect()
}

struct Placeholders(Vec<String>);

impl Visitor for Placeholders {
    type Break = ();

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        if let Value::Placeholder(id) = &value.value {
            self.0.push(id.clone());
        }
        ControlFlow::Continue(())
    }
}

/// A bound of table_changes: a version when it is a whole number, else a time.
pub(super) fn bound(expr: &SqlExpr, state: &SessionState, scope: &Scope) -> Result<Wanted> {
    let value = value(expr, state, scope)?;
    match value.data_type().is_integer() {
        true => Ok(Wanted::Version(version(&value)?)),
        false => Ok(Wanted::Time(time(value, scope)?)),
    }
}

/// The value of a constant expression.
pub(super) fn value(expr: &SqlExpr, state: &SessionState, scope: &Scope) -> Result<ScalarValue> {
    if let ControlFlow::Break(()) = expr.visit(&mut NoQuery) {
        return Err(Error::new(Code::NotSupported, "the point in time must not read tables"));
    }
    let aliased = ExprWithAlias { expr: rewrite::expr(expr.clone()), alias: None };
    let schema = DFSchema::empty();
    let planned = state.create_logical_expr_from_sql_expr(aliased, &schema).map_err(|e| match errors::error(e) {
        error if error.code() == Code::UndefinedColumn => {
            Error::new(Code::NotSupported, "the point in time must not read columns").detail(error.message().to_owned())
        }
        error => error,
    })?;
    fold(parameters::fill_expr(planned, scope)?, state)
}

fn fold(expr: Expr, state: &SessionState) -> Result<ScalarValue> {
    match simplified(expr, state)? {
        Expr::Literal(value, _) => Ok(value),
        Expr::Alias(alias) => match *alias.expr {
            Expr::Literal(value, _) => Ok(value),
            _ => Err(not_constant()),
        },
        _ => Err(not_constant()),
    }
}

/// The value of an expression without columns, which may be another each time.
pub(super) fn evaluated(expr: Expr, state: &SessionState) -> Result<ScalarValue> {
    let expr = match simplified(expr, state)? {
        Expr::Literal(value, _) => return Ok(value),
        other => other,
    };
    let physical = state.create_physical_expr(expr, &DFSchema::empty()).map_err(errors::error)?;
    let one = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &one)
        .map_err(|error| Error::internal("an expression cannot be evaluated").caused_by(error))?;
    let column = physical.evaluate(&row).and_then(|value| value.into_array(1)).map_err(errors::error)?;
    ScalarValue::try_from_array(&column, 0).map_err(errors::error)
}

fn simplified(expr: Expr, state: &SessionState) -> Result<Expr> {
    let schema = Arc::new(DFSchema::empty());
    let context = SimplifyContext::builder()
        .with_schema(Arc::clone(&schema))
        .with_config_options(Arc::clone(state.config_options()))
        .with_query_execution_start_time(state.execution_props().query_execution_start_time)
        .build();
    let simplifier = ExprSimplifier::new(context);
    let coerced = simplifier.coerce(expr, &schema).map_err(errors::error)?;
    simplifier.simplify(coerced).map_err(errors::error)
}

fn not_constant() -> Error {
    Error::new(Code::NotSupported, "the point in time must be a constant")
}

fn version(value: &ScalarValue) -> Result<u64> {
    let wrong = || {
        Error::new(Code::InvalidParameter, format!("\"{value}\" is not a version of a table"))
            .hint("Versions are whole numbers from 0.".to_owned())
    };
    if value.is_null() {
        return Err(wrong());
    }
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(number))) => u64::try_from(number).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

fn time(value: ScalarValue, scope: &Scope) -> Result<Micros> {
    let wrong = || Error::new(Code::InvalidParameter, format!("\"{value}\" is not a point in time"));
    if value.is_null() || value.data_type().is_numeric() {
        return Err(wrong());
    }
    // Without a zone of its own, the value is local time of the session.
    let local = DataType::Timestamp(TimeUnit::Microsecond, Some(scope.time_zone.as_str().into()));
    if let ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)) = &value {
        return weir_udfs::timestamps::parse(text, &scope.time_zone).ok_or_else(wrong);
    }
    let value = match value.data_type() {
        DataType::Date32 | DataType::Date64 => value.cast_to(&DataType::Timestamp(TimeUnit::Microsecond, None)).map_err(|_| wrong())?,
        _ => value.clone(),
    };
    match value.cast_to(&local) {
        Ok(ScalarValue::TimestampMicrosecond(Some(micros), _)) => Ok(micros),
        _ => Err(wrong()),
    }
}

/// Seconds or an interval, counted from the statement's time.
fn offset(value: ScalarValue, state: &SessionState, scope: &Scope) -> Result<Micros> {
    let wrong = || {
        Error::new(Code::InvalidParameter, format!("\"{value}\" is not a distance in time"))
            .hint("Write OFFSET => -3600 or OFFSET => interval '-1 hour'.".to_owned())
    };
    if value.is_null() {
        return Err(wrong());
    }
    if value.data_type().is_numeric() {
        let Ok(ScalarValue::Float64(Some(seconds))) = value.cast_to(&DataType::Float64) else { return Err(wrong()) };
        let micros = seconds * 1e6;
        if !(-9e18..9e18).contains(&micros) {
            return Err(wrong());
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked just above")]
        return Ok(scope.now.saturating_add(micros as i64));
    }
    let interval = match value.data_type() {
        DataType::Interval(_) => lit(value.clone()),
        DataType::Utf8 => lit(value.clone())
            .cast_to(&DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano), &DFSchema::empty())
            .map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    let now = lit(ScalarValue::TimestampMicrosecond(Some(scope.now), Some("UTC".into())));
    time(fold(now + interval, state)?, scope)
}

struct NoQuery;

impl Visitor for NoQuery {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        ControlFlow::Break(())
    }
}
