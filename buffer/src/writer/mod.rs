//! The one thread that writes to a log, and what it does between appends.

mod append;
mod checkpoint;
mod consumers;
mod removal;
mod thread;

pub use consumers::{Consumer, Start};
pub use removal::Removed;

pub(crate) use removal::Step;
pub(crate) use thread::Writer;
