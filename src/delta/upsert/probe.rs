//! Finds the incoming keys in the table's files.
//!
//! Files whose bounds exclude every incoming key are not opened; of the others only the key and sequence columns are read.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt};

use super::super::failure::blocking_failed;
use super::super::files::{DataFile, FileStats, LiveFile};
use super::super::schema;
use super::incoming::{Incoming, Key, Shared, comparable};
use crate::error::{Error, Result};

/// Files that are probed at once.
const AT_ONCE: usize = 2;

/// One stored row with an incoming key.
struct Match {
    slot: u32,
    row: u64,
    sequence: Option<Key>,
}

/// Enters into the slots where their keys are stored.
pub(super) async fn probe(incoming: Incoming, files: &[LiveFile], sequence: Option<&str>, table: &SchemaRef) -> Result<Incoming> {
    let wanted: Vec<Field> = incoming
        .key_columns
        .iter()
        .map(|(name, _)| name.as_str())
        .chain(sequence)
        .filter_map(|name| table.field_with_name(name).ok().cloned())
        .collect();
    let wanted = Arc::new(Schema::new(wanted));
    let bounds = Bounds::of(&incoming)?;
    let incoming: Shared = Arc::new(incoming);
    let candidates = (0_u32..).zip(files).filter(|(_, file)| file.stats.as_ref().is_none_or(|stats| bounds.may_hold(stats)));
    let work = candidates.map(|(number, file)| {
        let (incoming, data, wanted) = (incoming.clone(), file.data.clone(), wanted.clone());
        async move {
            let task = tokio::task::spawn_blocking(move || search(&incoming, &data, &wanted));
            Ok::<_, Error>((number, task.await.map_err(blocking_failed)??))
        }
    });
    let found: Vec<_> = futures::stream::iter(work.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await?;
    let mut incoming = Arc::try_unwrap(incoming).map_err(|_| Error::internal("a probe still runs"))?;
    for (number, matches) in found {
        for Match { slot, row, sequence } in matches {
            if let Some(slot) = incoming.slots.get_mut(slot as usize) {
                slot.stored.push((number, row));
                slot.newest = slot.newest.take().max(sequence);
            }
        }
    }
    Ok(incoming)
}

fn search(incoming: &Incoming, file: &DataFile, wanted: &SchemaRef) -> Result<Vec<Match>> {
    let mut matches = Vec::new();
    let mut first = 0_u64;
    let key_count = incoming.key_columns.len();
    for batch in file.read(wanted)? {
        let batch = batch?;
        let (keys, rest) = batch.columns().split_at(key_count.min(batch.num_columns()));
        let keys = comparable(&typed(keys))?;
        let sequences = if rest.is_empty() { None } else { Some(comparable(&typed(rest))?) };
        for (index, key) in keys.iter().enumerate() {
            if let Some(slot) = incoming.keys.get(key.data()) {
                let sequence = sequences.as_ref().map(|sequences| Key::from(sequences.row(index).data()));
                matches.push(Match { slot: *slot, row: first + index as u64, sequence });
            }
        }
        first += batch.num_rows() as u64;
    }
    Ok(matches)
}

fn typed(arrays: &[ArrayRef]) -> Vec<(DataType, Option<ArrayRef>)> {
    arrays.iter().map(|array| (array.data_type().clone(), Some(array.clone()))).collect()
}

/// The incoming values of each key column, sorted, to ask whether one lies within a file's bounds.
struct Bounds {
    columns: Vec<(String, DataType, Vec<Key>)>,
}

impl Bounds {
    fn of(incoming: &Incoming) -> Result<Self> {
        let mut columns = Vec::new();
        for (name, array) in &incoming.key_columns {
            let rows = comparable(&[(array.data_type().clone(), Some(array.clone()))])?;
            let mut values: Vec<Key> = rows.iter().map(|row| row.data().into()).collect();
            values.sort_unstable();
            values.dedup();
            columns.push((name.clone(), array.data_type().clone(), values));
        }
        Ok(Self { columns })
    }

    fn may_hold(&self, stats: &FileStats) -> bool {
        self.columns.iter().all(|(name, data_type, values)| {
            let Some((low, high)) = stats.bounds(name).and_then(|bounds| encode(bounds, data_type)) else { return true };
            let first = values.partition_point(|value| *value < low);
            values.get(first).is_some_and(|value| *value <= high)
        })
    }
}

/// Bounds as comparable bytes. Types whose bounds other writers round are not used.
fn encode((low, high): (String, String), data_type: &DataType) -> Option<(Key, Key)> {
    if matches!(data_type, DataType::Timestamp(..) | DataType::Float32 | DataType::Float64) {
        return None;
    }
    let text: ArrayRef = Arc::new(StringArray::from(vec![low, high]));
    let values = schema::cast(&text, data_type, "bound").ok()?;
    let batch = RecordBatch::try_from_iter([("bound", values)]).ok()?;
    let rows = comparable(&typed(batch.columns())).ok()?;
    Some((rows.row(0).data().into(), rows.row(1).data().into()))
}
