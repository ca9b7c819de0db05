//! The name of a relation where a row is wanted: `to_jsonb(t)`.
//!
//! A row is understood as an argument of functions that make documents of it, and of `count`; a query whose relations are not all known from the
//! tree stays as it is.

use std::collections::HashMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr, TableAlias,
    TableFactor, VisitMut, VisitorMut,
};

use super::super::resolve::folded;
use super::using::Shapes;
use super::{call, last_name, text};

/// Functions that take a row.
const OF_ROWS: &[&str] = &["to_json", "to_jsonb", "row_to_json", "json_agg", "jsonb_agg", "json_build_array", "jsonb_build_array", "count"];

/// Puts values in the place of such names, in a query and its sub-queries.
pub(in crate::engine) fn valued(query: &mut Query, shapes: &Shapes) {
    let _ = query.visit(&mut Rows { shapes });
}

struct Rows<'a> {
    shapes: &'a Shapes,
}

impl VisitorMut for Rows<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let meanings = match query.body.as_mut() {
            SetExpr::Select(select) => self.meanings(select),
            _ => HashMap::new(),
        };
        if meanings.is_empty() {
            return ControlFlow::Continue(());
        }
        let mut names = Names { meanings: &meanings, depth: 0 };
        if let SetExpr::Select(select) = query.body.as_mut() {
            let _ = select.projection.visit(&mut names);
            let _ = select.selection.visit(&mut names);
            if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
                let _ = exprs.visit(&mut names);
            }
            let _ = select.having.visit(&mut names);
        }
        if let Some(OrderByKind::Expressions(exprs)) = query.order_by.as_mut().map(|order_by| &mut order_by.kind) {
            for by in exprs {
                if !matches!(by.expr, Expr::Identifier(_)) {
                    let _ = by.expr.visit(&mut names);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

impl Rows<'_> {
    /// By the names of relations that are no columns.
    fn meanings(&self, select: &Select) -> HashMap<String, Expr> {
        let mut relations = Vec::new();
        for from in &select.from {
            for factor in std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)) {
                match self.relation(factor) {
                    Some(relation) => relations.push(relation),
                    None => return HashMap::new(),
                }
            }
        }
        let is_column = |name: &String| relations.iter().any(|(_, columns)| columns.contains(name));
        let row = |name: &String, columns: &[String]| {
            let column = |column: &String| Expr::CompoundIdentifier(vec![quoted(name), quoted(column)]);
            call("named_struct", columns.iter().flat_map(|name| [text(name), column(name)]).collect())
        };
        let named = relations.iter().filter(|(name, _)| !is_column(name));
        named.map(|(name, columns)| (name.clone(), row(name, columns))).collect()
    }

    /// Its name and its columns.
    fn relation(&self, factor: &TableFactor) -> Option<(String, Vec<String>)> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let parts = name.0.iter().map(|part| part.as_ident().map(folded)).collect::<Option<Vec<_>>>()?;
                let shape = match parts.as_slice() {
                    [.., schema, table] => self.shapes.get(&(schema.clone(), table.clone()))?,
                    _ => return None,
                };
                let columns = shape.fields().iter().map(|field| field.name().clone()).collect();
                let own = alias.as_ref().map_or_else(|| parts.last().cloned(), |alias| Some(folded(&alias.name)))?;
                Some((own, renamed(columns, alias.as_ref())))
            }
            TableFactor::Derived { subquery, alias: Some(alias), .. } => {
                let SetExpr::Select(select) = subquery.body.as_ref() else { return None };
                let columns = select.projection.iter().map(named).collect::<Option<Vec<_>>>()?;
                Some((folded(&alias.name), renamed(columns, Some(alias))))
            }
            _ => None,
        }
    }
}

fn renamed(mut columns: Vec<String>, alias: Option<&TableAlias>) -> Vec<String> {
    for (column, given) in columns.iter_mut().zip(alias.iter().flat_map(|alias| &alias.columns)) {
        *column = folded(&given.name);
    }
    columns
}

fn named(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(folded(name)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(folded),
        _ => None,
    }
}

/// Puts the values in; a sub-query has names of its own.
struct Names<'a> {
    meanings: &'a HashMap<String, Expr>,
    depth: usize,
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        if let Expr::Function(function) = expr
            && last_name(&function.name).is_some_and(|name| OF_ROWS.contains(&name.as_str()))
            && let FunctionArguments::List(list) = &mut function.args
        {
            for arg in &mut list.args {
                if let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = arg
                    && let Expr::Identifier(name) = value
                    && let Some(row) = self.meanings.get(&folded(name))
                {
                    *value = row.clone();
                }
            }
        }
        ControlFlow::Continue(())
    }
}

fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}
