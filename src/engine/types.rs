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
    let short = format!("_{}", item.short);
    TYPES.iter().find(|known| known.short == short).copied().unwrap_or(pg(1009, "text[]", "_text", -1))
}

/// The types that a value can have or a client can name.
const TYPES: &[PgType] = &[
    pg(16, "boolean", "bool", 1),
    pg(17, "bytea", "bytea", -1),
    pg(18, "\"char\"", "char", 1),
    pg(19, "name", "name", 64),
    pg(20, "bigint", "int8", 8),
    pg(21, "smallint", "int2", 2),
    pg(22, "int2vector", "int2vector", -1),
    pg(23, "integer", "int4", 4),
    pg(25, "text", "text", -1),
    pg(26, "oid", "oid", 4),
    pg(30, "oidvector", "oidvector", -1),
    pg(114, "json", "json", -1),
    pg(700, "real", "float4", 4),
    pg(701, "double precision", "float8", 8),
    pg(1042, "character", "bpchar", -1),
    pg(1043, "character varying", "varchar", -1),
    pg(1082, "date", "date", 4),
    pg(1083, "time without time zone", "time", 8),
    pg(1114, "timestamp without time zone", "timestamp", 8),
    pg(1184, "timestamp with time zone", "timestamptz", 8),
    pg(1186, "interval", "interval", 16),
    pg(1266, "time with time zone", "timetz", 12),
    pg(1700, "numeric", "numeric", -1),
    pg(2205, "regclass", "regclass", 4),
    pg(2206, "regtype", "regtype", 4),
    pg(2249, "record", "record", -1),
    pg(2278, "void", "void", 4),
    pg(2950, "uuid", "uuid", 16),
    pg(3802, "jsonb", "jsonb", -1),
    pg(4089, "regnamespace", "regnamespace", 4),
    pg(4096, "regrole", "regrole", 4),
    pg(199, "json[]", "_json", -1),
    pg(1000, "boolean[]", "_bool", -1),
    pg(1001, "bytea[]", "_bytea", -1),
    pg(1003, "name[]", "_name", -1),
    pg(1005, "smallint[]", "_int2", -1),
    pg(1007, "integer[]", "_int4", -1),
    pg(1009, "text[]", "_text", -1),
    pg(1015, "character varying[]", "_varchar", -1),
    pg(1016, "bigint[]", "_int8", -1),
    pg(1021, "real[]", "_float4", -1),
    pg(1022, "double precision[]", "_float8", -1),
    pg(1028, "oid[]", "_oid", -1),
    pg(1115, "timestamp without time zone[]", "_timestamp", -1),
    pg(1182, "date[]", "_date", -1),
    pg(1183, "time without time zone[]", "_time", -1),
    pg(1185, "timestamp with time zone[]", "_timestamptz", -1),
    pg(1187, "interval[]", "_interval", -1),
    pg(1231, "numeric[]", "_numeric", -1),
    pg(2951, "uuid[]", "_uuid", -1),
    pg(3807, "jsonb[]", "_jsonb", -1),
];

/// Other names of types.
const ALIASES: &[(&str, &str)] = &[
    ("int", "int4"),
    ("decimal", "numeric"),
    ("char", "bpchar"),
    ("float", "float8"),
    ("time with time zone", "timetz"),
    ("time", "time"),
    ("timestamp", "timestamp"),
];

pub(super) fn type_of_oid(oid: i64) -> Option<PgType> {
    TYPES.iter().find(|known| known.oid == oid).copied()
}

/// The type of that name: `int4`, `integer`, `pg_catalog.int4`, `text[]`.
pub(super) fn named_type(name: &str) -> Option<PgType> {
    let lower = name.trim().to_lowercase();
    let plain = lower.strip_prefix("pg_catalog.").unwrap_or(&lower);
    let (base, is_array) = match plain.strip_suffix("[]") {
        Some(base) => (base.trim(), true),
        None => (plain, false),
    };
    let base = base.split('(').next().unwrap_or(base).trim();
    let known = |wanted: &str| TYPES.iter().find(|known| known.short == wanted || known.name == wanted).copied();
    let alias = ALIASES.iter().find(|(alias, _)| *alias == base).map(|(_, short)| *short);
    let found = alias.and_then(known).or_else(|| known(base.trim_matches('"')))?;
    match is_array {
        true => TYPES.iter().find(|known| known.short.strip_prefix('_') == Some(found.short)).copied(),
        false => Some(found),
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
