//! Reading: connections of its own, each call on one snapshot, on a thread that may wait for the disk.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::database::{self, Bounds, open_reader, sequence, stored, unsigned};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{ConsumerId, Event, Micros, Sequence, StoredEvent, decode_headers};
use crate::writer::Consumer;

/// How much one read takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// The last event that is wanted, included.
    pub through: Sequence,
    pub most_events: u64,
    /// As counted by `Event::size_bytes`. One event that is larger than this is still given, alone.
    pub most_bytes: u64,
}

impl Default for ReadLimit {
    /// Up to the newest event, at most 1,000 events or 8 MiB.
    fn default() -> Self {
        ReadLimit { through: Sequence(u64::MAX), most_events: 1000, most_bytes: 8 << 20 }
    }
}

/// What one read gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In order, without gaps, the first right after the position asked for.
    pub events: Vec<StoredEvent>,
    /// Where the next read goes on: the last event given, or the position asked for.
    pub through: Sequence,
    /// The newest event, when it was read.
    pub latest: Sequence,
}

/// What waits after a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    pub events: u64,
    pub bytes: u64,
    /// When the first of them was received: how far the reader lags behind.
    pub oldest_at: Option<Micros>,
}

/// The connections of readers, a limited number.
pub(crate) struct Readers {
    places: Arc<Semaphore>,
    most: u32,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(most: u32) -> Self {
        Readers { places: Arc::new(Semaphore::new(most as usize)), most, idle: Mutex::default() }
    }

    /// Waits for a place.
    pub(crate) async fn enter(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.map_err(|_| Error::closed())
    }

    /// Runs `work` on one snapshot.
    pub(crate) fn with<T>(&self, path: &Path, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match kept {
            Some(connection) => connection,
            None => open_reader(path)?,
        };
        let snapshot = connection.unchecked_transaction()?;
        let result = work(&snapshot);
        snapshot.finish()?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result
    }

    /// Lets nobody in any more, waits until all are out, and closes the connections.
    pub(crate) async fn close(&self) {
        let everyone = self.places.acquire_many(self.most).await;
        self.places.close();
        drop(everyone);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

pub(crate) fn page(connection: &Connection, after: Sequence, limit: ReadLimit) -> Result<Page> {
    let bounds = Bounds::load(connection)?;
    reachable(&bounds, after)?;
    let mut page = Page { events: Vec::new(), through: after, latest: bounds.latest };
    let start_bytes = bytes_through(connection, &bounds, after)?;
    let mut statement = connection.prepare_cached(
        "SELECT sequence, received_at, bytes_through, method, path, query, remote_address, content_type, delivery_id, headers, attributes, body
         FROM events WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence LIMIT ?3",
    )?;
    let mut rows = statement.query((stored(after.0), stored(limit.through.0), stored(limit.most_events)))?;
    while let Some(row) = rows.next()? {
        // Looked at before the body is: a row's end is only read when it is wanted.
        let bytes = unsigned(row, 2)?.saturating_sub(start_bytes);
        if bytes > limit.most_bytes && !page.events.is_empty() {
            break;
        }
        let event = event(row)?;
        if event.sequence != page.through.next() {
            return Err(Error::new(ErrorKind::Corrupt, "the event log has a gap")
                .with_detail(format!("Event {} is missing.", page.through.next().0))
                .with_hint("Restore the data folder from a backup."));
        }
        page.through = event.sequence;
        page.events.push(event);
    }
    Ok(page)
}

fn event(row: &Row<'_>) -> Result<StoredEvent> {
    let bytes = |column: usize| row.get::<_, Vec<u8>>(column).map(Bytes::from);
    let event = Event {
        received_at: row.get(1)?,
        method: row.get(3)?,
        path: row.get(4)?,
        query: row.get(5)?,
        remote_address: row.get(6)?,
        content_type: row.get(7)?,
        delivery_id: row.get::<_, Option<Vec<u8>>>(8)?.map(Bytes::from),
        headers: decode_headers(row.get(9)?)?,
        attributes: bytes(10)?,
        body: bytes(11)?,
    };
    Ok(StoredEvent { sequence: sequence(row, 0)?, event })
}

/// Whether a consumer can go on from there without missing anything.
pub(crate) fn reachable(bounds: &Bounds, position: Sequence) -> Result<()> {
    if position < bounds.removed_through {
        return Err(Error::new(ErrorKind::Gone, "the events asked for were removed")
            .with_detail(format!("Events after {} were asked for; everything up to {} is gone.", position.0, bounds.removed_through.0))
            .with_hint("Start at the earliest event, or keep events for longer."));
    }
    if position > bounds.latest {
        return Err(Error::new(ErrorKind::Invalid, "the position is beyond the newest event")
            .with_detail(format!("Events after {} were asked for; the newest is {}.", position.0, bounds.latest.0))
            .with_hint("The event log is older than what was read from it: was the data folder restored from a backup?"));
    }
    Ok(())
}

/// Bytes of all events ever up to a position between the removed ones and the newest.
fn bytes_through(connection: &Connection, bounds: &Bounds, position: Sequence) -> Result<u64> {
    if position <= bounds.removed_through {
        return Ok(bounds.removed_bytes);
    }
    let mut statement = connection.prepare_cached("SELECT bytes_through FROM events WHERE sequence = ?1")?;
    Ok(statement.query_row([stored(position.0)], |row| unsigned(row, 0))?)
}

pub(crate) fn backlog(connection: &Connection, after: Sequence) -> Result<Backlog> {
    let bounds = Bounds::load(connection)?;
    let after = after.clamp(bounds.removed_through, bounds.latest);
    let mut first = connection.prepare_cached("SELECT received_at FROM events WHERE sequence = ?1")?;
    Ok(Backlog {
        events: bounds.events_after(after),
        bytes: bounds.bytes_through.saturating_sub(bytes_through(connection, &bounds, after)?),
        oldest_at: first.query_row([stored(after.next().0)], |row| row.get(0)).optional()?,
    })
}

/// By halving: `newest_at` never falls, and first reaches a time at the first event that was received then or later.
pub(crate) fn first_at_or_after(connection: &Connection, time: Micros) -> Result<Option<Sequence>> {
    let bounds = Bounds::load(connection)?;
    let mut statement = connection.prepare_cached("SELECT newest_at, received_at FROM events WHERE sequence = ?1")?;
    let mut times = |sequence: u64| statement.query_row([stored(sequence)], |row| Ok((row.get::<_, Micros>(0)?, row.get::<_, Micros>(1)?)));
    let (mut low, mut high) = (bounds.removed_through.0 + 1, bounds.latest.0 + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if times(middle)?.0 >= time {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok((low <= bounds.latest.0).then_some(Sequence(low)))
}

pub(crate) fn consumers(connection: &Connection) -> Result<Vec<Consumer>> {
    let mut statement = connection.prepare_cached("SELECT id, position FROM consumers ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok(Consumer { id: ConsumerId(row.get(0)?), position: database::sequence(row, 1)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
