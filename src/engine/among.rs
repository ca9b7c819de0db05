//! `x IN (SELECT ..)` where the planner forgets NULL.
//!
//! It joins for it, which knows "found" and "not found" only. That is right where a condition asks for what is found, and where it asks for a
//! column that is not among rows which have nothing to do with the row outside. Everywhere else the three answers are written out: found; not
//! found; not known, because the value or one of the rows is NULL.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, merge_schema, split_conjunction_owned};
use datafusion::logical_expr::{BinaryExpr, Expr, Filter, Join, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, col, lit, when};

use super::errors::external;
use super::subqueries::is_total;
use crate::error::{Code, Error};

/// The node with such questions written out, and with conditions of joins that NULL does not pass.
pub(super) fn known(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match node {
        LogicalPlan::Join(Join {
            filter: Some(filter),
            left,
            right,
            on,
            join_type,
            join_constraint,
            schema,
            null_equality,
            null_aware,
        }) => {
            let filter = conjunction(split_conjunction_owned(filter).into_iter().map(passed));
            let join = Join { filter, left, right, on, join_type, join_constraint, schema, null_equality, null_aware };
            Ok(Transformed::yes(LogicalPlan::Join(join)))
        }
        LogicalPlan::Filter(filter) => {
            let schema = Arc::clone(filter.input.schema());
            let mut changed = false;
            let conditions = split_conjunction_owned(filter.predicate.clone()).into_iter().map(|condition| match condition {
                Expr::InSubquery(among) if is_joined(&among) => Ok(Expr::InSubquery(among)),
                other => {
                    let other = passing(other, &schema)?;
                    changed |= other.transformed;
                    Ok(other.data)
                }
            });
            let conditions = conditions.collect::<Result<Vec<_>>>()?;
            match conjunction(conditions) {
                Some(predicate) if changed => Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(predicate, filter.input)?))),
                _ => Ok(Transformed::no(LogicalPlan::Filter(filter))),
            }
        }
        LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Window(_) | LogicalPlan::Sort(_) => {
            let schema = merge_schema(&node.inputs());
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(written_out(expr, &schema)?.update_data(|expr| name.restore(expr)))
            })
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Whether a join answers it: what is found, or a column that is not among rows of their own.
fn is_joined(among: &InSubquery) -> bool {
    let is_own = among.subquery.outer_ref_columns.is_empty();
    if is_total(&among.subquery.subquery) && !is_own {
        return false;
    }
    !among.negated || (is_own && among.expr.any_column_refs())
}

/// Below AND and OR of a condition "not known" is as good as "not found".
fn passing(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let (left, right) = (passing(*left, schema)?, passing(*right, schema)?);
            let transformed = left.transformed || right.transformed;
            let both = Expr::BinaryExpr(BinaryExpr { left: Box::new(left.data), op, right: Box::new(right.data) });
            Ok(if transformed { Transformed::yes(both) } else { Transformed::no(both) })
        }
        Expr::InSubquery(among) if !among.negated && is_joined(&among) => Ok(Transformed::no(Expr::InSubquery(among))),
        other => written_out(other, schema),
    }
}

fn written_out(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|node| match node {
        Expr::InSubquery(among) if is_total(&among.subquery.subquery) => {
            // One row: a comparison.
            let op = if among.negated { Operator::NotEq } else { Operator::Eq };
            let right = Box::new(Expr::ScalarSubquery(among.subquery));
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left: among.expr, op, right })))
        }
        Expr::InSubquery(among) => three_answers(among, schema).map(Transformed::yes),
        other => Ok(Transformed::no(other)),
    })
}

fn three_answers(among: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let InSubquery { expr, subquery, negated } = among;
    if !subquery.outer_ref_columns.is_empty() {
        let error = Error::new(Code::NotSupported, "IN or NOT IN of a sub-query that depends on the row outside is not supported here")
            .hint("Write it with EXISTS or NOT EXISTS.".to_owned());
        return Err(external(error));
    }
    let rows = || LogicalPlanBuilder::from(subquery.subquery.as_ref().clone()).alias("among");
    let asked = |plan: LogicalPlan| {
        let outer_ref_columns = plan.all_out_ref_exprs();
        let subquery = Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans.clone() };
        Expr::Exists(Exists { subquery, negated: false })
    };
    let plan = rows()?.build()?;
    let Some(value) = plan.schema().columns().into_iter().next() else {
        return Ok(Expr::InSubquery(InSubquery { expr, subquery: subquery.clone(), negated }));
    };
    // Inside the query the row's columns are those of the row outside.
    let outer = expr.as_ref().clone().transform_up(|node| match node {
        Expr::Column(column) => {
            let (_, field) = schema.qualified_field_from_column(&column)?;
            Ok(Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(field), column)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    let found = asked(rows()?.filter(col(value.clone()).eq(outer.data))?.build()?);
    let unknown = asked(rows()?.filter(col(value).is_null())?.build()?);
    let any = asked(plan);
    let nothing = || lit(ScalarValue::Boolean(None));
    // Without rows the answer is known, whatever the value is.
    when(found, lit(!negated)).when(expr.is_null().and(any), nothing()).when(unknown, nothing()).otherwise(lit(negated))
}

/// A condition that is NULL lets nothing pass; the planner takes one without columns, or with NULL in it, for one that does.
fn passed(condition: Expr) -> Expr {
    let asks = condition.exists(|node| {
        Ok(matches!(node, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::OuterReferenceColumn(..)))
    });
    let holds_null = condition.exists(|node| Ok(matches!(node, Expr::Literal(value, _) if value.is_null())));
    let is_constant = !condition.any_column_refs() && !matches!(condition, Expr::Literal(ScalarValue::Boolean(Some(_)), _));
    match (asks, holds_null) {
        (Ok(false), Ok(null)) if null || is_constant => condition.is_true(),
        _ => condition,
    }
}
