//! COPY: the sub-protocol, and rows as text, CSV and binary in both directions.
//!
//! Rows are read and written as they come: a batch and a few frames are in memory, whatever the size of the whole.

mod columns;
mod read;
mod split;
mod talk;
#[cfg(test)]
mod tests;
mod write;
