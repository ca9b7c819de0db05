//! The values that a query takes from the row outside, as a relation.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result, internal_err};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery};

use super::free::free_refs;

/// Columns of the row outside under names that nothing else has.
pub(super) struct Outside {
    /// One row for each combination of values, or all rows.
    pub(super) rows: LogicalPlan,
    columns: Vec<Kept>,
    /// Tells this relation's names from those of others in the same statement.
    pub(super) number: usize,
}

struct Kept {
    outer: Column,
    name: String,
}

impl Outside {
    /// The distinct values that `query` takes from `rows`. None if it takes nothing from them.
    pub(super) fn distinct(rows: &LogicalPlan, query: &LogicalPlan, number: usize) -> Result<Option<Self>> {
        let mut outers: Vec<Column> = Vec::new();
        for expr in free_refs(query) {
            if let Expr::OuterReferenceColumn(_, column) = expr
                && rows.schema().maybe_index_of_column(&column).is_some()
                && !outers.contains(&column)
            {
                outers.push(column);
            }
        }
        if outers.is_empty() {
            return Ok(None);
        }
        let columns = Self::kept(outers, number);
        let exprs: Vec<Expr> = columns.iter().map(|kept| Expr::Column(kept.outer.clone()).alias(&kept.name)).collect();
        let rows = LogicalPlanBuilder::from(rows.clone()).project(exprs)?.distinct()?.build()?;
        Ok(Some(Self { rows, columns, number }))
    }

    /// All of `rows`, each as often as it is there.
    pub(super) fn all(rows: &LogicalPlan, number: usize) -> Result<Self> {
        let columns = Self::kept(rows.schema().columns(), number);
        let exprs: Vec<Expr> = columns.iter().map(|kept| Expr::Column(kept.outer.clone()).alias(&kept.name)).collect();
        let rows = LogicalPlanBuilder::from(rows.clone()).project(exprs)?.build()?;
        Ok(Self { rows, columns, number })
    }

    fn kept(outers: Vec<Column>, number: usize) -> Vec<Kept> {
        let named = |(at, outer): (usize, Column)| Kept { name: format!("outside@{number}.{at}"), outer };
        outers.into_iter().enumerate().map(named).collect()
    }

    /// Each column outside with its name here.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&Column, &str)> {
        self.columns.iter().map(|kept| (&kept.outer, kept.name.as_str()))
    }

    pub(super) fn is_own(&self, name: &str) -> bool {
        self.columns.iter().any(|kept| kept.name == name)
    }

    /// The columns of this relation in `schema`.
    pub(super) fn columns_in(&self, schema: &DFSchema) -> Result<Vec<Column>> {
        self.columns.iter().map(|kept| column_in(schema, &kept.name)).collect()
    }

    /// Whether anything is taken from here.
    pub(super) fn is_used_by(&self, plan: &LogicalPlan) -> bool {
        free_refs(plan).iter().any(|expr| self.kept_of(expr).is_some())
    }

    pub(super) fn is_used_in(&self, expr: &Expr) -> Result<bool> {
        expr.exists(|node| {
            Ok(match node {
                Expr::ScalarSubquery(subquery) => self.is_used_by(&subquery.subquery),
                Expr::Exists(exists) => self.is_used_by(&exists.subquery.subquery),
                Expr::InSubquery(among) => self.is_used_by(&among.subquery.subquery),
                Expr::SetComparison(each) => self.is_used_by(&each.subquery.subquery),
                other => self.kept_of(other).is_some(),
            })
        })
    }

    fn kept_of(&self, expr: &Expr) -> Option<&Kept> {
        match expr {
            Expr::OuterReferenceColumn(_, column) => self.columns.iter().find(|kept| kept.outer == *column),
            _ => None,
        }
    }

    /// The expressions of a node over rows that have this relation's columns, under the names they had.
    pub(super) fn own_all(&self, node: &LogicalPlan, exprs: &[Expr], schema: &DFSchema) -> Result<Vec<Expr>> {
        let names = NamePreserver::new(node);
        exprs.iter().map(|expr| Ok(names.save(expr).restore(self.own(expr.clone(), schema)?))).collect()
    }

    /// What was taken from outside is a column beside now.
    pub(super) fn own(&self, expr: Expr, schema: &DFSchema) -> Result<Expr> {
        let changed = expr.transform_up(|node| {
            Ok(match node {
                Expr::ScalarSubquery(subquery) => self.inside(subquery, schema)?.update_data(Expr::ScalarSubquery),
                Expr::Exists(Exists { subquery, negated }) => {
                    self.inside(subquery, schema)?.update_data(|subquery| Expr::Exists(Exists { subquery, negated }))
                }
                Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                    self.inside(subquery, schema)?.update_data(|subquery| Expr::InSubquery(InSubquery { expr, subquery, negated }))
                }
                other => match self.kept_of(&other) {
                    Some(kept) => Transformed::yes(Expr::Column(column_in(schema, &kept.name)?)),
                    None => Transformed::no(other),
                },
            })
        })?;
        Ok(changed.data)
    }

    /// A query inside, whose row outside has this relation's columns now.
    fn inside(&self, subquery: Subquery, schema: &DFSchema) -> Result<Transformed<Subquery>> {
        if !self.is_used_by(&subquery.subquery) {
            return Ok(Transformed::no(subquery));
        }
        let plan = subquery.subquery.as_ref().clone().transform_up_with_subqueries(|node| {
            node.map_expressions(|expr| {
                expr.transform_up(|node| match self.kept_of(&node) {
                    Some(kept) => {
                        let column = column_in(schema, &kept.name)?;
                        let (_, field) = schema.qualified_field_from_column(&column)?;
                        Ok(Transformed::yes(Expr::OuterReferenceColumn(std::sync::Arc::clone(field), column)))
                    }
                    None => Ok(Transformed::no(node)),
                })
            })
        })?;
        let outer_ref_columns = free_refs(&plan.data);
        Ok(Transformed::yes(Subquery { subquery: std::sync::Arc::new(plan.data), outer_ref_columns, spans: subquery.spans }))
    }
}

/// The one column of this name, whatever relation it belongs to by now.
pub(super) fn column_in(schema: &DFSchema, name: &str) -> Result<Column> {
    match schema.iter().find(|(_, field)| field.name() == name) {
        Some((relation, _)) => Ok(Column::new(relation.cloned(), name)),
        None => internal_err!("the column {name} of the row outside was lost"),
    }
}
