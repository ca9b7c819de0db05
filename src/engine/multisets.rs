//! `INTERSECT ALL` and `EXCEPT ALL`: how often a row is there counts.
//!
//! The planner asks of each row on the left whether it is on the right at all. Here equal rows are numbered on both sides, and the number is one
//! more column that must be equal: the third of a kind is there when the other side has three.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, NullEquality, Result};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    Distinct, Expr, ExprFunctionExt, Join, JoinType, LogicalPlan, LogicalPlanBuilder, WindowFunctionDefinition,
};

/// The plan with such questions asked of numbered rows.
pub(super) fn counted(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut number = 0;
    let counted = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) if compares_sets(&join) => {
            number += 1;
            numbered(join, number).map(Transformed::yes)
        }
        other => Ok(Transformed::no(other)),
    })?;
    match counted.transformed {
        true => counted.data.recompute_schema(),
        false => Ok(counted.data),
    }
}

/// Before sub-queries are untied nothing else makes such joins. Of distinct rows there is one each.
fn compares_sets(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && !matches!(join.left.as_ref(), LogicalPlan::Distinct(Distinct::All(_)))
}

fn numbered(join: Join, number: usize) -> Result<LogicalPlan> {
    let kept: Vec<Expr> = join.left.schema().columns().into_iter().map(Expr::Column).collect();
    let (left_name, right_name) = (format!("left@{number}"), format!("right@{number}"));
    let (mut left_keys, mut right_keys) = (Vec::new(), Vec::new());
    for (left, right) in &join.on {
        left_keys.push(left.clone());
        right_keys.push(right.clone());
    }
    let left = with_number(Arc::unwrap_or_clone(join.left), &left_keys, &left_name)?;
    let right = with_number(Arc::unwrap_or_clone(join.right), &right_keys, &right_name)?;
    left_keys.push(Expr::Column(Column::from_name(left_name)));
    right_keys.push(Expr::Column(Column::from_name(right_name)));
    let on = left_keys.into_iter().zip(right_keys).collect();
    let joined = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        None,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    LogicalPlanBuilder::from(LogicalPlan::Join(joined)).project(kept)?.build()
}

fn with_number(rows: LogicalPlan, equal: &[Expr], name: &str) -> Result<LogicalPlan> {
    let number = Expr::from(WindowFunction::new(WindowFunctionDefinition::WindowUDF(row_number_udwf()), Vec::new()));
    let number = number.partition_by(equal.to_vec()).build()?.alias(name);
    LogicalPlanBuilder::from(rows).window(vec![number])?.build()
}
