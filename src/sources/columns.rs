//! The columns that a CREATE SOURCE declares, as the formats and connectors want them.

use sqlparser::ast::{self, UnaryOperator};
use weir_sql::statements::create_source::CreateSource;
use weir_sql::{Column, Element, Expr};

use crate::error::{Code, Error, Result};
use crate::formats::{ColumnSpec, OnError, arrow_type, logical_type};

/// Empty when the statement declares none. Columns of the primary key are NOT NULL.
///
/// # Errors
/// A type without a column of its own, a column declared twice, a default that is not a literal, a generated column.
pub fn declared_columns(definition: &CreateSource) -> Result<Vec<ColumnSpec>> {
    let mut columns: Vec<ColumnSpec> = Vec::new();
    for element in &definition.elements {
        if let Element::Column(column) = element {
            if columns.iter().any(|earlier| earlier.name == column.name.value) {
                return Err(Error::new(Code::InvalidDefinition, format!("column \"{}\" is declared twice", column.name.value))
                    .at(column.name.position));
            }
            columns.push(column_spec(column)?);
        }
    }
    for element in &definition.elements {
        let Element::PrimaryKey(key) = element else { continue };
        for name in key {
            let Some(column) = columns.iter_mut().find(|column| column.name == name.value) else {
                return Err(
                    Error::new(Code::UndefinedColumn, format!("column \"{}\" of the key does not exist", name.value)).at(name.position)
                );
            };
            column.not_null = true;
        }
    }
    Ok(columns)
}

fn column_spec(column: &Column) -> Result<ColumnSpec> {
    if let Some(generated) = &column.generated {
        return Err(Error::new(Code::NotSupported, "generated columns are not supported in sources").at(generated.position));
    }
    let data_type = arrow_type(&column.data_type.ast).map_err(|error| error.at(column.data_type.position))?;
    let on_error = match &column.on_error {
        None | Some(weir_sql::OnError::Error) => OnError::Reject,
        Some(weir_sql::OnError::Null) => OnError::Null,
        Some(weir_sql::OnError::Default(value)) => literal(value)?.map_or(OnError::Null, OnError::Default),
    };
    let default = column.default.as_ref().map(literal).transpose()?.flatten();
    Ok(ColumnSpec {
        not_null: column.not_null || column.primary_key,
        path: column.path.clone(),
        on_error,
        default,
        ..ColumnSpec::new(&column.name.value, data_type, logical_type(&column.data_type.ast))
    })
}

/// The text of a literal; None for NULL.
fn literal(value: &Expr) -> Result<Option<String>> {
    literal_text(&value.ast).ok_or_else(|| {
        Error::new(Code::InvalidDefinition, "the default of a source's column must be a literal")
            .hint("Compute it in the pipeline's query instead.".to_owned())
            .at(value.position)
    })
}

fn literal_text(expr: &ast::Expr) -> Option<Option<String>> {
    match expr {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(text, _) | ast::Value::SingleQuotedString(text) | ast::Value::EscapedStringLiteral(text) => {
                Some(Some(text.clone()))
            }
            ast::Value::Boolean(flag) => Some(Some(flag.to_string())),
            ast::Value::Null => Some(None),
            _ => None,
        },
        ast::Expr::UnaryOp { op: UnaryOperator::Minus, expr } => literal_text(expr).map(|text| text.map(|text| format!("-{text}"))),
        ast::Expr::UnaryOp { op: UnaryOperator::Plus, expr } | ast::Expr::Nested(expr) => literal_text(expr),
        ast::Expr::Cast { expr, .. } => literal_text(expr),
        ast::Expr::TypedString(typed) => match &typed.value.value {
            ast::Value::SingleQuotedString(text) => Some(Some(text.clone())),
            _ => None,
        },
        _ => None,
    }
}
