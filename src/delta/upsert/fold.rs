//! Decides what becomes of each key, and puts the rows together that come of it.
//!
//! The events of a key are applied in the order in which they arrived, each one only if it is not older than the newest applied before,
//! stored rows and tombstones included. So it makes no difference how the events are cut into batches: the highest sequence wins, and of equal
//! ones the later. Nor does it matter in which order events of different sequences come, with one exception: where NULLs keep what is stored, an
//! event that comes too late is left out as a whole, also where it has a value for what nobody has given since.
//!
//! A deletion with a sequence becomes a tombstone, also when there was no row to delete: the row may come later and be older. One without a
//! sequence does not, for nothing is older.
//!
//! Memory holds the keys, and the batches whose rows are still needed: `compact` lets go of the others.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::compute::interleave;
use arrow::row::Rows;

use super::super::contract::RowCounts;
use super::decision::{Change, Decision};
use super::scatter::CHUNK;
use super::shape::{Key, Place, Shape, broken};
use crate::error::{Error, Result};

/// A row of one of the batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub batch: u32,
    pub row: u32,
}

/// Where a row's values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Image {
    /// All from one row.
    Whole(Source),
    /// One for each column.
    Patched(Box<[Source]>),
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome<'a> {
    Nothing,
    Insert(&'a Image),
    Update(&'a Image),
    Delete,
}

/// All that is known of one key.
#[derive(Default)]
struct Slot {
    /// Where the key is stored.
    place: Option<Place>,
    /// More places, only if somebody broke the key before. The lowest place is updated, the others are removed.
    twins: Vec<Place>,
    /// The stored row, where rows are patched.
    base: Option<Source>,
    /// Where the deletion of the key is remembered; more than one place only if somebody broke that before.
    graves: Vec<Place>,
    /// The sequence of that deletion.
    buried: Option<Key>,
    /// The highest sequence stored or applied.
    newest: Option<Key>,
    image: Option<Image>,
    given: i64,
    is_alive: bool,
    is_touched: bool,
}

pub(super) struct Fold {
    shape: Arc<Shape>,
    /// Files from this number on hold tombstones.
    first_grave: u32,
    keys: HashMap<Key, u32>,
    slots: Vec<Slot>,
    batches: Vec<RecordBatch>,
    /// So many of the batches hold stored rows, which are needed to the end.
    stored: usize,
    /// Bytes of the event batches that are held.
    held: usize,
}

impl Fold {
    pub(super) fn new(shape: Arc<Shape>, first_grave: u32) -> Self {
        Self { shape, first_grave, keys: HashMap::new(), slots: Vec::new(), batches: Vec::new(), stored: 0, held: 0 }
    }

    /// The rows that images stand for.
    fn compose(&self, images: &[&Image]) -> Result<RecordBatch> {
        let place = |source: &Source| (source.batch as usize, source.row as usize);
        let whole = |image: &&Image| if let Image::Whole(source) = image { Some(place(source)) } else { None };
        let whole: Option<Vec<(usize, usize)>> = images.iter().map(whole).collect();
        // Without NULLs to ignore, a stored batch has other columns and is not held.
        let columns = (0..self.shape.rows.fields().len()).map(|column| {
            let arrays: Vec<&dyn Array> = self.batches.iter().map(|batch| batch.column(column).as_ref()).collect();
            match &whole {
                Some(places) => interleave(&arrays, places).map_err(broken),
                None => {
                    let source = |image: &&Image| match image {
                        Image::Whole(source) => Some(place(source)),
                        Image::Patched(sources) => sources.get(column).map(place),
                    };
                    interleave(&arrays, &images.iter().filter_map(source).collect::<Vec<_>>()).map_err(broken)
                }
            }
        });
        RecordBatch::try_new(self.shape.rows.clone(), columns.collect::<Result<_>>()?).map_err(broken)
    }
}

impl Decision for Fold {
    fn knows(&self, key: &[u8]) -> bool {
        self.keys.contains_key(key)
    }

    fn enter(&mut self, keys: &Rows) -> Result<Vec<u32>> {
        let mut slots = Vec::with_capacity(keys.num_rows());
        for key in keys {
            let slot = match self.keys.get(key.data()) {
                Some(slot) => *slot,
                None => {
                    let slot = number(self.slots.len())?;
                    self.keys.insert(key.data().into(), slot);
                    self.slots.push(Slot::default());
                    slot
                }
            };
            slots.push(slot);
        }
        Ok(slots)
    }

    fn store(&mut self, stored: RecordBatch) -> Result<()> {
        let slots = self.enter(&self.shape.clone().keys(&stored)?)?;
        let sequences = self.shape.stored_sequences(&stored)?;
        let batch = number(self.batches.len())?;
        for ((row, slot), place) in slots.iter().enumerate().zip(Shape::places(&stored)?) {
            let Some(slot) = self.slots.get_mut(*slot as usize) else { continue };
            let sequence = sequences.as_ref().map(|sequences| Key::from(sequences.row(row).data()));
            if place.0 >= self.first_grave {
                slot.buried = slot.buried.take().max(sequence.clone());
                slot.newest = slot.newest.take().max(sequence);
                slot.graves.push(place);
                continue;
            }
            slot.newest = slot.newest.take().max(sequence);
            slot.is_alive = true;
            match slot.place {
                Some(first) if first < place => slot.twins.push(place),
                first => {
                    slot.twins.extend(first);
                    slot.place = Some(place);
                    slot.base = Some(Source { batch, row: number(row)? });
                }
            }
        }
        if self.shape.spec.ignore_null_updates {
            self.batches.push(stored);
            self.stored = self.batches.len();
        }
        Ok(())
    }

    fn apply(&mut self, events: RecordBatch, slots: &[u32]) -> Result<()> {
        let sequences = self.shape.sequences(&events)?;
        let deletes = self.shape.deletes(&events);
        let batch = number(self.batches.len())?;
        for (row, slot) in slots.iter().enumerate() {
            let Some(slot) = self.slots.get_mut(*slot as usize) else { continue };
            slot.given += 1;
            if let Some(sequences) = &sequences {
                let sequence = sequences.row(row);
                if slot.newest.as_ref().is_some_and(|newest| sequence.data() < newest.as_ref()) {
                    continue;
                }
                slot.newest = Some(sequence.data().into());
            }
            slot.is_touched = true;
            if deletes.is_some_and(|deletes| deletes.is_valid(row) && deletes.value(row)) {
                (slot.is_alive, slot.image) = (false, None);
            } else {
                let event = Source { batch, row: number(row)? };
                let before = if slot.is_alive { slot.image.take().or(slot.base.map(Image::Whole)) } else { None };
                slot.image = Some(match before {
                    Some(before) if self.shape.spec.ignore_null_updates => patch(&before, &events, event, self.shape.rows.fields().len()),
                    _ => Image::Whole(event),
                });
                slot.is_alive = true;
            }
        }
        self.held += self.shape.weight(&events);
        self.batches.push(events);
        Ok(())
    }

    /// Keeps the rows that stand at this moment.
    fn compact(&mut self, memory_bytes: usize) -> Result<()> {
        if self.held <= memory_bytes {
            return Ok(());
        }
        let standing: Vec<u32> = (0_u32..).zip(&self.slots).filter(|(_, slot)| slot.image.is_some()).map(|(number, _)| number).collect();
        let mut kept = Vec::new();
        for slots in standing.chunks(CHUNK) {
            let images: Vec<&Image> = slots.iter().filter_map(|slot| self.slots.get(*slot as usize)?.image.as_ref()).collect();
            kept.push(self.compose(&images)?);
        }
        self.batches.truncate(self.stored);
        let first = number(self.batches.len())?;
        for (batch, slots) in (first..).zip(standing.chunks(CHUNK)) {
            for (row, slot) in (0_u32..).zip(slots) {
                if let Some(slot) = self.slots.get_mut(*slot as usize) {
                    slot.image = Some(Image::Whole(Source { batch, row }));
                }
            }
        }
        self.batches.extend(kept);
        self.held = 0;
        Ok(())
    }

    fn outdated(&self) -> Box<dyn Iterator<Item = Place> + '_> {
        Box::new(self.slots.iter().filter(|slot| slot.is_outdated()).flat_map(|slot| slot.graves.iter().copied()))
    }

    fn remembered(&self) -> Box<dyn Iterator<Item = Result<RecordBatch>> + '_> {
        let is_remembered = self.shape.spec.delete.is_some() && self.shape.tombstones.is_some();
        let mut dead: Vec<(&Key, &Key)> = Vec::new();
        for (key, slot) in self.keys.iter().filter(|_| is_remembered) {
            let slot = self.slots.get(*slot as usize).filter(|slot| slot.is_newly_dead());
            dead.extend(slot.and_then(|slot| slot.newest.as_ref()).map(|sequence| (key, sequence)));
        }
        dead.sort_unstable();
        let chunks = dead.len().div_ceil(CHUNK);
        Box::new((0..chunks).map(move |chunk| {
            let rows = dead.get(chunk * CHUNK..dead.len().min((chunk + 1) * CHUNK)).unwrap_or_default();
            self.shape.tombstones(rows)
        }))
    }

    fn counts(&self) -> RowCounts {
        let mut counts = RowCounts::default();
        for slot in self.slots.iter().filter(|slot| slot.given > 0) {
            match slot.outcome() {
                Outcome::Nothing => counts.ignored += 1,
                Outcome::Insert(_) => counts.inserted += 1,
                Outcome::Update(_) => counts.updated += 1,
                Outcome::Delete => counts.deleted += 1,
            }
            // One row of a key takes effect at most; the others are superseded by it.
            counts.ignored += slot.given - 1;
        }
        counts
    }

    fn decide(&mut self) -> Result<()> {
        Ok(())
    }

    fn changes(&self) -> Box<dyn Iterator<Item = Change> + '_> {
        Box::new((0_u32..).zip(&self.slots).flat_map(|(number, slot)| {
            let (first, twins) = match (slot.outcome(), slot.place) {
                (Outcome::Insert(_), _) => (Some(Change::Insert(number)), false),
                (Outcome::Update(_), Some(place)) => (Some(Change::Update(number, place)), true),
                (Outcome::Delete, Some(place)) => (Some(Change::Delete(place)), true),
                _ => (None, false),
            };
            first.into_iter().chain(slot.twins.iter().filter(move |_| twins).map(|place| Change::Delete(*place)))
        }))
    }

    fn rows(&self, numbers: &[u32]) -> Result<RecordBatch> {
        let image = |number: &u32| match self.slots.get(*number as usize)?.outcome() {
            Outcome::Insert(image) | Outcome::Update(image) => Some(image),
            Outcome::Nothing | Outcome::Delete => None,
        };
        self.compose(&numbers.iter().filter_map(image).collect::<Vec<_>>())
    }
}

impl Slot {
    fn is_newly_dead(&self) -> bool {
        self.is_touched && !self.is_alive && (self.newest != self.buried || self.graves.len() != 1)
    }

    fn is_outdated(&self) -> bool {
        self.is_newly_dead() || (self.is_touched && self.is_alive)
    }

    fn outcome(&self) -> Outcome<'_> {
        match (self.is_touched, self.place, self.is_alive, &self.image) {
            (false, ..) | (true, None, false, _) => Outcome::Nothing,
            (true, None, true, Some(image)) => Outcome::Insert(image),
            (true, Some(_), true, Some(image)) => Outcome::Update(image),
            (true, Some(_), false, _) => Outcome::Delete,
            // A key that is alive after an event has the image of that event.
            (true, _, true, None) => Outcome::Nothing,
        }
    }
}

/// The row after an event whose NULLs keep what was there.
fn patch(before: &Image, events: &RecordBatch, event: Source, width: usize) -> Image {
    let sources = events.columns().iter().take(width).enumerate().map(|(index, column)| match before {
        _ if !column.is_null(event.row as usize) => event,
        Image::Whole(before) => *before,
        Image::Patched(before) => before.get(index).copied().unwrap_or(event),
    });
    Image::Patched(sources.collect())
}

pub(super) fn number(count: usize) -> Result<u32> {
    u32::try_from(count).map_err(|source| Error::internal("too many rows or keys at a time").caused_by(source))
}
