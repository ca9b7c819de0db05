//! PostgreSQL's spellings that the planner does not know, put in its own words before planning.
//!
//! Everything here works on the tree and keeps its places, so an error still points into the user's text.

mod casts;
mod catalog;
mod chains;
mod hidden;
mod lists;
mod rows;
pub(super) mod sets;
mod spellings;
mod totals;
mod using;
mod whole_rows;
mod wildcards;

use std::sync::LazyLock;

use datafusion_pg_catalog::sql::rules::{
    CurrentUserVariableToSessionUserFunctionCall, FixVersionColumnName, RewriteArrayAnyAllOperation, RewritePgCatalogOperator,
    SqlStatementRewriteRule, StripCallableQualifier,
};
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query,
    Statement, Value, VisitMut,
};

pub(super) use catalog::catalog_query;
pub(super) use hidden::{Hidden, left_out};
pub(super) use lists::as_columns;
pub(super) use using::{Shapes, joined, loses_keys};
pub(super) use whole_rows::valued;
pub(super) use wildcards::qualified;

/// What `hub.trace` is called while a statement is planned.
pub(super) const TRACE: &str = "hub.trace";

/// Rules that keep the meaning of any statement.
static ALWAYS: LazyLock<Vec<Box<dyn SqlStatementRewriteRule>>> = LazyLock::new(|| {
    vec![
        Box::new(RewriteArrayAnyAllOperation),
        Box::new(StripCallableQualifier),
        Box::new(CurrentUserVariableToSessionUserFunctionCall),
        Box::new(RewritePgCatalogOperator),
        Box::new(FixVersionColumnName),
    ]
});

/// A query of a user.
pub(super) fn query(query: Query) -> Query {
    let mut statement = Statement::Query(Box::new(query));
    // Before the rules: they rewrite `x = ANY (..)` and would not see through these.
    let _ = statement.visit(&mut spellings::Spellings);
    for rule in ALWAYS.iter() {
        statement = rule.rewrite(statement);
    }
    let _ = statement.visit(&mut casts::Casts);
    match statement {
        Statement::Query(query) => *query,
        // The rules change expressions and names, never the kind of statement.
        _ => empty_query(),
    }
}

/// A bare expression: rules, conditions, defaults.
pub(super) fn expr(mut expr: Expr) -> Expr {
    let _ = expr.visit(&mut spellings::Spellings);
    let _ = expr.visit(&mut casts::Casts);
    expr
}

fn empty_query() -> Query {
    let values = sqlparser::ast::Values { explicit_row: false, value_keyword: false, rows: Vec::new() };
    Query {
        with: None,
        body: Box::new(sqlparser::ast::SetExpr::Values(values)),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: named(name),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.into_iter().map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn named(name: &str) -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))])
}

/// The last part of a name, in lower case unless it was quoted.
fn last_name(name: &ObjectName) -> Option<String> {
    let ident = name.0.last().and_then(ObjectNamePart::as_ident)?;
    Some(super::resolve::folded(ident))
}

fn text(value: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.to_owned()).with_empty_span())
}

/// Whether a sub-query is in the expression.
pub(super) fn has_query(expr: &Expr) -> bool {
    struct Any;
    impl sqlparser::ast::Visitor for Any {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> std::ops::ControlFlow<()> {
            std::ops::ControlFlow::Break(())
        }
    }
    sqlparser::ast::Visit::visit(expr, &mut Any).is_break()
}
