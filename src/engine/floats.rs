//! Floating point beside exact numbers: compared as PostgreSQL does, in double precision.
//!
//! The planner would make decimals of the floats instead, which is slow, cuts digits off, and has no room for large values.

use arrow::datatypes::{DataType, Decimal128Type, DecimalType as _};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, cast};

/// The plan with such comparisons in double precision.
pub(super) fn compared(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        if !compares(&node)? {
            return Ok(Transformed::no(node));
        }
        let schema = match &node {
            LogicalPlan::TableScan(scan) => DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?,
            other => merge_schema(&other.inputs()),
        };
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(compared_in(expr, &schema)?.update_data(|expr| name.restore(expr)))
        })
    })?;
    match rewritten.transformed {
        true => rewritten.data.recompute_schema(),
        false => Ok(rewritten.data),
    }
}

/// Most steps compare nothing, and need no look at their columns.
fn compares(node: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    node.apply_expressions(|expr| {
        found = found || expr.exists(|part| Ok(matches!(part, Expr::Between(_) | Expr::InList(_)) || is_comparing(part)))?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn is_comparing(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryExpr(BinaryExpr { op, .. }) if is_comparison(*op))
}

/// The same for one expression over `schema`.
pub(super) fn compared_in(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|node| match node {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) && mixed([left.as_ref(), right.as_ref()], schema) => {
            let (left, right) = (double(*left, schema), double(*right, schema));
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))))
        }
        Expr::Between(Between { expr, negated, low, high }) if mixed([expr.as_ref(), low.as_ref(), high.as_ref()], schema) => {
            let [expr, low, high] = [*expr, *low, *high].map(|side| Box::new(double(side, schema)));
            Ok(Transformed::yes(Expr::Between(Between { expr, negated, low, high })))
        }
        Expr::InList(InList { expr, list, negated }) if mixed(std::iter::once(expr.as_ref()).chain(&list), schema) => {
            let list = list.into_iter().map(|item| double(item, schema)).collect();
            Ok(Transformed::yes(Expr::InList(InList { expr: Box::new(double(*expr, schema)), list, negated })))
        }
        other => Ok(Transformed::no(other)),
    })
}

fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

/// Whether both kinds of number are there. Where a type is not known the planner decides as ever.
fn mixed<'a>(sides: impl IntoIterator<Item = &'a Expr>, schema: &DFSchema) -> bool {
    let (mut float, mut exact) = (false, false);
    for side in sides {
        match side.get_type(schema) {
            Ok(DataType::Float32 | DataType::Float64) => float = true,
            Ok(data_type) if data_type.is_decimal() => exact = true,
            _ => {}
        }
    }
    float && exact
}

/// The same of two types.
pub(super) fn are_mixed(one: &DataType, other: &DataType) -> bool {
    (one.is_floating() && other.is_decimal()) || (one.is_decimal() && other.is_floating())
}

/// An exact number in double precision; anything else as it is.
fn double(side: Expr, schema: &DFSchema) -> Expr {
    if let Expr::Literal(ScalarValue::Decimal128(Some(value), precision, scale), metadata) = &side {
        // By its digits: a division would round a second time.
        if let Ok(value) = Decimal128Type::format_decimal(*value, *precision, *scale).parse::<f64>() {
            return Expr::Literal(ScalarValue::Float64(Some(value)), metadata.clone());
        }
    }
    match side.get_type(schema) {
        Ok(data_type) if data_type.is_decimal() => cast(side, DataType::Float64),
        _ => side,
    }
}
