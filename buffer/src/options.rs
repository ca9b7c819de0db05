//! What a log is told when it is opened, and what is told to whoever removes from it.

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Micros};

const MIB: u64 = 1 << 20;
const HOUR: Micros = 3_600_000_000;

/// The largest event that any option can allow: SQLite holds a row in one piece of memory, several times while it is written.
const LARGEST_EVENT_BYTES: u64 = 256 * MIB;
/// A delivery id is a key of an index; what is longer is no id.
const LARGEST_DELIVERY_ID_BYTES: usize = 1024;

/// Limits of one log. `default()` suits a hub with some dozens of sources.
#[derive(Debug, Clone)]
pub struct Options {
    /// The largest event, 16 MiB. One commit holds it whole and all others wait meanwhile, for about a tenth of a second; what is larger (an
    /// upload) belongs into a file of its own that an event names.
    pub most_event_bytes: u64,
    /// Events that wait for their commit, 32 MiB. Further appends wait before they are queued. Also the largest batch.
    pub most_queued_bytes: u64,
    /// Appends that wait for their commit, 4,096.
    pub most_queued_appends: u32,
    /// What the log may hold, 16 GiB, measured by [`Event::size_bytes`]. Beyond, appends are refused as `Full`.
    pub most_bytes: u64,
    /// What must stay free on the file system, 256 MiB: moving the write-ahead log into place and removing events need room too. Below,
    /// appends are refused as `Full`.
    pub free_bytes_kept: u64,
    /// Reads at the same time, 4; more wait.
    pub readers: u32,
    /// Told of the first commit that failed, before its caller and before anybody else is answered. A hub ends its process here.
    pub when_failed: fn(&Error),
}

impl Default for Options {
    fn default() -> Self {
        Options {
            most_event_bytes: 16 * MIB,
            most_queued_bytes: 32 * MIB,
            most_queued_appends: 4096,
            most_bytes: 16 * 1024 * MIB,
            free_bytes_kept: 256 * MIB,
            readers: 4,
            when_failed: |_| {},
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |message: &str| Err(Error::new(ErrorKind::Invalid, message));
        if self.most_event_bytes > LARGEST_EVENT_BYTES {
            return refuse("an event log takes events of at most 256 MiB");
        }
        if self.most_queued_bytes < self.most_event_bytes || self.most_queued_bytes > u64::from(u32::MAX) {
            return refuse("the queue of an event log must have room for its largest event, and be smaller than 4 GiB");
        }
        if self.most_queued_appends == 0 || self.readers == 0 {
            return refuse("an event log needs a place to wait and a reader");
        }
        Ok(())
    }

    /// The bytes of a batch, or why it can never be taken.
    pub(crate) fn admit(&self, events: &[Event]) -> Result<u64> {
        let mut bytes: u64 = 0;
        for event in events {
            let size = event.size_bytes();
            if size > self.most_event_bytes {
                return Err(Error::new(ErrorKind::TooLarge, "the event is too large")
                    .with_detail(format!("It has {size} bytes; the limit is {}.", self.most_event_bytes))
                    .with_hint("Send it in parts, or upload it as a file."));
            }
            if event.delivery_id.as_ref().is_some_and(|id| id.len() > LARGEST_DELIVERY_ID_BYTES) {
                return Err(Error::new(ErrorKind::TooLarge, "the delivery id is too long")
                    .with_detail(format!("The limit is {LARGEST_DELIVERY_ID_BYTES} bytes.")));
            }
            bytes = bytes.saturating_add(size);
        }
        if bytes > self.most_queued_bytes {
            return Err(Error::new(ErrorKind::TooLarge, "the batch of events is too large")
                .with_detail(format!("It has {bytes} bytes; the limit is {}.", self.most_queued_bytes))
                .with_hint("Send it in parts."));
        }
        Ok(bytes)
    }
}

/// What may be removed now. Whatever it says, nothing is removed that a consumer has not passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// The hub's clock.
    pub now: Micros,
    /// Events younger than this stay, within `keep_bytes`. 0: what all consumers passed goes at once.
    pub keep_for: Micros,
    /// Beyond these bytes the oldest go, however young.
    pub keep_bytes: u64,
    /// How long a delivery id is known, also after its event is gone.
    pub remember_ids_for: Micros,
}

impl Removal {
    /// Events for a week, ids for three days.
    pub fn at(now: Micros) -> Self {
        Removal { now, keep_for: 7 * 24 * HOUR, keep_bytes: u64::MAX, remember_ids_for: 72 * HOUR }
    }
}
