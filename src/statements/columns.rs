//! Columns of a definition: from the elements of a list to an Arrow schema.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::Serialize;
use serde::de::DeserializeOwned;
use weir_catalog::Object;
use weir_sql::statements::create_source::{Include, Meta};
use weir_sql::{Column, Element, Ident};

use crate::error::{Code, Error, Result};
use crate::formats;

/// One field per column of the list, in its order; a key column is not NULL.
///
/// # Errors
/// `DuplicateColumn`, or a type that the hub does not have.
pub(super) fn fields(elements: &[Element]) -> Result<Vec<Field>> {
    let key = key(elements);
    let mut fields: Vec<Field> = Vec::new();
    for element in elements {
        let Element::Column(column) = element else { continue };
        if fields.iter().any(|field| *field.name() == column.name.value) {
            let message = format!("column \"{}\" specified more than once", column.name.value);
            return Err(Error::new(Code::DuplicateColumn, message).at(column.name.position));
        }
        fields.push(field(column, key.contains(&column.name.value))?);
    }
    Ok(fields)
}

/// # Errors
/// A type that the hub does not have.
pub(super) fn field(column: &Column, in_key: bool) -> Result<Field> {
    let not_null = column.not_null || column.primary_key || in_key;
    let typed =
        formats::arrow_field(&column.name.value, &column.data_type.ast, not_null).map_err(|error| error.at(column.data_type.position))?;
    Ok(match &column.comment {
        Some(comment) => {
            let mut metadata: HashMap<String, String> = typed.metadata().clone();
            metadata.insert("comment".to_owned(), comment.clone());
            typed.with_metadata(metadata)
        }
        None => typed,
    })
}

/// The columns of the primary key, however it was written.
pub(super) fn key(elements: &[Element]) -> Vec<String> {
    let listed = elements.iter().find_map(|element| match element {
        Element::PrimaryKey(columns) => Some(columns.iter().map(|column| column.value.clone()).collect()),
        _ => None,
    });
    listed.unwrap_or_else(|| {
        let marked = elements.iter().filter_map(|element| match element {
            Element::Column(column) if column.primary_key => Some(column.name.value.clone()),
            _ => None,
        });
        marked.collect()
    })
}

/// # Errors
/// `UndefinedColumn` for the first that the schema does not have.
pub(super) fn must_have(schema: &Schema, columns: &[Ident]) -> Result<()> {
    match columns.iter().find(|column| schema.field_with_name(&column.value).is_err()) {
        Some(missing) => {
            let near = weir_sql::nearest(&missing.value, schema.fields().iter().map(|field| field.name().as_str()));
            Err(undefined(missing).hint(near.map(|near| format!("Did you mean \"{near}\"?"))))
        }
        None => Ok(()),
    }
}

pub(super) fn undefined(column: &Ident) -> Error {
    Error::new(Code::UndefinedColumn, format!("column \"{}\" does not exist", column.value)).at(column.position)
}

/// The declared columns and after them those that INCLUDE adds.
///
/// # Errors
/// `DuplicateColumn`; `NotSupported` for what such sources do not know about a record.
pub(super) fn with_include(schema: &Schema, include: &[Include]) -> Result<SchemaRef> {
    let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    for Include { meta, alias, position } in include {
        let (name, data_type) = match meta {
            Meta::File => ("file", DataType::Utf8),
            Meta::Line => ("line", DataType::Int64),
            Meta::Raw => ("raw", DataType::Binary),
            Meta::Timestamp => ("timestamp", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            Meta::Key => ("key", DataType::Binary),
            Meta::Partition => ("partition", DataType::Int64),
            Meta::Offset => ("offset", DataType::Int64),
            Meta::Headers => ("headers", DataType::Utf8),
        };
        let name = alias.as_ref().map_or(name, |alias| alias.value.as_str());
        if fields.iter().any(|field| field.name() == name) {
            return Err(Error::new(Code::DuplicateColumn, format!("column \"{name}\" specified more than once")).at(*position));
        }
        fields.push(Field::new(name, data_type, true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The columns that the lake has, with what the catalog knows of them beyond their type.
pub(super) fn as_known(found: &Schema, known: &Schema) -> SchemaRef {
    let fields = found.fields().iter().map(|field| match known.field_with_name(field.name()) {
        Ok(known) => field.as_ref().clone().with_metadata(known.metadata().clone()),
        Err(_) => field.as_ref().clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Columns and after them new ones.
pub(super) fn together(columns: &Schema, added: &[Field]) -> Schema {
    let fields = columns.fields().iter().map(|field| field.as_ref().clone());
    Schema::new(fields.chain(added.iter().cloned()).collect::<Vec<_>>())
}

/// The body of an object as the catalog keeps it.
///
/// # Errors
/// `Internal` when it cannot be written as JSON.
pub(super) fn body(body: &impl Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(body).map_err(|error| Error::internal("the body of an object cannot be kept").caused_by(error))
}

/// What the text of an object does not say. An object without a body has an empty one.
///
/// # Errors
/// `Internal` when it is not the body of such an object.
pub(super) fn read_body<T: DeserializeOwned>(object: &Object) -> Result<T> {
    let body = match &object.body {
        serde_json::Value::Null => serde_json::json!({}),
        body => body.clone(),
    };
    serde_json::from_value(body).map_err(|error| {
        Error::internal(format!("the body of {} {} cannot be read", object.kind.noun(), object.full_name())).caused_by(error)
    })
}
