//! A log in a folder of its own, and events to put into it.

use std::future::Future;

use bytes::Bytes;
use tempfile::TempDir;

use crate::*;

pub(super) const SOURCE: SourceNumber = SourceNumber(7);
pub(super) const HOUR: Micros = 3_600_000_000;

/// Runs a test on threads of its own.
pub(super) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

pub(super) fn folder() -> TempDir {
    TempDir::new().unwrap()
}

/// The disk of a test is as full as it happens to be.
pub(super) fn options() -> Options {
    Options { free_bytes_kept: 0, ..Options::default() }
}

pub(super) async fn open(folder: &TempDir) -> Log {
    Log::open(folder.path(), SOURCE, options()).await.unwrap()
}

pub(super) fn event(body: &str) -> Event {
    Event { received_at: 1, method: "POST".to_owned(), path: "/in/shop".to_owned(), body: Bytes::from(body.to_owned()), ..Event::default() }
}

pub(super) fn at(received_at: Micros) -> Event {
    Event { received_at, ..event("at") }
}

pub(super) fn delivery(id: &str) -> Event {
    Event { delivery_id: Some(Bytes::from(id.to_owned())), ..event(id) }
}

pub(super) fn of_size(bytes: usize) -> Event {
    Event { body: Bytes::from(vec![b'x'; bytes]), ..event("") }
}

pub(super) fn stored(numbers: impl IntoIterator<Item = u64>) -> Vec<Receipt> {
    numbers.into_iter().map(|number| Receipt::Stored(Sequence(number))).collect()
}

pub(super) fn numbers(page: &Page) -> Vec<u64> {
    page.events.iter().map(|event| event.sequence.0).collect()
}

/// Everything that is there.
pub(super) async fn all(log: &Log) -> Vec<StoredEvent> {
    let mut events = Vec::new();
    let mut after = log.start();
    loop {
        let page = log.read(after, ReadLimit::default()).await.unwrap();
        if page.events.is_empty() {
            return events;
        }
        after = page.through;
        events.extend(page.events);
    }
}

pub(super) fn refused<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind, message: &str) -> Error {
    let error = result.expect_err("this should have been refused");
    assert_eq!((error.kind(), error.message()), (kind, message), "{error:?}");
    error
}
