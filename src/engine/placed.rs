//! Sub-queries put where the planner takes them: out of the conditions of joins and the arguments of aggregates.
//!
//! In an inner join such a condition is one of the rows that come out. In an outer join, and below an aggregate, the sub-query becomes a column of
//! the side that it looks at; one that looks at both sides of an outer join stays, and is refused later.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Aggregate, Expr, Filter, Join, JoinType, LogicalPlan, LogicalPlanBuilder};

use super::dependent::{free_refs, is_query};

/// The plan with its sub-queries in such places.
pub(super) fn placed(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut number = 0;
    let placed = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) if join.filter.as_ref().is_some_and(asks) => joined(join, &mut number).map(Transformed::yes),
        LogicalPlan::Aggregate(aggregate) if aggregate.aggr_expr.iter().any(asks) => totalled(aggregate, &mut number).map(Transformed::yes),
        other => Ok(Transformed::no(other)),
    })?;
    match placed.transformed {
        true => placed.data.recompute_schema(),
        false => Ok(placed.data),
    }
}

fn asks(expr: &Expr) -> bool {
    expr.exists(|node| Ok(is_query(node))).unwrap_or(false)
}

fn joined(join: Join, number: &mut usize) -> Result<LogicalPlan> {
    let Some(filter) = join.filter.clone() else { return Ok(LogicalPlan::Join(join)) };
    if join.join_type == JoinType::Inner {
        let (asking, plain): (Vec<Expr>, Vec<Expr>) = split_conjunction_owned(filter).into_iter().partition(asks);
        let rows = LogicalPlan::Join(Join { filter: conjunction(plain), ..join });
        return match conjunction(asking) {
            Some(condition) => Ok(LogicalPlan::Filter(Filter::try_new(condition, Arc::new(rows))?)),
            None => Ok(rows),
        };
    }
    let kept: Vec<Expr> = join.schema.columns().into_iter().map(Expr::Column).collect();
    let (mut left, mut right) = (Lifted::of(&join.left), Lifted::of(&join.right));
    let filter = filter.transform_down(|node| {
        if !is_query(&node) {
            return Ok(Transformed::no(node));
        }
        let side = match (looks_at(&node, join.left.schema())?, looks_at(&node, join.right.schema())?) {
            (true, true) => return Ok(Transformed::new(node, false, TreeNodeRecursion::Jump)),
            (false, true) => &mut right,
            _ => &mut left,
        };
        Ok(Transformed::new(side.column(node, number), true, TreeNodeRecursion::Jump))
    })?;
    let (left, right) = (Arc::new(left.rows()?), Arc::new(right.rows()?));
    let Join { on, join_type, join_constraint, null_equality, null_aware, .. } = join;
    let rows = Join::try_new(left, right, on, Some(filter.data), join_type, join_constraint, null_equality, null_aware)?;
    LogicalPlanBuilder::from(LogicalPlan::Join(rows)).project(kept)?.build()
}

fn totalled(aggregate: Aggregate, number: &mut usize) -> Result<LogicalPlan> {
    let mut input = Lifted::of(&aggregate.input);
    let names = NamePreserver::new(&LogicalPlan::Aggregate(aggregate.clone()));
    let totals = aggregate.aggr_expr.into_iter().map(|expr| {
        let name = names.save(&expr);
        let lifted = expr.transform_down(|node| match is_query(&node) {
            true => Ok(Transformed::new(input.column(node, number), true, TreeNodeRecursion::Jump)),
            false => Ok(Transformed::no(node)),
        })?;
        Ok(lifted.update_data(|expr| name.restore(expr)).data)
    });
    let totals = totals.collect::<Result<Vec<_>>>()?;
    Ok(LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input.rows()?), aggregate.group_expr, totals)?))
}

/// Rows with the answers of sub-queries as columns.
struct Lifted {
    input: LogicalPlan,
    answers: Vec<(Expr, String)>,
}

impl Lifted {
    fn of(input: &LogicalPlan) -> Self {
        Self { input: input.clone(), answers: Vec::new() }
    }

    fn column(&mut self, query: Expr, number: &mut usize) -> Expr {
        if let Some((_, name)) = self.answers.iter().find(|(known, _)| *known == query) {
            return Expr::Column(Column::from_name(name));
        }
        *number += 1;
        let name = format!("asked@{number}");
        let column = Expr::Column(Column::from_name(&name));
        self.answers.push((query, name));
        column
    }

    fn rows(self) -> Result<LogicalPlan> {
        if self.answers.is_empty() {
            return Ok(self.input);
        }
        let mut exprs: Vec<Expr> = self.input.schema().columns().into_iter().map(Expr::Column).collect();
        exprs.extend(self.answers.into_iter().map(|(query, name)| query.alias(name)));
        LogicalPlanBuilder::from(self.input).project(exprs)?.build()
    }
}

/// Whether the sub-query needs a column of these rows.
fn looks_at(query: &Expr, schema: &DFSchema) -> Result<bool> {
    let is_here = |column: &Column| schema.maybe_index_of_column(column).is_some();
    let subquery = match query {
        Expr::InSubquery(InSubquery { expr, subquery, .. }) | Expr::SetComparison(SetComparison { expr, subquery, .. }) => {
            if expr.column_refs().into_iter().any(is_here) {
                return Ok(true);
            }
            subquery
        }
        Expr::Exists(Exists { subquery, .. }) | Expr::ScalarSubquery(subquery) => subquery,
        _ => return Ok(false),
    };
    Ok(free_refs(&subquery.subquery).iter().any(|reference| matches!(reference, Expr::OuterReferenceColumn(_, column) if is_here(column))))
}
