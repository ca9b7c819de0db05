//! What a keyed write does between its last row and its commit, on a thread of its own.
//!
//! Rows in memory are decided at once. Rows on disk are decided range by range; a range that does not fit in memory is cut into smaller
//! ones, unless few keys have most of its rows: then their events are folded as they are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::super::contract::RowCounts;
use super::super::files::DataFile;
use super::super::writer::{Layout, Purpose, Writer, WriterOptions, keyed_file_bytes};
use super::apply::{Gone, Hit, Output, hits};
use super::burial::{Burial, Buried};
use super::decision::Decision;
use super::fold::Fold;
use super::history::History;
use super::intake::Rows;
use super::probe::{Candidate, Groups, check, probe};
use super::scatter::{Range, Scatter, Scattered, Side, splitters};
use super::shape::{Key, Shape};
use super::sieve::{Filter, Sieve};
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
    /// What they hold; with what comes in, once the work began.
    pub table_bytes: u64,
    /// Those that may hold incoming keys, among them files of tombstones.
    pub candidates: Vec<Candidate>,
    pub sieve: Sieve,
    pub groups: Groups,
    pub burial: Burial,
    /// Whether the table keeps a feed of its changes.
    pub records_changes: bool,
    /// The lowest sequence that came in; known once the work began.
    pub floor: Option<Key>,
    /// What is said when a stored row would change, in a table that does not allow it.
    pub refusal: Option<Error>,
}

pub(super) struct Done {
    pub outputs: Vec<Output>,
    /// Numbers of the files that were written again.
    pub rewritten: Vec<u32>,
    pub counts: RowCounts,
    pub spilled: Spilled,
    /// The tombstones, if they change.
    pub buried: Option<Buried>,
}

/// What a keyed write cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::delta) struct Spilled {
    /// Incoming rows that did not fit in memory.
    pub rows: u64,
    /// Ranges of keys that were decided one after the other.
    pub ranges: u64,
    /// Ranges that were cut again.
    pub cuts: u64,
    /// Row groups of files whose bounds did not rule them out, and how many of these were read.
    pub groups: u64,
    pub groups_read: u64,
}

impl Work {
    pub(super) fn run(mut self, rows: Rows, floor: Option<Key>) -> Result<Done> {
        self.floor = floor;
        let incoming: usize = match &rows {
            Rows::Held(events) => events.iter().map(|events| self.shape.weight(events)).sum(),
            Rows::Spilled { events, .. } => events.ranges.iter().map(|range| range.weight).sum(),
        };
        // In a file a row takes a fraction of what it does in memory.
        self.table_bytes = self.table_bytes.saturating_add(u64::try_from(incoming).unwrap_or(u64::MAX) / 8);
        match rows {
            Rows::Held(events) => self.at_once(events),
            Rows::Spilled { events, filter } => self.by_range(events, &filter),
        }
    }

    fn at_once(mut self, events: Vec<RecordBatch>) -> Result<Done> {
        let mut fold = self.decision();
        let slots = events.iter().map(|events| fold.enter(&self.shape.keys(events)?)).collect::<Result<Vec<_>>>()?;
        let (mut found, mut weight) = (Vec::new(), 0_usize);
        // Of a history a key may have any number of rows.
        let limit = if self.shape.history.is_some() { self.scratch.memory_bytes } else { usize::MAX };
        let probed = self.probe(
            |key| fold.knows(key),
            |stored| {
                weight = weight.saturating_add(self.shape.weight(&stored));
                found.push(stored);
                if weight > limit { Err(Error::internal("the stored rows do not fit in memory")) } else { Ok(()) }
            },
        );
        if weight > limit {
            drop((found, fold));
            return self.set_aside(events);
        }
        probed?;
        found.into_iter().try_for_each(|stored| fold.store(stored))?;
        events.into_iter().zip(&slots).try_for_each(|(events, slots)| fold.apply(events, slots))?;
        fold.decide()?;

        let hits = hits(&*fold);
        let mut output = self.output(!hits.is_empty())?;
        output.insert(&*fold)?;
        let hits = hits.into_iter().map(|(number, hits)| (number, hits.into_iter())).collect();
        let (outputs, rewritten) = self.rewrite(output, hits, Some(&*fold))?;
        self.burial.gather(&*fold)?;
        let spilled = self.measured(Spilled::default());
        Ok(Done { outputs, rewritten, counts: fold.counts(), spilled, buried: self.burial.finish()? })
    }

    /// Goes range by range although the events fit in memory, because what they meet does not.
    fn set_aside(self, events: Vec<RecordBatch>) -> Result<Done> {
        let mut filter = Filter::new();
        let mut scatter = Scatter::new(self.shape.clone(), Side::Events, splitters(&self.shape, &events)?, &self.scratch)?;
        for events in events {
            self.shape.keys(&events)?.iter().for_each(|key| filter.enter(key.data()));
            scatter.push(events)?;
        }
        let events = scatter.finish()?;
        self.by_range(events, &filter)
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
        let (outputs, rewritten) = self.rewrite(output, gone.into_hits().collect(), None)?;
        let spilled = self.measured(spilled);
        Ok(Done { outputs, rewritten, counts, spilled, buried: self.burial.finish()? })
    }

    fn measured(&self, spilled: Spilled) -> Spilled {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Spilled { groups: of(&self.groups.seen), groups_read: of(&self.groups.read), ..spilled }
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
        let mut fold = self.decision();
        stored.read(stored_range).try_for_each(|rows| fold.store(rows?))?;
        for rows in events.read(range) {
            fold.compact(self.scratch.memory_bytes)?;
            let rows = rows?;
            let slots = fold.enter(&self.shape.keys(&rows)?)?;
            fold.apply(rows, &slots)?;
        }
        fold.decide()?;
        progress.gone.gather(&*fold);
        self.burial.gather(&*fold)?;
        if let (Some(refusal), false) = (&self.refusal, progress.gone.is_empty()) {
            return Err(refusal.clone());
        }
        progress.output.insert(&*fold)?;
        progress.output.update(&*fold)?;
        let counts = fold.counts();
        progress.counts.inserted += counts.inserted;
        progress.counts.updated += counts.updated;
        progress.counts.deleted += counts.deleted;
        progress.counts.ignored += counts.ignored;
        progress.spilled.ranges += 1;
        Ok(())
    }

    fn probe(&self, is_asked: impl Fn(&[u8]) -> bool + Sync, mut take: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        let take = |rows: RecordBatch| match &self.shape.history {
            Some(_) => take(self.shape.still_open(&rows, self.floor.as_ref())?),
            None => take(rows),
        };
        probe((&self.shape, &self.sieve, &self.groups), &self.candidates, is_asked, &self.stop, take)
    }

    fn decision(&self) -> Box<dyn Decision> {
        let first = self.burial.first;
        match &self.shape.history {
            Some(_) => Box::new(History::new(self.shape.clone(), first, self.floor.clone())),
            None => Box::new(Fold::new(self.shape.clone(), first)),
        }
    }

    fn output(&self, may_change: bool) -> Result<Output> {
        if let (Some(refusal), true) = (&self.refusal, may_change) {
            return Err(refusal.clone());
        }
        let writer = |options, purpose| Writer::new(self.layout.clone(), options, purpose);
        // Two writers and a reader work at once. Changes are read from one end to the other, so their row groups may be small.
        // What an open row group takes grows with its rows, too.
        let target_file_bytes = keyed_file_bytes(self.table_bytes);
        let sized = |row_group_bytes| WriterOptions { row_group_bytes, target_file_bytes, ..WriterOptions::default() };
        let changes = if may_change && self.records_changes { Some(writer(sized(4 << 20), Purpose::Changes)?) } else { None };
        Ok(Output { data: writer(sized(16 << 20), Purpose::Data)?, changes })
    }

    /// Writes the files again that lose rows. Answers which files those were.
    ///
    /// Much of it is done on two threads with writers of their own; little of it by one, so that small files come together.
    fn rewrite<H: Iterator<Item = Hit> + Send>(
        &self,
        first: Output,
        hits: Vec<(u32, H)>,
        decision: Option<&dyn Decision>,
    ) -> Result<(Vec<Output>, Vec<u32>)> {
        let length = |number: &u32| std::fs::metadata(&self.files.get(*number as usize)?.path).ok().map(|about| about.len());
        let bytes: u64 = hits.iter().filter_map(|(number, _)| length(number)).sum();
        let is_much = hits.len() > 1 && usize::try_from(bytes).map_or(true, |bytes| bytes > self.scratch.memory_bytes);
        let second = if is_much { Some(self.output(true)?) } else { None };
        let (files, table, stop, runtime) = (&self.files, self.table(), &self.stop, Handle::current());
        let queue = Mutex::new(hits.into_iter());
        let work = |mut output: Output| -> Result<(Output, Vec<u32>)> {
            // Files are sealed by tasks of the runtime.
            let _runtime = runtime.enter();
            let mut rewritten = Vec::new();
            loop {
                let next = queue.lock().next();
                let Some((number, hits)) = next else { return Ok((output, rewritten)) };
                check(stop)?;
                let file = files.get(number as usize).ok_or_else(|| Error::new(Code::Internal, "a file to change is missing"))?;
                output.rewrite(file, table, hits, decision)?;
                rewritten.push(number);
            }
        };
        let done = std::thread::scope(|scope| {
            let beside = second.map(|second| scope.spawn(|| work(second)));
            let here = work(first);
            let beside = beside.map(|beside| beside.join().map_err(|_| Error::internal("a file was not written again")));
            [Some(here), beside.map(Result::flatten)]
        });
        let (mut outputs, mut rewritten) = (Vec::new(), Vec::new());
        for part in done.into_iter().flatten() {
            let (output, numbers) = part?;
            outputs.push(output);
            rewritten.extend(numbers);
        }
        Ok((outputs, rewritten))
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
