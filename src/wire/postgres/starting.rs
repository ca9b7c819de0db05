//! The sockets that have not proven a password: how many there may be, and who goes when there is one too many.
//!
//! A new socket always gets a place, so nobody can keep others out by opening sockets and saying nothing: the oldest that has said
//! nothing yet gives way, and only when all have spoken the oldest of these.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// So many may be on their way at a time.
const MAX_STARTING: usize = 512;

#[derive(Default)]
pub(super) struct Starting(Arc<Mutex<Places>>);

#[derive(Default)]
struct Places {
    next: u64,
    silent: BTreeMap<u64, CancellationToken>,
    spoken: BTreeMap<u64, CancellationToken>,
}

/// One socket's, given up when dropped.
pub(super) struct Place {
    places: Arc<Mutex<Places>>,
    number: u64,
    given_away: CancellationToken,
    has_spoken: AtomicBool,
}

impl Starting {
    pub(super) fn enter(&self) -> Place {
        let mut places = self.0.lock();
        if places.silent.len() + places.spoken.len() >= MAX_STARTING {
            let oldest = places.silent.pop_first().or_else(|| places.spoken.pop_first());
            if let Some((_, given_away)) = oldest {
                given_away.cancel();
            }
        }
        let number = places.next;
        places.next += 1;
        let given_away = CancellationToken::new();
        places.silent.insert(number, given_away.clone());
        Place { places: Arc::clone(&self.0), number, given_away, has_spoken: AtomicBool::new(false) }
    }
}

impl Place {
    /// Its start-up packet has come.
    pub(super) fn has_spoken(&self) {
        if self.has_spoken.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut places = self.places.lock();
        if let Some(given_away) = places.silent.remove(&self.number) {
            places.spoken.insert(self.number, given_away);
        }
    }

    /// Waits until a newer socket has taken it.
    pub(super) async fn given_away(&self) {
        self.given_away.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.places.lock();
        places.silent.remove(&self.number);
        places.spoken.remove(&self.number);
    }
}
