//! Takes in the rows of a keyed write: in memory while they fit, on disk when they do not.

use std::sync::Arc;

use arrow::array::RecordBatch;
use tokio::sync::mpsc::Receiver;

use super::scatter::{Scatter, Scattered, Side, splitters};
use super::shape::{Key, Shape};
use super::sieve::{Asked, Bounds, Filter, Sieve};
use crate::delta::lake::Scratch;
use crate::error::Result;

/// The rows of one keyed write.
pub(super) struct Incoming {
    /// What their keys are.
    pub sieve: Sieve,
    pub rows: Rows,
    /// The lowest sequence of all; None where there is no order, or no row.
    pub floor: Option<Key>,
}

pub(super) enum Rows {
    Held(Vec<RecordBatch>),
    Spilled { events: Scattered, filter: Filter },
}

struct Intake {
    shape: Arc<Shape>,
    scratch: Scratch,
    held: Vec<RecordBatch>,
    weight: usize,
    asked: Asked,
    floor: Option<Key>,
    spilled: Option<(Scatter, Filter, Bounds)>,
}

/// Takes batches until there are no more.
///
/// # Errors
/// `NotNullViolated` for a key that is NULL.
pub(super) fn collect(mut batches: Receiver<RecordBatch>, shape: &Arc<Shape>, scratch: &Scratch) -> Result<Incoming> {
    let mut intake = Intake {
        shape: shape.clone(),
        scratch: scratch.clone(),
        held: Vec::new(),
        weight: 0,
        asked: Asked::default(),
        floor: None,
        spilled: None,
    };
    while let Some(batch) = batches.blocking_recv() {
        let events = shape.take_in(&batch)?;
        intake.weight += shape.weight(&events);
        intake.asked.add(shape, &events)?;
        if shape.history.is_some() {
            intake.lower_floor(&events)?;
        }
        intake.held.push(events);
        if intake.weight > scratch.memory_bytes {
            intake.spill()?;
        }
    }
    intake.finish()
}

impl Intake {
    fn lower_floor(&mut self, events: &RecordBatch) -> Result<()> {
        let Some(sequences) = self.shape.sequences(events)? else { return Ok(()) };
        let lowest = sequences.iter().map(|sequence| sequence.data()).min();
        if let Some(lowest) = lowest
            && self.floor.as_ref().is_none_or(|floor| lowest < floor.as_ref())
        {
            self.floor = Some(lowest.into());
        }
        Ok(())
    }

    /// Moves what is held to the disk.
    fn spill(&mut self) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        self.weight = 0;
        let bounds = Bounds::of(&self.shape, &held)?;
        let (scatter, filter) = match &mut self.spilled {
            Some((scatter, filter, known)) => {
                known.join(bounds);
                (scatter, filter)
            }
            none => {
                let cuts = splitters(&self.shape, &held)?;
                let scatter = Scatter::new(self.shape.clone(), Side::Events, cuts, &self.scratch)?;
                let (scatter, filter, _) = none.insert((scatter, Filter::new(), bounds));
                (scatter, filter)
            }
        };
        for events in held {
            self.shape.keys(&events)?.iter().for_each(|key| filter.enter(key.data()));
            scatter.push(events)?;
        }
        scatter.flush()
    }

    fn finish(mut self) -> Result<Incoming> {
        if self.spilled.is_some() {
            self.spill()?;
        }
        let (bounds, rows) = match self.spilled {
            None => (Bounds::of(&self.shape, &self.held)?, Rows::Held(self.held)),
            Some((scatter, filter, bounds)) => (bounds, Rows::Spilled { events: scatter.finish()?, filter }),
        };
        Ok(Incoming { sieve: Sieve::new(&self.shape, bounds, self.asked)?, rows, floor: self.floor })
    }
}
