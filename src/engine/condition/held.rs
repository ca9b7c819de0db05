//! What a sub-query found, indexed by its keys.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, DynComparator, make_comparator};
use arrow::buffer::NullBuffer;
use arrow::compute::SortOptions;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryReservation;

/// Rows by the hash of their keys; rows of one hash follow each other in a chain. A row with a NULL in its key equals nothing and is in no chain.
#[derive(Debug)]
pub(super) struct Held {
    columns: Vec<ArrayRef>,
    keys: usize,
    rows: usize,
    nulls: bool,
    first: HashMap<u64, u32, BuildHasherDefault<AsIs>>,
    next: Vec<u32>,
    /// Given back when what is held is.
    _memory: MemoryReservation,
}

/// Ends a chain.
const END: u32 = u32::MAX;

impl Held {
    /// The first `keys` columns are the keys.
    pub(super) fn new(columns: Vec<ArrayRef>, rows: usize, keys: usize, memory: MemoryReservation) -> Result<Self> {
        let mut held = Self { columns, keys, rows, nulls: false, first: HashMap::default(), next: Vec::new(), _memory: memory };
        if keys == 0 {
            return Ok(held);
        }
        let count = u32::try_from(rows).ok().filter(|rows| *rows < END);
        let count = count.ok_or_else(|| DataFusionError::ResourcesExhausted("a rule looks up more than 4 billion rows".to_owned()))?;
        let each = size_of::<u32>() * 3 + size_of::<u64>() * 2;
        held._memory.try_grow(rows.saturating_mul(each))?;
        held.first.reserve(rows);
        held.next.reserve_exact(rows);
        let hashes = hashes(held.keys(), rows)?;
        let nulls = nulls(held.keys());
        held.nulls = nulls.as_ref().is_some_and(|nulls| nulls.null_count() > 0);
        for ((row, at), hash) in (0..count).zip(0..rows).zip(hashes) {
            let before = match &nulls {
                Some(nulls) if nulls.is_null(at) => None,
                _ => held.first.insert(hash, row),
            };
            held.next.push(before.unwrap_or(END));
        }
        Ok(held)
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Whether a row has NULL in its key.
    pub(super) fn nulls(&self) -> bool {
        self.nulls
    }

    fn keys(&self) -> &[ArrayRef] {
        self.columns.get(..self.keys).unwrap_or_default()
    }

    /// The columns behind the keys.
    pub(super) fn besides(&self) -> &[ArrayRef] {
        self.columns.get(self.keys..).unwrap_or_default()
    }

    /// Looks the keys of a batch up.
    pub(super) fn look_up<'a>(&'a self, keys: &[ArrayRef], rows: usize) -> Result<LookUp<'a>> {
        if self.keys == 0 {
            return Ok(LookUp { held: self, hashes: Vec::new(), nulls: None, comparators: Vec::new() });
        }
        let pairs = keys.iter().zip(self.keys());
        let comparators = pairs.map(|(here, there)| make_comparator(here.as_ref(), there.as_ref(), SortOptions::default()));
        Ok(LookUp { held: self, hashes: hashes(keys, rows)?, nulls: nulls(keys), comparators: comparators.collect::<Result<_, _>>()? })
    }
}

/// One batch's keys against what is held.
pub(super) struct LookUp<'a> {
    held: &'a Held,
    hashes: Vec<u64>,
    nulls: Option<NullBuffer>,
    comparators: Vec<DynComparator>,
}

impl LookUp<'_> {
    /// Whether a row has NULL in its key.
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The held rows whose keys equal those of a row: all of them where there are no keys.
    pub(super) fn matches(&self, row: usize) -> impl Iterator<Item = u32> + '_ {
        let all = if self.held.keys == 0 { u32::try_from(self.held.rows).unwrap_or(END) } else { 0 };
        let first = match self.hashes.get(row) {
            Some(hash) if !self.is_null(row) => self.held.first.get(hash).copied(),
            _ => None,
        };
        let chain = std::iter::successors(first, |at| self.held.next.get(index(*at)).copied().filter(|next| *next != END));
        let equal = move |at: &u32| self.comparators.iter().all(|compare| compare(row, index(*at)).is_eq());
        (0..all).chain(chain.filter(equal))
    }
}

/// A held row's number as an index.
pub(super) fn index(row: u32) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}

fn hashes(keys: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
    let mut hashes = vec![0; rows];
    create_hashes(keys.iter().map(Arc::clone), &RandomState::with_seed(0), &mut hashes)?;
    Ok(hashes)
}

/// Valid where no key is NULL.
fn nulls(keys: &[ArrayRef]) -> Option<NullBuffer> {
    keys.iter().map(|key| key.logical_nulls()).fold(None, |all, key| NullBuffer::union(all.as_ref(), key.as_ref()))
}

/// Keys that are hashes already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
