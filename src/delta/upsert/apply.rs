//! Writes what was decided: new rows, files without the rows that changed, and the changes themselves.

use std::collections::HashMap;

use arrow::array::{BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{filter_record_batch, interleave, take, take_record_batch};
use arrow::datatypes::SchemaRef;

use super::super::files::{DataFile, LiveFile};
use super::super::writer::{Writer, as_changes};
use super::fold::{Image, Outcome};
use super::incoming::Incoming;
use crate::error::{Error, Result};

/// Rows put together at a time.
const CHUNK: usize = 8192;

/// A stored row that changes: where it stands, and the slot that says how.
struct Hit {
    row: u64,
    slot: usize,
    /// Of several rows with one key the first is updated and the others are removed.
    is_first: bool,
}

/// What `apply` needs, in one piece, to run beside the caller.
pub(super) struct Plan {
    pub incoming: Incoming,
    pub outcomes: Vec<Outcome>,
    /// The files that hold rows to change, with their numbers among all files.
    pub files: Vec<(u32, DataFile)>,
    pub table: SchemaRef,
}

/// Numbers of the files that an outcome changes.
pub(super) fn touched(incoming: &Incoming, outcomes: &[Outcome], files: &[LiveFile]) -> Vec<(u32, DataFile)> {
    let mut is_hit = vec![false; files.len()];
    for (slot, outcome) in incoming.slots.iter().zip(outcomes) {
        if matches!(outcome, Outcome::Update(_) | Outcome::Delete) {
            for (file, _) in &slot.stored {
                if let Some(hit) = is_hit.get_mut(*file as usize) {
                    *hit = true;
                }
            }
        }
    }
    (0_u32..).zip(files).zip(is_hit).filter(|(_, hit)| *hit).map(|((number, file), _)| (number, file.data.clone())).collect()
}

impl Plan {
    /// Writes rows to `data` and, when there is one, changes to `changes`.
    pub(super) fn apply(&self, data: &mut Writer, mut changes: Option<&mut Writer>) -> Result<()> {
        self.insert(data, changes.as_deref_mut())?;
        let mut hits = self.hits();
        for (number, file) in &self.files {
            let mut hits = hits.remove(number).unwrap_or_default();
            hits.sort_unstable_by_key(|hit| hit.row);
            self.rewrite(file, &hits, data, changes.as_deref_mut())?;
        }
        Ok(())
    }

    fn insert(&self, data: &mut Writer, mut changes: Option<&mut Writer>) -> Result<()> {
        let images: Vec<&Image> =
            self.outcomes.iter().filter_map(|outcome| if let Outcome::Insert(image) = outcome { Some(image) } else { None }).collect();
        for images in images.chunks(CHUNK) {
            let rows = self.compose(images)?;
            data.push(&rows)?;
            if let Some(changes) = changes.as_deref_mut() {
                changes.push(&as_changes(&rows, "insert")?)?;
            }
        }
        Ok(())
    }

    fn hits(&self) -> HashMap<u32, Vec<Hit>> {
        let mut hits: HashMap<u32, Vec<Hit>> = HashMap::new();
        for (slot, (known, outcome)) in self.incoming.slots.iter().zip(&self.outcomes).enumerate() {
            if matches!(outcome, Outcome::Update(_) | Outcome::Delete) {
                for (index, (file, row)) in known.stored.iter().enumerate() {
                    hits.entry(*file).or_default().push(Hit { row: *row, slot, is_first: index == 0 });
                }
            }
        }
        hits
    }

    /// Writes a file again without the rows that change, then those as they are now.
    fn rewrite(&self, file: &DataFile, hits: &[Hit], data: &mut Writer, mut changes: Option<&mut Writer>) -> Result<()> {
        let mut rest = hits;
        let mut first = 0_u64;
        for batch in file.read(&self.table)? {
            let batch = batch?;
            let end = first + batch.num_rows() as u64;
            let (here, later) = rest.split_at(rest.partition_point(|hit| hit.row < end));
            rest = later;
            let mut keep = vec![true; batch.num_rows()];
            for hit in here {
                if let Some(keep) = usize::try_from(hit.row - first).ok().and_then(|at| keep.get_mut(at)) {
                    *keep = false;
                }
            }
            data.push(&filter_record_batch(&batch, &BooleanArray::from(keep)).map_err(broken)?)?;
            if !here.is_empty() {
                self.change(&batch, first, here, data, changes.as_deref_mut())?;
            }
            first = end;
        }
        Ok(())
    }

    fn change(&self, batch: &RecordBatch, first: u64, hits: &[Hit], data: &mut Writer, changes: Option<&mut Writer>) -> Result<()> {
        let (mut updated, mut images, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
        for hit in hits {
            let at = u32::try_from(hit.row - first).map_err(|source| Error::internal("a row lies outside its batch").caused_by(source))?;
            match self.outcomes.get(hit.slot) {
                Some(Outcome::Update(image)) if hit.is_first => {
                    updated.push(at);
                    images.push(image);
                }
                _ => deleted.push(at),
            }
        }
        let updated = UInt32Array::from(updated);
        let before = take_record_batch(batch, &updated).map_err(broken)?;
        let after = self.update(&before, &images)?;
        data.push(&after)?;
        if let Some(changes) = changes {
            changes.push(&as_changes(&before, "update_preimage")?)?;
            changes.push(&as_changes(&after, "update_postimage")?)?;
            let gone = take_record_batch(batch, &UInt32Array::from(deleted)).map_err(broken)?;
            changes.push(&as_changes(&gone, "delete")?)?;
        }
        Ok(())
    }

    /// New rows, all of whose values come from incoming rows.
    fn compose(&self, images: &[&Image]) -> Result<RecordBatch> {
        let columns = self.incoming.rows.columns().iter().enumerate().map(|(index, column)| {
            let sources: UInt32Array = images.iter().map(|image| source(image, index)).collect();
            take(column, &sources, None).map_err(broken)
        });
        RecordBatch::try_new(self.incoming.rows.schema(), columns.collect::<Result<_>>()?).map_err(broken)
    }

    /// Stored rows with the values that replace theirs.
    fn update(&self, before: &RecordBatch, images: &[&Image]) -> Result<RecordBatch> {
        let columns = self.incoming.rows.columns().iter().zip(before.columns()).enumerate().map(|(index, (new, old))| {
            let sources = images.iter().enumerate().map(|(at, image)| source(image, index).map_or((1, at), |row| (0, row as usize)));
            interleave(&[new.as_ref(), old.as_ref()], &sources.collect::<Vec<_>>()).map_err(broken)
        });
        RecordBatch::try_new(self.incoming.rows.schema(), columns.collect::<Result<_>>()?).map_err(broken)
    }
}

fn source(image: &Image, column: usize) -> Option<u32> {
    match image {
        Image::Whole(row) => Some(*row),
        Image::Patched(sources) => sources.get(column).copied().flatten(),
    }
}

fn broken(source: arrow::error::ArrowError) -> Error {
    Error::internal("changed rows cannot be put together").caused_by(source)
}
