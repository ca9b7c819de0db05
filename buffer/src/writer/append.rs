//! The group commit: all appends that wait, in one transaction.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::thread::Writer;
use crate::database::{Bounds, sequence, stored};
use crate::error::{Error, ErrorKind, Result, disk_full};
use crate::event::{Event, Receipt, Sequence, encode_headers};
use crate::log::Shared;
use crate::queue::Append;

/// What a commit writes besides its events, at most: the pages on the way to them.
const BYTES_PER_COMMIT: u64 = 64 << 10;

type Receipts = Result<Vec<Receipt>>;

impl Writer {
    /// Stores the group and answers each append, in order. Whoever gets a receipt can rely on it: the commit is synced before.
    pub(super) fn append(&mut self, group: Vec<Append>) {
        let receipts = self.unless_failed(|writer| writer.store(&group));
        match receipts {
            Ok(receipts) => {
                // The place to kill a process at: everything is on disk, nobody knows.
                fail::fail_point!("buffer.synced");
                for (append, receipts) in group.into_iter().zip(receipts) {
                    self.count(&receipts);
                    // Whoever went away meanwhile comes again, and is told that it is a duplicate.
                    let _ = append.answer.send(receipts);
                }
            }
            Err(error) => {
                self.shared
                    .counted
                    .refused
                    .fetch_add(if error.kind() == ErrorKind::Full { group.len() as u64 } else { 0 }, Ordering::Relaxed);
                for append in group {
                    let _ = append.answer.send(Err(error.clone()));
                }
            }
        }
    }

    fn store(&mut self, group: &[Append]) -> Result<Vec<Receipts>> {
        let room = self.shared.room()?;
        let (answers, bounds) = self.write(group, room).map_err(|error| self.failing(error))?;
        if bounds != self.bounds {
            self.checkpoints.note(bounds.bytes_through - self.bounds.bytes_through + BYTES_PER_COMMIT / 4);
            self.shared.counted.commits.fetch_add(1, Ordering::Relaxed);
            self.publish(bounds);
        }
        Ok(answers)
    }

    /// One transaction: committed when this returns `Ok`, without effect when it returns `Err`.
    fn write(&mut self, group: &[Append], mut room: Room) -> rusqlite::Result<(Vec<Receipts>, Bounds)> {
        let mut bounds = self.bounds;
        let transaction = self.durable.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut answers = Vec::with_capacity(group.len());
        for append in group {
            answers.push(store_one(&transaction, &append.events, &mut bounds, &mut room)?);
        }
        // Only duplicates, or no room: there is nothing to sync.
        if bounds == self.bounds {
            transaction.rollback()?;
        } else {
            commit(transaction, &self.shared)?;
        }
        Ok((answers, bounds))
    }

    fn count(&self, receipts: &Receipts) {
        let counted = &self.shared.counted;
        let Ok(receipts) = receipts else {
            counted.refused.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let stored = receipts.iter().filter(|receipt| matches!(receipt, Receipt::Stored(_))).count() as u64;
        counted.stored.fetch_add(stored, Ordering::Relaxed);
        counted.duplicates.fetch_add(receipts.len() as u64 - stored, Ordering::Relaxed);
    }
}

/// Makes the transaction durable: the write-ahead log is synced before this returns `Ok`.
fn commit(transaction: rusqlite::Transaction<'_>, shared: &Shared) -> rusqlite::Result<()> {
    fail::fail_point!("buffer.commit", |_| {
        let failed = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
        Err(rusqlite::Error::SqliteFailure(failed, None))
    });
    #[cfg(test)]
    shared.faults.before_commit()?;
    #[cfg(not(test))]
    let _ = shared;
    transaction.commit()
}

/// The events of one append; the inner error leaves the transaction and the bounds as they were.
fn store_one(transaction: &Connection, events: &[Event], bounds: &mut Bounds, room: &mut Room) -> rusqlite::Result<Receipts> {
    let (receipts, bytes) = number(transaction, events, bounds.latest)?;
    if bytes > 0 {
        match room.take(bytes) {
            Ok(left) => *room = left,
            Err(error) => return Ok(Err(error)),
        }
    }
    for (event, receipt) in events.iter().zip(&receipts) {
        if let Receipt::Stored(sequence) = receipt {
            bounds.latest = *sequence;
            bounds.bytes_through += event.size_bytes();
            bounds.newest_at = bounds.newest_at.max(event.received_at);
            insert(transaction, event, bounds)?;
        }
    }
    Ok(Ok(receipts))
}

/// Gives each event its number, or that of the event it repeats; and the bytes of those that are new.
fn number(transaction: &Connection, events: &[Event], latest: Sequence) -> rusqlite::Result<(Vec<Receipt>, u64)> {
    let mut known = transaction.prepare_cached("SELECT sequence FROM deliveries WHERE delivery_id = ?1")?;
    let mut of_batch: HashMap<&Bytes, Sequence> = HashMap::new();
    let mut last = latest;
    let mut bytes = 0;
    let mut receipts = Vec::with_capacity(events.len());
    for event in events {
        let first = match &event.delivery_id {
            None => None,
            Some(id) => match of_batch.get(id) {
                Some(first) => Some(*first),
                None => known.query_row([id.as_ref()], |row| sequence(row, 0)).optional()?,
            },
        };
        receipts.push(first.map_or_else(
            || {
                last = last.next();
                bytes += event.size_bytes();
                if let Some(id) = &event.delivery_id {
                    of_batch.insert(id, last);
                }
                Receipt::Stored(last)
            },
            Receipt::Duplicate,
        ));
    }
    Ok((receipts, bytes))
}

/// Writes the newest event of the bounds, and its delivery id with it.
fn insert(transaction: &Connection, event: &Event, bounds: &Bounds) -> rusqlite::Result<()> {
    let number = stored(bounds.latest.0);
    let headers = encode_headers(&event.headers).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
    // No `..`: a new part of an event must be considered here.
    let Event { received_at, method, path, query, headers: _, remote_address, content_type, body, delivery_id, attributes } = event;
    let mut statement = transaction.prepare_cached(
        "INSERT INTO events (sequence, received_at, newest_at, bytes_through, method, path, query, remote_address, content_type,
                             delivery_id, headers, attributes, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    let delivery_id = delivery_id.as_ref().map(Bytes::as_ref);
    statement.execute(rusqlite::params![
        number,
        received_at,
        bounds.newest_at,
        stored(bounds.bytes_through),
        method,
        path,
        query,
        remote_address,
        content_type,
        delivery_id,
        headers,
        attributes.as_ref(),
        body.as_ref(),
    ])?;
    if let Some(id) = delivery_id {
        let mut remember = transaction.prepare_cached("INSERT INTO deliveries (sequence, received_at, delivery_id) VALUES (?1, ?2, ?3)")?;
        remember.execute((number, received_at, id))?;
    }
    Ok(())
}

/// What may still be stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    in_log: u64,
    limit: u64,
    on_disk: u64,
}

impl Room {
    /// Whether the reserve of the disk is touched.
    pub(super) fn is_disk_short(&self) -> bool {
        self.on_disk == 0
    }

    /// What is left after that many bytes of events.
    pub(crate) fn take(self, bytes: u64) -> Result<Self> {
        let in_log = self.in_log.checked_sub(bytes).filter(|left| *left > 0 || bytes > 0).ok_or_else(|| {
            Error::new(ErrorKind::Full, "the event log is full")
                .with_detail(format!("It may hold {} bytes.", self.limit))
                .with_hint("Senders may try again when its pipelines have caught up.")
        })?;
        // Once into the write-ahead log and once into its place.
        let on_disk = self.on_disk.checked_sub(bytes.saturating_mul(2)).filter(|left| *left > 0).ok_or_else(disk_full)?;
        Ok(Room { in_log, on_disk, ..self })
    }
}

impl Shared {
    /// As of now. Asked before each commit: it costs a microsecond, and a disk fills by others' doing too.
    pub(crate) fn room(&self) -> Result<Room> {
        let limit = self.options.most_bytes;
        let in_log = limit.saturating_sub(self.progress.borrow().bounds.bytes());
        let free = self.place.free_bytes()?;
        Ok(Room { in_log, limit, on_disk: free.saturating_sub(self.options.free_bytes_kept).saturating_sub(BYTES_PER_COMMIT) })
    }
}
