//! Removing what nobody needs any more, a little at a time: appends wait for one step at most.
//!
//! Only the oldest events go, so that what is left has no gaps. The hub's clock may once have been wrong: an event that seems to come from the
//! future is as old as those after it. When there are thousands of them in a row, they stay until their time or the limit of bytes is reached.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::thread::Writer;
use crate::database::{Bounds, sequence, stored, unsigned};
use crate::error::Result;
use crate::event::{Micros, Sequence};
use crate::options::Removal;

/// Of one step, whichever comes first; one event at least.
const MOST_EVENTS: u64 = 256;
const MOST_BYTES: u64 = 1 << 20;
const MOST_IDS: u64 = 512;
const MOST_PAGES: u64 = 128;
/// Rows from the future that are passed over in search of one that tells their age.
const MOST_PASSED_OVER: u64 = 4096;

const PAGE_BYTES: u64 = 4096;
/// Free pages are used again by what comes next. They are given back when they are more than this and more than a quarter of the file, or
/// when the disk is short of room.
const FREE_BYTES_KEPT: u64 = 8 << 20;

/// What a removal did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    pub events: u64,
    /// As counted by `Event::size_bytes`.
    pub bytes: u64,
    /// Delivery ids that are not known any more.
    pub ids: u64,
    /// Bytes of the file that are given back to the file system, as soon as the write-ahead log is moved into place.
    pub freed_bytes: u64,
}

/// Whether there is more to do.
pub(crate) enum Step {
    More,
    Done,
}

impl Writer {
    /// One short transaction, added to what was done before. Not synced: what a power cut undoes is removed again.
    pub(crate) fn remove_step(&mut self, removal: &Removal, sum: Removed) -> Result<(Step, Removed)> {
        let mut removed = sum;
        let before = self.bounds;
        let bounds = self.remove_events(removal).map_err(|error| self.failing(error))?;
        if bounds != before {
            removed.events += bounds.removed_through.0 - before.removed_through.0;
            removed.bytes += bounds.removed_bytes - before.removed_bytes;
            self.publish(bounds);
            self.checkpoints.note(MOST_EVENTS * PAGE_BYTES / 4);
            return Ok((Step::More, removed));
        }
        let ids = self.forget_ids(removal).map_err(|error| self.failing(error))?;
        if ids > 0 {
            removed.ids += ids;
            self.checkpoints.note(ids * PAGE_BYTES / 4);
            return Ok((Step::More, removed));
        }
        // On a disk that is short of room the log would be refused what it could give back.
        let kept = if self.shared.room()?.is_disk_short() { 0 } else { FREE_BYTES_KEPT };
        let pages = give_back(&self.relaxed, kept).map_err(|error| self.failing(error))?;
        if pages > 0 {
            removed.freed_bytes += pages * PAGE_BYTES;
            self.checkpoints.note(pages * PAGE_BYTES);
            return Ok((Step::More, removed));
        }
        if removed.freed_bytes > 0 {
            // The file only becomes shorter when the log is moved.
            self.checkpoints.hurry();
        }
        Ok((Step::Done, removed))
    }

    fn remove_events(&mut self, removal: &Removal) -> rusqlite::Result<Bounds> {
        let mut bounds = self.bounds;
        // What no consumer has passed stays, whatever else is asked for.
        let passed = self.consumers.values().min().copied().unwrap_or(bounds.latest);
        let transaction = self.relaxed.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if !raise_floor(&transaction, removal, passed, &mut bounds)? {
            return Ok(self.bounds);
        }
        transaction.prepare_cached("DELETE FROM events WHERE sequence <= ?1")?.execute([stored(bounds.removed_through.0)])?;
        transaction.prepare_cached("UPDATE log SET removed_through = ?1, removed_bytes = ?2, removed_newest = ?3")?.execute((
            stored(bounds.removed_through.0),
            stored(bounds.removed_bytes),
            bounds.newest_at,
        ))?;
        transaction.commit()?;
        Ok(bounds)
    }

    fn forget_ids(&mut self, removal: &Removal) -> rusqlite::Result<u64> {
        let since = removal.now.saturating_sub(removal.remember_ids_for);
        let transaction = self.relaxed.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut last = None;
        {
            let mut oldest = transaction.prepare_cached("SELECT sequence, received_at FROM deliveries ORDER BY sequence")?;
            let mut rows = oldest.query([])?;
            let (mut seen, mut passed_over) = (0, 0);
            while let Some(row) = rows.next()? {
                match Age::of(row.get(1)?, since, removal.now) {
                    Age::Recent => break,
                    Age::Old => last = Some(sequence(row, 0)?),
                    Age::Unknown => passed_over += 1,
                }
                seen += 1;
                if (seen >= MOST_IDS && last.is_some()) || passed_over >= MOST_PASSED_OVER {
                    break;
                }
            }
        }
        let Some(last) = last else { return Ok(0) };
        let forgotten = transaction.prepare_cached("DELETE FROM deliveries WHERE sequence <= ?1")?.execute([stored(last.0)])?;
        transaction.commit()?;
        Ok(forgotten as u64)
    }
}

/// How a time stands to the span between what is old and now.
enum Age {
    Old,
    Recent,
    /// The clock was wrong. What comes after tells.
    Unknown,
}

impl Age {
    fn of(time: Micros, since: Micros, now: Micros) -> Self {
        if time < since {
            Age::Old
        } else if time <= now {
            Age::Recent
        } else {
            Age::Unknown
        }
    }
}

/// Moves the bounds behind what one step removes. False when there is nothing.
fn raise_floor(transaction: &Transaction<'_>, removal: &Removal, passed: Sequence, bounds: &mut Bounds) -> rusqlite::Result<bool> {
    let since = removal.now.saturating_sub(removal.keep_for);
    let before = *bounds;
    let (mut bytes_before, mut passed_over) = (before.removed_bytes, 0);
    let mut oldest = transaction.prepare_cached(
        "SELECT sequence, received_at, bytes_through FROM events WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence",
    )?;
    let mut rows = oldest.query((stored(before.removed_through.0), stored(passed.0)))?;
    while let Some(row) = rows.next()? {
        let (number, bytes) = (sequence(row, 0)?, unsigned(row, 2)?);
        let begun = bounds.removed_through > before.removed_through;
        if begun && (number.0 - before.removed_through.0 > MOST_EVENTS || bytes - before.removed_bytes > MOST_BYTES) {
            break;
        }
        let beyond_limit = bounds.bytes_through - bytes_before > removal.keep_bytes;
        bytes_before = bytes;
        match Age::of(row.get(1)?, since, removal.now) {
            Age::Unknown if !beyond_limit && passed_over >= MOST_PASSED_OVER => break,
            Age::Unknown if !beyond_limit => passed_over += 1,
            Age::Recent if !beyond_limit => break,
            _ => {
                bounds.removed_through = number;
                bounds.removed_bytes = bytes;
            }
        }
    }
    Ok(*bounds != before)
}

/// Moves pages from the end of the file to free places and cuts it, within one short transaction. 0 when there is not much to gain: no more
/// than `kept` bytes are free or, unless that is 0, no more than a quarter of the file.
fn give_back(connection: &Connection, kept: u64) -> rusqlite::Result<u64> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| unsigned(row, 0));
    let (free, all) = (pragma("freelist_count")?, pragma("page_count")?);
    if free * PAGE_BYTES <= kept || (kept > 0 && free <= all / 4) {
        return Ok(0);
    }
    // Each row that the statement is asked for frees one page.
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({MOST_PAGES})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    drop(rows);
    Ok(all - pragma("page_count")?)
}
