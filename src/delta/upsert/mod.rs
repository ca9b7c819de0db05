//! Keyed writes: incoming rows meet the stored rows of their keys.
//!
//! `intake` takes in the rows, and has `scatter` spread them over ranges of keys in a `spill` when they do not fit in memory; `sieve` and
//! `probe` find their keys in the files, `fold` or `history` decides what becomes of each key, `apply` writes files and changes, `burial` keeps
//! the tombstones of deleted keys and the events that a history remembers, `work` leads through all this, `run` makes the commit. `shape` knows
//! the columns.
//!
//! Memory is bounded by `Scratch`, whatever the number of rows, keys and files: what grows with a run are the places of changed rows, a few
//! bits each.

mod apply;
mod burial;
mod decision;
mod fold;
mod history;
mod intake;
mod probe;
mod run;
mod scatter;
mod shape;
mod sieve;
mod spill;
mod work;

pub use history::Effect;
#[cfg(test)]
pub(super) use work::Spilled;

#[cfg(test)]
mod tests;
