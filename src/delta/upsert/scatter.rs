//! Spreads rows over ranges of keys, on disk, so that one range at a time fits in memory.
//!
//! Rows of one key stay in one range and in their order. Ranges rather than hashes, so that what is written range by range comes out in
//! the order of the keys: later writes can tell by their bounds which files they need not read.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;

use super::shape::{Key, Shape, broken};
use super::spill::{Segment, Spill};
use crate::delta::lake::Scratch;
use crate::error::{Error, Result};

/// Rows put together at a time.
pub(super) const CHUNK: usize = 8192;

/// Ranges at most. Each has a share of the buffer, which should not become too small.
const MOST_RANGES: usize = 64;

/// Keys remembered for each range, to cut it further.
const SAMPLE: usize = 1024;

/// What the batches of a scatter are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Events,
    Stored,
}

pub(super) struct Scatter {
    shape: Arc<Shape>,
    memory_bytes: usize,
    splitters: Arc<[Key]>,
    spill: Spill,
    ranges: Vec<Range>,
    buffer: Vec<RecordBatch>,
    buffered: usize,
}

/// The rows of a range of keys.
#[derive(Default)]
pub(super) struct Range {
    segments: Vec<Segment>,
    pub rows: u64,
    /// Of all its rows in memory, in bytes.
    pub weight: usize,
    sample: Sample,
}

/// What a scatter has become: its ranges, in the order of their keys.
pub(super) struct Scattered {
    pub spill: Spill,
    pub ranges: Vec<Range>,
    pub splitters: Arc<[Key]>,
}

impl Scatter {
    /// Rows go to the range that lies between two splitters, the lower one included.
    pub(super) fn new(shape: Arc<Shape>, side: Side, splitters: Arc<[Key]>, scratch: &Scratch) -> Result<Self> {
        let schema = match side {
            Side::Events => shape.events.clone(),
            Side::Stored => shape.stored.clone(),
        };
        let spill = Spill::create(&scratch.folder, schema)?;
        let ranges = std::iter::repeat_with(Range::default).take(splitters.len() + 1).collect();
        Ok(Self { shape, memory_bytes: scratch.memory_bytes, splitters, spill, ranges, buffer: Vec::new(), buffered: 0 })
    }

    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        self.buffered += self.shape.weight(&batch);
        self.buffer.push(batch);
        if self.buffered > self.memory_bytes { self.flush() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<Scattered> {
        self.flush()?;
        Ok(Scattered { spill: self.spill, ranges: self.ranges, splitters: self.splitters })
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        let mut places: Vec<Vec<(usize, usize)>> = vec![Vec::new(); self.ranges.len()];
        for (number, batch) in self.buffer.iter().enumerate() {
            for (row, key) in self.shape.keys(batch)?.iter().enumerate() {
                let at = self.splitters.partition_point(|splitter| splitter.as_ref() <= key.data());
                let (Some(range), Some(places)) = (self.ranges.get_mut(at), places.get_mut(at)) else {
                    return Err(Error::internal("a key lies outside all ranges"));
                };
                range.sample.offer(key.data());
                places.push((number, row));
            }
        }
        let batches: Vec<&RecordBatch> = self.buffer.iter().collect();
        for (range, places) in self.ranges.iter_mut().zip(&places).filter(|(_, places)| !places.is_empty()) {
            let mut weight = 0;
            let rows = places.chunks(CHUNK).map(|places| {
                let rows = interleave_record_batch(&batches, places).map_err(broken)?;
                weight += self.shape.weight(&rows);
                Ok(rows)
            });
            range.segments.push(self.spill.write(rows)?);
            range.rows += places.len() as u64;
            range.weight += weight;
        }
        self.buffer.clear();
        self.buffered = 0;
        Ok(())
    }
}

impl Scattered {
    /// The rows of a range, in the order of their arrival.
    pub(super) fn read(&self, range: &Range) -> impl Iterator<Item = Result<RecordBatch>> {
        range.segments.iter().flat_map(|segment| match self.spill.read(*segment) {
            Ok(batches) => Box::new(batches) as Box<dyn Iterator<Item = Result<RecordBatch>>>,
            Err(error) => Box::new(std::iter::once(Err(error))),
        })
    }
}

impl Range {
    /// Keys that cut the range into parts that each fit in `memory_bytes`, as far as can be foreseen.
    pub(super) fn splitters(&self, memory_bytes: usize) -> Arc<[Key]> {
        // Half of the memory is aimed at: a sample foresees a part's size only roughly.
        let parts = self.weight.div_ceil((memory_bytes / 2).max(1)).clamp(2, MOST_RANGES);
        quantiles(self.sample.keys.clone(), parts)
    }
}

/// Keys that cut what is yet to come into many ranges, judged by the rows that are there.
pub(super) fn splitters(shape: &Shape, batches: &[RecordBatch]) -> Result<Arc<[Key]>> {
    let mut sample = Sample::default();
    for batch in batches {
        shape.keys(batch)?.iter().for_each(|key| sample.offer(key.data()));
    }
    Ok(quantiles(sample.keys, MOST_RANGES))
}

fn quantiles(mut keys: Vec<Key>, parts: usize) -> Arc<[Key]> {
    keys.sort_unstable();
    let count = keys.len();
    let mut cuts: Vec<Key> = (1..parts).filter_map(|part| keys.get(part * count / parts).cloned()).collect();
    cuts.dedup();
    cuts.into()
}

/// Some of many keys, spread evenly over their arrival.
#[derive(Default)]
struct Sample {
    keys: Vec<Key>,
    seen: u64,
    /// Every key whose number has none of these bits is kept.
    mask: u64,
}

impl Sample {
    fn offer(&mut self, key: &[u8]) {
        if self.seen & self.mask == 0 {
            if self.keys.len() >= SAMPLE {
                let mut odd = true;
                self.keys.retain(|_| {
                    odd = !odd;
                    !odd
                });
                self.mask = self.mask << 1 | 1;
            }
            if self.seen & self.mask == 0 {
                self.keys.push(key.into());
            }
        }
        self.seen += 1;
    }
}
