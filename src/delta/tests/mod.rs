//! Tests of the room against real tables in temporary folders.

mod append;
mod keyed;
mod rewrite;
mod setting;
mod types;
