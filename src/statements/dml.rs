//! `INSERT`, `UPDATE`, `DELETE` on lake tables
//!
//! Each commits its own table version, or waits for the COMMIT of its transaction. A parameter has the type of the column it is compared with or goes into; nothing is planned to know that.

use std::ops::ControlFlow;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use sqlparser::ast::{self, AssignmentTarget, Expr, FromTable, SelectItem, SetExpr, TableFactor, TableObject, Value, visit_expressions};
use weir_catalog::{Kind, TableBody};
use weir_sql::{Dml, Ident, Name, Privilege};

use super::{columns, marks, names, query};
use crate::engine::{DmlKind, is_dead_letters, privileges};
use crate::error::Result;
use crate::session::{Description, Notice, Outcome, Session};

pub(super) async fn describe(session: &Session, dml: &Dml, hints: &[Option<DataType>]) -> Result<Description> {
    let columns = target(&dml.ast).map(|target| target_columns(session, dml, target)).transpose()?.flatten();
    let found = parameters(&dml.ast, columns.as_ref());
    let mut marks = marks::of_casts(dml.ast.as_ref());
    marks.extend(marks::of_columns(columns.as_ref(), |schema| parameters(&dml.ast, Some(schema))));
    Ok(Description { parameters: query::parameters(&found, hints), marks, columns: None })
}

pub(super) async fn execute(session: &Session, dml: &Dml, parameters: Vec<ScalarValue>) -> Result<Outcome> {
    let done = session.hub().engine().dml(dml, &session.scope(parameters), &*session.definitions()).await?;
    if done.rows > 0 && target(&dml.ast).and_then(last_part).as_deref() == Some("dead_letters") {
        session.hub().store().audit(&[session.audit_entry(Some("hub.dead_letters".to_owned()), None)])?;
    }
    session.check_rows_changed().map_err(|error| error.at(dml.position))?;
    for notice in done.notices {
        session.notice(Notice::new("00000", notice));
    }
    Ok(Outcome::done(match done.kind {
        DmlKind::Insert => format!("INSERT 0 {}", done.rows),
        DmlKind::Update => format!("UPDATE {}", done.rows),
        DmlKind::Delete => format!("DELETE {}", done.rows),
    }))
}

/// The table as written.
fn target(ast: &ast::Statement) -> Option<&ast::ObjectName> {
    match ast {
        ast::Statement::Insert(insert) => match &insert.table {
            TableObject::TableName(name) => Some(name),
            _ => None,
        },
        ast::Statement::Update(update) => match &update.table.relation {
            TableFactor::Table { name, .. } => Some(name),
            _ => None,
        },
        ast::Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
            match tables.first().map(|table| &table.relation) {
                Some(TableFactor::Table { name, .. }) => Some(name),
                _ => None,
            }
        }
        _ => None,
    }
}

/// None when the table's columns are not known here: the parameters are text then, and execution says what is wrong.
fn target_columns(session: &Session, dml: &Dml, target: &ast::ObjectName) -> Result<Option<Schema>> {
    let fold = |ident: &ast::Ident| match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    };
    let mut parts: Vec<Ident> =
        target.0.iter().filter_map(|part| part.as_ident()).map(|ident| Ident { value: fold(ident), position: dml.position }).collect();
    let Some(name) = parts.pop() else { return Ok(None) };
    let name = Name { schema: parts.pop(), name };
    let definitions = session.definitions();
    match names::find(session, &*definitions, Kind::Table, &name)? {
        Some(table) => {
            let privilege = match dml.ast.as_ref() {
                ast::Statement::Update(_) => Privilege::Update,
                ast::Statement::Delete(_) => Privilege::Delete,
                _ => Privilege::Insert,
            };
            if !is_dead_letters(&table) {
                privileges::require(&*definitions, &session.role(), &table, privilege)?;
            }
            let body: TableBody = columns::read_body(&table)?;
            Ok(Some(body.columns.as_ref().clone()))
        }
        None => Ok(None),
    }
}

type Found = Vec<(usize, Option<DataType>)>;

/// Every parameter with the type that its place gives it.
fn parameters(ast: &ast::Statement, columns: Option<&Schema>) -> Found {
    let mut found: Found = Vec::new();
    let type_of = |column: &str| columns.and_then(|schema| schema.field_with_name(column).ok()).map(|field| field.data_type().clone());
    match ast {
        ast::Statement::Insert(insert) => {
            let listed: Vec<String> = match insert.columns.is_empty() {
                false => insert.columns.iter().filter_map(last_part).collect(),
                true => columns.map(|schema| schema.fields().iter().map(|field| field.name().clone()).collect()).unwrap_or_default(),
            };
            if let Some(source) = &insert.source {
                for (index, expr) in outputs(&source.body) {
                    note(&mut found, expr, listed.get(index).and_then(|column| type_of(column)));
                }
            }
        }
        ast::Statement::Update(update) => {
            for assignment in &update.assignments {
                if let AssignmentTarget::ColumnName(column) = &assignment.target
                    && let Some(column) = last_part(column)
                {
                    note(&mut found, &assignment.value, type_of(&column));
                }
            }
        }
        _ => {}
    }
    let _: ControlFlow<()> = visit_expressions(ast, |expr| {
        if let Expr::BinaryOp { left, right, .. } = expr {
            compare(&mut found, left, right, &type_of);
            compare(&mut found, right, left, &type_of);
        }
        // Last, so that a place that gives a type comes first.
        note(&mut found, expr, None);
        ControlFlow::Continue(())
    });
    found.sort_by_key(|(number, data_type)| (*number, data_type.is_none()));
    found.dedup_by_key(|(number, _)| *number);
    found
}

fn compare(found: &mut Found, column: &Expr, value: &Expr, type_of: &dyn Fn(&str) -> Option<DataType>) {
    let name = match column {
        Expr::Identifier(ident) => ident,
        Expr::CompoundIdentifier(parts) => match parts.last() {
            Some(ident) => ident,
            None => return,
        },
        _ => return,
    };
    note(found, value, type_of(&name.value));
}

/// Enters a bare `$n`.
fn note(found: &mut Found, expr: &Expr, data_type: Option<DataType>) {
    if let Expr::Value(value) = expr
        && let Value::Placeholder(text) = &value.value
        && let Some(number) = text.strip_prefix('$').and_then(|number| number.parse().ok())
        && number > 0
    {
        found.push((number, data_type));
    }
}

/// The expressions that fill the columns, each with the column's index.
fn outputs(body: &SetExpr) -> Vec<(usize, &Expr)> {
    match body {
        SetExpr::Values(values) => values.rows.iter().flat_map(|row| row.iter().enumerate()).collect(),
        SetExpr::Select(select) => {
            let items = select.projection.iter().enumerate().filter_map(|(index, item)| match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some((index, expr)),
                _ => None,
            });
            items.collect()
        }
        _ => Vec::new(),
    }
}

fn last_part(name: &ast::ObjectName) -> Option<String> {
    name.0.last().and_then(|part| part.as_ident()).map(|ident| match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    })
}
