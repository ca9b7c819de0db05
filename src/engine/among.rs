//! `x IN (SELECT ..)`, `x > ANY (SELECT ..)` where the planner forgets NULL.
//!
//! It joins for it, which knows "found" and "not found" only. That is right where a condition asks for what is found, and where it asks for a
//! column that is not among rows which have nothing to do with the row outside. Everywhere else the three answers are written out: found; not
//! found; not known, because the value or one of the rows is NULL.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, Spans, internal_err};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, merge_schema, split_conjunction_owned};
use datafusion::logical_expr::{BinaryExpr, Expr, Filter, Join, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, col, lit, not, when};

use super::dependent::free_refs;
use super::subqueries::is_total;

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
        Expr::SetComparison(each) => {
            let asked = Each::of(&each, schema)?;
            Ok(Transformed::yes(match each.quantifier {
                SetQuantifier::Any => asked.some(asked.compared.clone(), false)?,
                SetQuantifier::All => asked.some(asked.compared.clone().is_not_true(), true)?,
            }))
        }
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
        Expr::SetComparison(each) => {
            let asked = Each::of(&each, schema)?;
            let unknown = asked.some(asked.compared.clone().is_null(), false)?;
            let (decides, answer) = match each.quantifier {
                SetQuantifier::Any => (asked.compared.clone(), true),
                SetQuantifier::All => (not(asked.compared.clone()), false),
            };
            let mut known = when(asked.some(decides, false)?, lit(answer));
            Ok(Transformed::yes(known.when(unknown, lit(ScalarValue::Boolean(None))).otherwise(lit(!answer))?))
        }
        other => Ok(Transformed::no(other)),
    })
}

/// A value beside each row of a sub-query.
struct Each {
    rows: LogicalPlan,
    spans: Spans,
    /// What is asked of each, inside.
    compared: Expr,
}

impl Each {
    fn of(each: &SetComparison, schema: &DFSchema) -> Result<Self> {
        let rows = LogicalPlanBuilder::from(each.subquery.subquery.as_ref().clone()).alias("among")?.build()?;
        let Some(value) = rows.schema().columns().into_iter().next() else {
            return internal_err!("a sub-query without columns");
        };
        let outer = as_outer(each.expr.as_ref().clone(), schema)?;
        let compared = Expr::BinaryExpr(BinaryExpr::new(Box::new(outer), each.op, Box::new(col(value))));
        Ok(Self { rows, spans: each.subquery.spans.clone(), compared })
    }

    /// Whether there is a row of which it is true, or none.
    fn some(&self, condition: Expr, negated: bool) -> Result<Expr> {
        let plan = LogicalPlanBuilder::from(self.rows.clone()).filter(condition)?.build()?;
        let outer_ref_columns = free_refs(&plan);
        let subquery = Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: self.spans.clone() };
        Ok(Expr::Exists(Exists { subquery, negated }))
    }
}

/// Inside a query the row's columns are those of the row outside.
fn as_outer(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let outer = expr.transform_up(|node| match node {
        Expr::Column(column) => {
            let (_, field) = schema.qualified_field_from_column(&column)?;
            Ok(Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(field), column)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(outer.data)
}

fn three_answers(among: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let InSubquery { expr, subquery, negated } = among;
    let rows = || LogicalPlanBuilder::from(subquery.subquery.as_ref().clone()).alias("among");
    let asked = |plan: LogicalPlan| {
        let outer_ref_columns = free_refs(&plan);
        let subquery = Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans.clone() };
        Expr::Exists(Exists { subquery, negated: false })
    };
    let plan = rows()?.build()?;
    let Some(value) = plan.schema().columns().into_iter().next() else {
        return Ok(Expr::InSubquery(InSubquery { expr, subquery: subquery.clone(), negated }));
    };
    let outer = as_outer(expr.as_ref().clone(), schema)?;
    let found = asked(rows()?.filter(col(value.clone()).eq(outer))?.build()?);
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
