//! A log as its users see it: a handle that can be cloned, and what its threads share.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{oneshot, watch};

use crate::database::Bounds;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{ConsumerId, Event, Micros, Receipt, Sequence, SourceNumber};
use crate::files::{Lock, Place};
use crate::options::{Options, Removal};
use crate::queue::{Queue, Request};
use crate::reader::{self, Backlog, Page, ReadLimit, Readers};
use crate::writer::{Consumer, Removed, Start, Step, Writer};

/// One source's events. Clones are the same log; when the last is dropped, what is queued is still stored, and the file is closed.
#[derive(Clone)]
pub struct Log {
    queue: Arc<Queue>,
    shared: Arc<Shared>,
}

/// What the handles, the readers and the writer know together.
pub(crate) struct Shared {
    pub(crate) place: Place,
    pub(crate) options: Options,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) readers: Readers,
    pub(crate) counted: Counted,
    /// None once the log is closed.
    lock: Mutex<Option<Lock>>,
    #[cfg(test)]
    pub(crate) faults: crate::tests::faults::Faults,
}

#[derive(Debug, Clone)]
pub(crate) struct Progress {
    /// Of what is committed and synced, never more.
    pub(crate) bounds: Bounds,
    pub(crate) ending: Option<Error>,
    /// The writer has closed its connections.
    pub(crate) is_over: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) commits: AtomicU64,
    pub(crate) stored: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// Whether the log takes events.
#[derive(Debug, Clone)]
pub enum State {
    /// It does.
    Open,
    /// It does not for now; why, and what to do. Everything but appending works.
    Full(Error),
    /// It never will again: the disk failed, and the process must end.
    Failed(Error),
    /// It was closed.
    Closed,
}

/// Counts since the log was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Synced commits of appends. Far fewer than events when many are appended at once.
    pub commits: u64,
    /// Events stored.
    pub stored: u64,
    /// Events whose delivery id was known.
    pub duplicates: u64,
    /// Appends refused because there was no room.
    pub refused: u64,
}

impl Log {
    /// Opens the log of a source in an existing folder, and makes it if there is none. What it holds does not matter for the time it takes.
    ///
    /// Must be called within a tokio runtime, as must the other methods.
    ///
    /// # Errors
    /// `InUse` when it is open elsewhere, `TooNew` when a newer hub wrote it, `Corrupt` when the file is something else, `Invalid` for options
    /// that contradict each other, `Io` when the system refuses.
    pub async fn open(folder: &Path, source: SourceNumber, options: Options) -> Result<Self> {
        let place = Place::of(folder, source);
        blocking(move || Log::open_blocking(place, options)).await
    }

    fn open_blocking(place: Place, options: Options) -> Result<Self> {
        options.check()?;
        let lock = Mutex::new(Some(place.lock()?));
        let parts = Writer::connect(&place)?;
        let (progress, _) = watch::channel(Progress { bounds: parts.bounds, ending: None, is_over: false });
        let (queue, requests) = Queue::new(&options);
        let readers = Readers::new(options.readers);
        let shared = Arc::new(Shared {
            place,
            options,
            progress,
            readers,
            counted: Counted::default(),
            lock,
            #[cfg(test)]
            faults: crate::tests::faults::Faults::default(),
        });
        Writer::start(parts, Arc::clone(&shared), requests)?;
        Ok(Log { queue: Arc::new(queue), shared })
    }

    /// Stores the events together, or none of them, and returns after they are on disk: one receipt each, in their order. An event whose
    /// delivery id is known, from before or from an earlier place of the batch, is not stored again.
    ///
    /// Calls are stored in the order in which they began to be awaited. Waits while the queue has no room. A caller that goes away while it
    /// waits for the answer may find its events stored or not; with a delivery id it can just come again.
    ///
    /// # Errors
    /// `Full` (try again later), `TooLarge` (never), `Busy` (try again), `Failed` (end the process), `Closed`. Nothing was acknowledged.
    pub async fn append(&self, events: Vec<Event>) -> Result<Vec<Receipt>> {
        if let Some(ending) = &self.shared.progress.borrow().ending {
            return Err(ending.clone());
        }
        let bytes = self.shared.options.admit(&events)?;
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.queue.append(events, bytes).await?;
        answer.await.unwrap_or_else(|_| Err(self.ending()))
    }

    /// Events after a position, in order. At least one when there is any, however large it is. Does not wait for writers, nor they for it.
    ///
    /// # Errors
    /// `Gone` when events after the position were removed, `Invalid` when the position is beyond the newest event: either way the caller would
    /// otherwise miss events without noticing.
    pub async fn read(&self, after: Sequence, limit: ReadLimit) -> Result<Page> {
        self.shared.read(move |connection| reader::page(connection, after, limit)).await
    }

    /// Waits until there is an event after the position, and gives the newest.
    ///
    /// # Errors
    /// `Failed` or `Closed` when there will be none.
    pub async fn wait_beyond(&self, after: Sequence) -> Result<Sequence> {
        let mut progress = self.shared.progress.subscribe();
        let reached = progress.wait_for(|progress| progress.bounds.latest > after || progress.ending.is_some()).await;
        match reached {
            Ok(progress) if progress.bounds.latest > after => Ok(progress.bounds.latest),
            Ok(progress) => Err(progress.ending.clone().unwrap_or_else(Error::closed)),
            Err(_) => Err(Error::closed()),
        }
    }

    /// Waits until the log takes no events any more, and tells why: `Failed` or `Closed`.
    pub async fn ended(&self) -> Error {
        let mut progress = self.shared.progress.subscribe();
        let ended = progress.wait_for(|progress| progress.ending.is_some()).await;
        ended.ok().and_then(|progress| progress.ending.clone()).unwrap_or_else(Error::closed)
    }

    /// The newest event, as a position: 0 when there never was one. It may be removed already.
    pub fn latest(&self) -> Sequence {
        self.bounds().latest
    }

    /// The position before the earliest event that is there: reading after it gives everything.
    pub fn start(&self) -> Sequence {
        self.bounds().removed_through
    }

    /// The earliest event that is there.
    pub fn earliest(&self) -> Option<Sequence> {
        let bounds = self.bounds();
        (bounds.latest > bounds.removed_through).then(|| bounds.removed_through.next())
    }

    /// The first event that was received at that time or later. Takes as many steps as the log's number of events has bits.
    ///
    /// # Errors
    /// Those of the file.
    pub async fn first_at_or_after(&self, time: Micros) -> Result<Option<Sequence>> {
        self.shared.read(move |connection| reader::first_at_or_after(connection, time)).await
    }

    /// What waits after a position. Takes the same time whatever waits.
    ///
    /// # Errors
    /// Those of the file. A position whose events are gone counts from the earliest that is there.
    pub async fn backlog(&self, after: Sequence) -> Result<Backlog> {
        self.shared.read(move |connection| reader::backlog(connection, after)).await
    }

    /// All consumers and their positions.
    ///
    /// # Errors
    /// Those of the file.
    pub async fn consumers(&self) -> Result<Vec<Consumer>> {
        self.shared.read(reader::consumers).await
    }

    /// Registers a consumer and gives its position: from now on nothing after it is removed. On disk when it returns. One that is registered
    /// already keeps the position it has.
    ///
    /// # Errors
    /// `Gone` or `Invalid` for a position that the log does not reach.
    pub async fn register(&self, consumer: ConsumerId, start: Start) -> Result<Sequence> {
        self.write(move |writer| writer.register(consumer, start)).await
    }

    /// Notes that the consumer passed everything up to the position, which may then be removed, and gives its position. Never moves it
    /// backward. A power cut may undo it, so it must be repeated from what the consumer really holds.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` beyond the newest event.
    pub async fn advance(&self, consumer: ConsumerId, position: Sequence) -> Result<Sequence> {
        self.write(move |writer| writer.advance(consumer, position)).await
    }

    /// Sets a consumer's position, backward too, to have events again. On disk when it returns.
    ///
    /// # Errors
    /// `NotFound`; `Gone` when events after the position were removed; `Invalid` beyond the newest event.
    pub async fn rewind(&self, consumer: ConsumerId, position: Sequence) -> Result<Sequence> {
        self.write(move |writer| writer.rewind(consumer, position)).await
    }

    /// Forgets a consumer: it holds nothing back any more. One that is not registered is no error.
    ///
    /// # Errors
    /// Those of a write.
    pub async fn drop_consumer(&self, consumer: ConsumerId) -> Result<()> {
        self.write(move |writer| writer.drop_consumer(consumer)).await
    }

    /// Removes what may be removed now, forgets old delivery ids, and gives space back to the file system when much of the file is free.
    ///
    /// In small steps, between which appends go on. To be called from time to time; dropping the call ends it after a step.
    ///
    /// # Errors
    /// Those of a write. What was removed before stays removed.
    pub async fn remove(&self, removal: Removal) -> Result<Removed> {
        let mut removed = Removed::default();
        while let Step::More = self.write(move |writer| writer.remove_step(&removal, removed)).await.map(|(step, sum)| {
            removed = sum;
            step
        })? {}
        Ok(removed)
    }

    /// Whether the log takes events. The room is looked at when asked: no event needs to be refused to find out.
    pub fn state(&self) -> State {
        let ending = self.shared.progress.borrow().ending.clone();
        match ending {
            Some(ending) if ending.kind() == ErrorKind::Closed => State::Closed,
            Some(ending) => State::Failed(ending),
            None => self.shared.room().and_then(|room| room.take(0)).map_or_else(State::Full, |_| State::Open),
        }
    }

    /// Bytes of the events that are there, as counted by [`Event::size_bytes`].
    pub fn bytes(&self) -> u64 {
        self.bounds().bytes()
    }

    /// Counts since the log was opened.
    pub fn stats(&self) -> Stats {
        let Counted { commits, stored, duplicates, refused } = &self.shared.counted;
        let now = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Stats { commits: now(commits), stored: now(stored), duplicates: now(duplicates), refused: now(refused) }
    }

    /// Stores what is queued, answers it, and closes the file. Afterwards it can be opened again. Later calls, also of clones, fail as `Closed`.
    pub async fn close(self) {
        // An error means that the writer has ended already.
        let _ = self.queue.send(Request::Close);
        let mut progress = self.shared.progress.subscribe();
        let _ = progress.wait_for(|progress| progress.is_over).await;
        self.shared.readers.close().await;
        drop(self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn bounds(&self) -> Bounds {
        self.shared.progress.borrow().bounds
    }

    /// Why the writer did not answer.
    fn ending(&self) -> Error {
        self.shared.progress.borrow().ending.clone().unwrap_or_else(Error::closed)
    }

    async fn write<T: Send + 'static>(&self, work: impl FnOnce(&mut Writer) -> Result<T> + Send + 'static) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let work = move |writer: &mut Writer| {
            // Whoever does not wait any more needs no answer.
            let _ = answer.send(writer.unless_failed(work));
        };
        self.queue.send(Request::Work(Box::new(work)))?;
        answered.await.unwrap_or_else(|_| Err(self.ending()))
    }

    /// `PRAGMA synchronous` of the two connections that write.
    #[cfg(test)]
    pub(crate) async fn synchronous(&self) -> Result<[i64; 2]> {
        self.write(|writer| writer.synchronous()).await
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    #[cfg(test)]
    pub(crate) fn free_places(&self) -> usize {
        self.queue.free_places()
    }
}

impl Shared {
    /// Lets nothing be acknowledged any more.
    pub(crate) fn fail(&self, error: &Error) {
        if self.progress.borrow().ending.is_none() {
            (self.options.when_failed)(error);
            self.end(error.clone());
        }
    }

    /// The first reason stays.
    pub(crate) fn end(&self, reason: Error) {
        self.progress.send_if_modified(|progress| {
            let first = progress.ending.is_none();
            progress.ending.get_or_insert(reason);
            first
        });
    }

    async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&rusqlite::Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = self.readers.enter().await?;
        let shared = Arc::clone(self);
        blocking(move || {
            let result = shared.readers.with(&shared.place.database, work);
            drop(place);
            result
        })
        .await
    }
}

/// Runs what waits for the disk on a thread that may wait.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::new(ErrorKind::Closed, "the runtime ends").with_source(error)))
}
