//! Quoted literals take the type of what they stand beside.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::config::ConfigOptions;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Alias, Case, ScalarFunction};
use datafusion::logical_expr::type_coercion::binary::type_union_resolution;
use datafusion::logical_expr::{ColumnarValue, Expr, ExprSchemable, LogicalPlan, Projection, ScalarFunctionArgs, ScalarUDF, cast};
use weir_udfs::row::{mark_of, marked};

use super::super::functions::{array_in, convert, differs, own_scale};
use super::plan::case_of;

/// A quoted literal that has no type of its own yet.
pub(super) fn is_unknown(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(_)), None) => true,
        Expr::Alias(alias) => is_unknown(&alias.expr),
        _ => false,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
}

/// The field of an expression whose type is known and is no plain text.
fn known(expr: &Expr, schema: &DFSchema) -> Option<Field> {
    if is_unknown(expr) {
        return None;
    }
    let (_, field) = expr.to_field(schema).ok()?;
    (!is_text(field.data_type()) || mark_of(&field).is_some()).then(|| field.as_ref().clone())
}

/// The literal as a value of that type.
///
/// # Errors
/// As the type's own reading of text.
pub(super) fn read(literal: Expr, like: &Field) -> Result<Expr> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)), None) = &literal else { return Ok(literal) };
    let value = ScalarValue::Utf8(Some(text.clone()));
    match (mark_of(like), like.data_type()) {
        (Some(mark @ ("uuid" | "jsonb")), _) => {
            let name = if mark == "uuid" { "to_uuid" } else { "jsonb" };
            let metadata = Field::new("", DataType::Utf8, true).with_metadata([("weir.type".to_owned(), mark.to_owned())].into());
            Ok(Expr::Literal(called(name, value)?, Some(FieldMetadata::new_from_field(&metadata))))
        }
        (_, DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => Ok(Expr::Literal(called("to_bytea", value)?, None)),
        // All digits count in a comparison.
        (_, DataType::Decimal128(..)) => match own_scale(text) {
            Some(number) => Ok(Expr::Literal(number, None)),
            None => Ok(Expr::Literal(now(&convert(like.data_type().clone()), value)?, None)),
        },
        (_, DataType::List(_)) => Ok(Expr::Literal(array(text, like.data_type())?, None)),
        (_, to) if differs(&DataType::Utf8, to) => Ok(Expr::Literal(now(&convert(to.clone()), value)?, None)),
        _ => Ok(literal),
    }
}

/// `{a,b}` as an array of that type.
pub(in crate::engine) fn array(text: &str, to: &DataType) -> Result<ScalarValue> {
    let texts = now(&array_in(), ScalarValue::Utf8(Some(text.to_owned())))?;
    let (DataType::List(item), ScalarValue::List(list)) = (to, &texts) else { return Ok(texts) };
    let items = list.value(0);
    let items = match (mark_of(item), differs(&DataType::Utf8, item.data_type())) {
        (Some("uuid"), _) => ColumnarValue::Array(items).call("to_uuid")?,
        (_, true) => ColumnarValue::Array(items).with(&convert(item.data_type().clone()))?,
        _ => arrow::compute::cast(&items, item.data_type())?,
    };
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([items.len()]);
    let list = arrow::array::ListArray::try_new(Arc::clone(item), offsets, items, None)?;
    Ok(ScalarValue::List(Arc::new(list)))
}

trait Over {
    fn call(self, name: &str) -> Result<arrow::array::ArrayRef>;
    fn with(self, function: &ScalarUDF) -> Result<arrow::array::ArrayRef>;
}

impl Over for ColumnarValue {
    fn call(self, name: &str) -> Result<arrow::array::ArrayRef> {
        self.with(&named(name)?)
    }

    fn with(self, function: &ScalarUDF) -> Result<arrow::array::ArrayRef> {
        let rows = match &self {
            Self::Array(array) => array.len(),
            Self::Scalar(_) => 1,
        };
        invoked(function, self, rows)?.into_array(rows)
    }
}

fn named(name: &str) -> Result<ScalarUDF> {
    let found = weir_udfs::FUNCTIONS.iter().map(|make| make()).find(|function| function.name() == name);
    found.ok_or_else(|| datafusion::common::DataFusionError::Internal(format!("there is no function {name}")))
}

fn called(name: &str, value: ScalarValue) -> Result<ScalarValue> {
    now(&named(name)?, value)
}

/// The call of one of the hub's own functions.
pub(super) fn call(name: &str, args: Vec<Expr>) -> Result<Expr> {
    Ok(Expr::ScalarFunction(ScalarFunction { func: Arc::new(named(name)?), args }))
}

/// What the function gives for a constant.
pub(super) fn now(function: &ScalarUDF, value: ScalarValue) -> Result<ScalarValue> {
    match invoked(function, ColumnarValue::Scalar(value), 1)? {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0),
    }
}

fn invoked(function: &ScalarUDF, value: ColumnarValue, rows: usize) -> Result<ColumnarValue> {
    let field = Arc::new(Field::new("", value.data_type(), true));
    let returns = function.return_type(&[value.data_type()])?;
    function.invoke_with_args(ScalarFunctionArgs {
        args: vec![value],
        arg_fields: vec![field],
        number_rows: rows,
        return_field: Arc::new(Field::new("", returns, true)),
        config_options: Arc::new(ConfigOptions::default()),
    })
}

/// Literals beside expressions of another type than text.
pub(super) fn alike<const N: usize>(exprs: [Expr; N], schema: &DFSchema) -> Result<[Expr; N]> {
    let fallback = exprs.clone();
    Ok(alike_list(exprs.into(), schema)?.try_into().unwrap_or(fallback))
}

pub(super) fn alike_list(exprs: Vec<Expr>, schema: &DFSchema) -> Result<Vec<Expr>> {
    if !exprs.iter().any(is_unknown) {
        return Ok(exprs);
    }
    match exprs.iter().find_map(|expr| known(expr, schema)) {
        Some(like) => exprs.into_iter().map(|expr| read(expr, &like)).collect(),
        None => Ok(exprs),
    }
}

/// The mark that a choice between these values has.
pub(super) fn common_mark(exprs: &[&Expr], schema: &DFSchema) -> Option<&'static str> {
    let mut found = None;
    for expr in exprs {
        let Ok((_, field)) = expr.to_field(schema) else { return None };
        if *field.data_type() == DataType::Null || matches!(expr, Expr::Literal(value, _) if value.is_null()) {
            continue;
        }
        let mark = match mark_of(&field) {
            Some("jsonb") => "jsonb",
            Some("uuid") => "uuid",
            _ => return None,
        };
        match found {
            Some(other) if other != mark => return None,
            _ => found = Some(mark),
        }
    }
    found
}

/// A choice between values keeps their mark.
pub(super) fn with_mark(expr: Expr, mark: Option<&'static str>) -> Expr {
    match mark {
        Some(mark) => marked(mark).call(vec![expr]),
        None => expr,
    }
}

/// All in the one type that has room for each, so that the type of the whole is known now.
fn unified(exprs: Vec<Expr>, schema: &DFSchema) -> Vec<Expr> {
    let types: Vec<DataType> = exprs.iter().map_while(|expr| expr.get_type(schema).ok()).collect();
    if types.len() != exprs.len() || types.windows(2).all(|pair| matches!(pair, [one, other] if one == other)) {
        return exprs;
    }
    match common_type(&types) {
        Some(common) => exprs.into_iter().map(|expr| as_type(expr, schema, &common)).collect(),
        None => exprs,
    }
}

/// Doubles beside exact numbers are doubles; the planner would make decimals of them, which have no room for all.
fn common_type(types: &[DataType]) -> Option<DataType> {
    let (float, exact) = (types.iter().any(DataType::is_floating), types.iter().any(DataType::is_decimal));
    let all = types.iter().all(|data_type| data_type.is_numeric() || *data_type == DataType::Null);
    if float && exact && all { Some(DataType::Float64) } else { type_union_resolution(types) }
}

/// The same where doubles and exact numbers meet; anything else is left to the function itself.
pub(super) fn doubles(exprs: Vec<Expr>, schema: &DFSchema) -> Vec<Expr> {
    let types: Vec<DataType> = exprs.iter().filter_map(|expr| expr.get_type(schema).ok()).collect();
    let mixed = types.iter().any(DataType::is_floating) && types.iter().any(DataType::is_decimal);
    if mixed { unified(exprs, schema) } else { exprs }
}

pub(super) fn case(case: Case, schema: &DFSchema) -> Result<Expr> {
    let Case { expr, when_then_expr, else_expr } = case;
    let (mut whens, mut thens): (Vec<Expr>, Vec<Expr>) = when_then_expr.into_iter().map(|(when, then)| (*when, *then)).unzip();
    let mut operand = expr.map(|expr| *expr);
    if let Some(own) = operand.take() {
        let mut all = vec![own];
        all.append(&mut whens);
        let mut all = alike_list(all, schema)?.into_iter();
        operand = all.next();
        whens = all.collect();
    }
    let count = thens.len();
    thens.extend(else_expr.map(|otherwise| *otherwise));
    let thens = alike_list(thens, schema)?;
    let mark = common_mark(&thens.iter().collect::<Vec<_>>(), schema);
    let thens = &mut unified(thens, schema);
    let otherwise = (thens.len() > count).then(|| thens.pop()).flatten();
    Ok(with_mark(case_of(operand, whens.into_iter().zip(std::mem::take(thens)).collect(), otherwise), mark))
}

/// Rows of VALUES: literals as the first of their column that has a type.
pub(super) fn rows(values: Vec<Vec<Expr>>) -> Result<Vec<Vec<Expr>>> {
    let schema = DFSchema::empty();
    let width = values.first().map_or(0, Vec::len);
    let types: Vec<Option<Field>> =
        (0..width).map(|at| values.iter().filter_map(|row| row.get(at)).find_map(|expr| known(expr, &schema))).collect();
    let typed = |row: Vec<Expr>| {
        row.into_iter()
            .zip(&types)
            .map(|(expr, like)| match like {
                Some(like) if is_unknown(&expr) => read(expr, like),
                _ => Ok(expr),
            })
            .collect()
    };
    values.into_iter().map(typed).collect()
}

/// Inputs of a union: a literal in one is of the type that the others have there.
pub(super) fn same_columns(inputs: Vec<Arc<LogicalPlan>>) -> Result<Vec<Arc<LogicalPlan>>> {
    let width = inputs.first().map_or(0, |input| input.schema().fields().len());
    let literal = |plan: &LogicalPlan, at: usize| match plan {
        LogicalPlan::Projection(projection) => projection.expr.get(at).is_some_and(is_unknown),
        _ => false,
    };
    let mut types: Vec<Option<Field>> = Vec::with_capacity(width);
    for at in 0..width {
        let typed = inputs.iter().filter(|input| !literal(input, at)).filter_map(|input| input.schema().fields().get(at));
        types.push(typed.map(|field| field.as_ref().clone()).find(|field| !is_text(field.data_type()) || mark_of(field).is_some()));
    }
    let typed = |input: Arc<LogicalPlan>| {
        let LogicalPlan::Projection(projection) = input.as_ref() else { return Ok(input) };
        if !(0..width).any(|at| literal(&input, at) && types.get(at).is_some_and(Option::is_some)) {
            return Ok(input);
        }
        let exprs = projection.expr.iter().zip(&types).map(|(expr, like)| match (expr, like) {
            (Expr::Alias(alias), Some(like)) if is_unknown(expr) => {
                Ok(Expr::Alias(Alias { expr: Box::new(read(alias.expr.as_ref().clone(), like)?), ..alias.clone() }))
            }
            (expr, Some(like)) if is_unknown(expr) => {
                let name = expr.schema_name().to_string();
                Ok(read(expr.clone(), like)?.alias(name))
            }
            _ => Ok(expr.clone()),
        });
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, Arc::clone(&projection.input))?)))
    };
    let inputs = inputs.into_iter().map(typed).collect::<Result<Vec<_>>>()?;
    let mut common = Vec::with_capacity(width);
    for at in 0..width {
        let types: Vec<DataType> =
            inputs.iter().filter_map(|input| input.schema().fields().get(at)).map(|field| field.data_type().clone()).collect();
        let same = types.windows(2).all(|pair| matches!(pair, [one, other] if one == other));
        common.push(if same { None } else { common_type(&types) });
    }
    if common.iter().all(Option::is_none) {
        return Ok(inputs);
    }
    inputs.into_iter().map(|input| widened(input, &common)).collect()
}

/// The input with those of its columns in another type.
fn widened(input: Arc<LogicalPlan>, types: &[Option<DataType>]) -> Result<Arc<LogicalPlan>> {
    let exprs = input.schema().iter().zip(types).map(|((relation, field), to)| {
        let column = Expr::Column(Column::new(relation.cloned(), field.name()));
        match to {
            Some(to) if to != field.data_type() => Expr::Alias(Alias::new(cast(column, to.clone()), relation.cloned(), field.name())),
            _ => column,
        }
    });
    let exprs = exprs.collect();
    Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, input)?)))
}

/// The column as it is, or as that type.
pub(super) fn as_type(expr: Expr, schema: &DFSchema, to: &DataType) -> Expr {
    match expr.get_type(schema) {
        Ok(own) if own == *to => expr,
        _ => cast(expr, to.clone()),
    }
}
