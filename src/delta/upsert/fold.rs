//! Decides what becomes of each key.
//!
//! The events of a key are applied in the order in which they arrived, each one only if it is not older than the newest applied before,
//! stored rows included. So it makes no difference how the events are cut into batches: the highest sequence wins, and of equal ones the
//! later. A deleted key leaves no trace in the table, so an event that is older than the deletion and comes in a later batch adds the key again.

use super::super::contract::{RowCounts, UpsertSpec};
use super::incoming::{Incoming, Key, Slot};

/// Where a row's values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Image {
    /// All from one incoming row.
    Whole(u32),
    /// For each column an incoming row, or what is stored.
    Patched(Vec<Option<u32>>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Nothing,
    Insert(Image),
    Update(Image),
    Delete,
}

/// The outcome of every slot, in their order, and what it does to how many rows.
pub(super) fn fold(incoming: &Incoming, spec: &UpsertSpec) -> (Vec<Outcome>, RowCounts) {
    let mut counts = RowCounts::default();
    let outcomes = incoming.slots.iter().map(|slot| {
        let outcome = of_slot(incoming, spec, slot);
        let given = i64::try_from(slot.events.len()).unwrap_or(i64::MAX);
        match &outcome {
            Outcome::Nothing => counts.ignored += 1,
            Outcome::Insert(_) => counts.inserted += 1,
            Outcome::Update(_) => counts.updated += 1,
            Outcome::Delete => counts.deleted += 1,
        }
        // One row of a key takes effect at most; the others are superseded by it.
        counts.ignored += given - 1;
        outcome
    });
    let outcomes = outcomes.collect();
    (outcomes, counts)
}

fn of_slot(incoming: &Incoming, spec: &UpsertSpec, slot: &Slot) -> Outcome {
    let mut newest: Option<Key> = slot.newest.clone();
    let mut image: Option<Image> = None;
    let mut is_touched = false;
    let mut is_alive = !slot.stored.is_empty();
    for &event in &slot.events {
        if let Some(sequence) = &incoming.sequence {
            let sequence = sequence.row(event as usize);
            if newest.as_ref().is_some_and(|newest| sequence.data() < newest.as_ref()) {
                continue;
            }
            newest = Some(sequence.data().into());
        }
        is_touched = true;
        if incoming.is_delete(event) {
            (is_alive, image) = (false, None);
        } else {
            let before = if is_alive { Before::Row(image) } else { Before::Absent };
            image = Some(if spec.ignore_null_updates { patch(incoming, before, event) } else { Image::Whole(event) });
            is_alive = true;
        }
    }
    match (is_touched, slot.stored.is_empty(), is_alive, image) {
        (false, ..) | (true, true, false, _) => Outcome::Nothing,
        (true, true, true, Some(image)) => Outcome::Insert(image),
        (true, false, true, Some(image)) => Outcome::Update(image),
        (true, false, false, _) => Outcome::Delete,
        // A key that is alive after an event has the image of that event.
        (true, _, true, None) => Outcome::Nothing,
    }
}

enum Before {
    Absent,
    /// The row as stored, or as an earlier event of this batch left it.
    Row(Option<Image>),
}

/// The row after an event whose NULLs keep what was there.
fn patch(incoming: &Incoming, before: Before, event: u32) -> Image {
    let before = match before {
        Before::Absent => return Image::Whole(event),
        Before::Row(image) => image,
    };
    let columns = incoming.rows.columns().iter().enumerate().map(|(index, column)| {
        if !column.is_null(event as usize) {
            return Some(event);
        }
        match &before {
            None => None,
            Some(Image::Whole(row)) => Some(*row),
            Some(Image::Patched(sources)) => sources.get(index).copied().flatten(),
        }
    });
    Image::Patched(columns.collect())
}
