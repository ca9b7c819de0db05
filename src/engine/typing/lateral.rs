//! `FROM t, unnest(t.a)`: the array is unnested beside its own row, which the planner does for select lists only.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::builder::unnest_with_options;
use datafusion::logical_expr::expr::Alias;
use datafusion::logical_expr::{Expr, Filter, Join, JoinType, LogicalPlan, Projection, Subquery, Unnest};

use super::super::functions::row_for_none;

/// The join without the query on its right, if all that is in it unnests arrays of the row on its left.
pub(super) fn unnested(join: Join) -> Result<LogicalPlan> {
    let as_it_is = |join: Join| Ok(LogicalPlan::Join(join));
    let is_right = matches!(join.join_type, JoinType::Inner) || (join.join_type == JoinType::Left && is_always(join.filter.as_ref()));
    if !is_right || !join.on.is_empty() {
        return as_it_is(join);
    }
    let Some((outer, unnest, inner)) = parts(&join.right) else { return as_it_is(join) };
    let fields: Vec<Expr> = join.left.schema().columns().into_iter().map(Expr::Column).collect();
    let keeps_row = join.join_type == JoinType::Left;
    let mut below = fields.clone();
    for expr in &inner.expr {
        let name = expr.schema_name().to_string();
        let array = of_row(expr.clone().unalias())?;
        let array = if keeps_row { row_for_none().call(vec![array]) } else { array };
        below.push(array.alias(name));
    }
    let below = LogicalPlan::Projection(Projection::try_new(below, Arc::clone(&join.left))?);
    let rows = unnest_with_options(below, unnest.exec_columns.clone(), unnest.options.clone())?;
    let mut exprs = fields;
    for (expr, (relation, field)) in outer.expr.iter().zip(join.right.schema().iter()) {
        exprs.push(Expr::Alias(Alias::new(of_row(expr.clone().unalias())?, relation.cloned(), field.name())));
    }
    let rows = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(rows))?);
    Ok(match join.filter {
        Some(filter) if !keeps_row => LogicalPlan::Filter(Filter::try_new(filter, Arc::new(rows))?),
        _ => rows,
    })
}

fn is_always(filter: Option<&Expr>) -> bool {
    match filter {
        None => true,
        Some(Expr::Literal(value, _)) => matches!(value, datafusion::common::ScalarValue::Boolean(Some(true))),
        Some(_) => false,
    }
}

/// The select list, what it unnests, and the arrays, of a query that reads no relation.
fn parts(plan: &LogicalPlan) -> Option<(Projection, Unnest, Projection)> {
    let outer = match plan {
        LogicalPlan::SubqueryAlias(alias) => return parts(&alias.input),
        LogicalPlan::Subquery(Subquery { subquery, .. }) => return parts(subquery),
        // Names that the alias gives to the columns.
        LogicalPlan::Projection(renamed) => match renamed.input.as_ref() {
            LogicalPlan::Unnest(_) => renamed.clone(),
            inner => {
                let (outer, unnest, arrays) = parts(inner)?;
                let exprs = renamed.expr.iter().map(|expr| replaced(expr, &outer, inner)).collect::<Option<Vec<_>>>()?;
                return Some((
                    Projection::try_new_with_schema(exprs, Arc::clone(&renamed.input), Arc::clone(&renamed.schema)).ok()?,
                    unnest,
                    arrays,
                ));
            }
        },
        _ => return None,
    };
    let LogicalPlan::Unnest(unnest) = outer.input.as_ref() else { return None };
    let LogicalPlan::Projection(inner) = unnest.input.as_ref() else { return None };
    let reads_nothing = matches!(inner.input.as_ref(), LogicalPlan::EmptyRelation(empty) if empty.produce_one_row);
    let unnest = unnest.clone();
    let inner = inner.clone();
    reads_nothing.then_some((outer, unnest, inner))
}

/// A column of the projection below as what it is there.
fn replaced(expr: &Expr, below: &Projection, schema_of: &LogicalPlan) -> Option<Expr> {
    let of_column = |column: &Column| schema_of.schema().index_of_column(column).ok().and_then(|at| below.expr.get(at)).cloned();
    match expr {
        Expr::Column(column) => of_column(column).map(Expr::unalias),
        Expr::Alias(alias) => match alias.expr.as_ref() {
            Expr::Column(column) => of_column(column).map(Expr::unalias),
            _ => None,
        },
        _ => None,
    }
}

/// Columns of the row outside are columns of the row now.
fn of_row(expr: Expr) -> Result<Expr> {
    let changed = expr.transform_up(|node| match node {
        Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(changed.data)
}
