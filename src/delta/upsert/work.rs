//! What a keyed write does between its last row and its commit, on a thread of its own.
//!
//! Rows in memory are decided at once. Rows on disk are decided range by range; a range that does not fit in memory is cut into smaller
//! ones, unless few keys have most of its rows: then their events are folded as they are read.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tokio_util::sync::CancellationToken;

use super::super::contract::RowCounts;
use super::super::files::DataFile;
use super::super::writer::{Layout, Purpose, Writer, WriterOptions};
use super::apply::{Gone, Output, hits};
use super::burial::{Burial, Buried};
use super::fold::Fold;
use super::intake::Rows;
use super::probe::{Candidate, check, probe};
use super::scatter::{Range, Scatter, Scattered, Side};
use super::shape::Shape;
use super::sieve::Filter;
use crate::delta::lake::Scratch;
use crate::error::{Code, Error, Result};

/// A range is cut so many times at most. Each time divides it by dozens.
const DEEPEST: usize = 4;

pub(super) struct Work {
    pub shape: Arc<Shape>,
    pub layout: Layout,
    pub scratch: Scratch,
    pub stop: CancellationToken,
    /// The files of the table.
    pub files: Vec<DataFile>,
    /// Those that may hold incoming keys, among them files of tombstones.
    pub candidates: Vec<Candidate>,
    pub burial: Burial,
    /// Whether the table keeps a feed of its changes.
    pub records_changes: bool,
    /// What is said when a stored row would change, in a table that does not allow it.
    pub refusal: Option<Error>,
}

pub(super) struct Done {
    pub output: Output,
    /// Numbers of the files that were written again.
    pub rewritten: Vec<u32>,
    pub counts: RowCounts,
    pub spilled: Spilled,
    /// The tombstones, if they change.
    pub buried: Option<Buried>,
}

/// What went over the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::delta) struct Spilled {
    /// Incoming rows that did not fit in memory.
    pub rows: u64,
    /// Ranges of keys that were decided one after the other.
    pub ranges: u64,
    /// Ranges that were cut again.
    pub cuts: u64,
}

impl Work {
    pub(super) fn run(self, rows: Rows) -> Result<Done> {
        match rows {
            Rows::Held(events) => self.at_once(events),
            Rows::Spilled { events, filter } => self.by_range(events, &filter),
        }
    }

    fn at_once(mut self, events: Vec<RecordBatch>) -> Result<Done> {
        let mut fold = self.fold();
        let slots = events.iter().map(|events| fold.enter(&self.shape.keys(events)?)).collect::<Result<Vec<_>>>()?;
        let mut found = Vec::new();
        self.probe(
            |key| fold.knows(key),
            |stored| {
                found.push(stored);
                Ok(())
            },
        )?;
        found.into_iter().try_for_each(|stored| fold.store(stored))?;
        events.into_iter().zip(&slots).try_for_each(|(events, slots)| fold.apply(events, slots))?;

        let hits = hits(&fold);
        let mut output = self.output(!hits.is_empty())?;
        output.insert(&fold)?;
        let rewritten = hits.keys().copied().collect();
        for (number, hits) in hits {
            self.rewrite(&mut output, number, hits.into_iter(), Some(&fold))?;
        }
        self.burial.gather(&fold)?;
        Ok(Done { output, rewritten, counts: fold.counts(), spilled: Spilled::default(), buried: self.burial.finish()? })
    }

    fn by_range(mut self, events: Scattered, filter: &Filter) -> Result<Done> {
        let mut stored = Scatter::new(self.shape.clone(), Side::Stored, events.splitters.clone(), &self.scratch)?;
        self.probe(|key| filter.may_hold(key), |rows| stored.push(rows))?;
        let stored = stored.finish()?;

        let rows = events.ranges.iter().map(|range| range.rows).sum();
        let may_change = stored.ranges.iter().any(|range| range.rows > 0);
        let mut progress = Progress {
            // Only rows that are found can change, but whether one does is known at the end.
            output: self.output(may_change && self.refusal.is_none())?,
            gone: Gone::default(),
            counts: RowCounts::default(),
            spilled: Spilled { rows, ..Spilled::default() },
        };
        for (number, range) in events.ranges.iter().enumerate() {
            let Some(stored_range) = stored.ranges.get(number) else { continue };
            self.decide((&events, range), (&stored, stored_range), DEEPEST, &mut progress)?;
        }
        drop((events, stored));

        let Progress { mut output, gone, counts, spilled } = progress;
        if gone.is_empty() {
            output.changes = None;
        }
        let mut rewritten = Vec::new();
        for (number, hits) in gone.into_hits() {
            self.rewrite(&mut output, number, hits, None)?;
            rewritten.push(number);
        }
        Ok(Done { output, rewritten, counts, spilled, buried: self.burial.finish()? })
    }

    /// Decides a range, or cuts it and decides its parts.
    fn decide(
        &mut self,
        (events, range): (&Scattered, &Range),
        (stored, stored_range): (&Scattered, &Range),
        depth: usize,
        progress: &mut Progress,
    ) -> Result<()> {
        check(&self.stop)?;
        if range.rows == 0 {
            return Ok(());
        }
        let is_large = range.weight.saturating_add(stored_range.weight) > self.scratch.memory_bytes;
        let splitters = range.splitters(self.scratch.memory_bytes);
        if !is_large || depth == 0 || splitters.is_empty() {
            return self.settle((events, range), (stored, stored_range), progress);
        }
        progress.spilled.cuts += 1;
        let scatter = |side, from: &Scattered, range: &Range| -> Result<Scattered> {
            let mut scatter = Scatter::new(self.shape.clone(), side, splitters.clone(), &self.scratch)?;
            from.read(range).try_for_each(|rows| scatter.push(rows?))?;
            scatter.finish()
        };
        let (events, stored) = (scatter(Side::Events, events, range)?, scatter(Side::Stored, stored, stored_range)?);
        for (part, stored_part) in events.ranges.iter().zip(&stored.ranges) {
            // A part that has nearly all rows has keys with many events each, and no cut makes it smaller.
            let deeper = if part.rows > range.rows / 10 * 9 { 0 } else { depth - 1 };
            self.decide((&events, part), (&stored, stored_part), deeper, progress)?;
        }
        Ok(())
    }

    fn settle(
        &mut self,
        (events, range): (&Scattered, &Range),
        (stored, stored_range): (&Scattered, &Range),
        progress: &mut Progress,
    ) -> Result<()> {
        let mut fold = self.fold();
        stored.read(stored_range).try_for_each(|rows| fold.store(rows?))?;
        for rows in events.read(range) {
            fold.compact(self.scratch.memory_bytes)?;
            let rows = rows?;
            let slots = fold.enter(&self.shape.keys(&rows)?)?;
            fold.apply(rows, &slots)?;
        }
        progress.gone.gather(&fold);
        self.burial.gather(&fold)?;
        if let (Some(refusal), false) = (&self.refusal, progress.gone.is_empty()) {
            return Err(refusal.clone());
        }
        progress.output.insert(&fold)?;
        progress.output.update(&fold)?;
        let counts = fold.counts();
        progress.counts.inserted += counts.inserted;
        progress.counts.updated += counts.updated;
        progress.counts.deleted += counts.deleted;
        progress.counts.ignored += counts.ignored;
        progress.spilled.ranges += 1;
        Ok(())
    }

    fn probe(&self, is_asked: impl Fn(&[u8]) -> bool + Sync, take: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        probe(&self.shape, &self.candidates, is_asked, &self.stop, take)
    }

    fn fold(&self) -> Fold {
        Fold::new(self.shape.clone(), self.burial.first)
    }

    fn output(&self, may_change: bool) -> Result<Output> {
        if let (Some(refusal), true) = (&self.refusal, may_change) {
            return Err(refusal.clone());
        }
        let writer = |options, purpose| Writer::new(self.layout.clone(), options, purpose);
        // Two writers and a reader work at once. Changes are read from one end to the other, so their row groups may be small.
        // What an open row group takes grows with its rows, too.
        let sized = |row_group_bytes| WriterOptions { row_group_bytes, row_group_rows: 1 << 18, ..WriterOptions::default() };
        let changes = if may_change && self.records_changes { Some(writer(sized(4 << 20), Purpose::Changes)?) } else { None };
        Ok(Output { data: writer(sized(16 << 20), Purpose::Data)?, changes })
    }

    fn rewrite(&self, output: &mut Output, number: u32, hits: impl Iterator<Item = super::apply::Hit>, fold: Option<&Fold>) -> Result<()> {
        check(&self.stop)?;
        let file = self.files.get(number as usize).ok_or_else(|| Error::new(Code::Internal, "a file to change is missing"))?;
        output.rewrite(file, self.table(), hits, fold)
    }

    fn table(&self) -> &SchemaRef {
        &self.layout.schema
    }
}

/// A write that goes range by range, so far.
struct Progress {
    output: Output,
    gone: Gone,
    counts: RowCounts,
    spilled: Spilled,
}
