//! The thread: takes what waits, stores it, answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use rusqlite::Connection;

use super::checkpoint::Checkpoints;
use crate::database::{Bounds, open_durable, open_relaxed};
use crate::error::{Error, ErrorKind, Result, of_write};
use crate::event::{ConsumerId, Sequence};
use crate::files::Place;
use crate::log::Shared;
use crate::queue::{Append, Request};
use crate::reader;

/// Beyond this many bytes no further append joins a commit. One that is larger itself is committed alone, so that the others wait for it alone.
const MOST_BYTES_AT_ONCE: u64 = 4 << 20;
const MOST_APPENDS_AT_ONCE: usize = 2048;

/// What belongs to the thread.
pub(crate) struct Writer {
    /// Its commits are on disk when they return.
    pub(super) durable: Connection,
    /// Its commits may be lost with the power: for what can be repeated.
    pub(super) relaxed: Connection,
    pub(super) bounds: Bounds,
    pub(super) consumers: BTreeMap<ConsumerId, Sequence>,
    pub(super) checkpoints: Checkpoints,
    pub(super) shared: Arc<Shared>,
}

/// What is found when the file is opened.
pub(crate) struct Parts {
    durable: Connection,
    relaxed: Connection,
    pub(crate) bounds: Bounds,
    consumers: BTreeMap<ConsumerId, Sequence>,
}

impl Writer {
    /// Opens the file and reads where it stands.
    pub(crate) fn connect(place: &Place) -> Result<Parts> {
        let durable = open_durable(place)?;
        let relaxed = open_relaxed(place)?;
        let bounds = Bounds::load(&durable)?;
        let consumers = reader::consumers(&durable)?.into_iter().map(|consumer| (consumer.id, consumer.position)).collect();
        Ok(Parts { durable, relaxed, bounds, consumers })
    }

    pub(crate) fn start(parts: Parts, shared: Arc<Shared>, requests: Receiver<Request>) -> Result<()> {
        let Parts { durable, relaxed, bounds, consumers } = parts;
        let checkpoints = Checkpoints::new(shared.place.database.clone());
        let ended = Ended(Arc::clone(&shared));
        let writer = Writer { durable, relaxed, bounds, consumers, checkpoints, shared };
        let thread = std::thread::Builder::new().name("weir-buffer".to_owned());
        let started = thread.spawn(move || {
            // Declared first, dropped last: the end is told after the connections are closed.
            let _ended = ended;
            let mut writer = writer;
            writer.run(&requests);
            drop(requests);
        });
        started.map(drop).map_err(|e| Error::new(ErrorKind::Io, "the event log cannot start its thread").with_source(e))
    }

    /// Until the log is closed or nobody has it any more.
    fn run(&mut self, requests: &Receiver<Request>) {
        let mut next = None;
        while let Some(request) = next.take().or_else(|| requests.recv().ok()) {
            match request {
                Request::Append(first) => {
                    #[cfg(test)]
                    self.shared.faults.pass_gate();
                    let (group, other) = gather(first, requests);
                    next = other;
                    self.append(group);
                }
                Request::Work(work) => work(self),
                Request::Close => break,
            }
            self.checkpoints.look(&self.durable).unwrap_or_else(|error| self.shared.fail(&of_write(error)));
        }
        self.checkpoints.finish();
    }

    /// Runs a piece of work, unless the disk has failed already.
    pub(crate) fn unless_failed<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let ending = self.shared.progress.borrow().ending.clone();
        match ending {
            Some(ending) => Err(ending),
            None => work(self),
        }
    }

    #[cfg(test)]
    pub(crate) fn synchronous(&self) -> Result<[i64; 2]> {
        let asked = |connection: &Connection| connection.pragma_query_value(None, "synchronous", |row| row.get(0));
        Ok([asked(&self.durable)?, asked(&self.relaxed)?])
    }

    /// An error of a write transaction, noted if it is the last one.
    pub(super) fn failing(&self, error: rusqlite::Error) -> Error {
        let error = of_write(error);
        if error.kind() == ErrorKind::Failed {
            self.shared.fail(&error);
        }
        error
    }

    /// Shows the bounds to readers and waiters: only after the commit.
    pub(super) fn publish(&mut self, bounds: Bounds) {
        self.bounds = bounds;
        self.shared.progress.send_modify(|progress| progress.bounds = bounds);
    }
}

/// All appends that wait already and fit into one commit, in order; and the request that ended the search. Waits for nobody.
fn gather(first: Append, requests: &Receiver<Request>) -> (Vec<Append>, Option<Request>) {
    let mut bytes = first.bytes;
    let mut group = vec![first];
    while bytes < MOST_BYTES_AT_ONCE && group.len() < MOST_APPENDS_AT_ONCE {
        match requests.try_recv() {
            Ok(Request::Append(append)) if bytes + append.bytes <= MOST_BYTES_AT_ONCE => {
                bytes += append.bytes;
                group.push(append);
            }
            Ok(other) => return (group, Some(other)),
            Err(_) => break,
        }
    }
    (group, None)
}

/// Tells the end of the thread, also that by a panic: then nothing is known of what was being written, and nothing may be acknowledged.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(&Error::new(ErrorKind::Failed, "the thread of an event log ended by a defect").with_hint("Restart the hub."));
        }
        self.0.progress.send_modify(|progress| {
            progress.ending.get_or_insert_with(Error::closed);
            progress.is_over = true;
        });
    }
}
