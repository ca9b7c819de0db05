//! Keyed writes: incoming rows meet the stored rows of their keys.
//!
//! `incoming` collects and groups the rows by key, `probe` finds their keys in the files, `fold` decides what becomes of each key, `apply`
//! writes files and changes, `run` makes the commit. Memory is bounded by the incoming rows, not by the table.

mod apply;
mod fold;
mod incoming;
mod probe;
mod run;
