//! The file, its lock and its connections: one writer behind a mutex, a few readers that never wait for it.
//!
//! Every commit is on disk when it returns. After a failed fsync nothing more is written, and the owner is told so that it can end: the next
//! fsync could not tell what was lost. A checkpoint is another matter: SQLite does not count pages as moved before their sync succeeded, so the
//! next one writes them again from the log, which was synced when they were committed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, ffi};

use super::migrations;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::private;

/// Readers kept open between calls; more are opened under load and closed again.
const READERS_KEPT: usize = 4;
/// Foreign tools may look into the file for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const STATEMENTS_CACHED: usize = 128;

pub(super) struct Database {
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    /// None in memory, where the writer reads too.
    path: Option<PathBuf>,
    fsync_failed: AtomicBool,
    /// Told of the first commit that could not be synced.
    on_sync_failure: fn(&Error),
    /// Held while the database is open; dropped after the connections.
    _lock: Option<File>,
}

impl Database {
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let lock = lock_folder(dir)?;
        let path = dir.join("catalog.db");
        if path.exists() {
            migrations::refuse_foreign(&Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)?;
        } else {
            // Made here, because SQLite would let others read it; its log and index take over the mode.
            private(OpenOptions::new().write(true).create_new(true)).open(&path).map_err(|e| folder_error(dir, e))?;
        }
        let mut writer = Connection::open(&path)?;
        configure(&writer)?;
        let mode: String = writer.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        if mode != "wal" {
            return Err(Error::new(ErrorKind::Io, "the file system of the data folder cannot hold the catalog")
                .with_detail(format!("SQLite gives journal mode {mode} instead of wal."))
                .with_hint("Put the data folder on a local file system."));
        }
        writer.pragma_update(None, "synchronous", "full")?;
        writer.pragma_update(None, "journal_size_limit", 64 << 20)?;
        migrations::migrate(&mut writer, migrations::MIGRATIONS)?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| folder_error(dir, e))?;
        Ok(Database { path: Some(path), ..Database::over(writer, Some(lock)) })
    }

    pub(super) fn in_memory() -> Result<Self> {
        let mut writer = Connection::open_in_memory()?;
        configure(&writer)?;
        migrations::migrate(&mut writer, migrations::MIGRATIONS)?;
        Ok(Database::over(writer, None))
    }

    fn over(writer: Connection, lock: Option<File>) -> Self {
        let fsync_failed = AtomicBool::new(false);
        Database { writer: Mutex::new(writer), readers: Mutex::default(), path: None, fsync_failed, on_sync_failure: |_| {}, _lock: lock }
    }

    pub(super) fn when_sync_fails(self, tell: fn(&Error)) -> Self {
        Database { on_sync_failure: tell, ..self }
    }

    /// Runs `work` in a write transaction: on disk when this returns `Ok`, without effect when it returns `Err`.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.write_then(work, |_| ())
    }

    /// As `write`; `after` runs when the commit is done and before the next writer starts.
    pub(super) fn write_then<T>(&self, work: impl FnOnce(&Connection) -> Result<T>, after: impl FnOnce(&T)) -> Result<T> {
        let mut writer = held(&self.writer);
        if self.fsync_failed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Io, "the catalog takes no more writes because the disk failed to store one")
                .with_hint("Look at the disk, then restart the hub."));
        }
        let result = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Error::from).and_then(|transaction| {
            let value = work(&transaction)?;
            transaction.commit().map_err(|e| self.noticing_fsync(e))?;
            Ok(value)
        });
        if let Ok(value) = &result {
            after(value);
        }
        result
    }

    /// Runs `work` on one snapshot.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let Some(path) = &self.path else {
            return on_snapshot(&held(&self.writer), work);
        };
        let kept = held(&self.readers).pop();
        let reader = match kept {
            Some(reader) => reader,
            None => open_reader(path)?,
        };
        let result = on_snapshot(&reader, work);
        let mut readers = held(&self.readers);
        if readers.len() < READERS_KEPT && reader.is_autocommit() {
            readers.push(reader);
        }
        result
    }

    pub(super) fn noticing_fsync(&self, error: rusqlite::Error) -> Error {
        let code = error.sqlite_error().map(|e| e.extended_code);
        if matches!(code, Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)) {
            let is_first = !self.fsync_failed.swap(true, Ordering::AcqRel);
            let error = Error::from(error);
            if is_first {
                (self.on_sync_failure)(&error);
            }
            return error;
        }
        error.into()
    }

    #[cfg(test)]
    pub(super) fn writer(&self) -> MutexGuard<'_, Connection> {
        held(&self.writer)
    }
}

/// A panic while holding a connection rolled its transaction back, so the connection is still good.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn on_snapshot<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    let snapshot = connection.unchecked_transaction()?;
    let value = work(&snapshot)?;
    snapshot.commit()?;
    Ok(value)
}

fn open_reader(path: &Path) -> Result<Connection> {
    let reader = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&reader)?;
    Ok(reader)
}

fn configure(connection: &Connection) -> Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(())
}

/// Takes the advisory lock that keeps a second hub out. The system releases it however this process ends.
///
/// It is not on `catalog.db` itself: closing any descriptor of that file would drop SQLite's own locks on it.
fn lock_folder(dir: &Path) -> Result<File> {
    let path = dir.join("hub.lock");
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(|e| folder_error(dir, e))?;
    match file.try_lock() {
        Ok(()) => {
            // Only told to whoever is refused; the lock itself is the system's.
            let noted = file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).and_then(|_| write!(file, "{}", std::process::id()));
            noted.map_err(|e| folder_error(dir, e))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let known = file.read_to_string(&mut holder).is_ok() && !holder.is_empty();
            let error = Error::new(ErrorKind::InUse, format!("data folder \"{}\" is in use by another hub", dir.display()))
                .with_hint("Stop that hub first, or start this one with another data folder.");
            Err(if known { error.with_detail(format!("It is held by process {holder}.")) } else { error })
        }
        Err(TryLockError::Error(e)) => Err(folder_error(dir, e)),
    }
}

fn folder_error(dir: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("data folder \"{}\" cannot be used", dir.display()))
        .with_hint("It must exist and be writable for the user the hub runs as.")
        .with_source(error)
}
