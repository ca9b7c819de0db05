//! What waits for the writer: appends within limits of bytes and number, in the order of the calls, and small pieces of other work.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::error::{Error, Result};
use crate::event::{Event, Receipt};
use crate::options::Options;
use crate::writer::Writer;

/// Events of one call, stored together or not at all.
pub(crate) struct Append {
    pub(crate) events: Vec<Event>,
    pub(crate) bytes: u64,
    pub(crate) answer: oneshot::Sender<Result<Vec<Receipt>>>,
    /// Given back when the append is answered, so what the writer holds counts too.
    _room: [OwnedSemaphorePermit; 2],
}

pub(crate) enum Request {
    Append(Append),
    /// One transaction at most, and a short one: appends wait for it.
    Work(Box<dyn FnOnce(&mut Writer) + Send>),
    Close,
}

/// The senders' end.
pub(crate) struct Queue {
    requests: Sender<Request>,
    /// Passed one by one, first come first served: whoever called first is queued first, also when there is no room for some time.
    door: Mutex<()>,
    bytes: Arc<Semaphore>,
    appends: Arc<Semaphore>,
}

impl Queue {
    pub(crate) fn new(options: &Options) -> (Self, Receiver<Request>) {
        let (requests, receiver) = channel();
        let bytes = usize::try_from(options.most_queued_bytes).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let appends = options.most_queued_appends as usize;
        let queue =
            Queue { requests, door: Mutex::new(()), bytes: Arc::new(Semaphore::new(bytes)), appends: Arc::new(Semaphore::new(appends)) };
        (queue, receiver)
    }

    /// Waits for room and queues the events. Their order in the log is the order in which these calls began.
    pub(crate) async fn append(&self, events: Vec<Event>, bytes: u64) -> Result<oneshot::Receiver<Result<Vec<Receipt>>>> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let _passing = self.door.lock().await;
        let one = Arc::clone(&self.appends).acquire_owned().await.map_err(|_| Error::closed())?;
        let many = Arc::clone(&self.bytes).acquire_many_owned(permits).await.map_err(|_| Error::closed())?;
        let (answer, answered) = oneshot::channel();
        self.send(Request::Append(Append { events, bytes, answer, _room: [one, many] }))?;
        Ok(answered)
    }

    pub(crate) fn send(&self, request: Request) -> Result<()> {
        self.requests.send(request).map_err(|_| Error::closed())
    }

    #[cfg(test)]
    pub(crate) fn free_places(&self) -> usize {
        self.appends.available_permits()
    }
}
