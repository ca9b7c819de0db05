//! Sub-queries that stand for one value and refer to the row outside.
//!
//! The planner only joins such a sub-query to its row when an aggregate shows that it has one row at most. PostgreSQL finds out while it
//! runs. So an aggregate that refuses a second row is put on top, and `LIMIT 1` becomes the first value. What is said there about the outer row
//! alone is asked outside, before the sub-query. `EXISTS` in a select list counts.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::functions_aggregate::count::count;
use datafusion::functions_aggregate::first_last::first_value;
use datafusion::logical_expr::expr::Exists;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Distinct, Expr, FetchType, Filter, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, SkipType, Sort, SortExpr, Subquery,
    col, lit, when,
};

use super::errors::external;
use super::functions::single_value;
use super::{among, dependent};
use crate::error::{Code, Error};

/// The plan with every such sub-query in a form that can be planned.
pub(super) fn aggregated(plan: LogicalPlan) -> Result<LogicalPlan> {
    let (mut told_apart, mut dependent) = (0, 0);
    let rewritten = plan.transform_up_with_subqueries(|node| {
        refuse_totals_outside(&node)?;
        // A filter can ask for existence by itself.
        let asks = matches!(node, LogicalPlan::Filter(_) | LogicalPlan::Join(_) | LogicalPlan::TableScan(_));
        let node = among::known(node)?.transform_data(|node| {
            let names = NamePreserver::new(&node);
            let below = match node.inputs().as_slice() {
                [input] => Some(Arc::clone(input.schema())),
                _ => None,
            };
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                let asked = expr.transform_up(|expr| match expr {
                    Expr::Exists(Exists { subquery, negated }) if is_total(&subquery.subquery) => Ok(Transformed::yes(lit(!negated))),
                    Expr::ScalarSubquery(subquery) if subquery.outer_ref_columns.is_empty() && may_be_empty(&subquery.subquery) => {
                        or_null(subquery).map(Transformed::yes)
                    }
                    Expr::ScalarSubquery(subquery) if !subquery.outer_ref_columns.is_empty() => {
                        one_row(subquery, below.as_deref()).map(Transformed::yes)
                    }
                    Expr::ScalarSubquery(subquery) if calls_table_function(&subquery.subquery)? => {
                        told_apart += 1;
                        named(subquery, told_apart).map(Transformed::yes)
                    }
                    Expr::Exists(exists) if !asks || !dependent::is_simple(&exists.subquery.subquery) => {
                        counted(exists).map(Transformed::yes)
                    }
                    other => Ok(Transformed::no(other)),
                })?;
                Ok(if asked.transformed { asked.update_data(|expr| name.restore(expr)) } else { asked })
            })
        })?;
        node.transform_data(|node| dependent::untied(node, &mut dependent))
    })?;
    match rewritten.transformed {
        // The names and types of what lies above follow.
        true => rewritten.data.recompute_schema(),
        false => Ok(rewritten.data),
    }
}

/// A total over nothing but columns of the row outside is one of the query outside, over its rows.
fn refuse_totals_outside(node: &LogicalPlan) -> Result<()> {
    let LogicalPlan::Aggregate(aggregate) = node else { return Ok(()) };
    let is_outside = |expr: &Expr| {
        let inner = expr.clone().unalias();
        matches!(inner, Expr::AggregateFunction(_)) && inner.contains_outer() && !inner.any_column_refs()
    };
    if !aggregate.aggr_expr.iter().any(is_outside) {
        return Ok(());
    }
    let error = Error::new(Code::NotSupported, "an aggregate of the query outside in a sub-query is not supported")
        .hint("Compute it in a query behind FROM, and read its column in the sub-query.".to_owned());
    Err(external(error))
}

/// Scans of table functions look alike whatever their arguments are, and the planner runs sub-queries that look alike only once.
fn calls_table_function(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| Ok(matches!(node, LogicalPlan::TableScan(scan) if scan.table_name.table().ends_with("()"))))
}

/// The sub-query under a name that no other has.
fn named(subquery: Subquery, number: usize) -> Result<Expr> {
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone()).alias(format!("value@{number}"))?.build()?;
    Ok(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), ..subquery }))
}

/// Whether it has exactly one row: a total over whatever there is.
pub(super) fn is_total(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(inner) => is_total(&inner.input),
        LogicalPlan::SubqueryAlias(inner) => is_total(&inner.input),
        LogicalPlan::Sort(inner) => inner.fetch.is_none() && is_total(&inner.input),
        LogicalPlan::Distinct(Distinct::All(input)) => is_total(input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        _ => false,
    }
}

/// Whether it says that its value is never NULL, and may have no row.
fn may_be_empty(plan: &LogicalPlan) -> bool {
    !is_total(plan) && plan.schema().fields().iter().any(|field| !field.is_nullable())
}

/// The same with a row of NULL where there is none: the planner takes a column that is never NULL for a value that is never NULL.
fn or_null(subquery: Subquery) -> Result<Expr> {
    let rows = subquery.subquery.as_ref().clone();
    let name = rows.schema().field(0).name().clone();
    let one = LogicalPlanBuilder::empty(true).project(vec![lit(true).alias("there")])?;
    let rows = LogicalPlanBuilder::from(rows).alias("value")?.build()?;
    let column = rows.schema().columns().into_iter().next();
    let plan = one.join_on(rows, JoinType::Left, [lit(true)])?;
    let plan = match column {
        Some(column) => plan.project(vec![col(column).alias(name)])?.build()?,
        None => return Ok(Expr::ScalarSubquery(subquery)),
    };
    Ok(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), ..subquery }))
}

/// One row stays one row: what orders and counts it says nothing.
fn without_order(plan: &LogicalPlan) -> LogicalPlan {
    match plan {
        LogicalPlan::Limit(limit) => {
            let skips = !matches!(limit.get_skip_type(), Ok(SkipType::Literal(0)));
            let takes = matches!(limit.get_fetch_type(), Ok(FetchType::Literal(None | Some(1..))));
            let inner = without_order(&limit.input);
            if !skips && takes && is_total(&inner) { inner } else { plan.clone() }
        }
        LogicalPlan::Sort(sort) if is_total(&sort.input) => without_order(&sort.input),
        LogicalPlan::Distinct(Distinct::All(input)) if is_total(input) => without_order(input),
        _ => plan.clone(),
    }
}

/// The same in a form from which what ties it to the outer row can be taken. `outer` are the columns of that row; what belongs to rows further
/// out stays as it is.
pub(super) fn one_row(subquery: Subquery, outer: Option<&DFSchema>) -> Result<Expr> {
    let subquery = Subquery { subquery: Arc::new(without_order(&subquery.subquery)), ..subquery };
    if is_one_row(&subquery.subquery) {
        return Ok(Expr::ScalarSubquery(subquery));
    }
    let Some((plan, first, order)) = without_limit(&subquery.subquery) else { return Ok(Expr::ScalarSubquery(subquery)) };
    let (plan, outside) = outer_conditions(with_own_columns(plan)?, outer)?;
    if let Some(split) = split_projection(&plan, (outside.as_slice(), outer), &subquery, first.then_some(&order))? {
        return Ok(split);
    }
    let name = subquery.subquery.schema().field(0).name().clone();
    // What the order needs may stand beside the value.
    let alone = first || plan.schema().fields().len() == 1;
    let Some(column) = plan.schema().columns().into_iter().find(|column| column.name == name).filter(|_| alone) else {
        return Ok(Expr::ScalarSubquery(subquery));
    };
    let value = match first {
        true => first_value(col(column), order),
        false => single_value().call(vec![col(column)]),
    };
    let plan = LogicalPlanBuilder::from(plan).aggregate(Vec::<Expr>::new(), vec![value])?;
    let total = plan.schema().columns().into_iter().next().map(col);
    let plan = match total {
        // No other column of it has that name: those by which it is joined come with it.
        Some(total) => plan.project(vec![total.alias(format!("value of {name}"))])?.build()?,
        None => return Ok(Expr::ScalarSubquery(subquery)),
    };
    let outer_ref_columns = dependent::free_refs(&plan);
    let value = Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans });
    match conjunction(outside) {
        Some(condition) => when(condition, value).end(),
        None => Ok(value),
    }
}

/// `EXISTS (..)` in a list: whether there are rows to count.
fn counted(exists: Exists) -> Result<Expr> {
    let Exists { subquery, negated } = exists;
    let plan = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone());
    let plan = plan.aggregate(Vec::<Expr>::new(), vec![count(lit(1i64)).alias("rows")])?.build()?;
    let outer_ref_columns = dependent::free_refs(&plan);
    let rows = Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans });
    Ok(if negated { rows.eq(lit(0i64)) } else { rows.gt(lit(0i64)) })
}

/// An outer column that must equal an own one is that own column everywhere else.
fn with_own_columns(plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(projection) = &plan else { return Ok(plan) };
    let LogicalPlan::Filter(filter) = projection.input.as_ref() else { return Ok(plan) };
    let conditions = split_conjunction_owned(filter.predicate.clone());
    let equal: Vec<(Expr, Column)> = conditions.iter().filter_map(equality).collect();
    if equal.is_empty() {
        return Ok(plan);
    }
    let own = |expr: Expr| {
        expr.transform_up(|node| match equal.iter().find(|(outer, _)| *outer == node) {
            Some((_, column)) => Ok(Transformed::yes(Expr::Column(column.clone()))),
            None => Ok(Transformed::no(node)),
        })
        .map(|transformed| transformed.data)
    };
    let rewritten = conditions.into_iter().map(|condition| match equality(&condition) {
        Some(_) => Ok(condition),
        None => own(condition),
    });
    let predicate = conjunction(rewritten.collect::<Result<Vec<_>>>()?).unwrap_or_else(|| filter.predicate.clone());
    let input = LogicalPlan::Filter(Filter::try_new(predicate, Arc::clone(&filter.input))?);
    let exprs = projection.expr.iter().cloned().map(|expr| {
        let name = expr.schema_name().to_string();
        let own = own(expr)?;
        Ok(if own.schema_name().to_string() == name { own } else { own.alias(name) })
    });
    plan.with_new_exprs(exprs.collect::<Result<Vec<_>>>()?, vec![input])
}

/// `own = outer`, either way round.
fn equality(condition: &Expr) -> Option<(Expr, Column)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else { return None };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Column(own), outer @ Expr::OuterReferenceColumn(..)) | (outer @ Expr::OuterReferenceColumn(..), Expr::Column(own)) => {
            Some((outer.clone(), own.clone()))
        }
        _ => None,
    }
}

/// An item over both own and outer columns is computed outside, from one sub-query for each own column.
fn split_projection(
    plan: &LogicalPlan,
    (outside, outer): (&[Expr], Option<&DFSchema>),
    subquery: &Subquery,
    first_by: Option<&Vec<SortExpr>>,
) -> Result<Option<Expr>> {
    let LogicalPlan::Projection(projection) = plan else { return Ok(None) };
    let Some(item) = projection.expr.first().filter(|item| item.contains_outer()) else { return Ok(None) };
    // An order by what is outside, or by the item itself, is known above only.
    let reaches = |key: &SortExpr| {
        !key.expr.contains_outer() && key.expr.column_refs().iter().all(|column| projection.input.schema().has_column(column))
    };
    if first_by.is_some_and(|order| !order.iter().all(reaches)) {
        return Ok(None);
    }
    let single = |inner: Expr| -> Result<Expr> {
        let builder = LogicalPlanBuilder::from(projection.input.as_ref().clone());
        let value = match first_by {
            Some(order) => first_value(inner, order.clone()),
            None => single_value().call(vec![inner]),
        };
        let plan = builder.aggregate(Vec::<Expr>::new(), vec![value.alias("value")])?.build()?;
        let outer_ref_columns = dependent::free_refs(&plan);
        Ok(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans.clone() }))
    };
    let value = item.clone().unalias().transform_up(|node| match node {
        Expr::Column(column) => single(Expr::Column(column)).map(Transformed::yes),
        other => Ok(outside_of(other, outer)),
    })?;
    let there = single(lit(true))?;
    let condition = conjunction(outside.iter().cloned().chain([there])).unwrap_or_else(|| lit(true));
    when(condition, value.data).end().map(Some)
}

fn is_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(inner) => is_one_row(&inner.input),
        LogicalPlan::SubqueryAlias(inner) => is_one_row(&inner.input),
        LogicalPlan::Filter(inner) => is_one_row(&inner.input),
        LogicalPlan::Sort(inner) => is_one_row(&inner.input),
        // Its groups are the planner's to judge.
        LogicalPlan::Aggregate(_) => true,
        _ => false,
    }
}

/// The plan below `ORDER BY .. LIMIT 1`, whether there was one, and its order. None for any other limit.
fn without_limit(plan: &LogicalPlan) -> Option<(LogicalPlan, bool, Vec<SortExpr>)> {
    let LogicalPlan::Limit(limit) = plan else {
        return match plan {
            LogicalPlan::Sort(sort) => Some((sort.input.as_ref().clone(), false, Vec::new())),
            other => Some((other.clone(), false, Vec::new())),
        };
    };
    let one =
        matches!(limit.get_fetch_type(), Ok(FetchType::Literal(Some(1)))) && matches!(limit.get_skip_type(), Ok(SkipType::Literal(0)));
    match limit.input.as_ref() {
        _ if !one => None,
        LogicalPlan::Sort(Sort { expr, input, fetch: _ }) => Some((input.as_ref().clone(), true, expr.clone())),
        // The order is by a column that is not asked for.
        LogicalPlan::Projection(projection) if projection.expr.iter().all(|expr| matches!(expr, Expr::Column(_))) => {
            match projection.input.as_ref() {
                LogicalPlan::Sort(Sort { expr, input, fetch: _ }) => Some((input.as_ref().clone(), true, expr.clone())),
                _ => Some((limit.input.as_ref().clone(), true, Vec::new())),
            }
        }
        other => Some((other.clone(), true, Vec::new())),
    }
}

/// Takes the conditions on the outer row alone out of the filter below the projection.
fn outer_conditions(plan: LogicalPlan, outer_row: Option<&DFSchema>) -> Result<(LogicalPlan, Vec<Expr>)> {
    let LogicalPlan::Projection(projection) = &plan else { return Ok((plan, Vec::new())) };
    let LogicalPlan::Filter(filter) = projection.input.as_ref() else { return Ok((plan, Vec::new())) };
    let is_outer =
        |expr: &Expr| expr.contains_outer() && !expr.any_column_refs() && !expr.exists(|e| Ok(dependent::is_query(e))).unwrap_or(true);
    let (outer, inner): (Vec<Expr>, Vec<Expr>) = split_conjunction_owned(filter.predicate.clone()).into_iter().partition(is_outer);
    if outer.is_empty() {
        return Ok((plan, Vec::new()));
    }
    let input = match conjunction(inner) {
        Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, Arc::clone(&filter.input))?),
        None => filter.input.as_ref().clone(),
    };
    let plan = plan.with_new_exprs(projection.expr.clone(), vec![input])?;
    let outside = outer.into_iter().map(|expr| {
        let outside = expr.transform_up(|node| Ok(outside_of(node, outer_row)));
        outside.map(|transformed| transformed.data)
    });
    Ok((plan, outside.collect::<Result<Vec<_>>>()?))
}

/// A column of the outer row as one of the row now, when it moves out by one query.
fn outside_of(node: Expr, outer: Option<&DFSchema>) -> Transformed<Expr> {
    match node {
        Expr::OuterReferenceColumn(_, column) if outer.is_none_or(|outer| outer.maybe_index_of_column(&column).is_some()) => {
            Transformed::yes(Expr::Column(column))
        }
        other => Transformed::no(other),
    }
}
