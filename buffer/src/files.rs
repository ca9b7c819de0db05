//! The files of a log, the lock that keeps others out, and the room that is left.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind as IoKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::event::SourceNumber;

/// Where a log lies.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) database: PathBuf,
    lock: PathBuf,
}

impl Place {
    pub(crate) fn of(folder: &Path, source: SourceNumber) -> Self {
        let named = |ending: &str| folder.join(format!("{}.{ending}", source.0));
        Place { folder: folder.to_path_buf(), database: named("db"), lock: named("lock") }
    }

    /// Makes the file unless it is there. SQLite would let others read it; its write-ahead log takes over the mode.
    pub(crate) fn create(&self) -> Result<()> {
        match private(OpenOptions::new().write(true).create_new(true)).open(&self.database) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == IoKind::AlreadyExists => Ok(()),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Makes the names of new files durable.
    pub(crate) fn sync_folder(&self) -> Result<()> {
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(|e| self.error(e))
    }

    /// Takes the advisory lock. The system releases it however the process ends.
    ///
    /// It is not on the database itself: closing any descriptor of that file would drop SQLite's own locks on it.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let mut options = OpenOptions::new();
        let mut file = private(options.read(true).write(true).create(true).truncate(false)).open(&self.lock).map_err(|e| self.error(e))?;
        match file.try_lock() {
            Ok(()) => {
                let mut lock = Lock(file);
                let file = &mut lock.0;
                // Only told to whoever is refused; the lock itself is the system's.
                let noted =
                    file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).and_then(|_| write!(file, "{}", std::process::id()));
                // A full disk must not keep the log from opening: it is read, and removing from it makes room.
                if let Err(error) = noted
                    && !matches!(error.kind(), IoKind::StorageFull | IoKind::QuotaExceeded)
                {
                    return Err(self.error(error));
                }
                Ok(lock)
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let known = file.read_to_string(&mut holder).is_ok() && !holder.is_empty();
                let error = Error::new(ErrorKind::InUse, format!("event log \"{}\" is in use", self.database.display()))
                    .with_hint("Only one hub can have a data folder: stop the other one first.");
                Err(if known { error.with_detail(format!("It is held by process {holder}.")) } else { error })
            }
            Err(TryLockError::Error(error)) => Err(self.error(error)),
        }
    }

    /// What may still be written on the file system, to a program without special rights.
    pub(crate) fn free_bytes(&self) -> Result<u64> {
        let stat = rustix::fs::statvfs(&self.folder).map_err(|e| self.error(e.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn error(&self, error: std::io::Error) -> Error {
        Error::new(ErrorKind::Io, format!("event log \"{}\" cannot be used", self.database.display()))
            .with_hint("Its folder must exist and be writable for the user the hub runs as.")
            .with_source(error)
    }
}

/// Held as long as a log is open.
pub(crate) struct Lock(File);

impl Drop for Lock {
    /// Closing alone would not do: a child process that is just being started still has the descriptor, and with it the lock.
    fn drop(&mut self) {
        // If it fails, closing is all there is.
        let _ = self.0.unlock();
    }
}

/// Removes the files of a source that is dropped, with all its events. Blocks while the system deletes.
///
/// # Errors
/// `InUse` while a log of it is open; `Io` when the system refuses. A log that is not there is no error.
pub fn delete(folder: &Path, source: SourceNumber) -> Result<()> {
    let place = Place::of(folder, source);
    if !place.lock.exists() && !place.database.exists() {
        return Ok(());
    }
    let _held = place.lock()?;
    let companion = |ending: &str| {
        let mut path = place.database.clone().into_os_string();
        path.push(ending);
        PathBuf::from(path)
    };
    // The database first: without its write-ahead log it would be an older log, which a crash here must not leave behind. SQLite throws
    // a write-ahead log away that has no database. Last the lock.
    for path in [place.database.clone(), companion("-wal"), companion("-shm"), place.lock.clone()] {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != IoKind::NotFound => return Err(place.error(error)),
            _ => {}
        }
    }
    place.sync_folder()
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}
