//! Values on their way into columns: assignment casts, defaults, marks of jsonb and uuid.

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ExprSchemable};
use weir_catalog::Object;
use weir_sql::Element;

use super::super::functions::{limited, text};
use super::super::types::shown_type;
use super::super::{Engine, Scope, definition, errors, typing};
use crate::error::{Code, Error, Result};

/// The value as the column stores it.
pub(super) fn assigned(value: Expr, schema: &DFSchema, column: &Field, state: &SessionState) -> Result<Expr> {
    let from = value.get_type(schema).unwrap_or(DataType::Null);
    let is_text = matches!(from, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let function = match (column.metadata().get("weir.type").map(String::as_str), column.data_type()) {
        (Some("jsonb" | "json"), _) if is_text => Some("jsonb"),
        (Some("uuid"), _) if is_text => Some("to_uuid"),
        (_, DataType::Binary) if is_text => Some("to_bytea"),
        (_, DataType::List(_)) if is_text => Some("array_in"),
        (_, DataType::Timestamp(_, Some(_))) => Some("timestamptz"),
        (_, DataType::Timestamp(_, None)) => Some("timestamp"),
        _ => None,
    };
    let value = match function {
        Some(name) if from != DataType::Null => {
            let func = state.udf(name).map_err(errors::error)?;
            Expr::ScalarFunction(ScalarFunction { func, args: vec![value] })
        }
        _ => value,
    };
    if let Some(length) = crate::formats::length_of(column) {
        return Ok(limited(length).call(vec![text().call(vec![value])]));
    }
    typing::assigned(value, schema, column.data_type()).map_err(|e| {
        if let Some(own) = errors::innermost(&e) {
            return own;
        }
        Error::new(Code::WrongType, format!("column \"{}\" takes another type than the expression has", column.name())).caused_by(e)
    })
}

impl Engine {
    /// What a column holds when no value is given.
    pub(super) fn default_of(&self, object: &Object, column: &Field, state: &SessionState, scope: &Scope) -> Result<Expr> {
        let declared = definition::table(object)?.elements.into_iter().find_map(|element| match element {
            Element::Column(declared) if declared.name.value == *column.name() => declared.default,
            _ => None,
        });
        let schema = DFSchema::empty();
        match declared {
            Some(default) => assigned(self.bind_expr(&default, &schema, scope)?, &schema, column, state),
            None => {
                let null = ScalarValue::try_new_null(column.data_type()).map_err(errors::error)?;
                Ok(Expr::Literal(null, None))
            }
        }
    }
}

/// The type of a column as a cast names it; none of text, which a cast would cut to its length.
pub(super) fn sql_type(column: &Field) -> Option<sqlparser::ast::DataType> {
    if *column.data_type() == DataType::Utf8 && !column.metadata().contains_key("weir.type") {
        return None;
    }
    let dialect = sqlparser::dialect::PostgreSqlDialect {};
    sqlparser::parser::Parser::new(&dialect).try_with_sql(&shown_type(column)).ok()?.parse_data_type().ok()
}

/// The column of that name.
pub(super) fn column<'a>(schema: &'a Schema, name: &str, table: &Object) -> Result<&'a Field> {
    match schema.column_with_name(name) {
        Some((_, field)) => Ok(field),
        None => {
            let near = weir_sql::nearest(name, schema.fields().iter().map(|field| field.name().as_str()));
            Err(Error::new(Code::UndefinedColumn, format!("column \"{name}\" of relation \"{}\" does not exist", table.name))
                .hint(near.map(errors::did_you_mean)))
        }
    }
}
