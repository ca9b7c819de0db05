//! The planner's simplifier, kept from taking "not known" for false.
//!
//! Two lists that share nothing, `a IN (5) AND a IN (6)`, it calls false, which they are not for NULL: below NOT or in a select list rows came
//! out wrong. So where more than the truth of a condition counts, lists of the same value are kept apart while it works. And what it makes of
//! other conditions ends in `AND NULL`, which scans take for a condition that everything passes: in a condition NULL is as good as false.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::{Alias, InList};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Expr, Filter, Join, LogicalPlan, Operator, TableScan, lit};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::Rule;

/// Begins the names under which equal values are kept apart.
const APART: &str = "among@";

#[derive(Debug)]
pub(super) struct Simplified {
    pub(super) inner: Rule,
}

impl OptimizerRule for Simplified {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.inner.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let is_condition = matches!(plan, LogicalPlan::Filter(_) | LogicalPlan::TableScan(_));
        let apart = match has_lists(&plan)? {
            true => {
                let names = NamePreserver::new(&plan);
                plan.map_expressions(|expr| {
                    let name = names.save(&expr);
                    Ok(kept_apart(expr, is_condition, &mut Vec::new())?.update_data(|expr| name.restore(expr)))
                })?
            }
            false => Transformed::no(plan),
        };
        let simplified = match apart.transformed {
            true => self.inner.rewrite(apart.data, config)?.map_data(|plan| plan.map_expressions(together).map(|plan| plan.data))?,
            false => self.inner.rewrite(apart.data, config)?,
        };
        simplified.transform_data(decided)
    }
}

/// Whether lists of the same value could meet.
fn has_lists(plan: &LogicalPlan) -> Result<bool> {
    let mut lists = 0;
    plan.apply_expressions(|expr| {
        expr.apply(|node| {
            lists += usize::from(matches!(node, Expr::InList(_)));
            Ok(if lists > 1 { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(lists > 1)
}

/// Lists of the same value with names that tell these apart, but for those of which only truth counts. `values` are those met before.
///
/// Of two lists below AND nothing may be in both, which is false or not known, and so no truth; that one of two NOT IN must hold is no truth for
/// NULL.
fn kept_apart(expr: Expr, is_condition: bool, values: &mut Vec<Expr>) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) if is_condition => {
            let (left, right) = (kept_apart(*left, true, values)?, kept_apart(*right, true, values)?);
            let transformed = left.transformed || right.transformed;
            let both = Expr::BinaryExpr(BinaryExpr::new(Box::new(left.data), op, Box::new(right.data)));
            Ok(if transformed { Transformed::yes(both) } else { Transformed::no(both) })
        }
        Expr::InList(InList { negated: false, .. }) if is_condition => Ok(Transformed::no(expr)),
        other => other.transform_up(|node| match node {
            Expr::InList(InList { expr, list, negated }) if !expr.is_volatile() => {
                let again = values.iter().filter(|value| **value == *expr).count();
                values.push(expr.as_ref().clone());
                let expr = if again > 0 { Box::new((*expr).alias(format!("{APART}{again}"))) } else { expr };
                let list = Expr::InList(InList { expr, list, negated });
                Ok(if again > 0 { Transformed::yes(list) } else { Transformed::no(list) })
            }
            other => Ok(Transformed::no(other)),
        }),
    }
}

fn together(expr: Expr) -> Result<Transformed<Expr>> {
    expr.transform_up(|node| match node {
        Expr::Alias(Alias { expr, relation: None, name, .. }) if name.starts_with(APART) => Ok(Transformed::yes(*expr)),
        other => Ok(Transformed::no(other)),
    })
}

/// The node with conditions in which NULL is false.
fn decided(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Filter(filter) => {
            if !has_null(&filter.predicate) {
                return Ok(Transformed::no(LogicalPlan::Filter(filter)));
            }
            let predicate = decided_in(filter.predicate).data;
            Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(predicate, filter.input)?)))
        }
        LogicalPlan::TableScan(scan) => {
            let filters: Vec<Transformed<Expr>> = scan.filters.into_iter().map(decided_in).collect();
            let transformed = filters.iter().any(|filter| filter.transformed);
            let scan = LogicalPlan::TableScan(TableScan { filters: filters.into_iter().map(|filter| filter.data).collect(), ..scan });
            Ok(if transformed { Transformed::yes(scan) } else { Transformed::no(scan) })
        }
        // One that looks for NULL has a use for it.
        LogicalPlan::Join(Join {
            filter: Some(filter),
            null_aware: false,
            left,
            right,
            on,
            join_type,
            join_constraint,
            schema,
            null_equality,
        }) => {
            let filter = literals_last(filter)?.transform_data(|filter| Ok(decided_in(filter)))?;
            let transformed = filter.transformed;
            let filter = Some(filter.data);
            let join = Join { filter, null_aware: false, left, right, on, join_type, join_constraint, schema, null_equality };
            Ok(if transformed { Transformed::yes(LogicalPlan::Join(join)) } else { Transformed::no(LogicalPlan::Join(join)) })
        }
        other => Ok(Transformed::no(other)),
    }
}

/// `5 < a` is `a > 5`: of `a >= 5 AND 5 < a` the planner keeps the wrong half. Of anything but a join it turns them round by itself.
fn literals_last(filter: Expr) -> Result<Transformed<Expr>> {
    filter.transform_up(|node| match node {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if matches!(left.as_ref(), Expr::Literal(..)) && !matches!(right.as_ref(), Expr::Literal(..)) && op.swap().is_some() =>
        {
            let turned = op.swap().unwrap_or(op);
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(right, turned, left))))
        }
        other => Ok(Transformed::no(other)),
    })
}

/// Whether NULL stands below AND and OR alone.
fn has_null(condition: &Expr) -> bool {
    match condition {
        Expr::Literal(value, _) => value.is_null(),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => has_null(left) || has_null(right),
        _ => false,
    }
}

fn decided_in(expr: Expr) -> Transformed<Expr> {
    let is_false = |expr: &Expr| matches!(expr, Expr::Literal(ScalarValue::Boolean(Some(false)), _));
    match expr {
        Expr::Literal(value, _) if value.is_null() => Transformed::yes(lit(false)),
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let (left, right) = (decided_in(*left), decided_in(*right));
            let transformed = left.transformed || right.transformed;
            if !transformed {
                return Transformed::no(Expr::BinaryExpr(BinaryExpr::new(Box::new(left.data), op, Box::new(right.data))));
            }
            Transformed::yes(match (op, is_false(&left.data), is_false(&right.data)) {
                (Operator::And, true, _) | (Operator::And, _, true) => lit(false),
                (Operator::Or, true, _) => right.data,
                (Operator::Or, _, true) => left.data,
                _ => Expr::BinaryExpr(BinaryExpr::new(Box::new(left.data), op, Box::new(right.data))),
            })
        }
        other => Transformed::no(other),
    }
}
