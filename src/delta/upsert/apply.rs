//! Writes what was decided: new rows, files without the rows that changed, and the changes themselves.
//!
//! When all keys are in memory, an updated row is written where it stood, so that a file keeps its bounds. When they come range by range,
//! updated rows are written with the new ones of their range, and of the old rows only their places are kept: a few bits each.

use std::collections::BTreeMap;
use std::iter::Peekable;

use arrow::array::{BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{filter_record_batch, take_record_batch};
use arrow::datatypes::SchemaRef;
use roaring::RoaringTreemap;

use super::super::files::DataFile;
use super::super::writer::{Writer, as_changes};
use super::decision::{Change, Decision};
use super::scatter::CHUNK;
use super::shape::broken;
use crate::error::{Error, Result};

/// The files of a commit while they are written.
pub(super) struct Output {
    pub data: Writer,
    /// None when no stored row can change: then the added files are the changes.
    pub changes: Option<Writer>,
}

/// A stored row that leaves its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    row: u64,
    after: After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Removed,
    /// The new row is written already.
    Written,
    /// The new row is the one of this number.
    Number(u32),
}

/// The rows that leave each file, by its number; known when all keys are in memory.
pub(super) fn hits(decision: &dyn Decision) -> BTreeMap<u32, Vec<Hit>> {
    let mut hits: BTreeMap<u32, Vec<Hit>> = BTreeMap::new();
    for change in decision.changes() {
        let ((file, row), after) = match change {
            Change::Insert(_) => continue,
            Change::Update(number, place) => (place, After::Number(number)),
            Change::Delete(place) => (place, After::Removed),
        };
        hits.entry(file).or_default().push(Hit { row, after });
    }
    hits.values_mut().for_each(|hits| hits.sort_unstable_by_key(|hit| hit.row));
    hits
}

/// The rows that leave each file, gathered range by range.
#[derive(Default)]
pub(super) struct Gone {
    files: BTreeMap<u32, Rows>,
}

#[derive(Default)]
struct Rows {
    updated: RoaringTreemap,
    removed: RoaringTreemap,
}

impl Gone {
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn gather(&mut self, decision: &dyn Decision) {
        for change in decision.changes() {
            match change {
                Change::Insert(_) => {}
                Change::Update(_, (file, row)) => _ = self.files.entry(file).or_default().updated.insert(row),
                Change::Delete((file, row)) => _ = self.files.entry(file).or_default().removed.insert(row),
            }
        }
    }

    /// Numbers of the files, and what leaves them in the order of their rows.
    pub(super) fn into_hits(self) -> impl Iterator<Item = (u32, impl Iterator<Item = Hit>)> {
        self.files.into_iter().map(|(file, rows)| {
            let mut updated = rows.updated.into_iter().map(|row| Hit { row, after: After::Written }).peekable();
            let mut removed = rows.removed.into_iter().map(|row| Hit { row, after: After::Removed }).peekable();
            let merged = std::iter::from_fn(move || match (updated.peek(), removed.peek()) {
                (Some(update), Some(removal)) if removal.row < update.row => removed.next(),
                (Some(_), _) => updated.next(),
                (None, _) => removed.next(),
            });
            (file, merged)
        })
    }
}

impl Output {
    /// Writes the rows that take the place of no other.
    pub(super) fn insert(&mut self, decision: &dyn Decision) -> Result<()> {
        let inserted = |change| if let Change::Insert(number) = change { Some(number) } else { None };
        self.add(decision, "insert", &decision.changes().filter_map(inserted).collect::<Vec<_>>())
    }

    /// Writes the new forms of stored rows.
    pub(super) fn update(&mut self, decision: &dyn Decision) -> Result<()> {
        let updated = |change| if let Change::Update(number, _) = change { Some(number) } else { None };
        self.add(decision, "update_postimage", &decision.changes().filter_map(updated).collect::<Vec<_>>())
    }

    fn add(&mut self, decision: &dyn Decision, change: &str, numbers: &[u32]) -> Result<()> {
        for numbers in numbers.chunks(CHUNK) {
            let rows = decision.rows(numbers)?;
            self.data.push(&rows)?;
            self.record(&rows, change)?;
        }
        Ok(())
    }

    fn record(&mut self, rows: &RecordBatch, change: &str) -> Result<()> {
        match &mut self.changes {
            Some(changes) => changes.push(&as_changes(rows, change)?),
            None => Ok(()),
        }
    }

    /// Writes a file again without the rows that leave it; those that `decision` has in a new form follow in that.
    pub(super) fn rewrite(
        &mut self,
        file: &DataFile,
        table: &SchemaRef,
        hits: impl Iterator<Item = Hit>,
        decision: Option<&dyn Decision>,
    ) -> Result<()> {
        let mut hits = hits.peekable();
        let mut first = 0_u64;
        for batch in file.read(table)? {
            let batch = batch?;
            let mut keep = vec![true; batch.num_rows()];
            let here = until(&mut hits, first + batch.num_rows() as u64, first)?;
            for (at, _) in &here {
                if let Some(keep) = keep.get_mut(*at as usize) {
                    *keep = false;
                }
            }
            self.data.push(&filter_record_batch(&batch, &BooleanArray::from(keep)).map_err(broken)?)?;
            if !here.is_empty() {
                self.change(&batch, &here, decision)?;
            }
            first += batch.num_rows() as u64;
        }
        match hits.next() {
            Some(_) => Err(Error::internal("a row to change lies behind the end of its file")),
            None => Ok(()),
        }
    }

    fn change(&mut self, batch: &RecordBatch, hits: &[(u32, After)], decision: Option<&dyn Decision>) -> Result<()> {
        let rows = |wanted: fn(&After) -> bool| -> Result<RecordBatch> {
            let rows: UInt32Array = hits.iter().filter(|(_, after)| wanted(after)).map(|(at, _)| Some(*at)).collect();
            take_record_batch(batch, &rows).map_err(broken)
        };
        if self.changes.is_some() {
            self.record(&rows(|after| *after != After::Removed)?, "update_preimage")?;
            self.record(&rows(|after| *after == After::Removed)?, "delete")?;
        }
        let Some(decision) = decision else { return Ok(()) };
        let number = |(_, after): &(u32, After)| if let After::Number(number) = after { Some(*number) } else { None };
        let numbers: Vec<u32> = hits.iter().filter_map(number).collect();
        if numbers.is_empty() {
            return Ok(());
        }
        let after = decision.rows(&numbers)?;
        self.data.push(&after)?;
        self.record(&after, "update_postimage")
    }
}

/// The hits before the row `end`, as rows of the batch that begins at `first`.
fn until(hits: &mut Peekable<impl Iterator<Item = Hit>>, end: u64, first: u64) -> Result<Vec<(u32, After)>> {
    let mut here = Vec::new();
    while let Some(hit) = hits.next_if(|hit| hit.row < end) {
        let at = hit.row.checked_sub(first).and_then(|at| u32::try_from(at).ok());
        let at = at.ok_or_else(|| Error::internal("a row lies outside its batch"))?;
        here.push((at, hit.after));
    }
    Ok(here)
}
