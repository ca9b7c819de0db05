//! What can go wrong with a log, named by what the caller must do about it.
//!
//! The message is one lower-case line without the wrapped error's text; that one is in `source`, for the log of the hub. No error ever holds
//! bytes of an event.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use rusqlite::ffi;

pub type Result<T> = std::result::Result<T, Error>;

/// The kinds of failure. Whatever the kind, nothing of a failed append was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no room: the log's limit or the disk's reserve is reached. Ask the sender to come again later; it heals by itself.
    Full,
    /// An event, a batch or a delivery id is larger than the log takes. The same call can never succeed.
    TooLarge,
    /// An argument or an option makes no sense. The same call can never succeed.
    Invalid,
    /// No consumer of that id is registered.
    NotFound,
    /// Events behind the position asked for were removed. Start again at [`Log::start`](crate::Log::start), knowing that some are missed.
    Gone,
    /// Another process, or another `Log` of this one, has the file open.
    InUse,
    /// Something held the file's write lock for too long, or memory ran out. Nothing was stored: try again.
    Busy,
    /// The file was written by a newer version of the hub. Nothing was changed.
    TooNew,
    /// The file is damaged, or is not a log.
    Corrupt,
    /// The disk or the operating system refused something other than a commit.
    Io,
    /// The disk failed to store a commit. Nothing is appended any more, and nothing may be acknowledged: **end the process**. Trying the
    /// sync again would report a success that says nothing about what was lost. The next start reads what is really there.
    Failed,
    /// The log was closed.
    Closed,
}

/// A failure of a call.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), detail: None, hint: None, source: None }
    }

    pub(crate) fn closed() -> Self {
        Error::new(ErrorKind::Closed, "the event log is closed")
    }

    #[must_use]
    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What the caller must do.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The primary line: lower case, no full stop.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The circumstances, in whole sentences.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// What to do, in whole sentences.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("detail", &self.detail)
            .field("hint", &self.hint)
            .field("source", &self.source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

/// An error of a read, or of opening: nothing was being made durable.
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let primary = error.sqlite_error().map(|e| e.extended_code & 0xff);
        let (kind, message) = match primary {
            Some(ffi::SQLITE_FULL) => (ErrorKind::Full, "the disk is full"),
            Some(ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_NOMEM) => (ErrorKind::Busy, "the event log is busy"),
            Some(ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB) => (ErrorKind::Corrupt, "the event log is damaged"),
            Some(_) => (ErrorKind::Io, "the event log cannot be used"),
            // Not SQLite's but of a value's type: the row is not what was once written.
            None => (ErrorKind::Corrupt, "the event log holds what no event log holds"),
        };
        Error::new(kind, message).with_source(error)
    }
}

/// An error of a write transaction, the commit included. Only what surely happened before anything was synced can be tried again.
pub(crate) fn of_write(error: rusqlite::Error) -> Error {
    let Some(code) = error.sqlite_error().map(|e| e.extended_code) else {
        return Error::from(error);
    };
    match (code & 0xff, code) {
        // The index in shared memory grows after the log's pages are synced; without room for it the transaction is rolled back.
        (ffi::SQLITE_FULL, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => disk_full().with_source(error),
        (ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_NOMEM, _) => Error::from(error),
        _ => Error::new(ErrorKind::Failed, "the disk failed to store an event")
            .with_detail("Nothing of it was acknowledged, and nothing more will be.")
            .with_hint("Look at the disk, then restart the hub.")
            .with_source(error),
    }
}

pub(crate) fn disk_full() -> Error {
    Error::new(ErrorKind::Full, "the disk is full")
        .with_hint("Make room on the disk, or let the pipelines catch up; senders may try again.")
}
