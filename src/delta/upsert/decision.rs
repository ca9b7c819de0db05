//! What a keyed write asks of whoever decides: stored rows and events go in, rows that enter and leave the table come out.
//!
//! There are two who decide: `fold` keeps the newest row of each key, `history` all periods of it. Neither knows of files.

use arrow::array::RecordBatch;
use arrow::row::Rows;

use super::super::contract::RowCounts;
use super::shape::Place;
use crate::error::Result;

/// A row that enters the table, leaves it, or takes the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The number of the new row, for `rows`.
    Insert(u32),
    Update(u32, Place),
    Delete(Place),
}

/// The keys at hand, and what becomes of them.
pub(super) trait Decision: Send + Sync {
    fn knows(&self, key: &[u8]) -> bool;

    /// The slots of a batch's keys, made where there are none.
    fn enter(&mut self, keys: &Rows) -> Result<Vec<u32>>;

    /// Takes in stored rows and what is remembered beside them. All of them must come before the first event.
    fn store(&mut self, stored: RecordBatch) -> Result<()>;

    /// Takes in events, in the order of their arrival, with the slots that `enter` gave for them.
    fn apply(&mut self, events: RecordBatch, slots: &[u32]) -> Result<()>;

    /// Lets go of what is not needed any more when it takes more than so much memory.
    fn compact(&mut self, memory_bytes: usize) -> Result<()>;

    /// No more events come. What follows may be asked from here on.
    fn decide(&mut self) -> Result<()>;

    fn changes(&self) -> Box<dyn Iterator<Item = Change> + '_>;

    /// The new rows of these numbers.
    fn rows(&self, numbers: &[u32]) -> Result<RecordBatch>;

    /// Where something is remembered that no longer counts.
    fn outdated(&self) -> Box<dyn Iterator<Item = Place> + '_>;

    /// What is to be remembered, in the order of the keys.
    fn remembered(&self) -> Box<dyn Iterator<Item = Result<RecordBatch>> + '_>;

    /// What became of the events, in all.
    fn counts(&self) -> RowCounts;
}
