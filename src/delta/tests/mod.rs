//! Tests of the room against real tables in temporary folders.

#![expect(clippy::disallowed_methods, reason = "a test asks its own session directly")]

mod append;
mod history;
mod keyed;
mod opening;
mod pruned;
mod rewrite;
pub(super) mod setting;
mod spilled;
pub(super) mod tombstones;
mod types;
