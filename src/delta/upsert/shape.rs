//! Where keys, sequences and deletion marks stand in the batches of a keyed write.
//!
//! An event batch has the table's columns (NULL where the input has none), then the sequence unless that is a column of the table, then
//! the deletion mark. A stored batch has columns of the table, then the sequence unless that is a column of the table, then the file's number
//! and the row in it. Tombstones come as stored batches, too: with the key and the sequence, everything else NULL.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type, UInt64Type};
use arrow::row::{RowConverter, Rows, SortField};

use super::super::contract::UpsertSpec;
use super::super::floats::by_value;
use super::super::schema;
use super::super::tombstones::{self, OWN_SEQUENCE};
use crate::error::{Code, Error, Result};

/// A key, or one of its columns, in a form whose bytes compare like the values.
pub(super) type Key = Box<[u8]>;

/// What grouping by key costs at most for a row, beside its values: a slot, its entry in the map of keys, the key and the sequence.
const ROW_BYTES: usize = 288;

pub(super) struct Shape {
    pub spec: UpsertSpec,
    /// The table's columns as the rows have them.
    pub rows: SchemaRef,
    pub events: SchemaRef,
    pub stored: SchemaRef,
    /// What is read of a file that may hold keys: with IGNORE NULL UPDATES whole rows, else the key and the sequence.
    pub wanted: SchemaRef,
    /// The columns of tombstones; None when the order of events is only that of their arrival.
    pub tombstones: Option<SchemaRef>,
    table: SchemaRef,
    /// The type of a sequence that is not a column of the table.
    own_sequence: Option<DataType>,
}

/// Where a row is stored: number of the file and row in it.
pub(super) type Place = (u32, u64);

impl Shape {
    /// # Errors
    /// `UndefinedColumn` for a column that neither the table nor `spec` knows.
    pub(super) fn new(input: &SchemaRef, spec: &UpsertSpec, table: &SchemaRef) -> Result<Self> {
        check_columns(input, spec, table)?;
        let is_stored = |name: &str| table.field_with_name(name).is_ok();
        let own_sequence = spec.sequence.as_deref().filter(|name| !is_stored(name)).and_then(|name| {
            let field: Field = input.field_with_name(name).ok()?.clone();
            schema::normalise(&Schema::new(vec![field])).fields().first().map(|field| field.data_type().clone())
        });
        let rows: Vec<Field> = table.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let mut events = rows.clone();
        let own_field = own_sequence.as_ref().map(|data_type| Field::new(OWN_SEQUENCE, data_type.clone(), true));
        events.extend(own_field.clone());
        events.extend(spec.delete.iter().map(|_| Field::new("_weir_delete", DataType::Boolean, true)));
        let is_asked = |name: &String| spec.ignore_null_updates || spec.key.contains(name) || spec.sequence.as_ref() == Some(name);
        let wanted: Vec<Field> = rows.iter().filter(|field| is_asked(field.name())).cloned().chain(own_field.clone()).collect();
        let tombstones = tombstone_columns(spec, &rows, own_field.as_ref())?;
        let mut stored = wanted.clone();
        stored.push(Field::new("_weir_file", DataType::UInt32, false));
        stored.push(Field::new("_weir_row", DataType::UInt64, false));
        Ok(Self {
            spec: spec.clone(),
            rows: Arc::new(Schema::new(rows)),
            events: Arc::new(Schema::new(events)),
            stored: Arc::new(Schema::new(stored)),
            wanted: Arc::new(Schema::new(wanted)),
            tombstones,
            table: table.clone(),
            own_sequence,
        })
    }

    /// Input rows as an event batch.
    ///
    /// # Errors
    /// `NotNullViolated` for a key that is NULL.
    pub(super) fn take_in(&self, input: &RecordBatch) -> Result<RecordBatch> {
        let rows = schema::exact(input, &self.table)?;
        for name in &self.spec.key {
            if column(&rows, name)?.logical_null_count() > 0 {
                return Err(Error::new(Code::NotNullViolated, format!("null value in key column \"{name}\"")));
            }
        }
        let mut columns = rows.columns().to_vec();
        if let (Some(name), Some(data_type)) = (&self.spec.sequence, &self.own_sequence) {
            columns.push(schema::cast(column(input, name)?, data_type, name)?);
        }
        if let Some(name) = &self.spec.delete {
            columns.push(schema::cast(column(input, name)?, &DataType::Boolean, name)?);
        }
        RecordBatch::try_new(self.events.clone(), columns).map_err(broken)
    }

    /// Rows of a file as a stored batch, as far as `chosen` says so.
    pub(super) fn stored(&self, rows: &RecordBatch, file: u32, first: u64) -> Result<RecordBatch> {
        let count = rows.num_rows();
        let mut columns = rows.columns().to_vec();
        columns.push(Arc::new(UInt32Array::from_value(file, count)));
        columns.push(Arc::new(UInt64Array::from_iter_values((first..).take(count))));
        RecordBatch::try_new(self.stored.clone(), columns).map_err(broken)
    }

    /// The keys of an event batch or a stored batch.
    pub(super) fn keys(&self, batch: &RecordBatch) -> Result<Rows> {
        let columns = self.spec.key.iter().map(|name| column(batch, name).cloned()).collect::<Result<Vec<_>>>()?;
        comparable(&columns)
    }

    /// The sequences of an event batch.
    pub(super) fn sequences(&self, events: &RecordBatch) -> Result<Option<Rows>> {
        let Some(name) = &self.spec.sequence else { return Ok(None) };
        let column = match &self.own_sequence {
            None => column(events, name)?,
            Some(_) => events.columns().get(self.rows.fields().len()).ok_or_else(|| Error::internal("the sequence is missing"))?,
        };
        comparable(std::slice::from_ref(column)).map(Some)
    }

    /// The sequences of a stored batch: NULL where the table does not keep them.
    pub(super) fn stored_sequences(&self, stored: &RecordBatch) -> Result<Option<Rows>> {
        let Some(name) = self.sequence_column() else { return Ok(None) };
        comparable(std::slice::from_ref(column(stored, name)?)).map(Some)
    }

    /// The column of the sequence in stored batches and tombstones.
    fn sequence_column(&self) -> Option<&str> {
        let name = self.spec.sequence.as_deref()?;
        Some(if self.own_sequence.is_some() { OWN_SEQUENCE } else { name })
    }

    /// Tombstones of keys and their sequences, both in comparable form; without those that have no sequence.
    pub(super) fn tombstones(&self, dead: &[(&Key, &Key)]) -> Result<RecordBatch> {
        let missing = || Error::internal("deletions without a sequence are not remembered");
        let (Some(columns), Some(sequence)) = (&self.tombstones, self.sequence_column()) else { return Err(missing()) };
        let data_type = |name: &str| columns.field_with_name(name).map(|field| field.data_type().clone()).map_err(broken);
        let types = self.spec.key.iter().map(|name| data_type(name)).collect::<Result<Vec<_>>>()?;
        let mut arrays = values(&types, dead.iter().map(|(key, _)| key.as_ref()))?;
        if arrays.len() < columns.fields().len() {
            arrays.extend(values(&[data_type(sequence)?], dead.iter().map(|(_, sequence)| sequence.as_ref()))?);
        }
        let rows = RecordBatch::try_new(columns.clone(), arrays).map_err(broken)?;
        tombstones::with_sequence(&rows, column(&rows, sequence)?)
    }

    /// The deletion marks of an event batch.
    pub(super) fn deletes<'a>(&self, events: &'a RecordBatch) -> Option<&'a BooleanArray> {
        self.spec.delete.as_ref().and_then(|_| events.columns().last()?.as_boolean_opt())
    }

    /// Files and rows of a stored batch.
    pub(super) fn places(stored: &RecordBatch) -> Result<Vec<Place>> {
        let missing = || Error::internal("stored rows came without their address");
        let [.., files, rows] = stored.columns() else { return Err(missing()) };
        let files = files.as_primitive_opt::<UInt32Type>().ok_or_else(missing)?;
        let rows = rows.as_primitive_opt::<UInt64Type>().ok_or_else(missing)?;
        Ok(files.values().iter().copied().zip(rows.values().iter().copied()).collect())
    }

    /// What a batch costs in memory, in bytes, once it is grouped by key.
    pub(super) fn weight(&self, batch: &RecordBatch) -> usize {
        let values = |array: &ArrayRef| array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size());
        // A row that is put together names the source of each of its values.
        let sources = if self.spec.ignore_null_updates { 8 * self.rows.fields().len() } else { 0 };
        batch.columns().iter().map(values).sum::<usize>() + batch.num_rows() * (ROW_BYTES + sources)
    }
}

/// Rows of these columns as bytes that compare like the values; NULL is the smallest.
pub(super) fn comparable(columns: &[ArrayRef]) -> Result<Rows> {
    let failed = |source| Error::new(Code::NotSupported, "a key or sequence column has a type without an order").caused_by(source);
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let columns: Vec<ArrayRef> = columns.iter().map(by_value).collect();
    RowConverter::new(fields).map_err(failed)?.convert_columns(&columns).map_err(failed)
}

/// The values that `comparable` made these bytes of.
fn values<'a>(types: &[DataType], rows: impl Iterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>> {
    let converter = RowConverter::new(types.iter().map(|data_type| SortField::new(data_type.clone())).collect()).map_err(broken)?;
    let parser = converter.parser();
    converter.convert_rows(rows.map(|row| parser.parse(row))).map_err(broken)
}

/// The columns of tombstones, of the types that the table has.
fn tombstone_columns(spec: &UpsertSpec, rows: &[Field], own_sequence: Option<&Field>) -> Result<Option<SchemaRef>> {
    let Some(sequence) = &spec.sequence else { return Ok(None) };
    let fields: Vec<&Field> = rows.iter().chain(own_sequence).collect();
    let sequence = own_sequence.map_or(sequence, Field::name);
    tombstones::columns(&spec.key, sequence, &fields).map(Some)
}

pub(super) fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| Error::new(Code::UndefinedColumn, format!("column \"{name}\" does not exist in the rows")))
}

pub(super) fn broken(source: arrow::error::ArrowError) -> Error {
    Error::internal("changed rows cannot be put together").caused_by(source)
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
