//! The rows outside with what the query has for them.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DataFusionError, NullEquality, Result};
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Subquery};

use super::judge::{is_row_by_row, is_simple, is_stable};
use super::outside::Outside;
use crate::engine::errors::external;
use crate::error::{Code, Error};

/// The node without such queries, as far as they can be untied.
pub(in crate::engine) fn untied(node: LogicalPlan, number: &mut usize) -> Result<Transformed<LogicalPlan>> {
    match node {
        LogicalPlan::Join(join) => lateral(join, number),
        other => values(other, number),
    }
}

/// The query with the values in it. Queries inside that asked for the same row can be untied now that its values are there.
fn pushed(outside: &Outside, query: &LogicalPlan, number: &mut usize) -> Result<Option<LogicalPlan>> {
    let Ok(rows) = outside.pushed(query) else { return Ok(None) };
    let rows = rows.transform_up_with_subqueries(|node| untied(node, number))?;
    Ok(Some(match rows.transformed {
        true => rows.data.recompute_schema()?,
        false => rows.data,
    }))
}

/// `FROM a, LATERAL (..)`, where the planner cannot untie it.
fn lateral(join: Join, number: &mut usize) -> Result<Transformed<LogicalPlan>> {
    let as_it_is = |join: Join| Ok(Transformed::no(LogicalPlan::Join(join)));
    let is_lateral = matches!(join.join_type, JoinType::Inner | JoinType::Left) && join.on.is_empty() && holds_query(&join.right);
    if !is_lateral || is_simple(&join.right) {
        return as_it_is(join);
    }
    *number += 1;
    let names = join.schema.columns();
    if join.join_type == JoinType::Inner && is_row_by_row(&join.right)? {
        let outside = Outside::all(&join.left, *number)?;
        if outside.is_used_by(&join.right) {
            return Ok(Transformed::yes(row_by_row(&join, &outside)?));
        }
    }
    let Some(outside) = Outside::distinct(&join.left, &join.right, *number)? else { return as_it_is(join) };
    if !is_stable(&join.left)? {
        return Err(refused("LATERAL beside rows that differ when they are read again (LIMIT, random()) is not supported"));
    }
    let Some(right) = pushed(&outside, &join.right, number)? else { return Err(refused("this form of LATERAL is not supported")) };
    let outers: Vec<Column> = outside.pairs().map(|(outer, _)| outer.clone()).collect();
    let keys = (outers, outside.columns_in(right.schema())?);
    let kept: Vec<Expr> = names.into_iter().map(Expr::Column).collect();
    let rows = LogicalPlanBuilder::from(Arc::unwrap_or_clone(join.left));
    let rows = rows.join_detailed(right, join.join_type, keys, join.filter, NullEquality::NullEqualsNull)?;
    Ok(Transformed::yes(rows.project(kept)?.build()?))
}

/// Every row outside goes through the query by itself, so it is read once.
fn row_by_row(join: &Join, outside: &Outside) -> Result<LogicalPlan> {
    let rows = outside.pushed(&join.right)?;
    let mut exprs = Vec::new();
    for ((outer, _), own) in outside.pairs().zip(outside.columns_in(rows.schema())?) {
        exprs.push(Expr::Alias(Alias::new(Expr::Column(own), outer.relation.clone(), &outer.name)));
    }
    exprs.extend(join.right.schema().columns().into_iter().map(Expr::Column));
    let rows = LogicalPlanBuilder::from(rows).project(exprs)?;
    match &join.filter {
        Some(filter) => rows.filter(filter.clone())?.build(),
        None => rows.build(),
    }
}

/// The planner would try, and may be wrong.
fn refused(message: &str) -> DataFusionError {
    external(Error::new(Code::NotSupported, message).hint("Write it as a join, or with the condition as an equality.".to_owned()))
}

fn holds_query(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Subquery(_) => true,
        LogicalPlan::SubqueryAlias(alias) => holds_query(&alias.input),
        LogicalPlan::Projection(projection) => holds_query(&projection.input),
        _ => false,
    }
}

/// A node whose expressions ask for single values that the planner cannot untie: they become columns of its input.
fn values(node: LogicalPlan, number: &mut usize) -> Result<Transformed<LogicalPlan>> {
    let takes_values = matches!(
        node,
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Window(_)
    );
    let asked = if takes_values { asked(&node)? } else { Vec::new() };
    let Some(mut input) = node.inputs().first().map(|input| (*input).clone()).filter(|_| !asked.is_empty()) else {
        return Ok(Transformed::no(node));
    };
    let is_stable = is_stable(&input)?;
    let columns: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
    let mut answers: Vec<(Subquery, Column)> = Vec::new();
    for subquery in asked {
        *number += 1;
        let name = format!("answer@{number}");
        if let Some(with_answer) = answered(&input, &subquery, &name, (number, is_stable))? {
            input = with_answer;
            answers.push((subquery, Column::from_name(name)));
        }
    }
    if answers.is_empty() {
        return Ok(Transformed::no(node));
    }
    let names = NamePreserver::new(&node);
    let exprs = node.expressions().into_iter().map(|expr| {
        let name = names.save(&expr);
        let answered = expr.transform_up(|inner| match &inner {
            Expr::ScalarSubquery(subquery) => Ok(match answers.iter().find(|(asked, _)| asked == subquery) {
                Some((_, column)) => Transformed::yes(Expr::Column(column.clone())),
                None => Transformed::no(inner),
            }),
            _ => Ok(Transformed::no(inner)),
        })?;
        Ok(answered.update_data(|expr| name.restore(expr)).data)
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    let passes_all = matches!(node, LogicalPlan::Filter(_) | LogicalPlan::Sort(_));
    let kept: Vec<Expr> = match passes_all {
        true => columns,
        false => node.schema().columns().into_iter().map(Expr::Column).collect(),
    };
    let node = node.with_new_exprs(exprs, vec![input])?.recompute_schema()?;
    Ok(Transformed::yes(LogicalPlanBuilder::from(node).project(kept)?.build()?))
}

fn asked(node: &LogicalPlan) -> Result<Vec<Subquery>> {
    let mut asked = Vec::new();
    node.apply_expressions(|expr| {
        expr.apply(|inner| {
            if let Expr::ScalarSubquery(subquery) = inner
                && !is_simple(&subquery.subquery)
                && !asked.contains(subquery)
            {
                asked.push(subquery.clone());
            }
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })
    })?;
    Ok(asked)
}

/// The input with the value that the query has for each row. None if the query cannot be untied.
fn answered(input: &LogicalPlan, subquery: &Subquery, name: &str, (number, is_stable): (&mut usize, bool)) -> Result<Option<LogicalPlan>> {
    let Some(outside) = Outside::distinct(input, &subquery.subquery, *number)? else { return Ok(None) };
    if !is_stable {
        return Err(refused("a sub-query that depends on rows which differ when they are read again (LIMIT, random()) is not supported"));
    }
    let Some(rows) = pushed(&outside, &subquery.subquery, number)? else {
        return Err(refused("this form of a correlated subquery is not supported"));
    };
    let Some(value) = rows.schema().columns().into_iter().find(|column| !outside.is_own(&column.name)) else { return Ok(None) };
    let (mut exprs, mut left, mut right) = (vec![Expr::Column(value).alias(name)], Vec::new(), Vec::new());
    for ((outer, own), column) in outside.pairs().zip(outside.columns_in(rows.schema())?) {
        exprs.push(Expr::Column(column).alias(own));
        left.push(outer.clone());
        right.push(Column::from_name(own));
    }
    let rows = LogicalPlanBuilder::from(rows).project(exprs)?.build()?;
    let joined =
        LogicalPlanBuilder::from(input.clone()).join_detailed(rows, JoinType::Left, (left, right), None, NullEquality::NullEqualsNull)?;
    let kept = input.schema().columns().into_iter().chain([Column::from_name(name)]).map(Expr::Column);
    let kept: Vec<Expr> = kept.collect();
    joined.project(kept)?.build().map(Some)
}
