//! Which stored keys may have come in, and which files may hold them: coarse answers of bounded size that never miss a key.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use parquet::bloom_filter::Sbbf;

use super::super::files::{FileStats, Opened};
use super::super::filters::KeyValues;
use super::super::schema;
use super::shape::{Key, Shape, column, comparable};
use crate::error::Result;

/// Words of a filter: 8 MiB, enough for some ten million keys. More keys only let more stored rows through that nobody asked for.
const WORDS: usize = 1 << 20;

/// Ranges of values kept for a key column.
const RANGES: usize = 1 << 14;

/// Keys that are looked up one by one in the filters of files. More of them would find a mistake in nearly every filter.
const ASKED: usize = 4096;

/// What is known of the keys that came in: bounds of their values, and the values themselves while they are few.
pub(super) struct Sieve {
    key: SchemaRef,
    bounds: Bounds,
    asked: Asked,
}

/// The values of key columns, a list for each batch; None for a column whose type has no filters.
#[derive(Default)]
pub(super) struct Asked {
    parts: Vec<(usize, Vec<Option<KeyValues>>)>,
    rows: usize,
}

impl Asked {
    pub(super) fn add(&mut self, shape: &Shape, events: &RecordBatch) -> Result<()> {
        self.rows += events.num_rows();
        if self.rows > ASKED {
            self.parts.clear();
            return Ok(());
        }
        let values = shape.spec.key.iter().map(|name| Ok(KeyValues::of(column(events, name)?))).collect::<Result<Vec<_>>>()?;
        self.parts.push((events.num_rows(), values));
        Ok(())
    }
}

impl Sieve {
    pub(super) fn new(shape: &Shape, bounds: Bounds, asked: Asked) -> Result<Self> {
        let field = |name: &String| shape.rows.field_with_name(name).cloned().map_err(super::shape::broken);
        let key = shape.spec.key.iter().map(field).collect::<Result<Vec<_>>>()?;
        Ok(Self { key: Arc::new(Schema::new(key)), bounds, asked })
    }

    /// Whether a file of which the log says this may hold one of the keys.
    pub(super) fn takes_file(&self, stats: Option<&FileStats>) -> bool {
        stats.is_none_or(|stats| self.bounds.may_hold(stats))
    }

    /// Whether a row group of a file may hold one of the keys.
    pub(super) fn takes_group(&self, file: &Opened, group: usize) -> Result<bool> {
        if file.stats(group, &self.key).is_some_and(|stats| !self.bounds.may_hold(&stats)) {
            return Ok(false);
        }
        if self.asked.rows > ASKED {
            return Ok(true);
        }
        let filter = |field: &Field| -> Result<Option<Sbbf>> {
            match file.leaf(field) {
                Some(leaf) => file.filter(group, leaf),
                None => Ok(None),
            }
        };
        let filters = self.key.fields().iter().map(|field| filter(field)).collect::<Result<Vec<_>>>()?;
        if filters.iter().all(Option::is_none) {
            return Ok(true);
        }
        // All columns of one key must be there.
        let may_be_in = |values: &[Option<KeyValues>], row: usize| {
            values.iter().zip(&filters).all(|pair| match pair {
                (Some(values), Some(filter)) => values.may_be_in(row, filter),
                _ => true,
            })
        };
        Ok(self.asked.parts.iter().any(|(rows, values)| (0..*rows).any(|row| may_be_in(values, row))))
    }
}

/// A filter of keys: four bits of one word each.
pub(super) struct Filter {
    words: Vec<u64>,
    hasher: BuildHasherDefault<DefaultHasher>,
}

impl Filter {
    pub(super) fn new() -> Self {
        Self { words: vec![0; WORDS], hasher: BuildHasherDefault::default() }
    }

    pub(super) fn enter(&mut self, key: &[u8]) {
        let (word, bits) = self.place(key);
        if let Some(word) = self.words.get_mut(word) {
            *word |= bits;
        }
    }

    pub(super) fn may_hold(&self, key: &[u8]) -> bool {
        let (word, bits) = self.place(key);
        self.words.get(word).is_none_or(|word| word & bits == bits)
    }

    fn place(&self, key: &[u8]) -> (usize, u64) {
        let hash = self.hasher.hash_one(key);
        let bits = (0..4).fold(0, |bits, part| bits | 1 << (hash >> (6 * part) & 63));
        (usize::try_from(hash >> 24).unwrap_or(0) % WORDS, bits)
    }
}

/// The values of each key column as ranges without overlap, to ask whether one lies within a file's bounds.
pub(super) struct Bounds {
    columns: Vec<Values>,
}

struct Values {
    name: String,
    data_type: DataType,
    ranges: Vec<(Key, Key)>,
}

impl Bounds {
    /// Of the values of some batches.
    pub(super) fn of(shape: &Shape, batches: &[RecordBatch]) -> Result<Self> {
        let mut columns = Vec::new();
        for name in &shape.spec.key {
            let rows = batches.iter().map(|batch| comparable(std::slice::from_ref(column(batch, name)?))).collect::<Result<Vec<_>>>()?;
            let mut values: Vec<&[u8]> = rows.iter().flat_map(|rows| rows.iter().map(|row| row.data())).collect();
            values.sort_unstable();
            values.dedup();
            let data_type = shape.rows.field_with_name(name).map_err(super::shape::broken)?.data_type().clone();
            let together = values.len().div_ceil(RANGES).max(1);
            let ends = |group: &[&[u8]]| Some((Key::from(*group.first()?), Key::from(*group.last()?)));
            columns.push(Values { name: name.clone(), data_type, ranges: values.chunks(together).filter_map(ends).collect() });
        }
        Ok(Self { columns })
    }

    pub(super) fn join(&mut self, other: Self) {
        for (mine, theirs) in self.columns.iter_mut().zip(other.columns) {
            mine.ranges.extend(theirs.ranges);
            mine.ranges.sort_unstable();
            let mut joined: Vec<(Key, Key)> = Vec::new();
            for (low, high) in std::mem::take(&mut mine.ranges) {
                match joined.last_mut() {
                    Some((_, end)) if low <= *end => {
                        if high > *end {
                            *end = high;
                        }
                    }
                    _ => joined.push((low, high)),
                }
            }
            mine.ranges = fewer(joined);
        }
    }

    pub(super) fn may_hold(&self, stats: &FileStats) -> bool {
        self.columns.iter().all(|values| {
            let Some((low, high)) = stats.bounds(&values.name).and_then(|bounds| encode(bounds, &values.data_type)) else { return true };
            let first = values.ranges.partition_point(|(_, end)| *end < low);
            values.ranges.get(first).is_some_and(|(start, _)| *start <= high)
        })
    }
}

/// Neighbours put together until few enough are left.
fn fewer(ranges: Vec<(Key, Key)>) -> Vec<(Key, Key)> {
    let together = ranges.len().div_ceil(RANGES);
    if together < 2 {
        return ranges;
    }
    let ends = |group: &[(Key, Key)]| Some((group.first()?.0.clone(), group.last()?.1.clone()));
    ranges.chunks(together).filter_map(ends).collect()
}

/// Bounds as comparable bytes. Types whose bounds other writers round are not used.
fn encode((low, high): (String, String), data_type: &DataType) -> Option<(Key, Key)> {
    if matches!(data_type, DataType::Timestamp(..) | DataType::Float32 | DataType::Float64) {
        return None;
    }
    let text: ArrayRef = Arc::new(StringArray::from(vec![low, high]));
    let values = schema::cast(&text, data_type, "bound").ok()?;
    let rows = comparable(&[values]).ok()?;
    Some((rows.row(0).data().into(), rows.row(1).data().into()))
}
