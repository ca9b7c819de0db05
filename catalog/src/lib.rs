//! What the hub knows: definitions, runs, offsets, files and facts, in SQLite behind one trait.
//!
//! `Store` is the one door; `Draft` lays the pending changes of a transaction over it. Nothing outside this package writes SQL to the
//! catalog. Nothing here plans, dials, decides or reads the clock.

pub mod error;
pub mod model;
pub mod store;

pub use error::{Error, ErrorKind, Result};
pub use model::*;
pub use store::*;
