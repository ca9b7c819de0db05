//! Which stored keys may have come in, and which files may hold them: coarse answers of bounded size that never miss a key.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::DataType;

use super::super::files::FileStats;
use super::super::schema;
use super::shape::{Key, Shape, column, comparable};
use crate::error::Result;

/// Words of a filter: 8 MiB, enough for some ten million keys. More keys only let more stored rows through that nobody asked for.
const WORDS: usize = 1 << 20;

/// Ranges of values kept for a key column.
const RANGES: usize = 1 << 14;

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
