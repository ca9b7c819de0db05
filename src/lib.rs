//! Weir: a data hub in one binary where pipelines are queries.
//!
//! Rooms of this package form a line, lowest first; a room uses only rooms above it in this list. `tests/architecture.rs` checks it.

mod error;
mod clock;
mod config;
mod observe;
mod spec;
mod formats;
mod stores;
mod delta;
mod rules;
mod sources;
mod engine;
mod pipelines;
mod hub;
mod session;
mod statements;
mod wire;
mod cli;

pub use cli::run;
