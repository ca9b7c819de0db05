//! Parameters whose type Arrow does not tell: uuid, jsonb and oid, which clients encode in their own way.

use std::ops::ControlFlow;

use arrow::datatypes::{DataType, Field, Schema};
use sqlparser::ast::{self, ArrayElemTypeDef, Expr, Value, ValueWithSpan, Visit, visit_expressions};

/// Number of a parameter, from 1, and the word for its type.
pub(super) type Marks = Vec<(usize, &'static str)>;

/// Of an array what its items are.
fn word(field: &Field) -> Option<&'static str> {
    if let DataType::List(item) = field.data_type() {
        return word(item);
    }
    match field.metadata().get("weir.type").map(String::as_str) {
        Some("uuid") => Some("uuid"),
        Some("jsonb") => Some("jsonb"),
        _ => None,
    }
}

/// From casts: `$1::uuid`.
pub(super) fn of_casts(ast: &impl Visit) -> Marks {
    let mut found = Marks::new();
    let _: ControlFlow<()> = visit_expressions(ast, |expr| {
        if let Expr::Cast { expr: inner, data_type, .. } = expr
            && let Expr::Value(ValueWithSpan { value: Value::Placeholder(id), .. }) = inner.as_ref()
            && let Some(number) = id.strip_prefix('$').and_then(|digits| digits.parse().ok())
        {
            let data_type = match data_type {
                ast::DataType::Array(ArrayElemTypeDef::SquareBracket(item, _)) if !matches!(item.as_ref(), ast::DataType::Custom(..)) => {
                    item
                }
                other => other,
            };
            match data_type {
                ast::DataType::Uuid => found.push((number, "uuid")),
                ast::DataType::JSON | ast::DataType::JSONB => found.push((number, "jsonb")),
                other if matches!(other.to_string().to_ascii_lowercase().as_str(), "oid" | "oid[]") => found.push((number, "oid")),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    });
    found
}

/// From the fields that a plan gives its parameters.
pub(super) fn of_fields<'a>(fields: impl Iterator<Item = (&'a str, &'a Field)>) -> Marks {
    let number = |id: &str| id.strip_prefix('$').and_then(|digits| digits.parse().ok());
    fields.filter_map(|(id, field)| Some((number(id)?, word(field)?))).collect()
}

/// From the columns of a table: `types` says which type each parameter takes from a schema, here one in which the marks are types.
pub(super) fn of_columns(columns: Option<&Schema>, types: impl Fn(&Schema) -> Vec<(usize, Option<DataType>)>) -> Marks {
    const UUID: DataType = DataType::FixedSizeBinary(16);
    const JSONB: DataType = DataType::LargeUtf8;
    let Some(columns) = columns else { return Marks::new() };
    let fields = columns.fields().iter().map(|field| match word(field) {
        Some("uuid") => Field::new(field.name(), UUID, true),
        Some(_) => Field::new(field.name(), JSONB, true),
        None => Field::new(field.name(), DataType::Null, true),
    });
    let told = types(&Schema::new(fields.collect::<Vec<_>>()));
    let mark = |(number, data_type): (usize, Option<DataType>)| match data_type {
        Some(UUID) => Some((number, "uuid")),
        Some(JSONB) => Some((number, "jsonb")),
        _ => None,
    };
    told.into_iter().filter_map(mark).collect()
}
