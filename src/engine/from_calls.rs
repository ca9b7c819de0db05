//! Calls in FROM that the planner does not have: of a function that gives one value, and of `generate_series` with parameters.
//!
//! `SELECT * FROM upper('x') AS result` is a row of one column; JDBC asks every function so. The planner wants the bounds of a series to be
//! constants: the values of parameters are put in, and where there are none yet the series is described as the rows of an array.

use std::ops::ControlFlow;

use datafusion::common::ScalarValue;
use datafusion::execution::session_state::SessionState;
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query,
    SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::{Scope, parameters, resolve};

const SERIES: &str = "generate_series";

/// Puts the values of parameters into the bounds of series.
pub(super) fn give_values(tree: &mut Query, scope: &Scope) {
    let _ = tree.visit(&mut Series { scope });
}

struct Series<'a> {
    scope: &'a Scope,
}

impl VisitorMut for Series<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let Some((name, args, _)) = call_of(factor) else { return ControlFlow::Continue(()) };
        if name != SERIES || !args.iter().any(has_parameter) {
            return ControlFlow::Continue(());
        }
        if !parameters::are_unknown(self.scope) {
            let _ = args.visit(&mut Values { scope: self.scope });
        } else if let Some(derived) = one_column(factor, "series_array", true) {
            *factor = derived;
        }
        ControlFlow::Continue(())
    }
}

fn has_parameter(argument: &FunctionArg) -> bool {
    struct Any;
    impl Visitor for Any {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    argument.visit(&mut Any).is_break()
}

/// Writes values where parameters stand.
struct Values<'a> {
    scope: &'a Scope,
}

impl VisitorMut for Values<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expr
            && let Value::Placeholder(name) = &value.value
            && let Some(given) = parameters::value(name, self.scope)
        {
            value.value = literal(&given);
        }
        ControlFlow::Continue(())
    }
}

fn literal(value: &ScalarValue) -> Value {
    let text = value.to_string();
    match value {
        _ if value.is_null() => Value::Null,
        _ if value.data_type().is_numeric() => Value::Number(text, false),
        // A number that nobody gave a type.
        ScalarValue::Utf8(Some(text)) if text.trim().parse::<i64>().is_ok() => Value::Number(text.trim().to_owned(), false),
        _ => Value::SingleQuotedString(text),
    }
}

/// Makes calls of functions that give one value queries of one row.
pub(super) fn as_rows(tree: &mut Query, state: &SessionState) {
    let _ = tree.visit(&mut Scalars { state });
}

struct Scalars<'a> {
    state: &'a SessionState,
}

impl VisitorMut for Scalars<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        // The one column of `UNNEST(x) AS name` has that name as well.
        if let TableFactor::UNNEST { alias: Some(alias), array_exprs, .. } = factor
            && alias.columns.is_empty()
            && array_exprs.len() == 1
        {
            alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
        }
        let Some((name, _, _)) = call_of(factor) else { return ControlFlow::Continue(()) };
        let is_scalar = self.state.scalar_functions().contains_key(&name) && !self.state.table_functions().contains_key(&name);
        if is_scalar && let Some(derived) = one_column(factor, &name, false) {
            *factor = derived;
        }
        ControlFlow::Continue(())
    }
}

/// Name, arguments and alias of a call without a schema, or with PostgreSQL's own.
fn call_of(factor: &mut TableFactor) -> Option<(String, &mut Vec<FunctionArg>, &Option<TableAlias>)> {
    let (name, args, alias) = match factor {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality: false, .. } => (name, &mut args.args, alias),
        TableFactor::Function { name, args, alias, .. } => (name, args, alias),
        _ => return None,
    };
    let parts: Vec<String> = name.0.iter().filter_map(ObjectNamePart::as_ident).map(resolve::folded).collect();
    match parts.as_slice() {
        [own] => Some((own.clone(), args, alias)),
        [schema, own] if schema == "pg_catalog" => Some((own.clone(), args, alias)),
        _ => None,
    }
}

/// `(SELECT function(..) AS name) AS name`.
fn one_column(factor: &mut TableFactor, function: &str, unnested: bool) -> Option<TableFactor> {
    let (own, args, alias) = call_of(factor)?;
    let args = std::mem::take(args);
    let alias = alias.clone();
    let name = alias.as_ref().map_or(own, |alias| resolve::folded(&alias.name));
    let lateral = args.iter().any(names_columns);
    let dialect = sqlparser::dialect::PostgreSqlDialect {};
    let mut subquery = sqlparser::parser::Parser::new(&dialect).try_with_sql("SELECT NULL").ok()?.parse_query().ok()?;
    let SetExpr::Select(select) = subquery.body.as_mut() else { return None };
    let mut expr = call(function, args);
    if unnested {
        expr = call("unnest", vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))]);
    }
    select.projection = vec![SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', &name) }];
    let alias = alias.or_else(|| Some(TableAlias { explicit: true, name: Ident::with_quote('"', &name), columns: Vec::new(), at: None }));
    Some(TableFactor::Derived { lateral, subquery, alias, sample: None })
}

fn call(name: &str, args: Vec<FunctionArg>) -> Expr {
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn names_columns(argument: &FunctionArg) -> bool {
    struct Names;
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    argument.visit(&mut Names).is_break()
}
