//! The rows of one keyed write, grouped by key in the order of their arrival.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{concat, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use super::super::contract::UpsertSpec;
use super::super::failure::plan_failed;
use super::super::schema;
use crate::error::{Code, Error, Result};

/// A key in its comparable form.
pub(super) type Key = Box<[u8]>;

pub(super) struct Incoming {
    /// In the table's columns; NULL where the input has none.
    pub rows: RecordBatch,
    pub sequence: Option<Rows>,
    pub delete: Option<BooleanArray>,
    /// Key -> place in `slots`.
    pub keys: HashMap<Key, u32>,
    pub slots: Vec<Slot>,
    /// The key columns, to compare them with the bounds of files.
    pub key_columns: Vec<(String, ArrayRef)>,
}

/// All that is known of one key.
#[derive(Default)]
pub(super) struct Slot {
    /// Incoming rows, in order of arrival.
    pub events: Vec<u32>,
    /// Where the key is stored: file and row. More than one place only if the table broke the key before.
    pub stored: Vec<(u32, u64)>,
    /// The highest sequence stored.
    pub newest: Option<Key>,
}

impl Incoming {
    /// Takes in the whole stream.
    ///
    /// # Errors
    /// `NotNullViolated` for a key that is NULL; `UndefinedColumn` for a column that neither the table nor `spec` knows.
    pub(super) async fn collect(mut stream: SendableRecordBatchStream, spec: &UpsertSpec, table: &SchemaRef) -> Result<Self> {
        check_columns(&stream.schema(), spec, table)?;
        let sequence_type = sequence_type(&stream.schema(), spec, table);
        let (mut batches, mut sequences, mut deletes) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(plan_failed)?;
            if let (Some(name), Some(data_type)) = (&spec.sequence, &sequence_type) {
                sequences.push(schema::cast(column(&batch, name)?, data_type, name)?);
            }
            if let Some(name) = &spec.delete {
                deletes.push(schema::cast(column(&batch, name)?, &DataType::Boolean, name)?);
            }
            batches.push(schema::exact(&batch, table)?);
        }
        let schema = batches.first().map_or_else(|| table.clone(), RecordBatch::schema);
        let rows = concat_batches(&schema, &batches).map_err(too_large)?;
        drop(batches);
        let sequence = match sequence_type {
            Some(data_type) => Some(comparable(&[(data_type, joined(&sequences)?)])?),
            None => None,
        };
        let delete = joined(&deletes)?.and_then(|array| array.as_boolean_opt().cloned());
        Self::group(rows, sequence, delete, spec)
    }

    fn group(rows: RecordBatch, sequence: Option<Rows>, delete: Option<BooleanArray>, spec: &UpsertSpec) -> Result<Self> {
        let mut key_columns = Vec::new();
        for name in &spec.key {
            let array = column(&rows, name)?.clone();
            if array.logical_null_count() > 0 {
                return Err(Error::new(Code::NotNullViolated, format!("null value in key column \"{name}\"")));
            }
            key_columns.push((name.clone(), array));
        }
        let arrays: Vec<_> = key_columns.iter().map(|(_, array)| (array.data_type().clone(), Some(array.clone()))).collect();
        let bytes = comparable(&arrays)?;
        let mut keys: HashMap<Key, u32> = HashMap::new();
        let mut slots: Vec<Slot> = Vec::new();
        for (event, key) in (0_u32..).zip(bytes.iter()) {
            let place = match keys.get(key.data()) {
                Some(place) => *place,
                None => {
                    let place = u32::try_from(slots.len()).map_err(|source| Error::internal("too many keys").caused_by(source))?;
                    keys.insert(key.data().into(), place);
                    slots.push(Slot::default());
                    place
                }
            };
            if let Some(slot) = slots.get_mut(place as usize) {
                slot.events.push(event);
            }
        }
        Ok(Self { rows, sequence, delete, keys, slots, key_columns })
    }

    pub(super) fn is_delete(&self, event: u32) -> bool {
        self.delete.as_ref().is_some_and(|delete| {
            let event = event as usize;
            event < delete.len() && delete.is_valid(event) && delete.value(event)
        })
    }
}

/// Rows of these columns as bytes that compare like the values; NULL is the smallest.
pub(super) fn comparable(columns: &[(DataType, Option<ArrayRef>)]) -> Result<Rows> {
    let failed = |source| Error::new(Code::NotSupported, "a key or sequence column has a type without an order").caused_by(source);
    let fields = columns.iter().map(|(data_type, _)| SortField::new(data_type.clone())).collect();
    let converter = RowConverter::new(fields).map_err(failed)?;
    let arrays: Vec<ArrayRef> =
        columns.iter().map(|(data_type, array)| array.clone().unwrap_or_else(|| arrow::array::new_empty_array(data_type))).collect();
    converter.convert_columns(&arrays).map_err(failed)
}

fn check_columns(input: &SchemaRef, spec: &UpsertSpec, table: &SchemaRef) -> Result<()> {
    let missing = |name: &str, what: &str| Err(Error::new(Code::UndefinedColumn, format!("column \"{name}\" does not exist in {what}")));
    if spec.key.is_empty() {
        return Err(Error::new(Code::InvalidDefinition, "a keyed write needs at least one key column"));
    }
    for name in &spec.key {
        if table.field_with_name(name).is_err() {
            return missing(name, "the table");
        }
    }
    for name in spec.key.iter().chain(&spec.sequence).chain(&spec.delete) {
        if input.field_with_name(name).is_err() {
            return missing(name, "the rows");
        }
    }
    let known =
        |name: &String| table.field_with_name(name).is_ok() || spec.sequence.as_ref() == Some(name) || spec.delete.as_ref() == Some(name);
    match input.fields().iter().find(|field| !known(field.name())) {
        Some(field) => missing(field.name(), "the table"),
        None => Ok(()),
    }
}

/// The type in which sequences are compared: the stored one where there is one.
fn sequence_type(input: &SchemaRef, spec: &UpsertSpec, table: &SchemaRef) -> Option<DataType> {
    let name = spec.sequence.as_ref()?;
    let stored = table.field_with_name(name).map(|field| field.data_type().clone());
    stored.ok().or_else(|| {
        let field: Field = input.field_with_name(name).ok()?.clone();
        schema::normalise(&Schema::new(vec![field])).fields().first().map(|field| field.data_type().clone())
    })
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| Error::new(Code::UndefinedColumn, format!("column \"{name}\" does not exist in the rows")))
}

fn joined(arrays: &[ArrayRef]) -> Result<Option<ArrayRef>> {
    if arrays.is_empty() {
        return Ok(None);
    }
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    concat(&arrays).map(Some).map_err(too_large)
}

fn too_large(source: arrow::error::ArrowError) -> Error {
    Error::new(Code::OutOfMemory, "the batch is too large for a keyed write").caused_by(source).hint("Use smaller batches.".to_owned())
}

pub(super) type Shared = Arc<Incoming>;
