//! Delta statistics of a data file, taken from the file's own footer.
//!
//! Bounds that could mislead are left out: of floats that met a NaN, of text cut inside a character, of types whose order readers disagree on.

use std::collections::HashSet;
use std::fmt::Write;

use arrow::datatypes::{DataType, Field, Fields, SchemaRef};
use chrono::{DateTime, Days, NaiveDate};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use parquet::schema::types::SchemaDescriptor;

/// Columns beyond this many have no statistics, as every Delta writer does by default.
const INDEXED_COLUMNS: usize = 32;

/// A value in its own order.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Bound {
    Whole(i128),
    Float(f64),
    Text(String),
}

/// Bounds and NULLs of one leaf column.
struct Leaf {
    path: Vec<String>,
    bounds: Option<(String, String)>,
    nulls: Option<u64>,
}

/// The `stats` text of a file with these columns.
pub(super) fn of_file(metadata: &ParquetMetaData, columns: &SchemaRef, with_nan: &HashSet<String>) -> String {
    let descriptor = metadata.file_metadata().schema_descr();
    print_all(metadata.file_metadata().num_rows(), &leaves(descriptor, metadata.row_groups(), columns, with_nan))
}

/// The same of one row group, also of a file of another writer.
pub(super) fn of_group(descriptor: &SchemaDescriptor, group: &RowGroupMetaData, columns: &SchemaRef) -> String {
    print_all(group.num_rows(), &leaves(descriptor, std::slice::from_ref(group), columns, &HashSet::new()))
}

fn print_all(rows: i64, leaves: &[Leaf]) -> String {
    let mut text = format!("{{\"numRecords\":{rows}");
    let bounds = |which: fn(&(String, String)) -> &String| -> Vec<(&[String], &str)> {
        leaves.iter().filter_map(|leaf| Some((leaf.path.as_slice(), which(leaf.bounds.as_ref()?).as_str()))).collect()
    };
    let nulls: Vec<(Vec<String>, String)> = leaves.iter().filter_map(|leaf| Some((leaf.path.clone(), leaf.nulls?.to_string()))).collect();
    let nulls: Vec<(&[String], &str)> = nulls.iter().map(|(path, count)| (path.as_slice(), count.as_str())).collect();
    for (name, values) in [("minValues", bounds(|b| &b.0)), ("maxValues", bounds(|b| &b.1)), ("nullCount", nulls)] {
        text.push_str(",\"");
        text.push_str(name);
        text.push_str("\":");
        write_object(&mut text, &values, 0);
    }
    text.push('}');
    text
}

/// Writes values under their paths as nested objects; equal prefixes stand next to each other.
fn write_object(text: &mut String, values: &[(&[String], &str)], depth: usize) {
    text.push('{');
    let mut rest = values;
    let mut first = true;
    while let Some(((path, value), _)) = rest.split_first() {
        let Some(name) = path.get(depth) else { break };
        let same = rest.iter().take_while(|(other, _)| other.get(depth) == Some(name)).count();
        let (group, others) = rest.split_at(same.max(1));
        if !first {
            text.push(',');
        }
        first = false;
        text.push_str(&quoted(name));
        text.push(':');
        if path.len() == depth + 1 {
            text.push_str(value)
        } else {
            write_object(text, group, depth + 1)
        }
        rest = others;
    }
    text.push('}');
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn leaves(descriptor: &SchemaDescriptor, groups: &[RowGroupMetaData], columns: &SchemaRef, with_nan: &HashSet<String>) -> Vec<Leaf> {
    let indexed: HashSet<&str> = columns.fields().iter().take(INDEXED_COLUMNS).map(|field| field.name().as_str()).collect();
    let mut leaves = Vec::new();
    for (index, column) in descriptor.columns().iter().enumerate() {
        let path = column.path().parts();
        if column.max_rep_level() > 0 || !path.first().is_some_and(|name| indexed.contains(name.as_str())) {
            continue;
        }
        let Some(field) = find(columns.fields(), path) else { continue };
        let chunks: Vec<&ColumnChunkMetaData> = groups.iter().filter_map(|group| group.columns().get(index)).collect();
        let nulls = chunks.iter().map(|chunk| chunk.statistics().and_then(Statistics::null_count_opt)).sum();
        // NaN is only watched in columns of the first level.
        let is_misleading = field.data_type().is_floating() && (path.len() > 1 || path.iter().any(|name| with_nan.contains(name)));
        let bounds = if is_misleading { None } else { bounds(&chunks, field) };
        leaves.push(Leaf { path: path.to_vec(), bounds, nulls });
    }
    leaves
}

fn find<'a>(fields: &'a Fields, path: &[String]) -> Option<&'a Field> {
    let (name, below) = path.split_first()?;
    let field = fields.iter().find(|field| field.name() == name)?;
    match field.data_type() {
        DataType::Struct(inner) => find(inner, below),
        _ if below.is_empty() => Some(field),
        _ => None,
    }
}

fn bounds(chunks: &[&ColumnChunkMetaData], field: &Field) -> Option<(String, String)> {
    let mut all: Option<(Bound, Bound)> = None;
    for chunk in chunks {
        let stats = chunk.statistics()?;
        if stats.null_count_opt() == u64::try_from(chunk.num_values()).ok() {
            continue;
        }
        // Bounds of an old form are in an order that nobody can tell.
        if stats.is_min_max_deprecated() {
            return None;
        }
        let (low, high) = (bound(stats, field, End::Low)?, bound(stats, field, End::High)?);
        all = Some(match all {
            None => (low, high),
            Some((min, max)) => (if low < min { low } else { min }, if high > max { high } else { max }),
        });
    }
    let (low, high) = all?;
    Some((print(&low, field.data_type())?, print(&high, field.data_type())?))
}

#[derive(Clone, Copy)]
enum End {
    Low,
    High,
}

fn bound(stats: &Statistics, field: &Field, end: End) -> Option<Bound> {
    macro_rules! pick {
        ($values:expr) => {
            match end {
                End::Low => $values.min_opt(),
                End::High => $values.max_opt(),
            }
        };
    }
    match stats {
        Statistics::Int32(values) => Some(Bound::Whole(i128::from(*pick!(values)?))),
        Statistics::Int64(values) => Some(Bound::Whole(i128::from(*pick!(values)?))),
        Statistics::Float(values) => Some(Bound::Float(f64::from(*pick!(values)?))),
        Statistics::Double(values) => Some(Bound::Float(*pick!(values)?)),
        Statistics::ByteArray(values) if *field.data_type() == DataType::Utf8 => {
            Some(Bound::Text(std::str::from_utf8(pick!(values)?.data()).ok()?.to_owned()))
        }
        Statistics::FixedLenByteArray(values) if matches!(field.data_type(), DataType::Decimal128(..)) => {
            big_endian(pick!(values)?.data()).map(Bound::Whole)
        }
        _ => None,
    }
}

fn big_endian(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.first()? & 0x80 != 0;
    let mut value: i128 = if negative { -1 } else { 0 };
    if bytes.len() > 16 {
        return None;
    }
    for byte in bytes {
        value = (value << 8) | i128::from(*byte);
    }
    Some(value)
}

fn print(bound: &Bound, data_type: &DataType) -> Option<String> {
    match (bound, data_type) {
        (Bound::Whole(value), DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64) => Some(value.to_string()),
        (Bound::Whole(value), DataType::Date32) => print_date(*value),
        (Bound::Whole(value), DataType::Timestamp(_, zone)) => {
            let at = DateTime::from_timestamp_micros(i64::try_from(*value).ok()?)?;
            Some(format!("\"{}{}\"", at.format("%Y-%m-%dT%H:%M:%S%.6f"), if zone.is_some() { "Z" } else { "" }))
        }
        (Bound::Whole(value), DataType::Decimal128(_, scale)) => print_decimal(*value, usize::try_from(*scale).ok()?),
        (Bound::Float(value), DataType::Float32 | DataType::Float64) if value.is_finite() => serde_json::to_string(value).ok(),
        (Bound::Text(value), DataType::Utf8) => Some(quoted(value)),
        _ => None,
    }
}

fn print_date(days: i128) -> Option<String> {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1)?;
    let distance = Days::new(u64::try_from(days.unsigned_abs()).ok()?);
    let date = if days < 0 { epoch.checked_sub_days(distance)? } else { epoch.checked_add_days(distance)? };
    Some(format!("\"{}\"", date.format("%Y-%m-%d")))
}

fn print_decimal(value: i128, scale: usize) -> Option<String> {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at_checked(digits.len() - scale)?;
    let mut text = String::new();
    if value < 0 {
        text.push('-');
    }
    text.push_str(whole);
    if scale > 0 {
        write!(text, ".{fraction}").ok()?;
    }
    Some(text)
}
