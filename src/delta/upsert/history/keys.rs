//! The keys at hand of a history: their periods, remembered events and new ones, and the rows that come of them.
//!
//! Memory holds all of these for the keys at hand, since an event may belong anywhere between them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field};
use arrow::row::Rows;

use super::super::super::contract::RowCounts;
use super::super::super::tombstones::{DELETION, OWN_SEQUENCE};
use super::super::decision::{Change, Decision};
use super::super::fold::{Source, number};
use super::super::scatter::CHUNK;
use super::super::shape::{Columns, Key, Place, Shape, broken, column, comparable, values};
use super::line::{Effect, Given, Line, NewNote, Note, Period, Row, Values};
use crate::error::{Error, Result};

pub(in crate::delta::upsert) struct History {
    shape: Arc<Shape>,
    /// Files from this number on hold remembered events.
    first_note: u32,
    /// The lowest sequence that came in for any key.
    floor: Option<Key>,
    keys: HashMap<Key, u32>,
    lines: Vec<Line>,
    batches: Vec<RecordBatch>,
    /// What of each batch is compared.
    compared: Compared,
    /// New rows, by their numbers, with the places of those that they replace.
    periods: Vec<(Option<Place>, Period)>,
    deleted: Vec<Place>,
    outdated: Vec<Place>,
    /// Of which keys events are to be remembered.
    notes: Vec<(Key, NewNote)>,
    counts: RowCounts,
    /// The effect of each event, where somebody asks for it.
    told: Option<Vec<(Source, Effect)>>,
}

/// The values of batches in a form whose bytes are equal where the values are; None where there is no such column.
#[derive(Default)]
struct Compared {
    batches: Vec<(Option<Rows>, Option<Rows>)>,
}

impl Compared {
    fn add(&mut self, columns: &Columns, batch: &RecordBatch) -> Result<()> {
        let rows = |places: &[usize]| -> Result<Option<Rows>> {
            let chosen: Vec<ArrayRef> = places.iter().filter_map(|place| batch.columns().get(*place).cloned()).collect();
            if chosen.is_empty() { Ok(None) } else { comparable(&chosen).map(Some) }
        };
        self.batches.push((rows(&columns.tracked)?, rows(&columns.others)?));
        Ok(())
    }

    fn is_same(&self, left: Source, right: Source, of: impl Fn(&(Option<Rows>, Option<Rows>)) -> Option<&Rows>) -> bool {
        let row = |source: Source| self.batches.get(source.batch as usize).and_then(&of).map(|rows| rows.row(source.row as usize));
        left == right || row(left) == row(right)
    }
}

impl Values for Compared {
    fn same_tracked(&self, left: Source, right: Source) -> bool {
        self.is_same(left, right, |(tracked, _)| tracked.as_ref())
    }

    fn same_others(&self, left: Source, right: Source) -> bool {
        self.is_same(left, right, |(_, others)| others.as_ref())
    }
}

impl History {
    pub(in crate::delta::upsert) fn new(shape: Arc<Shape>, first_note: u32, floor: Option<Key>) -> Self {
        Self {
            shape,
            first_note,
            floor,
            keys: HashMap::new(),
            lines: Vec::new(),
            batches: Vec::new(),
            compared: Compared::default(),
            periods: Vec::new(),
            deleted: Vec::new(),
            outdated: Vec::new(),
            notes: Vec::new(),
            counts: RowCounts::default(),
            told: None,
        }
    }

    /// Has the effect of each event kept, for `told`.
    pub(super) fn telling(self) -> Self {
        Self { told: Some(Vec::new()), ..self }
    }

    /// The effects of all events, in the order in which they came in.
    pub(super) fn told(mut self) -> Vec<Effect> {
        let mut told = self.told.take().unwrap_or_default();
        told.sort_unstable_by_key(|(source, _)| (source.batch, source.row));
        told.into_iter().map(|(_, effect)| effect).collect()
    }

    fn columns(&self) -> Result<&Columns> {
        self.shape.history.as_ref().ok_or_else(|| Error::internal("a history is written like a table without"))
    }

    fn hold(&mut self, batch: RecordBatch) -> Result<u32> {
        let shape = Arc::clone(&self.shape);
        let columns = shape.history.as_ref().ok_or_else(|| Error::internal("a history is written like a table without"))?;
        self.compared.add(columns, &batch)?;
        self.batches.push(batch);
        number(self.batches.len() - 1)
    }

    fn settle(&mut self, key: &Key, line: Line) {
        let given: Vec<Source> = line.given.iter().map(|given| given.source).collect();
        if given.is_empty() {
            return;
        }
        let decided = line.decide(self.floor.as_ref(), &self.compared);
        self.periods.extend(decided.inserted.into_iter().map(|period| (None, period)));
        self.periods.extend(decided.updated.into_iter().map(|(place, period)| (Some(place), period)));
        self.deleted.extend(decided.deleted);
        self.outdated.extend(decided.outdated);
        if self.shape.tombstones.is_some() {
            self.notes.extend(decided.notes.into_iter().map(|note| (key.clone(), note)));
        }
        for effect in &decided.effects {
            let count = match effect {
                Effect::Insert => &mut self.counts.inserted,
                Effect::Update => &mut self.counts.updated,
                Effect::Delete => &mut self.counts.deleted,
                Effect::Nothing => &mut self.counts.ignored,
            };
            *count += 1;
        }
        if let Some(told) = &mut self.told {
            told.extend(given.into_iter().zip(decided.effects));
        }
    }

    /// Values of a column, each from one row of a batch; None is NULL.
    fn gather(&self, at: usize, data_type: &DataType, sources: impl Iterator<Item = Option<Source>>) -> Result<ArrayRef> {
        let nothing = new_null_array(data_type, 1);
        let mut arrays: Vec<&dyn Array> = Vec::with_capacity(self.batches.len() + 1);
        for batch in &self.batches {
            arrays.push(batch.columns().get(at).ok_or_else(|| Error::internal("a history has lost a column"))?.as_ref());
        }
        arrays.push(nothing.as_ref());
        let missing = (self.batches.len(), 0);
        let places: Vec<(usize, usize)> =
            sources.map(|source| source.map_or(missing, |source| (source.batch as usize, source.row as usize))).collect();
        interleave(&arrays, &places).map_err(broken)
    }

    /// Sequences as values of their column.
    fn times<'a>(&self, times: impl Iterator<Item = Option<&'a Key>>) -> Result<ArrayRef> {
        let data_type = self.columns()?.time.clone();
        let nothing: Key = comparable(&[new_null_array(&data_type, 1)])?.row(0).data().into();
        let bytes: Vec<&[u8]> = times.map(|time| time.map_or(nothing.as_ref(), AsRef::as_ref)).collect();
        let mut arrays = values(&[data_type], bytes.into_iter())?.into_iter();
        arrays.next().ok_or_else(|| Error::internal("sequences have lost their values"))
    }

    /// The rows of a set of remembered events.
    fn noted(&self, notes: &[(Key, NewNote)]) -> Result<RecordBatch> {
        let schema = self.shape.tombstones.clone().ok_or_else(|| Error::internal("a history does not know what to remember"))?;
        let is_key = |field: &Field| self.shape.spec.key.iter().any(|key| key == field.name());
        let array = |field: &Field| -> Result<ArrayRef> {
            match field.name().as_str() {
                OWN_SEQUENCE => self.times(notes.iter().map(|(_, note)| Some(&note.at))),
                DELETION => Ok(Arc::new(notes.iter().map(|(_, note)| Some(note.is_deletion)).collect::<BooleanArray>())),
                name => {
                    let at = self.shape.rows.index_of(name).map_err(broken)?;
                    // Of a deletion nothing but its key and time is of use.
                    let source = |(_, note): &(Key, NewNote)| (!note.is_deletion || is_key(field)).then_some(note.rest);
                    self.gather(at, field.data_type(), notes.iter().map(source))
                }
            }
        };
        let arrays = schema.fields().iter().map(|field| array(field)).collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(schema, arrays).map_err(broken)
    }
}

impl Decision for History {
    fn knows(&self, key: &[u8]) -> bool {
        self.keys.contains_key(key)
    }

    fn enter(&mut self, keys: &Rows) -> Result<Vec<u32>> {
        let mut slots = Vec::with_capacity(keys.num_rows());
        for key in keys {
            let slot = match self.keys.get(key.data()) {
                Some(slot) => *slot,
                None => {
                    let slot = number(self.lines.len())?;
                    self.keys.insert(key.data().into(), slot);
                    self.lines.push(Line::default());
                    slot
                }
            };
            slots.push(slot);
        }
        Ok(slots)
    }

    fn store(&mut self, stored: RecordBatch) -> Result<()> {
        let shape = Arc::clone(&self.shape);
        let slots = self.enter(&shape.keys(&stored)?)?;
        let columns = self.columns()?;
        let times = |array: Option<&ArrayRef>| -> Result<(ArrayRef, Rows)> {
            let array = array.ok_or_else(|| Error::internal("a history has lost a column"))?;
            Ok((Arc::clone(array), comparable(std::slice::from_ref(array))?))
        };
        let (_, from) = times(stored.columns().get(columns.from))?;
        let (ends, to) = times(stored.columns().get(columns.to))?;
        let (_, at) = times(stored.column_by_name(OWN_SEQUENCE))?;
        let deletions = column(&stored, DELETION)?.as_boolean_opt().cloned();
        let is_deletion = |row: usize| deletions.as_ref().is_some_and(|marks| marks.is_valid(row) && marks.value(row));
        let places = Shape::places(&stored)?;
        let batch = self.hold(stored)?;
        for ((row, slot), place) in slots.iter().enumerate().zip(places) {
            let Some(line) = self.lines.get_mut(*slot as usize) else { continue };
            let source = Source { batch, row: number(row)? };
            if place.0 >= self.first_note {
                line.notes.push(Note { place, source, at: at.row(row).data().into(), is_deletion: is_deletion(row) });
            } else {
                let to = ends.is_valid(row).then(|| to.row(row).data().into());
                line.rows.push(Row { place, source, from: from.row(row).data().into(), to });
            }
        }
        Ok(())
    }

    fn apply(&mut self, events: RecordBatch, slots: &[u32]) -> Result<()> {
        let sequences = self.shape.sequences(&events)?.ok_or_else(|| Error::internal("the events of a history have no order"))?;
        let deletions = self.shape.deletes(&events).cloned();
        let batch = self.hold(events)?;
        for (row, slot) in slots.iter().enumerate() {
            let Some(line) = self.lines.get_mut(*slot as usize) else { continue };
            let is_deletion = deletions.as_ref().is_some_and(|marks| marks.is_valid(row) && marks.value(row));
            line.given.push(Given { source: Source { batch, row: number(row)? }, at: sequences.row(row).data().into(), is_deletion });
        }
        Ok(())
    }

    /// All events count: any of them may begin a period.
    fn compact(&mut self, _: usize) -> Result<()> {
        Ok(())
    }

    fn decide(&mut self) -> Result<()> {
        let mut keys: Vec<(Key, u32)> = self.keys.drain().collect();
        keys.sort_unstable();
        for (key, slot) in keys {
            let line = self.lines.get_mut(slot as usize).map(std::mem::take).unwrap_or_default();
            self.settle(&key, line);
        }
        self.notes.sort_by(|(left, note), (right, other)| (left, &note.at).cmp(&(right, &other.at)));
        Ok(())
    }

    fn changes(&self) -> Box<dyn Iterator<Item = Change> + '_> {
        let entering = (0_u32..).zip(&self.periods).map(|(number, (place, _))| match place {
            Some(place) => Change::Update(number, *place),
            None => Change::Insert(number),
        });
        Box::new(entering.chain(self.deleted.iter().map(|place| Change::Delete(*place))))
    }

    fn rows(&self, numbers: &[u32]) -> Result<RecordBatch> {
        let columns = self.columns()?;
        let periods: Vec<&Period> =
            numbers.iter().filter_map(|number| self.periods.get(*number as usize)).map(|(_, period)| period).collect();
        let array = |(at, field): (usize, &Arc<Field>)| -> Result<ArrayRef> {
            if at == columns.from {
                return self.times(periods.iter().map(|period| Some(&period.from)));
            }
            if at == columns.to {
                return self.times(periods.iter().map(|period| period.to.as_ref()));
            }
            if at == columns.current {
                return Ok(Arc::new(periods.iter().map(|period| Some(period.to.is_none())).collect::<BooleanArray>()));
            }
            let is_fixed = columns.is_fixed(&self.shape.spec, at, field.name());
            let source = |period: &&Period| Some(if is_fixed { period.tracked } else { period.rest });
            self.gather(at, field.data_type(), periods.iter().map(source))
        };
        let arrays = self.shape.rows.fields().iter().enumerate().map(array).collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(self.shape.rows.clone(), arrays).map_err(broken)
    }

    fn outdated(&self) -> Box<dyn Iterator<Item = Place> + '_> {
        Box::new(self.outdated.iter().copied())
    }

    fn remembered(&self) -> Box<dyn Iterator<Item = Result<RecordBatch>> + '_> {
        Box::new(self.notes.chunks(CHUNK).map(|notes| self.noted(notes)))
    }

    fn counts(&self) -> RowCounts {
        self.counts
    }
}
