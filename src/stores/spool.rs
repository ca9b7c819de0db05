//! Files that clients send, kept until the run that reads them is over.
//!
//! A file and its name are durable before anybody is told of them. Until a run owns it, a file goes with the one who holds it; what a crash
//! left without a run is removed at the next start.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use uuid::Uuid;

use super::fsync::create_dir_durable;
use super::sync::{sync_dir, sync_file};
use crate::error::{Code, Error, Result};

/// The folder of such files. Only the hub's own account reads them.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// # Errors
    /// `Io` when the folder cannot be made.
    pub fn open(folder: PathBuf) -> Result<Self> {
        create_dir_durable(&folder)
            .map_err(|error| Error::new(Code::Io, format!("cannot make the folder {}", folder.display())).caused_by(error))?;
        Ok(Self { folder })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A new file, which takes no more than `most_bytes`.
    ///
    /// # Errors
    /// `Io` or `DiskFull` when it cannot be made.
    pub fn create(&self, most_bytes: u64) -> Result<Spooling> {
        let name = Uuid::now_v7().simple().to_string();
        let path = self.folder.join(&name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(|error| not_kept(&error))?;
        Ok(Spooling { file, kept: Spooled { name, path, bytes: 0, is_owned: AtomicBool::new(false) }, most_bytes })
    }

    /// Removes a file whose run is over. One that cannot be removed is left to the next start.
    pub fn remove(&self, file: &str) {
        remove(&self.folder.join(file));
    }

    /// Removes all files but these.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn sweep(&self, kept: &HashSet<String>) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let is_kept = entry.file_name().to_str().is_some_and(|name| kept.contains(name));
            if !is_kept {
                tracing::info!(file = %entry.path().display(), "a file that was sent and belongs to no run is removed");
                remove(&entry.path());
            }
        }
        Ok(())
    }
}

/// A file that is being sent. Dropped, it is removed.
#[derive(Debug)]
pub struct Spooling {
    file: File,
    kept: Spooled,
    most_bytes: u64,
}

impl Spooling {
    /// # Errors
    /// `TooLarge` when it grows beyond its limit, `DiskFull` and `Io`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let length = self.kept.bytes.saturating_add(bytes.len() as u64);
        if length > self.most_bytes {
            return Err(Error::new(Code::TooLarge, format!("the file is larger than {} bytes", self.most_bytes))
                .hint("Send it in parts, or raise max_size in WITH.".to_owned()));
        }
        write(&mut self.file, bytes).map_err(|error| not_kept(&error))?;
        self.kept.bytes = length;
        Ok(())
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// `DiskFull` and `Io`; a sync that fails for another reason ends the process.
    pub fn finish(self) -> Result<Spooled> {
        let Self { file, kept, most_bytes: _ } = self;
        sync_file(&file, &kept.path).map_err(|error| not_kept(&error))?;
        if let Some(folder) = kept.path.parent() {
            sync_dir(folder).map_err(|error| not_kept(&error))?;
        }
        Ok(kept)
    }
}

/// A file that is on disk. Dropped, it is removed, unless a run owns it.
#[derive(Debug)]
pub struct Spooled {
    name: String,
    path: PathBuf,
    bytes: u64,
    is_owned: AtomicBool,
}

impl Spooled {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// From here on it is the run's, which removes it when it is over.
    pub fn give_away(&self) {
        self.is_owned.store(true, Ordering::Release);
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        if !self.is_owned.load(Ordering::Acquire) {
            remove(&self.path);
        }
    }
}

fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    fail::fail_point!("upload.write", |_| Err(io::Error::from(ErrorKind::StorageFull)));
    file.write_all(bytes)
}

fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(file = %path.display(), %error, "a file that was sent could not be removed");
        }
        _ => {}
    }
}

fn not_kept(error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::new(Code::DiskFull, "the disk is full: the file cannot be kept")
            .hint("Nothing of it was read. Make room, then send it again.".to_owned()),
        _ => Error::new(Code::Io, "the file cannot be kept").detail(error.to_string()),
    }
}
