//! Arrow types in PostgreSQL's words: names, oids, lengths.

use arrow::datatypes::{DataType, Field, Schema};

/// A type as pg_type and pg_attribute speak of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PgType {
    pub(super) oid: i64,
    /// As `format_type` and information_schema print it, without modifiers.
    pub(super) name: &'static str,
    /// pg_type.typname.
    pub(super) short: &'static str,
    pub(super) length: i64,
}

const fn pg(oid: i64, name: &'static str, short: &'static str, length: i64) -> PgType {
    PgType { oid, name, short, length }
}

/// The type that clients are told for a column.
pub(super) fn pg_type(field: &Field) -> PgType {
    match field.metadata().get("weir.type").map(String::as_str) {
        Some("jsonb") => return pg(3802, "jsonb", "jsonb", -1),
        Some("uuid") => return pg(2950, "uuid", "uuid", 16),
        _ => {}
    }
    match field.data_type() {
        DataType::Boolean => pg(16, "boolean", "bool", 1),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => pg(21, "smallint", "int2", 2),
        DataType::Int32 | DataType::UInt16 => pg(23, "integer", "int4", 4),
        DataType::Int64 | DataType::UInt32 => pg(20, "bigint", "int8", 8),
        DataType::Float16 | DataType::Float32 => pg(700, "real", "float4", 4),
        DataType::Float64 => pg(701, "double precision", "float8", 8),
        DataType::UInt64 | DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            pg(1700, "numeric", "numeric", -1)
        }
        DataType::Date32 | DataType::Date64 => pg(1082, "date", "date", 4),
        DataType::Time32(_) | DataType::Time64(_) => pg(1083, "time without time zone", "time", 8),
        DataType::Timestamp(_, None) => pg(1114, "timestamp without time zone", "timestamp", 8),
        DataType::Timestamp(_, Some(_)) => pg(1184, "timestamp with time zone", "timestamptz", 8),
        DataType::Interval(_) | DataType::Duration(_) => pg(1186, "interval", "interval", 16),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => pg(17, "bytea", "bytea", -1),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => array_of(pg_type(item)),
        DataType::Dictionary(_, value) => pg_type(&Field::new("", (**value).clone(), true)),
        DataType::Struct(_) | DataType::Map(..) => pg(3802, "jsonb", "jsonb", -1),
        _ => pg(25, "text", "text", -1),
    }
}

fn array_of(item: PgType) -> PgType {
    match item.short {
        "bool" => pg(1000, "boolean[]", "_bool", -1),
        "int2" => pg(1005, "smallint[]", "_int2", -1),
        "int4" => pg(1007, "integer[]", "_int4", -1),
        "int8" => pg(1016, "bigint[]", "_int8", -1),
        "float4" => pg(1021, "real[]", "_float4", -1),
        "float8" => pg(1022, "double precision[]", "_float8", -1),
        "numeric" => pg(1231, "numeric[]", "_numeric", -1),
        "date" => pg(1182, "date[]", "_date", -1),
        "timestamp" => pg(1115, "timestamp without time zone[]", "_timestamp", -1),
        "timestamptz" => pg(1185, "timestamp with time zone[]", "_timestamptz", -1),
        _ => pg(1009, "text[]", "_text", -1),
    }
}

/// pg_attribute.atttypmod.
pub(super) fn type_modifier(field: &Field) -> i64 {
    match field.data_type() {
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            (i64::from(*precision) << 16 | (i64::from(*scale) & 0x7ff)) + 4
        }
        _ => -1,
    }
}

/// A column's type as DESCRIBE and system tables show it.
pub fn shown_type(field: &Field) -> String {
    match field.data_type() {
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => format!("numeric({precision},{scale})"),
        _ => pg_type(field).name.to_owned(),
    }
}

/// Columns as JSON: `[{"name", "type", "nullable"}]`.
pub fn schema_json(schema: &Schema) -> String {
    let columns: Vec<serde_json::Value> = schema
        .fields()
        .iter()
        .map(|field| serde_json::json!({"name": field.name(), "type": shown_type(field), "nullable": field.is_nullable()}))
        .collect();
    serde_json::Value::Array(columns).to_string()
}
