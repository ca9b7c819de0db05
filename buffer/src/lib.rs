//! A durable, ordered log of events per push source: webhooks, uploads, queues. What cannot be asked for twice is on disk before it is
//! acknowledged, and is then read by its number, by any number of consumers.
//!
//! What holds, also over a kill at any instruction:
//!
//! - [`Log::append`] returns after the commit that holds its events was synced. Appends that wait share one commit.
//! - Events are numbered 1, 2, 3, .. in the order in which they were acknowledged, without gaps; no number is ever used twice.
//! - A delivery id that is known is acknowledged with its first number and stored once, also after the event itself is gone.
//! - Nothing is removed before every consumer has passed it.
//! - After a commit that the disk failed to store nothing is acknowledged any more, see [`ErrorKind::Failed`].
//! - Memory is bounded by [`Options::most_queued_bytes`] and by the page that a reader asks for.
//!
//! A consumer's position in here is only a permission to remove. What it has really consumed is told by what it wrote, so a position may lag
//! behind and may be reported again.
//!
//! Absent: the clock (times come from the caller), HTTP, retries, decoding. One file belongs to one process.

mod database;
mod error;
mod event;
mod files;
mod log;
mod options;
mod queue;
mod reader;
mod schema;
mod writer;

#[cfg(test)]
mod tests;

pub use error::{Error, ErrorKind, Result};
pub use event::{ConsumerId, Event, Header, Micros, Receipt, Sequence, SourceNumber, StoredEvent};
pub use files::delete;
pub use log::{Log, State, Stats};
pub use options::{Options, Removal};
pub use reader::{Backlog, Page, ReadLimit};
pub use writer::{Consumer, Removed, Start};
