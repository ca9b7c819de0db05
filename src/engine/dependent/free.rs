//! What a query takes from rows outside it, however deep inside it stands.
//!
//! The planner looks for such columns in the query itself, not in the queries inside that: of `NOT EXISTS (.. NOT EXISTS (.. = outer.a))` it would
//! not know that the first depends on the row outside.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, Spans};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Subquery, SubqueryAlias};

/// The columns of rows outside `plan` that it asks for.
pub(in crate::engine) fn free_refs(plan: &LogicalPlan) -> Vec<Expr> {
    let mut found = Vec::new();
    collect(plan, &mut found);
    found
}

fn is_of(schema: &DFSchema, reference: &Expr) -> bool {
    matches!(reference, Expr::OuterReferenceColumn(_, column) if schema.maybe_index_of_column(column).is_some())
}

fn collect(plan: &LogicalPlan, found: &mut Vec<Expr>) {
    let mut keep = |reference: Expr| {
        if !found.contains(&reference) {
            found.push(reference);
        }
    };
    match plan {
        LogicalPlan::Subquery(subquery) => {
            collect(&subquery.subquery, found);
            return;
        }
        LogicalPlan::Join(join) => {
            free_refs(&join.left).into_iter().for_each(&mut keep);
            let of_left = |reference: &Expr| is_of(join.left.schema(), reference);
            free_refs(&join.right).into_iter().filter(|reference| !of_left(reference)).for_each(&mut keep);
        }
        other => other.inputs().into_iter().flat_map(free_refs).for_each(&mut keep),
    }
    let mut below = None;
    // Neither closure fails.
    let _ = plan.apply_expressions(|expr| {
        expr.apply(|node| {
            match node {
                Expr::OuterReferenceColumn(..) => keep(node.clone()),
                Expr::ScalarSubquery(subquery)
                | Expr::Exists(Exists { subquery, .. })
                | Expr::InSubquery(InSubquery { subquery, .. })
                | Expr::SetComparison(SetComparison { subquery, .. }) => {
                    let below = below.get_or_insert_with(|| merge_schema(&plan.inputs()));
                    free_refs(&subquery.subquery).into_iter().filter(|reference| !is_of(below, reference)).for_each(&mut keep);
                }
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })
    });
}

/// Whether a query inside asks for a row outside this one, too.
pub(super) fn reaches_through(plan: &LogicalPlan) -> bool {
    let direct = plan.all_out_ref_exprs();
    free_refs(plan).iter().any(|reference| !direct.contains(reference))
}

/// Whether there are queries inside at all.
pub(in crate::engine) fn has_queries(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply(|node| {
        found |= matches!(node, LogicalPlan::Subquery(_));
        node.apply_expressions(|expr| {
            found = found || expr.exists(|node| Ok(is_query(node)))?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

pub(in crate::engine) fn is_query(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_))
}

/// The plan in which every query knows all that it asks for outside.
pub(in crate::engine) fn deepened(plan: LogicalPlan) -> Result<LogicalPlan> {
    let deepened = plan.transform_up_with_subqueries(|node| {
        let node = node.map_expressions(|expr| {
            expr.transform_up(|node| {
                Ok(match node {
                    Expr::ScalarSubquery(subquery) => known(subquery).update_data(Expr::ScalarSubquery),
                    Expr::Exists(Exists { subquery, negated }) => {
                        known(subquery).update_data(|subquery| Expr::Exists(Exists { subquery, negated }))
                    }
                    Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                        known(subquery).update_data(|subquery| Expr::InSubquery(InSubquery { expr, subquery, negated }))
                    }
                    Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
                        known(subquery).update_data(|subquery| Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }))
                    }
                    other => Transformed::no(other),
                })
            })
        })?;
        node.transform_data(|node| match node {
            LogicalPlan::Join(join) if !holds_query(&join.right) => {
                let left = join.left.schema();
                let looks_left = free_refs(&join.right).iter().any(|reference| is_of(left, reference));
                Ok(match looks_left {
                    true => Transformed::yes(LogicalPlan::Join(Join { right: Arc::new(as_query(&join.right)?), ..join })),
                    false => Transformed::no(LogicalPlan::Join(join)),
                })
            }
            other => Ok(Transformed::no(other)),
        })
    })?;
    Ok(deepened.data)
}

fn known(subquery: Subquery) -> Transformed<Subquery> {
    let all = free_refs(&subquery.subquery);
    match all.len() == subquery.outer_ref_columns.len() {
        true => Transformed::no(subquery),
        false => Transformed::yes(Subquery { outer_ref_columns: all, ..subquery }),
    }
}

fn holds_query(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Subquery(_) => true,
        LogicalPlan::SubqueryAlias(alias) => holds_query(&alias.input),
        _ => false,
    }
}

/// As the planner marks a query behind LATERAL.
fn as_query(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let marked = |plan: Arc<LogicalPlan>| {
        let outer_ref_columns = free_refs(&plan);
        Arc::new(LogicalPlan::Subquery(Subquery { subquery: plan, outer_ref_columns, spans: Spans::new() }))
    };
    match plan {
        LogicalPlan::SubqueryAlias(alias) => {
            Ok(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(marked(Arc::clone(&alias.input)), alias.alias.clone())?))
        }
        other => Ok(Arc::unwrap_or_clone(marked(Arc::new(other.clone())))),
    }
}
