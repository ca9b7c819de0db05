//! The history of one key: from its periods, the remembered events and the new ones to the periods that all of them make.
//!
//! The events of a key stand in a line, at most one at each sequence; of two the later arrival counts. Read in order, an event that changes a
//! tracked column begins a period, one that does not falls into the period before it, and a deletion ends that. So the periods are a function
//! of the events alone, whatever the order in which they came and the runs that brought them.
//!
//! To read the line again when an earlier event comes later, the stored rows are not enough. What they do not tell is remembered beside them:
//! of a period with several events all but the first, and the first, too, once the row shows the values of another; and a deletion that ended
//! nothing. Tracked values are never remembered: those of the row are the values of all its events, so that a row which somebody corrected
//! stays corrected, and one that somebody deleted stays deleted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as MapEntry;
use std::ops::Bound;

use super::super::fold::Source;
use super::super::shape::{Key, Place};

/// A stored row: a period.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub place: Place,
    pub source: Source,
    pub from: Key,
    pub to: Option<Key>,
}

/// A remembered event.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub place: Place,
    pub source: Source,
    pub at: Key,
    pub is_deletion: bool,
}

/// An event that came in.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub source: Source,
    pub at: Key,
    pub is_deletion: bool,
}

/// All that is known of a key before the decision.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub rows: Vec<Row>,
    pub notes: Vec<Note>,
    /// In the order of their arrival.
    pub given: Vec<Given>,
}

/// What an event did to the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It begins a period.
    Insert,
    /// It changes the period that it falls into.
    Update,
    /// It ends a period.
    Delete,
    /// The table holds what it would hold without it.
    Nothing,
}

/// A period as the table is to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Period {
    pub from: Key,
    pub to: Option<Key>,
    /// Whose tracked columns it has.
    pub tracked: Source,
    /// Whose other columns.
    pub rest: Source,
}

/// An event to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewNote {
    pub at: Key,
    pub is_deletion: bool,
    pub rest: Source,
}

#[derive(Debug, Default)]
pub(super) struct Decided {
    pub inserted: Vec<Period>,
    pub updated: Vec<(Place, Period)>,
    pub deleted: Vec<Place>,
    /// Where events are remembered that need not be any more.
    pub outdated: Vec<Place>,
    pub notes: Vec<NewNote>,
    /// One for each event that came in.
    pub effects: Vec<Effect>,
}

/// Compares the values of two rows; NULL equals NULL.
pub(super) trait Values {
    fn same_tracked(&self, left: Source, right: Source) -> bool;
    /// The columns that are neither tracked nor say where a row comes from.
    fn same_others(&self, left: Source, right: Source) -> bool;
}

/// A place in the line.
#[derive(Debug, Clone)]
struct Event {
    is_deletion: bool,
    tracked: Source,
    rest: Source,
    /// Where it is remembered just as it is.
    note: Option<Place>,
    /// Which of the incoming events it is.
    given: Option<usize>,
}

struct Reading<'a> {
    values: &'a dyn Values,
    events: BTreeMap<Key, Event>,
    /// Without twins, in order.
    rows: Vec<Row>,
    decided: Decided,
}

impl Line {
    /// Reads the line. Rows that end before `floor`, the sequence of the first event that came in for any key, may have been left out.
    pub(super) fn decide(self, floor: Option<&Key>, values: &dyn Values) -> Decided {
        let Self { rows, notes, given } = self;
        let decided = Decided { effects: vec![Effect::Nothing; given.len()], ..Decided::default() };
        let mut reading = Reading { values, events: BTreeMap::new(), rows: Vec::new(), decided };
        reading.take_rows(rows);
        reading.take_notes(notes, floor);
        (0..reading.rows.len()).for_each(|row| reading.follow_row(row));
        if reading.take_given(given) {
            let periods = reading.read();
            reading.compare(periods);
            reading.decided
        } else {
            Decided { effects: reading.decided.effects, ..Decided::default() }
        }
    }
}

impl Reading<'_> {
    fn take_rows(&mut self, mut rows: Vec<Row>) {
        rows.sort_by(|left, right| (&left.from, left.place).cmp(&(&right.from, right.place)));
        for row in rows {
            match self.rows.last() {
                // Only if somebody else put it there.
                Some(before) if before.from == row.from => self.decided.deleted.push(row.place),
                _ => self.rows.push(row),
            }
        }
        for (index, row) in self.rows.iter().enumerate() {
            let event = Event { is_deletion: false, tracked: row.source, rest: row.source, note: None, given: None };
            self.events.insert(row.from.clone(), event.clone());
            let next = self.rows.get(index + 1).map(|next| &next.from);
            if let Some(to) = row.to.as_ref().filter(|to| **to > row.from && next.is_none_or(|next| *to < next)) {
                self.events.insert(to.clone(), Event { is_deletion: true, ..event });
            }
        }
    }

    /// The stored period in which a sequence lies.
    fn cover(&self, at: &Key) -> Option<&Row> {
        let next = self.rows.partition_point(|row| row.from <= *at);
        let row = self.rows.get(next.checked_sub(1)?)?;
        row.to.as_ref().is_none_or(|to| at < to).then_some(row)
    }

    fn take_notes(&mut self, notes: Vec<Note>, floor: Option<&Key>) {
        for note in notes {
            let tracked = match (self.cover(&note.at), note.is_deletion) {
                (Some(row), false) => row.source,
                (None, true) => note.source,
                // Its row may be one of those that were left out.
                (None, false) if floor.is_some_and(|floor| note.at < *floor) => continue,
                // The row that it belonged to was taken away by somebody, or put in its way.
                _ => {
                    self.decided.outdated.push(note.place);
                    continue;
                }
            };
            let Note { place, source: rest, at, is_deletion } = note;
            let event = Event { is_deletion, tracked, rest, note: Some(place), given: None };
            match self.events.entry(at) {
                MapEntry::Vacant(free) => {
                    free.insert(event);
                }
                MapEntry::Occupied(mut known) => match known.get().note {
                    None if known.get().is_deletion == is_deletion => {
                        known.insert(event);
                    }
                    _ => self.decided.outdated.push(place),
                },
            }
        }
    }

    /// The values that a row shows are those of one of its events: from that on they are what the table says.
    fn follow_row(&mut self, index: usize) {
        let Some(row) = self.rows.get(index) else { return };
        let end = match (&row.to, self.rows.get(index + 1)) {
            (Some(to), Some(next)) => Bound::Excluded(to.min(&next.from)),
            (Some(to), None) => Bound::Excluded(to),
            (None, Some(next)) => Bound::Excluded(&next.from),
            (None, None) => Bound::Unbounded,
        };
        if matches!(end, Bound::Excluded(end) if *end <= row.from) {
            return;
        }
        let range = (Bound::Included(&row.from), end);
        let (mut shown, mut before): (usize, Option<Source>) = (0, None);
        for (number, (_, event)) in self.events.range::<Key, _>(range).enumerate() {
            if before.is_some_and(|before| !self.values.same_others(before, event.rest)) {
                shown = number;
            }
            before = Some(event.rest);
        }
        for (number, (_, event)) in self.events.range_mut::<Key, _>(range).enumerate().skip(shown) {
            if self.values.same_others(event.rest, row.source) {
                if number == shown {
                    event.rest = row.source;
                }
            } else {
                self.decided.outdated.extend(event.note.take());
                event.rest = row.source;
            }
        }
    }

    /// Puts the new events into the line. False when all of them say what is there already.
    fn take_given(&mut self, given: Vec<Given>) -> bool {
        let mut is_changed = false;
        for (number, Given { source, at, is_deletion }) in given.into_iter().enumerate() {
            let event = Event { is_deletion, tracked: source, rest: source, note: None, given: Some(number) };
            match self.events.entry(at) {
                MapEntry::Vacant(free) => {
                    free.insert(event);
                }
                MapEntry::Occupied(mut known) => {
                    let old = known.get();
                    let same_values = || self.values.same_tracked(old.tracked, source) && self.values.same_others(old.rest, source);
                    if old.is_deletion == is_deletion && (is_deletion || same_values()) {
                        continue;
                    }
                    self.decided.outdated.extend(old.note);
                    known.insert(event);
                }
            }
            is_changed = true;
        }
        is_changed
    }

    /// Goes through the line: periods, effects, and what must be remembered.
    fn read(&mut self) -> Vec<Period> {
        let mut periods: Vec<Period> = Vec::new();
        let mut needed: Vec<(Key, bool)> = Vec::with_capacity(self.events.len());
        let (mut first, mut before): (Option<usize>, Option<Source>) = (None, None);
        for (at, event) in &self.events {
            let open = periods.last_mut().filter(|period| period.to.is_none());
            let (effect, is_needed) = match open {
                Some(open) if event.is_deletion => {
                    open.to = Some(at.clone());
                    (Effect::Delete, false)
                }
                None if event.is_deletion => (Effect::Nothing, true),
                Some(open) if self.values.same_tracked(open.tracked, event.tracked) => {
                    let is_same = before.is_none_or(|before| self.values.same_others(before, event.rest));
                    if !is_same {
                        open.rest = event.rest;
                        // The row no longer shows the values of the first.
                        if let Some((_, is_needed)) = first.and_then(|first| needed.get_mut(first)) {
                            *is_needed = true;
                        }
                    }
                    (if is_same { Effect::Nothing } else { Effect::Update }, true)
                }
                open => {
                    if let Some(open) = open {
                        open.to = Some(at.clone());
                    }
                    periods.push(Period { from: at.clone(), to: None, tracked: event.tracked, rest: event.rest });
                    first = Some(needed.len());
                    (Effect::Insert, false)
                }
            };
            before = Some(event.rest);
            needed.push((at.clone(), is_needed));
            if let Some(told) = event.given.and_then(|given| self.decided.effects.get_mut(given)) {
                *told = effect;
            }
        }
        for ((at, is_needed), event) in needed.into_iter().zip(self.events.values()) {
            match (is_needed, event.note) {
                (true, None) => self.decided.notes.push(NewNote { at, is_deletion: event.is_deletion, rest: event.rest }),
                (false, Some(note)) => self.decided.outdated.push(note),
                (true, Some(_)) | (false, None) => {}
            }
        }
        periods
    }

    /// Finds for each period the stored row that becomes it: the one that begins with it, or else the one that ends with it.
    fn compare(&mut self, periods: Vec<Period>) {
        let rows = std::mem::take(&mut self.rows);
        let mut by_start: BTreeMap<Key, Row> = rows.into_iter().map(|row| (row.from.clone(), row)).collect();
        let mut moved = Vec::new();
        for period in periods {
            match by_start.remove(&period.from) {
                Some(row) => self.keep(&row, period),
                None => moved.push(period),
            }
        }
        let mut by_end: BTreeMap<Option<Key>, Row> = BTreeMap::new();
        for row in by_start.into_values() {
            let twin = by_end.insert(row.to.clone(), row);
            self.decided.deleted.extend(twin.map(|twin| twin.place));
        }
        for period in moved {
            match by_end.remove(&period.to) {
                Some(row) => self.keep(&row, period),
                None => self.decided.inserted.push(period),
            }
        }
        self.decided.deleted.extend(by_end.into_values().map(|row| row.place));
    }

    fn keep(&mut self, row: &Row, period: Period) {
        let is_same = row.from == period.from
            && row.to == period.to
            && row.source == period.rest
            && self.values.same_tracked(row.source, period.tracked);
        if !is_same {
            self.decided.updated.push((row.place, period));
        }
    }
}
