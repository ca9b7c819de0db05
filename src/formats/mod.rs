//! Bytes to rows: one file per format, one list `FORMATS`.
//!
//! A bad record is a `Reject` with its position and raw bytes, never the end of the file. A decoder never dials, never sleeps and holds one
//! block in memory.

mod column;
mod contract;
mod convert;
mod csv;
mod encoding;
mod json;
mod parquet;
mod types;
mod widen;

#[cfg(test)]
mod tests;

pub use contract::{Block, BlockContent, ColumnSpec, Decoded, Decoder, Depth, Format, Input, Layout, OnError, Reject, Survey};
pub use types::{Logical, arrow_field, arrow_type, length_of, logical_type, type_name};
pub use widen::{Misfit, is_wider, misfit, wider};

/// Microseconds since 1970 of a timestamp given by a user; UTC where it names no zone.
pub fn timestamp_micros(text: &str) -> Option<i64> {
    convert::timestamptz(text, None).ok()
}

/// Every format. This list is the registry.
pub static FORMATS: &[&dyn Format] = &[&csv::Csv, &json::Json, &json::Ndjson, &parquet::Parquet];

/// The format of that name.
pub fn format(name: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.spec().name == name)
}
