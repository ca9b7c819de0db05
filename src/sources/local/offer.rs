//! What is new in the folder: listing, settling, and the ledger that numbers every version of a file.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use weir_catalog::{ErrorKind, FileEntry, FileSeen, ObjectId, Store};

use crate::clock::{Clock, Micros};
use crate::error::{Code, Error, Result};
use crate::sources::contract::{BatchLimit, Position, Range, StartPoint};
use crate::stores::{Folder, Listed, Pattern};

pub(super) struct Offer {
    pub source_id: ObjectId,
    pub pattern: Pattern,
    pub settle: Duration,
    pub max_files: Option<usize>,
    pub store: Arc<dyn Store>,
    pub clock: Clock,
    /// Etags of files that are in the ledger already, so that looking again costs no more than the listing.
    pub known: Mutex<HashMap<String, String>>,
}

/// The number within a position; files are numbered from 1.
pub(super) fn number(position: &Position) -> Result<i64> {
    position
        .get("seq")
        .and_then(serde_json::Value::as_i64)
        .ok_or_else(|| Error::internal(format!("position {position} is not one of a file source")))
}

fn position(seq: i64) -> Position {
    json!({ "seq": seq })
}

fn ledger(error: weir_catalog::Error) -> Error {
    let code = if error.kind() == ErrorKind::Io { Code::Io } else { Code::Internal };
    Error::new(code, "the file ledger cannot be used").caused_by(error)
}

impl Offer {
    fn start(&self, from: Option<&Position>) -> Result<i64> {
        from.map_or(Ok(0), number)
    }

    /// Every file there is now.
    pub(super) fn list(&self, folder: &Folder) -> Result<Vec<FileSeen>> {
        let files: Vec<FileSeen> = folder.list(&self.pattern)?.into_iter().map(|listed| listed.file).collect();
        match files.is_empty() && self.pattern.is_exact() {
            true => Err(self.missing()),
            false => Ok(files),
        }
    }

    /// Enters files that have settled into the ledger.
    pub(super) fn register(&self, folder: &Folder) -> Result<()> {
        let listed = folder.list(&self.pattern)?;
        // Once its file was seen it may be taken away.
        if listed.is_empty() && self.pattern.is_exact() && self.store.newest_file(self.source_id).map_err(ledger)? == 0 {
            return Err(self.missing());
        }
        let now = self.clock.now();
        let mut known = self.known.lock();
        let new: Vec<FileSeen> = listed
            .into_iter()
            .filter(|listed| known.get(&listed.file.path) != Some(&listed.file.etag) && self.has_settled(listed, now))
            .map(|listed| listed.file)
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        self.store.register_files(self.source_id, &new, now).map_err(ledger)?;
        known.extend(new.into_iter().map(|file| (file.path, file.etag)));
        Ok(())
    }

    fn missing(&self) -> Error {
        Error::new(Code::SourceUnavailable, format!("file \"{}\" does not exist", self.pattern.text()))
            .hint("Put it there, or correct the path of the source: it is relative to the root of the connection.".to_owned())
    }

    fn has_settled(&self, listed: &Listed, now: Micros) -> bool {
        // A time in the future says nothing about when writing ended; that of the entry's last change does.
        let changed = if listed.file.modified_at > now { listed.changed_at } else { listed.file.modified_at };
        let settle = i64::try_from(self.settle.as_micros()).unwrap_or(i64::MAX);
        now.saturating_sub(changed) >= settle
    }

    pub(super) fn next(&self, folder: &Folder, from: Option<&Position>, limit: &BatchLimit) -> Result<Option<Position>> {
        self.register(folder)?;
        let files = limit.files.min(self.max_files.unwrap_or(usize::MAX)).max(1);
        let mut entries = self.store.files(self.source_id, self.start(from)?, None, Some(files)).map_err(ledger)?;
        self.pass_over_gone(folder, &mut entries)?;
        let mut bytes: u64 = 0;
        let mut end = None;
        for entry in entries {
            // A version that was replaced costs nothing: it will not be read.
            let size = if entry.replaced { 0 } else { entry.file.size };
            bytes = bytes.saturating_add(size);
            if end.is_some() && bytes > limit.bytes {
                break;
            }
            end = Some(entry.seq);
        }
        Ok(end.map(position))
    }

    /// Files that were removed before anybody read them must not stop those behind them: they are offered no more.
    fn pass_over_gone(&self, folder: &Folder, entries: &mut [FileEntry]) -> Result<()> {
        let mut gone = Vec::new();
        for entry in entries.iter_mut().filter(|entry| !entry.replaced) {
            match folder.etag(&entry.file.path) {
                Err(error) if error.code() == Code::DataException => {
                    tracing::warn!(file = %entry.file.path, "the file was removed before it was read; it is passed over");
                    entry.replaced = true;
                    gone.push(entry.seq);
                    self.known.lock().remove(&entry.file.path);
                }
                // Whatever else is wrong with it, its reader will say.
                _ => {}
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        self.store.forget_files(self.source_id, &gone).map_err(ledger)
    }

    /// The versions of a range that can still be read, in their order.
    pub(super) fn versions(&self, range: &Range) -> Result<Vec<FileEntry>> {
        let (from, to) = (self.start(range.from.as_ref())?, number(&range.to)?);
        let mut entries = self.store.files(self.source_id, from, Some(to), None).map_err(ledger)?;
        entries.retain(|entry| !entry.replaced);
        Ok(entries)
    }

    pub(super) fn position_at(&self, folder: &Folder, point: &StartPoint) -> Result<Option<Position>> {
        match point {
            StartPoint::Earliest => Ok(None),
            StartPoint::Latest => {
                self.register(folder)?;
                let newest = self.store.newest_file(self.source_id).map_err(ledger)?;
                Ok((newest > 0).then(|| position(newest)))
            }
            StartPoint::At(text) => {
                let at = crate::formats::timestamp_micros(text).ok_or_else(|| {
                    Error::new(Code::InvalidParameter, format!("\"{text}\" is not a time to start at"))
                        .hint("Files are ordered by time: '2025-01-01' or '2025-01-01 12:00+02:00'.".to_owned())
                })?;
                self.register(folder)?;
                let entries = self.store.files(self.source_id, 0, None, None).map_err(ledger)?;
                let before = entries.iter().take_while(|entry| entry.file.modified_at < at).last();
                Ok(before.map(|entry| position(entry.seq)))
            }
        }
    }

    pub(super) fn oldest_unread(&self, from: Option<&Position>) -> Result<Option<Micros>> {
        let entries = self.store.files(self.source_id, self.start(from)?, None, Some(1)).map_err(ledger)?;
        Ok(entries.first().map(|entry| entry.file.modified_at))
    }
}
