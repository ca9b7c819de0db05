//! Filters of key columns in data files, by which a keyed write passes over files that hold none of its keys.
//!
//! They are Parquet's own: any reader can use them and none must. A property of the table names the columns, so that whoever writes its files
//! writes them, too: appends, rewrites, compactions. A filter never misses a value that is there; a file without one holds anything.

use std::collections::BTreeSet;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type, SchemaRef};
use parquet::bloom_filter::Sbbf;
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::schema::types::ColumnPath;

use super::log::MetaData;
use super::schema;

/// The table property that names the columns, as a JSON list.
const KEY: &str = "weir.key";

/// Share of the values not in a file that its filter takes for one of its own. It costs two bytes a row.
const MISTAKES: f64 = 0.001;

/// The columns whose values are filtered.
pub(super) fn key_of(metadata: &MetaData) -> Vec<String> {
    metadata.configuration.get(KEY).and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default()
}

/// The description of the table with these columns filtered, too; None when they are already.
pub(super) fn with_key(metadata: &MetaData, key: &[String]) -> Option<MetaData> {
    let known: BTreeSet<String> = key_of(metadata).into_iter().collect();
    let all: BTreeSet<String> = known.iter().chain(key).cloned().collect();
    if all == known {
        return None;
    }
    let mut metadata = metadata.clone();
    metadata.configuration.insert(KEY.to_owned(), serde_json::Value::from_iter(all).to_string());
    Some(metadata)
}

/// Has files written with filters for those of the columns whose type can have one.
pub(super) fn filtered(mut properties: WriterPropertiesBuilder, stored: &SchemaRef, key: &[String]) -> WriterPropertiesBuilder {
    for field in stored.fields().iter().filter(|field| key.contains(field.name()) && form(field.data_type()).is_some()) {
        // A filter begins at the size of a full row group and is folded to what it holds.
        properties = properties.set_column_bloom_filter_fpp(ColumnPath::new(vec![field.name().clone()]), MISTAKES);
    }
    properties
}

/// What Parquet stores of a value, of which its filters know the hash.
#[derive(Clone, Copy)]
enum Form {
    Int32,
    Int64,
    Text,
    Bytes,
}

/// None for types of which equal values may be stored differently.
fn form(data_type: &DataType) -> Option<Form> {
    match data_type {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Date32 => Some(Form::Int32),
        DataType::Int64 | DataType::Timestamp(..) => Some(Form::Int64),
        DataType::Utf8 => Some(Form::Text),
        DataType::Binary => Some(Form::Bytes),
        _ => None,
    }
}

/// Values of a column, to be looked up in filters.
pub(super) enum KeyValues {
    Int32(Int32Array),
    Int64(Int64Array),
    Text(StringArray),
    Bytes(BinaryArray),
}

impl KeyValues {
    /// None for a column that has no filters.
    pub(super) fn of(column: &ArrayRef) -> Option<Self> {
        let stored = |data_type: &DataType| schema::cast(column, data_type, "key").ok();
        Some(match form(column.data_type())? {
            Form::Int32 => Self::Int32(stored(&DataType::Int32)?.as_primitive_opt::<Int32Type>()?.clone()),
            Form::Int64 => Self::Int64(stored(&DataType::Int64)?.as_primitive_opt::<Int64Type>()?.clone()),
            Form::Text => Self::Text(column.as_string_opt::<i32>()?.clone()),
            Form::Bytes => Self::Bytes(column.as_binary_opt::<i32>()?.clone()),
        })
    }

    /// Whether the value of a row may be among those of the filter. NULL is in no filter, so it always may.
    pub(super) fn may_be_in(&self, row: usize, filter: &Sbbf) -> bool {
        let array: &dyn Array = match self {
            Self::Int32(values) => values,
            Self::Int64(values) => values,
            Self::Text(values) => values,
            Self::Bytes(values) => values,
        };
        if row >= array.len() || array.is_null(row) {
            return true;
        }
        match self {
            Self::Int32(values) => filter.check(&values.value(row)),
            Self::Int64(values) => filter.check(&values.value(row)),
            Self::Text(values) => filter.check(values.value(row)),
            Self::Bytes(values) => filter.check(values.value(row)),
        }
    }
}
