//! Arrow types as a Delta table keeps them, and batches made to fit a table.
//!
//! Delta has fewer types than Arrow. Left alone, some types fail to write and some write well and read back wrong (unsigned integers), so
//! every column is brought to a type that any Delta reader knows before it reaches a file.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use arrow::util::display::FormatOptions;
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};

use crate::error::{Code, Error, Result};

const STRICT: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// Largest precision of a decimal that Delta knows.
const MAX_PRECISION: u8 = 38;

/// The schema under which these columns are stored.
pub fn normalise(schema: &Schema) -> SchemaRef {
    let fields: Fields = schema.fields().iter().map(|field| normalise_field(field)).collect();
    Arc::new(Schema::new(fields))
}

/// The rows with every column in the type under which it is stored.
#[cfg(test)]
pub fn normalise_batch(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = normalise(batch.schema_ref());
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, array)| cast(array, field.data_type(), field.name()))
        .collect::<Result<Vec<_>>>()?;
    assemble(schema, columns, batch.num_rows())
}

fn normalise_field(field: &Field) -> FieldRef {
    let is_nullable = field.is_nullable() || field.data_type().is_null();
    let normal = Field::new(field.name(), normalise_type(field.data_type()), is_nullable);
    // What the type alone does not tell stays with the column: that a text is JSON, or a comment.
    Arc::new(normal.with_metadata(field.metadata().clone()))
}

fn normalise_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => normalise_decimal(*precision, *scale),
        DataType::Date32 | DataType::Date64 => DataType::Date32,
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        // No column of these types exists in Delta: their text is kept.
        DataType::Time32(_) | DataType::Time64(_) | DataType::Interval(_) | DataType::Duration(_) | DataType::Null => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => {
            DataType::List(Arc::new(Field::new("element", normalise_type(item.data_type()), item.is_nullable())))
        }
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| normalise_field(field)).collect()),
        DataType::Map(entries, _) => normalise_map(entries),
        DataType::Dictionary(_, value) => normalise_type(value),
        DataType::RunEndEncoded(_, values) => normalise_type(values.data_type()),
        same @ (DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Union(..)) => same.clone(),
    }
}

fn normalise_decimal(precision: u8, scale: i8) -> DataType {
    match u8::try_from(scale) {
        // A negative scale stands for trailing zeros, which Delta writes out.
        Err(_) => DataType::Decimal128(precision.saturating_add(scale.unsigned_abs()).min(MAX_PRECISION), 0),
        Ok(digits) if digits > MAX_PRECISION => DataType::Utf8,
        Ok(digits) => DataType::Decimal128(precision.max(digits).min(MAX_PRECISION), scale),
    }
}

fn normalise_map(entries: &Field) -> DataType {
    let DataType::Struct(pair) = entries.data_type() else {
        return DataType::Map(Arc::new(entries.clone()), false);
    };
    let names = ["key", "value"];
    let pair: Fields = pair
        .iter()
        .zip(names)
        .map(|(field, name)| Field::new(name, normalise_type(field.data_type()), name == "value" && field.is_nullable()))
        .collect();
    DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(pair), false)), false)
}

/// The schema as the log spells it.
///
/// # Errors
/// `NotSupported` for a type that has no counterpart in Delta.
pub(super) fn to_delta(schema: &Schema) -> Result<StructType> {
    schema
        .try_into_kernel()
        .map_err(|source| Error::new(Code::NotSupported, "a column has a type that a Delta table cannot hold").caused_by(source))
}

/// The Arrow schema of a schema string of the log.
pub(super) fn from_delta(text: &str) -> Result<SchemaRef> {
    let schema: StructType = serde_json::from_str(text)
        .map_err(|source| Error::new(Code::NotSupported, "the table has a schema that is not understood").caused_by(source))?;
    let schema: Schema = (&schema)
        .try_into_arrow()
        .map_err(|source| Error::new(Code::NotSupported, "the table has a column type that is not understood").caused_by(source))?;
    Ok(Arc::new(schema))
}

/// The rows in the table's columns, by name: a missing nullable column is filled with NULL.
///
/// Text and binary columns stay in the layout they come in (dictionaries, views), as the file writer takes them without a copy.
pub(super) fn conform(batch: &RecordBatch, table: &SchemaRef) -> Result<RecordBatch> {
    if let Some(extra) = batch.schema_ref().fields().iter().find(|field| table.column_with_name(field.name()).is_none()) {
        return Err(Error::new(Code::UndefinedColumn, format!("column \"{}\" of the rows is not a column of the table", extra.name())));
    }
    project(batch, table)
}

/// Like `conform`, but columns that the table does not have are left out.
pub(super) fn project(batch: &RecordBatch, table: &SchemaRef) -> Result<RecordBatch> {
    let mut fields = Vec::with_capacity(table.fields().len());
    let mut columns = Vec::with_capacity(table.fields().len());
    for field in table.fields() {
        let array = match batch.column_by_name(field.name()) {
            Some(array) => fit(array, field)?,
            None => new_null_array(field.data_type(), batch.num_rows()),
        };
        if !field.is_nullable() && array.logical_null_count() > 0 {
            return Err(Error::new(
                Code::NotNullViolated,
                format!("null value in column \"{}\" violates not-null constraint", field.name()),
            ));
        }
        fields.push(Field::new(field.name(), array.data_type().clone(), true));
        columns.push(array);
    }
    assemble(Arc::new(Schema::new(fields)), columns, batch.num_rows())
}

/// The rows in exactly the table's types.
pub(super) fn exact(batch: &RecordBatch, table: &SchemaRef) -> Result<RecordBatch> {
    let columns = table
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(array) => cast(array, field.data_type(), field.name()),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect::<Result<Vec<_>>>()?;
    let fields: Fields = table.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    assemble(Arc::new(Schema::new(fields)), columns, batch.num_rows())
}

fn assemble(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options)
        .map_err(|source| Error::new(Code::WrongType, "the rows do not fit the table's columns").caused_by(source))
}

fn fit(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if is_written_alike(array.data_type(), field.data_type()) { Ok(array.clone()) } else { cast(array, field.data_type(), field.name()) }
}

/// Whether the file writer stores an array of this type as a column of the other without our help.
fn is_written_alike(array: &DataType, column: &DataType) -> bool {
    let values = match array {
        DataType::Dictionary(_, values) => values.as_ref(),
        plain => plain,
    };
    match column {
        DataType::Utf8 => matches!(values, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
        DataType::Binary => matches!(values, DataType::Binary | DataType::LargeBinary | DataType::BinaryView),
        _ => array == column,
    }
}

/// The array in another type.
///
/// # Errors
/// `WrongType` when the types have no conversion, `NumericOutOfRange` when a value has none.
pub(super) fn cast(array: &ArrayRef, to: &DataType, column: &str) -> Result<ArrayRef> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    if !can_cast_types(array.data_type(), to) {
        return Err(Error::new(Code::WrongType, format!("column \"{column}\" is of type {to} but the rows have {}", array.data_type())));
    }
    cast_with_options(array, to, &STRICT).map_err(|source| {
        Error::new(Code::NumericOutOfRange, format!("a value of column \"{column}\" does not fit type {to}")).caused_by(source)
    })
}
