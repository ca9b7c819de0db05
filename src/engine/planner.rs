//! How SQL types and operators are understood: PostgreSQL's names, microsecond timestamps, JSON kept as text.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions_nested::array_has::{array_has_all_udf, array_has_any_udf};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, TypePlanner};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, ScalarUDF, binary_expr, cast};
use datafusion_functions_json::udfs::{json_as_text_udf, json_get_json_udf};
use datafusion_pg_catalog::pg_catalog::oid_type_planner::PgOidTypePlanner;
use sqlparser::ast::{BinaryOperator, DataType as SqlType, ExactNumberInfo, ObjectNamePart, TimezoneInfo};
use weir_udfs::row::{is_json, marked};

use super::functions::array_in;
use super::typing;

/// SQL types to Arrow types, with casts to `timestamptz` read in one time zone.
#[derive(Debug)]
pub(super) struct Types {
    zone: Arc<str>,
}

impl Types {
    pub(super) fn in_zone(zone: &str) -> Self {
        Self { zone: zone.into() }
    }

    fn data_type(&self, sql: &SqlType) -> Option<DataType> {
        let zoned = || DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(&self.zone)));
        match sql {
            SqlType::Timestamp(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => Some(zoned()),
            SqlType::Timestamp(_, _) => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
            SqlType::Time(_, _) => Some(DataType::Time64(TimeUnit::Microsecond)),
            SqlType::JSON | SqlType::JSONB | SqlType::Uuid => Some(DataType::Utf8),
            SqlType::Numeric(ExactNumberInfo::None) | SqlType::Decimal(ExactNumberInfo::None) => Some(DataType::Decimal128(38, 10)),
            SqlType::Custom(name, _) => match name.0.last() {
                Some(ObjectNamePart::Identifier(word)) => match word.value.to_ascii_lowercase().as_str() {
                    "timestamptz" => Some(zoned()),
                    "name" | "citext" | "bpchar" | "cstring" | "unknown" => Some(DataType::Utf8),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }
}

impl TypePlanner for Types {
    fn plan_type_field(&self, sql: &SqlType) -> Result<Option<FieldRef>> {
        if let Some(data_type) = self.data_type(sql) {
            return Ok(Some(Arc::new(Field::new("", data_type, true))));
        }
        PgOidTypePlanner.plan_type_field(sql)
    }
}

/// The operators of JSON: `->`, `->>`, `#>`, `#>>`, `?`, `@>` and `<@` on any text, the others where one side is known to be a document.
#[derive(Debug)]
pub(super) struct JsonOperators;

impl ExprPlanner for JsonOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let (function, is_path) = match expr.op {
            BinaryOperator::Arrow | BinaryOperator::LongArrow if matches!(expr.right, Expr::Literal(ScalarValue::Int64(Some(..0)), _)) => {
                let place = match &expr.right {
                    Expr::Literal(ScalarValue::Int64(Some(place)), _) => place.to_string(),
                    _ => String::new(),
                };
                let step = Expr::Literal(ScalarValue::Utf8(Some(place)), None);
                let name = if matches!(expr.op, BinaryOperator::Arrow) { "jsonb_extract_path" } else { "jsonb_extract_path_text" };
                return Ok(called(name, RawBinaryExpr { right: step, ..expr }));
            }
            BinaryOperator::Arrow => (json_get_json_udf(), false),
            BinaryOperator::LongArrow => (json_as_text_udf(), false),
            BinaryOperator::HashArrow => (json_get_json_udf(), true),
            BinaryOperator::HashLongArrow => (json_as_text_udf(), true),
            // Of two arrays the operators are the library's.
            BinaryOperator::AtArrow if !is_list(&expr.left, schema) => {
                return Ok(PlannerResult::Planned(weir_udfs::jsonb_contains().call(vec![expr.left, expr.right])));
            }
            BinaryOperator::ArrowAt if !is_list(&expr.left, schema) => {
                return Ok(PlannerResult::Planned(weir_udfs::jsonb_contains().call(vec![expr.right, expr.left])));
            }
            BinaryOperator::Question => return Ok(called("jsonb_exists_any", expr)),
            BinaryOperator::PGOverlap => {
                let (left, right) = (as_array_like(expr.left, &expr.right, schema)?, expr.right);
                let right = as_array_like(right, &left, schema)?;
                return Ok(PlannerResult::Planned(array_has_any_udf().call(vec![left, right])));
            }
            BinaryOperator::AtArrow | BinaryOperator::ArrowAt => {
                let left = as_array_like(expr.left, &expr.right, schema)?;
                let right = as_array_like(expr.right, &left, schema)?;
                let (whole, part) = if matches!(expr.op, BinaryOperator::AtArrow) { (left, right) } else { (right, left) };
                return Ok(PlannerResult::Planned(array_has_all_udf().call(vec![whole, part])));
            }
            // A minus that belongs to the place.
            BinaryOperator::Custom(ref written) if matches!(written.as_str(), "->-" | "->>-") => return Ok(from_end(expr)),
            _ => return of_documents(expr, schema),
        };
        let steps = match is_path {
            false => vec![expr.right.clone()],
            true => match path_steps(&expr.right) {
                Some(steps) if !steps.is_empty() => steps,
                // Of no steps the library makes no value; it is the whole document.
                _ => {
                    let make = if matches!(expr.op, BinaryOperator::HashArrow) { "jsonb_at_path" } else { "jsonb_text_at_path" };
                    return Ok(called(make, expr));
                }
            },
        };
        Ok(PlannerResult::Planned(get(function, expr.left, steps)))
    }
}

/// `document -> -1`: counted from the end, which the library does not do.
fn from_end(expr: RawBinaryExpr) -> PlannerResult<RawBinaryExpr> {
    let place = match &expr.right {
        Expr::Literal(ScalarValue::Int64(Some(place)), _) => format!("-{place}"),
        _ => return PlannerResult::Original(expr),
    };
    let name = match &expr.op {
        BinaryOperator::Custom(written) if written == "->>-" => "jsonb_extract_path_text",
        _ => "jsonb_extract_path",
    };
    let place = Expr::Literal(ScalarValue::Utf8(Some(place)), None);
    called(name, RawBinaryExpr { right: place, ..expr })
}

/// A quoted literal beside an array is one.
fn as_array_like(side: Expr, other: &Expr, schema: &DFSchema) -> Result<Expr> {
    match (&side, other.get_type(schema)) {
        (Expr::Literal(ScalarValue::Utf8(Some(text)), None), Ok(list @ DataType::List(_))) => {
            Ok(Expr::Literal(typing::array(text, &list)?, None))
        }
        _ => Ok(side),
    }
}

/// Operators that the planner would refuse, since a literal or a time takes part.
fn of_values(expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
    let op = match expr.op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Modulo,
        BinaryOperator::StringConcat => Operator::StringConcat,
        _ => return Ok(PlannerResult::Original(expr)),
    };
    let is_special = |side: &Expr| {
        let types = side.get_type(schema).is_ok_and(|data_type| {
            data_type.is_temporal() || matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
        });
        types || matches!(side, Expr::Literal(ScalarValue::Utf8(Some(_)), None))
    };
    if !is_special(&expr.left) && !is_special(&expr.right) {
        return Ok(PlannerResult::Original(expr));
    }
    let as_it_is = binary_expr(expr.left.clone(), op, expr.right.clone());
    let planned = typing::planned(expr.left.clone(), op, expr.right.clone(), schema)?;
    Ok(if planned == as_it_is { PlannerResult::Original(expr) } else { PlannerResult::Planned(planned) })
}

fn of_documents(expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
    if matches!(expr.op, BinaryOperator::Eq | BinaryOperator::NotEq) {
        return Ok(of_arrays(expr, schema));
    }
    let is_document = |side: &Expr| side.to_field(schema).is_ok_and(|(_, field)| is_json(&field));
    let (left, right) = (is_document(&expr.left), is_document(&expr.right));
    let literal = |side: &Expr| matches!(side, Expr::Literal(ScalarValue::Utf8(Some(_)), None));
    Ok(match expr.op {
        BinaryOperator::StringConcat if (left || literal(&expr.left)) && (right || literal(&expr.right)) && (left || right) => {
            called("jsonb_concat", expr)
        }
        BinaryOperator::Minus if left => called("jsonb_delete", expr),
        BinaryOperator::HashMinus if left => called("jsonb_delete_path", expr),
        BinaryOperator::QuestionPipe => called("jsonb_exists_any", expr),
        BinaryOperator::QuestionAnd => called("jsonb_exists_all", expr),
        BinaryOperator::AtQuestion => called("jsonb_path_exists", expr),
        BinaryOperator::AtAt if left => called("jsonb_path_match", expr),
        _ => return of_values(expr, schema),
    })
}

/// `array = '{a,b}'`, `truth = 't'`: a literal beside an array is an array, beside a truth it is one.
fn of_arrays(expr: RawBinaryExpr, schema: &DFSchema) -> PlannerResult<RawBinaryExpr> {
    let list = |side: &Expr| side.get_type(schema).ok().filter(|data_type| matches!(data_type, DataType::List(_)));
    let is_truth = |side: &Expr| side.get_type(schema).is_ok_and(|data_type| data_type == DataType::Boolean);
    let read = |written: &Expr, like: &Expr| {
        if let (Some(truth), true) = (truth(written), is_truth(like)) {
            return Some(Expr::Literal(ScalarValue::Boolean(Some(truth)), None));
        }
        let is_text = matches!(written, Expr::Literal(ScalarValue::Utf8(Some(_)), _));
        list(like).filter(|_| is_text).map(|data_type| cast(array_in().call(vec![written.clone()]), data_type))
    };
    let (left, right) = (read(&expr.left, &expr.right), read(&expr.right, &expr.left));
    match (left, right) {
        (None, None) => PlannerResult::Original(expr),
        (left, right) => {
            let (left, right) = (left.unwrap_or(expr.left), right.unwrap_or(expr.right));
            let op = if matches!(expr.op, BinaryOperator::Eq) { Operator::Eq } else { Operator::NotEq };
            PlannerResult::Planned(binary_expr(left, op, right))
        }
    }
}

/// What a quoted literal says as a truth.
fn truth(expr: &Expr) -> Option<bool> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)), _) = expr else { return None };
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// The operator as a call of one of the hub's own functions.
fn called(name: &str, expr: RawBinaryExpr) -> PlannerResult<RawBinaryExpr> {
    match weir_udfs::FUNCTIONS.iter().map(|make| make()).find(|function| function.name() == name) {
        Some(function) => PlannerResult::Planned(function.call(vec![expr.left, expr.right])),
        None => PlannerResult::Original(expr),
    }
}

fn is_list(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| {
        matches!(data_type, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) | DataType::ListView(_))
    })
}

/// One call for a chain of steps, so that the document is parsed once.
fn get(function: Arc<ScalarUDF>, document: Expr, steps: Vec<Expr>) -> Expr {
    let is_document = function.name() == json_get_json_udf().name();
    let mut args = match inside(document) {
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == json_get_json_udf().name() => args,
        other => vec![other],
    };
    args.extend(steps);
    let found = Expr::ScalarFunction(ScalarFunction { func: function, args });
    if is_document { marked("jsonb").call(vec![found]) } else { found }
}

/// What is marked as a document, for the next step.
fn inside(document: Expr) -> Expr {
    match document {
        Expr::ScalarFunction(ScalarFunction { func, mut args }) if func.name() == "as_jsonb" && args.len() == 1 => match args.pop() {
            Some(Expr::ScalarFunction(found)) if found.func.name() == json_get_json_udf().name() => Expr::ScalarFunction(found),
            Some(other) => marked("jsonb").call(vec![other]),
            None => Expr::Literal(ScalarValue::Null, None),
        },
        other => other,
    }
}

/// The steps of a literal path: `'{a,0,b}'`.
fn path_steps(path: &Expr) -> Option<Vec<Expr>> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)), _) = path else { return None };
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let step = |word: &str| match word.trim().parse::<i64>() {
        Ok(index) => Expr::Literal(ScalarValue::Int64(Some(index)), None),
        Err(_) => Expr::Literal(ScalarValue::Utf8(Some(word.trim().trim_matches('"').to_owned())), None),
    };
    let is_from_end = inner.split(',').any(|word| word.trim().starts_with('-'));
    let words = inner.split(',').filter(|word| !word.trim().is_empty());
    (!is_from_end).then(|| words.map(step).collect())
}
