//! Rows that statements of our own answer: columns told beforehand, then one small batch.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;

use crate::clock::Micros;
use crate::error::{Error, Result};

/// The types that such columns have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    Text,
    Bigint,
    Boolean,
    Timestamp,
}

/// Columns by name and type; each may be NULL.
pub(super) fn schema(columns: &[(&str, Of)]) -> SchemaRef {
    let field = |(name, of): &(&str, Of)| {
        let data_type = match of {
            Of::Text => DataType::Utf8,
            Of::Bigint => DataType::Int64,
            Of::Boolean => DataType::Boolean,
            Of::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        };
        Field::new(*name, data_type, true)
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

pub(super) fn text<T: Into<String>>(values: impl IntoIterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.into_iter().map(|value| value.map(Into::into)).collect::<StringArray>())
}

pub(super) fn words<T: Into<String>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    text(values.into_iter().map(Some))
}

pub(super) fn bigint(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int64Array>())
}

pub(super) fn boolean(values: impl IntoIterator<Item = bool>) -> ArrayRef {
    Arc::new(values.into_iter().map(Some).collect::<BooleanArray>())
}

pub(super) fn timestamp(values: impl IntoIterator<Item = Option<Micros>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

/// The answer with those columns.
///
/// # Errors
/// `Internal` when the arrays are not what the columns say.
pub(super) fn batch(schema: SchemaRef, arrays: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(schema, arrays).map_err(|error| Error::internal("an answer does not have its own columns").caused_by(error))
}
