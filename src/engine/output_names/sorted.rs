//! `SELECT id::text FROM t ORDER BY t.id`: sorted by the column, not by the text that has taken its name.
//!
//! As in PostgreSQL a bare name behind ORDER BY means a column of the result, and a name inside an expression one of the relations. The
//! planner has one name space for both. Where they clash the rows are made in a query inside, with what they are sorted by beside them.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    ExceptSelectItem, Expr, Ident, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TableFactor, Value, Visit,
    Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::{column, folded, given, is_wildcard};

const SORT: &str = "__weir_sort_";

/// Puts the select of such a query into one inside.
pub(super) fn apart(query: &mut Query) {
    let Some(OrderByKind::Expressions(sorts)) = query.order_by.as_mut().map(|order| &mut order.kind) else { return };
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    if select.distinct.is_some() || !clash(select, sorts) {
        return;
    }
    let Some((mut outer, mut rows)) = around() else { return };
    let outputs: HashSet<String> = select.projection.iter().filter_map(given).collect();
    let brings_all = select.projection.iter().any(is_wildcard);
    let mut hidden = Vec::new();
    for (at, sort) in sorts.iter_mut().enumerate() {
        let is_output = match &sort.expr {
            Expr::Identifier(name) => brings_all || outputs.contains(&folded(name)),
            Expr::Value(value) => matches!(value.value, Value::Number(..)),
            _ => false,
        };
        if is_output {
            continue;
        }
        let name = Ident::with_quote('"', format!("{SORT}{at}"));
        let expr = std::mem::replace(&mut sort.expr, Expr::Identifier(name.clone()));
        select.projection.push(SelectItem::ExprWithAlias { expr, alias: name.clone() });
        hidden.push(name);
    }
    let mut hidden = hidden.into_iter();
    let Some(first) = hidden.next() else { return };
    if let Some(SelectItem::Wildcard(options)) = outer.projection.first_mut() {
        options.opt_except = Some(ExceptSelectItem { first_element: first, additional_elements: hidden.collect() });
    }
    std::mem::swap(&mut rows.body, &mut query.body);
    if let Some(TableFactor::Derived { subquery, .. }) = outer.from.first_mut().map(|from| &mut from.relation) {
        *subquery = rows;
    }
    *query.body = SetExpr::Select(outer);
}

/// Whether an expression behind ORDER BY names a column whose name something else in the list has.
fn clash(select: &Select, sorts: &[OrderByExpr]) -> bool {
    let hiding: HashSet<String> = select
        .projection
        .iter()
        .filter_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } => {
                let name = folded(alias);
                (column(expr).as_ref() != Some(&name)).then_some(name)
            }
            _ => None,
        })
        .collect();
    !hiding.is_empty()
        && sorts.iter().any(|sort| !matches!(sort.expr, Expr::Identifier(_)) && sort.expr.visit(&mut Names { wanted: &hiding }).is_break())
}

struct Names<'a> {
    wanted: &'a HashSet<String>,
}

impl Visitor for Names<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match column(expr) {
            Some(name) if self.wanted.contains(&name) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// A select of everything from a query, and that query, which is to be filled.
fn around() -> Option<(Box<Select>, Box<Query>)> {
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, "SELECT * FROM (SELECT 1) AS __weir_rows").ok()?;
    let Some(Statement::Query(outer)) = parsed.into_iter().next() else { return None };
    let SetExpr::Select(outer) = *outer.body else { return None };
    let Some(TableFactor::Derived { subquery, .. }) = outer.from.first().map(|from| &from.relation) else { return None };
    let rows = subquery.clone();
    Some((outer, rows))
}
