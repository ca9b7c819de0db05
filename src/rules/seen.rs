//! Which keys a run has met: 16 bytes of hash per key, for UNIQUE within a run.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher};

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};
use datafusion::error::Result as DfResult;

use crate::delta::by_value;

/// Hashes rows of some columns to 128 bits, with keys of this process.
pub struct KeyHasher {
    columns: Vec<usize>,
    converter: RowConverter,
    first: std::hash::RandomState,
    second: std::hash::RandomState,
}

impl KeyHasher {
    pub fn new(schema: &SchemaRef, columns: Vec<usize>) -> DfResult<Self> {
        let fields = columns.iter().map(|&at| SortField::new(schema.field(at).data_type().clone())).collect();
        Ok(Self {
            columns,
            converter: RowConverter::new(fields)?,
            first: std::hash::RandomState::new(),
            second: std::hash::RandomState::new(),
        })
    }

    /// One hash per row; None where a column is NULL.
    pub fn hash(&self, columns: &[ArrayRef]) -> DfResult<Vec<Option<u128>>> {
        let keys: Vec<ArrayRef> = self.columns.iter().filter_map(|&at| columns.get(at).map(by_value)).collect();
        let rows = self.converter.convert_columns(&keys)?;
        Ok(rows
            .iter()
            .enumerate()
            .map(|(at, row)| {
                if keys.iter().any(|key| key.is_null(at)) {
                    return None;
                }
                let half = |state: &std::hash::RandomState| {
                    let mut hasher = state.build_hasher();
                    hasher.write(row.as_ref());
                    u128::from(hasher.finish())
                };
                Some((half(&self.first) << 64) | half(&self.second))
            })
            .collect())
    }
}

/// The keys met so far.
#[derive(Default)]
pub struct Seen(HashSet<u128>);

impl Seen {
    /// True the first time.
    pub fn insert(&mut self, key: u128) -> bool {
        self.0.insert(key)
    }
}
