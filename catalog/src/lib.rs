//! What the hub knows: definitions, runs, offsets, files and facts, in SQLite behind one trait.
//!
//! `Store` is the one door; `Draft` lays the pending changes of a transaction over it. Nothing outside this package writes SQL to the
//! catalog. Nothing here plans, dials, decides or reads the clock.

pub mod access;
mod access_change;
mod alerts;
mod change;
pub mod draft;
pub mod error;
pub mod events;
pub mod model;
mod secret;
mod sqlite;
pub mod store;

#[cfg(test)]
mod tests;

pub use access::{Access, AuditEntry, DefaultKey, GrantKey, Membership, Thing};
pub use access_change::{AccessChange, Revoked, fits};
pub use alerts::{AlertAct, AlertMove, AlertPast, AlertState, AlertWord};
pub use draft::Draft;
pub use error::{Error, ErrorKind, Result};
pub use events::{Event, NewEvent};
pub use model::*;
pub use secret::SecretKeySource;
pub use sqlite::{SqliteStore, open, open_in_memory};
pub use store::*;
