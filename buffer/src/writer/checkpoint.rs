//! Moving the write-ahead log into place, beside the appends.
//!
//! SQLite would do it within a commit, whose appends would wait for some thousand pages and a sync. Here a thread of its own moves what there
//! is. While appends go on it is never quite done, and only a log that is moved completely is begun anew; so the little that came meanwhile
//! is moved by the writer itself, between two commits.
//!
//! A sync that fails here ends the log too. SQLite would write those pages once more, but a disk that fails is not to be trusted.

use std::path::PathBuf;
use std::thread::JoinHandle;

use rusqlite::{Connection, ffi};

use crate::database::{self, Checkpointed};

/// What is written before the log is moved: more makes fewer syncs, and a longer start after a kill.
const BYTES_BETWEEN: u64 = 16 << 20;
/// Pages that the writer moves itself: some milliseconds.
const PAGES_BETWEEN_COMMITS: u64 = 256;
/// Rounds of the thread after which the writer moves the rest, whatever it is: the log must not grow for ever.
const MOST_ROUNDS: u32 = 4;

type Outcome = rusqlite::Result<Checkpointed>;

pub(super) struct Checkpoints {
    database: PathBuf,
    /// Since the last round began, about.
    written: u64,
    rounds: u32,
    running: Option<JoinHandle<Outcome>>,
}

impl Checkpoints {
    pub(super) fn new(database: PathBuf) -> Self {
        Checkpoints { database, written: 0, rounds: 0, running: None }
    }

    /// Notes what a commit wrote.
    pub(super) fn note(&mut self, bytes: u64) {
        self.written = self.written.saturating_add(bytes);
    }

    /// Begins a round with the next look, however little was written.
    pub(super) fn hurry(&mut self) {
        self.note(BYTES_BETWEEN);
    }

    /// Begins a round, or ends one that is over. To be called between commits.
    pub(super) fn look(&mut self, writer: &Connection) -> rusqlite::Result<()> {
        let Some(running) = self.running.take_if(|running| running.is_finished()) else {
            if self.running.is_none() && self.written >= BYTES_BETWEEN {
                self.begin();
            }
            return Ok(());
        };
        let Some(done) = tolerable(joined(running))? else {
            return Ok(());
        };
        let rest = done.in_log.saturating_sub(done.moved);
        self.rounds += 1;
        if rest <= PAGES_BETWEEN_COMMITS || self.rounds >= MOST_ROUNDS {
            tolerable(database::checkpoint(writer, "PASSIVE"))?;
            self.rounds = 0;
        } else {
            self.begin();
        }
        Ok(())
    }

    /// Waits for the thread.
    pub(super) fn finish(&mut self) {
        if let Some(running) = self.running.take() {
            // The log ends here either way. What could not be moved is moved when it is opened again.
            let _ = joined(running);
        }
    }

    fn begin(&mut self) {
        self.written = 0;
        let database = self.database.clone();
        let round = move || database::checkpoint(&database::open_checkpointer(&database)?, "PASSIVE");
        // Without a thread the log grows until there is one again.
        self.running = std::thread::Builder::new().name("weir-buffer-move".to_owned()).spawn(round).ok();
    }
}

fn joined(running: JoinHandle<Outcome>) -> Outcome {
    running.join().unwrap_or_else(|_| Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_INTERNAL), None)))
}

/// A full disk or somebody else's lock: the log stays where it is, durable as it is, until the next round.
fn tolerable(outcome: Outcome) -> rusqlite::Result<Option<Checkpointed>> {
    match outcome {
        Ok(done) => Ok(Some(done)),
        Err(error) => match error.sqlite_error().map(|e| (e.extended_code & 0xff, e.extended_code)) {
            Some((ffi::SQLITE_FULL | ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_NOMEM, _)) => Ok(None),
            Some((ffi::SQLITE_CANTOPEN, _) | (_, ffi::SQLITE_IOERR_SHMSIZE)) => Ok(None),
            _ => Err(error),
        },
    }
}
