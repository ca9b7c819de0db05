//! Tests of the room against real tables in temporary folders.

mod append;
mod setting;
mod types;
