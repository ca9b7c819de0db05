//! Weir: a data hub in one binary where pipelines are queries.
//!
//! Rooms of this package form a line, lowest first; a room uses only rooms above it in this list. `tests/architecture.rs` checks it.

mod cli;
mod clock;
mod config;
mod delta;
mod engine;
mod error;
mod formats;
mod hub;
mod observe;
mod pipelines;
mod rules;
mod session;
mod sources;
mod spec;
mod statements;
mod stores;
mod wire;

pub use cli::run;
pub use pipelines::fail_points::arm as arm_fail_points;
pub use pipelines::{FAIL_POINTS, SYNC_POINTS, UPLOAD_POINTS};
