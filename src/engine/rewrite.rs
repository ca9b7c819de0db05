//! PostgreSQL's spellings that the planner does not know, put in its own words before planning.
//!
//! Casts to `json`, `jsonb` and `uuid` become functions that check the text and mark the column, since a cast cannot carry the mark.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_pg_catalog::sql::rules::{
    CurrentUserVariableToSessionUserFunctionCall, FixArrayLiteral, FixVersionColumnName, RewriteArrayAnyAllOperation,
    RewritePgCatalogOperator, RewriteRegCastToSubquery, SqlStatementRewriteRule, StripCallableQualifier,
};
use sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, Query, Statement, TimezoneInfo, VisitMut, VisitorMut,
};

/// Rules that keep the meaning of any statement.
static ALWAYS: LazyLock<Vec<Box<dyn SqlStatementRewriteRule>>> = LazyLock::new(|| {
    vec![
        Box::new(RewriteArrayAnyAllOperation),
        Box::new(StripCallableQualifier),
        Box::new(FixArrayLiteral),
        Box::new(CurrentUserVariableToSessionUserFunctionCall),
        Box::new(RewritePgCatalogOperator),
        Box::new(RewriteRegCastToSubquery::new()),
        Box::new(FixVersionColumnName),
    ]
});

/// What tools send about the catalog, with stand-ins for the few queries that cannot be planned.
static CATALOG: LazyLock<PostgresCompatibilityParser> = LazyLock::new(PostgresCompatibilityParser::new);

/// A query of a user.
pub(super) fn query(query: Query) -> Query {
    let mut statement = Statement::Query(Box::new(query));
    for rule in ALWAYS.iter() {
        statement = rule.rewrite(statement);
    }
    let _ = statement.visit(&mut Casts);
    match statement {
        Statement::Query(query) => *query,
        // The rules change expressions and names, never the kind of statement.
        _ => Query::default_empty(),
    }
}

/// A query over pg_catalog or information_schema, taken from its text again; None when it does not parse that way.
pub(super) fn catalog_query(text: &str) -> Option<Query> {
    let mut statements = CATALOG.parse(text).ok()?;
    let mut statement = statements.pop().filter(|_| statements.is_empty())?;
    let _ = statement.visit(&mut Arrays);
    let _ = statement.visit(&mut Casts);
    match statement {
        Statement::Query(query) => Some(*query),
        _ => None,
    }
}

/// A bare expression: rules, conditions, defaults.
pub(super) fn expr(mut expr: Expr) -> Expr {
    let _ = expr.visit(&mut Names);
    let _ = expr.visit(&mut Casts);
    expr
}

trait EmptyQuery {
    fn default_empty() -> Self;
}

impl EmptyQuery for Query {
    fn default_empty() -> Self {
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
}

struct Casts;

impl VisitorMut for Casts {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::TypedString(typed) = expr
            && let Some(function) = checked_by(&typed.data_type)
        {
            *expr = call(function, Expr::Value(typed.value.clone()));
        } else if let Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr: inner, data_type, .. } = expr
            && let Some(function) = checked_by(data_type)
        {
            *expr = call(function, (**inner).clone());
        }
        ControlFlow::Continue(())
    }
}

fn checked_by(data_type: &DataType) -> Option<&'static str> {
    match data_type {
        DataType::JSON => Some("json"),
        DataType::JSONB => Some("jsonb"),
        DataType::Uuid => Some("to_uuid"),
        DataType::Bytea => Some("to_bytea"),
        DataType::Timestamp(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => Some("timestamptz"),
        DataType::Timestamp(_, _) => Some("timestamp"),
        _ => None,
    }
}

fn call(name: &str, argument: Expr) -> Expr {
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))],
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// `pg_catalog.f(x)` is `f(x)`.
struct Names;

impl VisitorMut for Names {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && let [ObjectNamePart::Identifier(schema), ObjectNamePart::Identifier(name)] = function.name.0.as_slice()
            && schema.value.eq_ignore_ascii_case("pg_catalog")
        {
            function.name = ObjectName(vec![ObjectNamePart::Identifier(name.clone())]);
        }
        ControlFlow::Continue(())
    }
}

/// Whether a sub-query is in the expression.
pub(super) fn has_query(expr: &Expr) -> bool {
    struct Any;
    impl sqlparser::ast::Visitor for Any {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    sqlparser::ast::Visit::visit(expr, &mut Any).is_break()
}

/// Arrays that the planner cannot make: `ARRAY(SELECT ..)` is empty, and an array in its text form is that text.
///
/// Only for queries about the catalog, where such arrays hold options and grants, which nothing here has.
struct Arrays;

impl VisitorMut for Arrays {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = function.name.0.last().and_then(ObjectNamePart::as_ident).map(|ident| ident.value.to_lowercase());
        match (name.as_deref(), &mut function.args) {
            (Some("array"), FunctionArguments::Subquery(_)) => *expr = null(),
            (Some("array_to_string"), FunctionArguments::List(list)) => {
                if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(inner))) = list.args.first() {
                    *expr = inner.clone();
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn null() -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(sqlparser::ast::Value::Null.with_empty_span())),
        data_type: DataType::Text,
        array: false,
        format: None,
    }
}
