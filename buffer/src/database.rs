//! The file and the connections to it: one whose commits are on disk when they return, one whose commits may be lost together with the power,
//! and those that read.
//!
//! SQLite's write-ahead log keeps the order of commits, so a commit of the first kind makes all before it durable too. What the second kind
//! writes (removals, positions) can be repeated.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Micros, Sequence};
use crate::files::Place;
use crate::schema;

/// Foreign tools may look into the file for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Where the write-ahead log is cut back to, when it could not be moved into place for some time.
const LOG_FILE_BYTES: i64 = 64 << 20;

/// How far the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Everything up to here is gone.
    pub(crate) removed_through: Sequence,
    pub(crate) removed_bytes: u64,
    /// The newest event; the same as `removed_through` when there is none.
    pub(crate) latest: Sequence,
    /// Bytes of all events ever, the removed ones included.
    pub(crate) bytes_through: u64,
    /// The latest `received_at` of all events ever.
    pub(crate) newest_at: Micros,
}

impl Bounds {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes_through.saturating_sub(self.removed_bytes)
    }

    pub(crate) fn events_after(&self, position: Sequence) -> u64 {
        self.latest.0.saturating_sub(position.max(self.removed_through).0)
    }

    /// As of the connection's snapshot. Two rows are read, whatever the log holds.
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut floor = connection.prepare_cached("SELECT removed_through, removed_bytes, removed_newest FROM log")?;
        let (removed_through, removed_bytes, removed_newest) =
            floor.query_row([], |row| Ok((sequence(row, 0)?, unsigned(row, 1)?, row.get(2)?)))?;
        let mut last = connection.prepare_cached("SELECT sequence, bytes_through, newest_at FROM events ORDER BY sequence DESC LIMIT 1")?;
        let last = last.query_row([], |row| Ok((sequence(row, 0)?, unsigned(row, 1)?, row.get(2)?))).optional()?;
        let (latest, bytes_through, newest_at) = last.unwrap_or((removed_through, removed_bytes, removed_newest));
        Ok(Bounds { removed_through, removed_bytes, latest, bytes_through, newest_at })
    }
}

/// Opens the file for writing, makes it if needed, and makes durable whatever can be seen in it.
///
/// A process that is killed between writing a commit and syncing it leaves a commit that is seen by the next one and is yet not on disk. If it
/// was consumed and then lost with the power, its number would be given a second time. So the write-ahead log is synced and moved into place
/// before anything is read.
pub(crate) fn open_durable(place: &Place) -> Result<Connection> {
    let path = &place.database;
    place.create()?;
    schema::refuse_foreign(&Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)?;
    let mut connection = Connection::open(path)?;
    configure(&connection)?;
    // Only heard before the first page is written. Without it the file could never shrink but by being copied whole.
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Error::new(ErrorKind::Io, "the file system of the data folder cannot hold an event log")
            .with_detail(format!("SQLite gives journal mode {mode} instead of wal."))
            .with_hint("Put the data folder on a local file system."));
    }
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "cache_size", -8192)?;
    schema::migrate(&mut connection)?;
    place.sync_folder()?;
    sync_log(path)?;
    // A full disk or a foreign reader may leave some of it where it is: that is synced, too.
    match checkpoint(&connection, "TRUNCATE").map_err(Error::from) {
        Err(error) if !matches!(error.kind(), ErrorKind::Full | ErrorKind::Busy) => return Err(error),
        _ => {}
    }
    Ok(connection)
}

/// A connection whose commits survive a kill, but not a power cut.
pub(crate) fn open_relaxed(place: &Place) -> Result<Connection> {
    let connection = Connection::open(&place.database)?;
    configure(&connection)?;
    connection.pragma_update(None, "synchronous", "normal")?;
    Ok(connection)
}

/// A connection that only moves the write-ahead log into place.
pub(crate) fn open_checkpointer(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&connection)?;
    connection.pragma_update(None, "synchronous", "full")?;
    Ok(connection)
}

pub(crate) fn open_reader(path: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&connection)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "journal_size_limit", LOG_FILE_BYTES)?;
    // Moving pages into place is done beside the writer, see `writer::checkpoint`.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(())
}

/// What a checkpoint did, in pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checkpointed {
    pub(crate) in_log: u64,
    pub(crate) moved: u64,
}

/// Moves what the write-ahead log holds into the database. `PASSIVE` waits for nobody and disturbs nobody.
pub(crate) fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Checkpointed> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        // Both are -1 when somebody else is at it.
        let (in_log, moved): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(Checkpointed { in_log: u64::try_from(in_log).unwrap_or(u64::MAX), moved: u64::try_from(moved).unwrap_or(0) })
    })
}

fn sync_log(database: &Path) -> Result<()> {
    let mut path = database.to_path_buf().into_os_string();
    path.push("-wal");
    // To be synced, a file need not be written; not on every system may a read-only descriptor do it.
    let synced = OpenOptions::new().read(true).write(true).open(path).and_then(|log: File| log.sync_all());
    match synced {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::new(ErrorKind::Io, "the event log cannot be made durable").with_hint("Look at the disk.").with_source(error))
        }
        _ => Ok(()),
    }
}

/// As SQLite holds it. Nothing that is counted here comes near the difference.
pub(crate) fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, Box::new(e)))
}

pub(crate) fn sequence(row: &Row<'_>, column: usize) -> rusqlite::Result<Sequence> {
    unsigned(row, column).map(Sequence)
}
