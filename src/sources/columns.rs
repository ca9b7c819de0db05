//! The columns that a CREATE SOURCE declares, as the formats and connectors want them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sqlparser::ast::{self, UnaryOperator};
use weir_catalog::ChangeKind;
use weir_sql::statements::create_source::{CreateSource, SchemaChange};
use weir_sql::{Column, Element, Expr};

use super::{POSITION_COLUMN, SOURCE_COLUMN};
use crate::error::{Code, Error, Result};
use crate::formats::{ColumnSpec, Logical, OnError, arrow_type, logical_type};

/// The column that takes the fields without a column of their own.
pub const RESCUED_COLUMN: &str = "_rescued_data";

/// A source with more columns than this is taken for one whose fields are data: nothing can be done with it.
const MAX_COLUMNS: usize = 4096;

/// What becomes of fields that no column takes.
///
/// Without a list of columns they become columns. With one, files keep them in `_rescued_data`; a table of a database has them still, and
/// naming some of its columns is a choice, so there they stay where they are. The one column of type jsonb takes a record whole.
pub fn schema_change(definition: &CreateSource) -> SchemaChange {
    if let Some(written) = definition.schema_change {
        return written;
    }
    let mut columns = definition.elements.iter().filter_map(|element| match element {
        Element::Column(column) => Some(column),
        _ => None,
    });
    match (columns.next(), columns.next()) {
        (None, _) => SchemaChange::Evolve,
        _ if definition.format.is_none() => SchemaChange::Ignore,
        (Some(only), None) if only.path.is_none() && logical_type(&only.data_type.ast) == Logical::Jsonb => SchemaChange::Ignore,
        _ => SchemaChange::Rescue,
    }
}

/// The column for rescued fields, if the definition wants one and does not declare it itself.
pub fn rescued_field(definition: &CreateSource) -> Option<Field> {
    let is_declared = |element: &Element| matches!(element, Element::Column(column) if column.name.value == RESCUED_COLUMN);
    let is_wanted = schema_change(definition) == SchemaChange::Rescue && !definition.elements.iter().any(is_declared);
    is_wanted.then(|| rescuer().field())
}

fn rescuer() -> ColumnSpec {
    ColumnSpec { rescues: true, ..ColumnSpec::new(RESCUED_COLUMN, DataType::Utf8, Logical::Jsonb) }
}

/// Makes sure that one of the columns takes the fields that no other takes.
///
/// # Errors
/// A column of that name and another type.
pub(super) fn rescue(columns: &mut Vec<ColumnSpec>) -> Result<()> {
    match columns.iter_mut().find(|column| column.name == RESCUED_COLUMN) {
        None => columns.push(rescuer()),
        Some(column) if column.data_type == DataType::Utf8 && column.logical == Logical::Jsonb && column.path.is_none() => {
            *column = rescuer();
        }
        Some(_) => {
            return Err(Error::new(Code::InvalidDefinition, format!("column \"{RESCUED_COLUMN}\" must be of type jsonb"))
                .hint("It takes the fields that no other column takes. Leave it out of the list: it is added.".to_owned()));
        }
    }
    Ok(())
}

/// Puts what was accepted or followed since the definition was written in the place of what it says, with columns that were accepted as new.
pub(super) fn amend(declared: &mut Vec<ColumnSpec>, stored: &Schema) {
    for field in stored.fields() {
        let now = ColumnSpec::from_field(field);
        if !now.amended {
            continue;
        }
        match declared.iter_mut().find(|column| column.name == now.name) {
            Some(column) => {
                let ColumnSpec { data_type, logical, not_null, renamed, gone, .. } = now;
                *column = ColumnSpec { data_type, logical, not_null, renamed, gone, amended: true, ..column.clone() };
            }
            None => declared.push(now),
        }
    }
}

/// The stored columns of a source after a change of them was accepted.
///
/// # Errors
/// `UndefinedColumn` when the source has no such column any more.
pub fn amended(stored: &Schema, kind: ChangeKind, column: &str, rename: Option<&str>, field: Option<&Field>) -> Result<SchemaRef> {
    let mut columns: Vec<ColumnSpec> = stored.fields().iter().map(|field| ColumnSpec::from_field(field)).collect();
    if let (ChangeKind::Add, None, Some(field)) = (kind, rename, field) {
        if columns.iter().any(|known| known.name.eq_ignore_ascii_case(column)) {
            return Err(Error::new(Code::DuplicateColumn, format!("the source has a column \"{column}\" already")));
        }
        columns.push(ColumnSpec { amended: true, not_null: false, ..ColumnSpec::from_field(field) });
        return Ok(Arc::new(Schema::new(columns.iter().map(ColumnSpec::stored).collect::<Vec<_>>())));
    }
    // What came in under the new name until now stays where it landed; from here on it is the old column's.
    columns.retain(|known| rename.is_none_or(|new| known.name != new || known.name == column));
    let Some(changed) = columns.iter_mut().find(|known| known.name == column) else {
        return Err(Error::new(Code::UndefinedColumn, format!("the source has no column \"{column}\"")));
    };
    changed.amended = true;
    match (rename, field, kind) {
        (Some(new), ..) => changed.renamed = Some(new.to_owned()),
        (None, Some(field), _) => {
            let new = ColumnSpec::from_field(field);
            (changed.data_type, changed.logical, changed.not_null) = (new.data_type, new.logical, new.not_null);
        }
        (None, None, ChangeKind::Nullable) => changed.not_null = false,
        (None, None, _) => (changed.gone, changed.not_null) = (true, false),
    }
    Ok(Arc::new(Schema::new(columns.iter().map(ColumnSpec::stored).collect::<Vec<_>>())))
}

/// Columns stored since the definition was written: fields that became columns. `included` are names that are no field's.
pub(super) fn evolved<'a>(
    declared: &'a [ColumnSpec],
    stored: &'a Schema,
    included: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = ColumnSpec> + 'a {
    let known: HashSet<&str> = declared.iter().map(|column| column.name.as_str()).collect();
    let is_new = move |name: &str| !included(name) && !known.contains(name);
    stored.fields().iter().filter(move |field| is_new(field.name())).map(|field| ColumnSpec::from_field(field))
}

/// The columns with new fields behind them, then what INCLUDE adds.
///
/// # Errors
/// `DataException` when a field's name, read without case, is taken by something else, or when there are too many.
pub(super) fn with_new(columns: &[ColumnSpec], new: &[Field], included: &[Field], place: &str) -> Result<SchemaRef> {
    let mut fields: Vec<Field> = columns.iter().map(ColumnSpec::stored).collect();
    let mut taken: HashMap<String, String> = HashMap::new();
    let provenance = [SOURCE_COLUMN, POSITION_COLUMN].into_iter().map(str::to_owned);
    let names = fields.iter().chain(included).map(|field| field.name().clone()).chain(provenance);
    names.for_each(|name| drop(taken.insert(name.to_lowercase(), name)));
    for field in new {
        if let Some(other) = taken.insert(field.name().to_lowercase(), field.name().clone()) {
            return Err(Error::new(
                Code::DataException,
                format!("{place} has a new field \"{}\" that cannot become a column beside \"{other}\"", field.name()),
            )
            .hint("Declare a column with a PATH for it, or use ON SCHEMA CHANGE RESCUE or IGNORE.".to_owned()));
        }
        fields.push(field.clone().with_nullable(true));
    }
    if fields.len() > MAX_COLUMNS {
        return Err(Error::new(Code::DataException, format!("{place} would give the source {} columns", fields.len())).hint(
            "Names that are data belong into one column of type jsonb: declare the columns, or use ON SCHEMA CHANGE RESCUE.".to_owned(),
        ));
    }
    fields.extend(included.iter().cloned());
    Ok(Arc::new(Schema::new(fields)))
}

/// Empty when the statement declares none. Columns of the primary key are NOT NULL.
///
/// # Errors
/// A type without a column of its own, a column declared twice, a default that is not a literal, a generated column.
pub fn declared_columns(definition: &CreateSource) -> Result<Vec<ColumnSpec>> {
    let mut columns: Vec<ColumnSpec> = Vec::new();
    let mut names = HashSet::new();
    for element in &definition.elements {
        if let Element::Column(column) = element {
            if !names.insert(column.name.value.as_str()) {
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
