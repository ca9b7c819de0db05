//! What only queries about the catalog need: `x.tableoid`, a column beside a wildcard that brings it again, asyncpg's look at types.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion_pg_catalog::sql::rules::{AliasDuplicatedProjectionRewrite, ResolveUnqualifiedIdentifier, SqlStatementRewriteRule};
use sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, Query, Select, SetExpr,
    Statement, Subscript, TableFactor, Value, VisitMut, VisitorMut,
};

use super::super::system::catalog_oid;
use super::{call, last_name};

/// A query over pg_catalog or information_schema, whose relations have been found already.
pub(in crate::engine) fn catalog_query(query: Query) -> Query {
    let mut statement = Statement::Query(Box::new(query));
    let _ = statement.visit(&mut TableOids { frames: Vec::new() });
    let _ = statement.visit(&mut TypeBases);
    let _ = statement.visit(&mut Vectors);
    statement = AliasDuplicatedProjectionRewrite.rewrite(statement);
    statement = ResolveUnqualifiedIdentifier.rewrite(statement);
    match statement {
        Statement::Query(query) => *query,
        // The rules change expressions and names, never the kind of statement.
        _ => super::empty_query(),
    }
}

/// `c.tableoid` is the oid of the catalog relation that `c` stands for.
struct TableOids {
    /// Relations by their names in the select, outermost first.
    frames: Vec<HashMap<String, String>>,
}

impl VisitorMut for TableOids {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut names = HashMap::new();
        for from in &select.from {
            for factor in std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)) {
                if let TableFactor::Table { name, alias, .. } = factor
                    && let Some(table) = name.0.last().and_then(ObjectNamePart::as_ident)
                {
                    let known = alias.as_ref().map_or_else(|| table.value.clone(), |alias| super::super::resolve::folded(&alias.name));
                    names.insert(known, table.value.clone());
                }
            }
        }
        self.frames.push(names);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<()> {
        self.frames.pop();
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let relation = match expr {
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [.., relation, column] if column.value == "tableoid" => Some(super::super::resolve::folded(relation)),
                _ => None,
            },
            Expr::Identifier(column) if column.value == "tableoid" => {
                self.frames.last().filter(|names| names.len() == 1).and_then(|names| names.keys().next().cloned())
            }
            _ => None,
        };
        let table = relation.and_then(|relation| self.frames.iter().rev().find_map(|names| names.get(&relation)));
        if let Some(oid) = table.and_then(|table| catalog_oid(table)) {
            *expr = Expr::Value(Value::Number(oid.to_string(), false).with_empty_span());
        }
        ControlFlow::Continue(())
    }
}

/// Columns that are `int2vector` or `oidvector`, and those that are `regproc`.
const VECTORS: &[&str] = &["indkey", "indclass", "indcollation", "indoption", "tgattr", "proargtypes", "partattrs"];
const FUNCTIONS: &[&str] = &["typinput", "typoutput", "typreceive", "typsend", "typmodin", "typmodout", "typanalyze", "typsubscript"];

/// Vectors count their items from 0, other arrays from 1. A function is kept by its name: none is `-`, not 0.
struct Vectors;

impl VisitorMut for Vectors {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::CompoundFieldAccess { root, access_chain } => match access_chain.as_mut_slice() {
                [AccessExpr::Subscript(Subscript::Index { index })] if is_column(root, VECTORS) => from_one(index),
                [.., AccessExpr::Dot(column), AccessExpr::Subscript(Subscript::Index { index })] if is_column(column, VECTORS) => {
                    from_one(index);
                }
                _ => {}
            },
            Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::NotEq, right } if is_column(left, FUNCTIONS) => {
                by_name(right);
                if matches!(right.as_ref(), Expr::Value(value) if matches!(&value.value, Value::Number(number, _) if number == "0")) {
                    **right = super::text("-");
                }
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::NotEq, right } if is_column(right, FUNCTIONS) => by_name(left),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// `p.oid`, compared with a function, is `p.proname`.
fn by_name(expr: &mut Expr) {
    if let Expr::CompoundIdentifier(parts) = expr
        && let Some(column) = parts.last_mut()
        && column.value == "oid"
    {
        column.value = "proname".to_owned();
    }
}

fn from_one(index: &mut Expr) {
    let one = Expr::Value(Value::Number("1".to_owned(), false).with_empty_span());
    let place = Expr::Nested(Box::new(index.clone()));
    *index = Expr::BinaryOp { left: Box::new(place), op: BinaryOperator::Plus, right: Box::new(one) };
}

fn is_column(expr: &Expr, names: &[&str]) -> bool {
    let name = match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    name.is_some_and(|name| names.contains(&name.value.as_str()))
}

/// What asyncpg asks of types that it does not know: the base of a domain by a query that calls itself for each row, and arrays of type numbers.
struct TypeBases;

impl VisitorMut for TypeBases {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let replacement = match expr {
            // No publication lists columns: pg_publication_rel has no row.
            Expr::Subquery(query) if query.to_string().contains("prattrs") => Some(Expr::Value(Value::Null.with_empty_span())),
            Expr::Subquery(query) => start_of_bases(query).map(|start| call("pg_basetype", vec![start])),
            Expr::Function(function) if last_name(&function.name).as_deref() == Some("array_agg") && collects_types(function) => {
                Some(call("oid_array", vec![expr.clone()]))
            }
            _ => None,
        };
        if let Some(replacement) = replacement {
            *expr = replacement;
        }
        ControlFlow::Continue(())
    }
}

/// The type that `WITH RECURSIVE typebases ..` starts from.
fn start_of_bases(query: &Query) -> Option<Expr> {
    let with = query.with.as_ref().filter(|with| with.recursive)?;
    let [cte] = with.cte_tables.as_slice() else { return None };
    let SetExpr::SetOperation { left, .. } = cte.query.body.as_ref() else { return None };
    let SetExpr::Select(first) = left.as_ref() else { return None };
    match (cte.alias.name.value.as_str(), first.selection.as_ref()?) {
        ("typebases", Expr::BinaryOp { op: BinaryOperator::Eq, right, .. }) => Some((**right).clone()),
        _ => None,
    }
}

fn collects_types(function: &Function) -> bool {
    let FunctionArguments::List(list) = &function.args else { return false };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::CompoundIdentifier(parts)))] => {
            parts.last().is_some_and(|column| column.value == "atttypid")
        }
        _ => false,
    }
}
