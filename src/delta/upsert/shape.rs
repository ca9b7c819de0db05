//! Where keys, sequences and deletion marks stand in the batches of a keyed write.
//!
//! An event batch has the table's columns (NULL where the input has none), then the sequence unless that is a column of the table, then
//! the deletion mark. A stored batch has columns of the table, then the sequence unless that is a column of the table, then the file's number
//! and the row in it. Tombstones come as stored batches, too: with the key and the sequence, everything else NULL.
//!
//! Of a history, stored batches have all columns of the table, then the sequence and the deletion mark of remembered events: NULL in rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type, UInt64Type};
use arrow::row::{RowConverter, Rows, SortField};

use super::super::contract::{HistorySpec, IS_CURRENT, UpsertSpec, VALID_FROM, VALID_TO, is_validity};
use super::super::floats::by_value;
use super::super::schema;
use super::super::tombstones::{self, DELETION, Memory, OWN_SEQUENCE};
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
    /// What a history needs to know.
    pub history: Option<Columns>,
    table: SchemaRef,
    /// The type of a sequence that is not a column of the table.
    own_sequence: Option<DataType>,
}

/// Which columns of a history are what, by their places in the table.
pub(super) struct Columns {
    pub tracked: Vec<usize>,
    /// Neither of the key nor tracked, and no provenance.
    pub others: Vec<usize>,
    pub from: usize,
    pub to: usize,
    pub current: usize,
    /// The type of `valid_from`, `valid_to` and the sequence.
    pub time: DataType,
}

/// Where a row is stored: number of the file and row in it.
pub(super) type Place = (u32, u64);

impl Shape {
    /// # Errors
    /// `UndefinedColumn` for a column that neither the table nor `spec` knows.
    pub(super) fn new(input: &SchemaRef, spec: &UpsertSpec, table: &SchemaRef) -> Result<Self> {
        check_columns(input, spec, table)?;
        let own_sequence = own_sequence(input, spec, table);
        let rows = nullable(table);
        let own_field = own_sequence.as_ref().map(|data_type| Field::new(OWN_SEQUENCE, data_type.clone(), true));
        let is_asked = |name: &String| spec.ignore_null_updates || spec.key.contains(name) || spec.sequence.as_ref() == Some(name);
        let wanted: Vec<Field> = rows.iter().filter(|field| is_asked(field.name())).cloned().chain(own_field.clone()).collect();
        let tombstones = tombstone_columns(spec, &rows, own_field.as_ref())?;
        Ok(Self::of(spec.clone(), table, own_sequence, wanted, tombstones, None))
    }

    /// The shape of a write into a history.
    ///
    /// # Errors
    /// `UndefinedColumn` and `WrongType` when the table has not the columns of a history.
    pub(super) fn of_history(input: &SchemaRef, spec: &HistorySpec, table: &SchemaRef) -> Result<Self> {
        let upsert = UpsertSpec {
            key: spec.key.clone(),
            sequence: Some(spec.sequence.clone()),
            delete: spec.delete.clone(),
            ignore_null_updates: false,
        };
        check_columns(input, &upsert, table)?;
        let own_sequence = own_sequence(input, &upsert, table);
        let columns = Columns::of(spec, table, own_sequence.as_ref())?;
        let rows = nullable(table);
        let own = [Field::new(OWN_SEQUENCE, columns.time.clone(), true), Field::new(DELETION, DataType::Boolean, true)];
        let wanted = rows.iter().cloned().chain(own.clone()).collect();
        let is_remembered =
            |(at, field): (usize, &Field)| (!columns.tracked.contains(&at) && !is_validity(field.name())).then(|| Field::clone(field));
        let remembered: Vec<Field> = rows.iter().enumerate().filter_map(is_remembered).chain(own).collect();
        let tombstones = spec.is_remembered.then(|| Arc::new(Schema::new(remembered)));
        Ok(Self::of(upsert, table, own_sequence, wanted, tombstones, Some(columns)))
    }

    fn of(
        spec: UpsertSpec,
        table: &SchemaRef,
        own_sequence: Option<DataType>,
        wanted: Vec<Field>,
        tombstones: Option<SchemaRef>,
        history: Option<Columns>,
    ) -> Self {
        let rows = nullable(table);
        let mut events = rows.clone();
        events.extend(own_sequence.clone().map(|data_type| Field::new(OWN_SEQUENCE, data_type, true)));
        events.extend(spec.delete.iter().map(|_| Field::new("_weir_delete", DataType::Boolean, true)));
        let mut stored = wanted.clone();
        stored.push(Field::new("_weir_file", DataType::UInt32, false));
        stored.push(Field::new("_weir_row", DataType::UInt64, false));
        let [rows, events, stored, wanted] = [rows, events, stored, wanted].map(|fields| Arc::new(Schema::new(fields)));
        Self { spec, rows, events, stored, wanted, tombstones, history, table: table.clone(), own_sequence }
    }

    /// What the table remembers by.
    pub(super) fn memory(&self) -> Memory {
        match &self.history {
            Some(_) => Memory::of_history(&self.spec.key),
            None => Memory::of(&self.spec),
        }
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
        let events = RecordBatch::try_new(self.events.clone(), columns).map_err(broken)?;
        if let (Some(_), Some(name)) = (&self.history, &self.spec.sequence)
            && self.sequence_of(&events)?.logical_null_count() > 0
        {
            return Err(Error::new(Code::NotNullViolated, format!("null value in sequence \"{name}\"")));
        }
        Ok(events)
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
        match self.spec.sequence {
            Some(_) => comparable(std::slice::from_ref(self.sequence_of(events)?)).map(Some),
            None => Ok(None),
        }
    }

    fn sequence_of<'a>(&self, events: &'a RecordBatch) -> Result<&'a ArrayRef> {
        match (&self.own_sequence, &self.spec.sequence) {
            (None, Some(name)) => column(events, name),
            _ => events.columns().get(self.rows.fields().len()).ok_or_else(|| Error::internal("the sequence is missing")),
        }
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

    /// The stored rows of a history that an event not older than `floor` can meet. What is remembered stays.
    pub(super) fn still_open(&self, stored: &RecordBatch, floor: Option<&Key>) -> Result<RecordBatch> {
        let (Some(columns), Some(floor)) = (&self.history, floor) else { return Ok(stored.clone()) };
        let ends = stored.columns().get(columns.to).ok_or_else(|| Error::internal("a history has lost a column"))?;
        let ends_at = comparable(std::slice::from_ref(ends))?;
        let keep: BooleanArray =
            ends_at.iter().enumerate().map(|(row, end)| Some(ends.is_null(row) || end.data() >= floor.as_ref())).collect();
        filter_record_batch(stored, &keep).map_err(broken)
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
        let bytes = batch.columns().iter().map(values).sum::<usize>() + batch.num_rows() * (ROW_BYTES + sources);
        // Every row of a history has a place of its own, and its values once more, to be compared.
        if self.history.is_some() { 2 * bytes } else { bytes }
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
pub(super) fn values<'a>(types: &[DataType], rows: impl Iterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>> {
    let converter = RowConverter::new(types.iter().map(|data_type| SortField::new(data_type.clone())).collect()).map_err(broken)?;
    let parser = converter.parser();
    converter.convert_rows(rows.map(|row| parser.parse(row))).map_err(broken)
}

impl Columns {
    fn of(spec: &HistorySpec, table: &SchemaRef, own_sequence: Option<&DataType>) -> Result<Self> {
        let own = |name: &str| match table.column_with_name(name) {
            Some((at, field)) => Ok((at, field.data_type().clone())),
            None => Err(Error::new(Code::UndefinedColumn, format!("column \"{name}\" does not exist in the table"))),
        };
        let (from, to, current) = (own(VALID_FROM)?, own(VALID_TO)?, own(IS_CURRENT)?);
        let time = match own_sequence {
            Some(data_type) => data_type.clone(),
            None => own(&spec.sequence)?.1,
        };
        for (name, given, wanted) in [(VALID_FROM, &from.1, &time), (VALID_TO, &to.1, &time), (IS_CURRENT, &current.1, &DataType::Boolean)]
        {
            if given != wanted {
                return Err(Error::new(Code::WrongType, format!("column \"{name}\" is of type {given} where a history has {wanted}")));
            }
        }
        let is_listed = |names: &[String], field: &Field| names.iter().any(|name| name == field.name());
        let of_event = || {
            let rest = |field: &Field| !is_validity(field.name()) && !is_listed(&spec.key, field);
            table.fields().iter().enumerate().filter(move |(_, field)| rest(field))
        };
        let tracked = of_event().filter(|(_, field)| is_listed(&spec.tracked, field)).map(|(at, _)| at).collect();
        let is_other = |field: &Field| !is_listed(&spec.tracked, field) && !is_listed(&spec.provenance, field);
        let others = of_event().filter(|(_, field)| is_other(field)).map(|(at, _)| at).collect();
        Ok(Self { tracked, others, from: from.0, to: to.0, current: current.0, time })
    }

    /// Whether a column's values are those of the key or tracked.
    pub(super) fn is_fixed(&self, spec: &UpsertSpec, at: usize, name: &str) -> bool {
        self.tracked.contains(&at) || spec.key.iter().any(|key| key == name)
    }
}

fn nullable(table: &SchemaRef) -> Vec<Field> {
    table.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect()
}

/// The type of a sequence that is not a column of the table.
fn own_sequence(input: &SchemaRef, spec: &UpsertSpec, table: &SchemaRef) -> Option<DataType> {
    let name = spec.sequence.as_deref().filter(|name| table.field_with_name(name).is_err())?;
    let field: Field = input.field_with_name(name).ok()?.clone();
    schema::normalise(&Schema::new(vec![field])).fields().first().map(|field| field.data_type().clone())
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
