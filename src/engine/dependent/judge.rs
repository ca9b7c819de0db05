//! What is left to the planner, and what it must not be given.

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Distinct, Expr, JoinType, LogicalPlan, Operator};

use super::free::{free_refs, reaches_through};

/// Whether the planner unties the query by itself, and rightly.
pub(in crate::engine) fn is_simple(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => is_simple(&alias.input),
        LogicalPlan::Subquery(subquery) => is_simple(&subquery.subquery),
        other => simple(other, false),
    }
}

fn simple(plan: &LogicalPlan, is_counted: bool) -> bool {
    if free_refs(plan).is_empty() {
        return true;
    }
    if reaches_through(plan) {
        return false;
    }
    match plan {
        LogicalPlan::Filter(filter) => {
            // HAVING: the planner forgets that no rows have a total, too.
            let over_groups = matches!(filter.input.as_ref(), LogicalPlan::Aggregate(_));
            let fits = |condition: &&Expr| !condition.contains_outer() || !is_counted || is_equality(condition);
            !over_groups && split_conjunction(&filter.predicate).iter().all(fits) && simple(&filter.input, is_counted)
        }
        // It looks for the columns of its conditions under the alias, too, where they may not be.
        LogicalPlan::SubqueryAlias(_) => false,
        LogicalPlan::Subquery(subquery) => simple(&subquery.subquery, is_counted),
        _ if plan.contains_outer_reference() => false,
        LogicalPlan::Projection(projection) => simple(&projection.input, is_counted),
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) => false,
        LogicalPlan::Aggregate(aggregate) => simple(&aggregate.input, true),
        LogicalPlan::Distinct(Distinct::All(input)) => simple(input, true),
        LogicalPlan::Join(join) => join.join_type == JoinType::Inner && simple(&join.left, is_counted) && simple(&join.right, is_counted),
        _ => false,
    }
}

/// `own = outer`, either way round.
fn is_equality(condition: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else { return false };
    let is_outer = |expr: &Expr| expr.contains_outer() && !expr.any_column_refs();
    (is_outer(left) && !right.contains_outer()) || (is_outer(right) && !left.contains_outer())
}

/// Whether reading it a second time gives the same rows.
pub(super) fn is_stable(plan: &LogicalPlan) -> Result<bool> {
    let mut stable = true;
    plan.apply_with_subqueries(|node| {
        let mut varies = matches!(node, LogicalPlan::Limit(_));
        node.apply_expressions(|expr| {
            varies |= expr.is_volatile();
            Ok(TreeNodeRecursion::Continue)
        })?;
        stable &= !varies;
        Ok(if stable { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(stable)
}

/// Whether nothing in it counts rows: then each row outside may go through it as it is.
pub(super) fn is_row_by_row(plan: &LogicalPlan) -> Result<bool> {
    let counts = plan.exists(|node| {
        Ok(!matches!(
            node,
            LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::SubqueryAlias(_)
                | LogicalPlan::Subquery(_)
                | LogicalPlan::EmptyRelation(_)
                | LogicalPlan::Values(_)
                | LogicalPlan::TableScan(_)
                | LogicalPlan::Unnest(_)
        ))
    })?;
    Ok(!counts)
}
