//! Finds the incoming keys in the table's files.
//!
//! Of the files that may hold one of them only the row groups are read that may, too, and of those only the columns that a decision needs.
//! Files are read on two threads.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use roaring::RoaringTreemap;
use tokio_util::sync::CancellationToken;

use super::super::files::DataFile;
use super::shape::{Shape, broken};
use super::sieve::Sieve;
use crate::error::{Code, Error, Result};

/// Files that are read at once.
const AT_ONCE: usize = 2;

/// A file that may hold incoming keys.
pub(super) struct Candidate {
    pub number: u32,
    pub file: DataFile,
    /// Rows that are passed over.
    pub gone: RoaringTreemap,
}

/// Row groups of the files that were looked at, and of these the ones that were read.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub seen: AtomicU64,
    pub read: AtomicU64,
}

/// Gives `take` the stored rows whose keys `is_asked` does not rule out. Their order is that of no file.
pub(super) fn probe(
    (shape, sieve, groups): (&Shape, &Sieve, &Groups),
    files: &[Candidate],
    is_asked: impl Fn(&[u8]) -> bool + Sync,
    stop: &CancellationToken,
    mut take: impl FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let (sender, found) = sync_channel(AT_ONCE);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(files.len()) {
            let (sender, next, is_asked) = (sender.clone(), &next, &is_asked);
            scope.spawn(move || {
                while let Some(candidate) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = search((shape, sieve, groups), candidate, is_asked, stop, &sender) {
                        // Nobody receives any more: the other thread failed first.
                        drop(sender.send(Err(error)));
                        return;
                    }
                }
            });
        }
        drop(sender);
        // Left early, this ends the threads: their next row finds nobody.
        for rows in found {
            take(rows?)?;
        }
        Ok(())
    })
}

fn search(
    (shape, sieve, groups): (&Shape, &Sieve, &Groups),
    candidate: &Candidate,
    is_asked: &(impl Fn(&[u8]) -> bool + Sync),
    stop: &CancellationToken,
    found: &SyncSender<Result<RecordBatch>>,
) -> Result<()> {
    let mut first = 0_u64;
    let Candidate { number, file, gone } = candidate;
    let file = file.open()?;
    for (group, described) in file.groups().iter().enumerate() {
        check(stop)?;
        groups.seen.fetch_add(1, Ordering::Relaxed);
        let behind = first + u64::try_from(described.num_rows()).unwrap_or(0);
        if !sieve.takes_group(&file, group)? {
            first = behind;
            continue;
        }
        groups.read.fetch_add(1, Ordering::Relaxed);
        for batch in file.read_group(group, &shape.wanted)? {
            check(stop)?;
            let batch = batch?;
            let keys = shape.keys(&batch)?;
            let chosen: BooleanArray = (first..).zip(&keys).map(|(row, key)| Some(is_asked(key.data()) && !gone.contains(row))).collect();
            if chosen.true_count() > 0 {
                let stored = filter_record_batch(&shape.stored(&batch, *number, first)?, &chosen).map_err(broken)?;
                if found.send(Ok(stored)).is_err() {
                    return Ok(());
                }
            }
            first += batch.num_rows() as u64;
        }
        if first != behind {
            return Err(Error::internal("a row group has other rows than its file says"));
        }
    }
    Ok(())
}

/// # Errors
/// `Cancelled` when whoever asked for the write has gone.
pub(super) fn check(stop: &CancellationToken) -> Result<()> {
    match stop.is_cancelled() {
        true => Err(Error::new(Code::Cancelled, "the write was given up")),
        false => Ok(()),
    }
}
