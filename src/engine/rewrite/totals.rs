//! Totals of the query outside that stand in a sub-query: `SELECT (SELECT max(r.a)) FROM r`.
//!
//! In PostgreSQL an aggregate belongs to the query whose columns it reads. A sub-query without FROM has none, so it is its own item. The planner
//! takes every other one for its own; such a plan is refused in `subqueries`.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Function, FunctionArguments, GroupByExpr, Query, Select, SelectItem, SetExpr, Visit, Visitor};

use super::spellings::is_aggregate;

/// The item of a sub-query that reads no relation and totals rows of the query outside.
pub(super) fn of_outside(query: &Query) -> Option<Expr> {
    let is_bare = query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none() && query.fetch.is_none();
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] = select.projection.as_slice() else { return None };
    (is_bare && has_one_row(select) && totals_columns(item)).then(|| Expr::Nested(Box::new(item.clone())))
}

fn has_one_row(select: &Select) -> bool {
    let is_whole = matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    is_whole && select.from.is_empty() && select.selection.is_none() && select.having.is_none() && select.distinct.is_none()
}

/// Whether there are aggregates, all of them over columns.
fn totals_columns(item: &Expr) -> bool {
    let mut totals = Totals { found: false, queries: 0 };
    item.visit(&mut totals).is_continue() && totals.found
}

struct Totals {
    found: bool,
    queries: usize,
}

impl Visitor for Totals {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let Expr::Function(Function { name, args, over, .. }) = expr else { return ControlFlow::Continue(()) };
        if self.queries > 0 || !is_aggregate(name) {
            return ControlFlow::Continue(());
        }
        if over.is_some() || !reads_column(args) {
            return ControlFlow::Break(());
        }
        self.found = true;
        ControlFlow::Continue(())
    }
}

fn reads_column(args: &FunctionArguments) -> bool {
    struct Columns;
    impl Visitor for Columns {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    args.visit(&mut Columns).is_break()
}
