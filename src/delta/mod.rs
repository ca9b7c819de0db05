//! The only room that names `deltalake`: open, append, upsert, replace, evolve, history, changes.
//!
//! One commit carries rows, the run's token and its facts. Local commits are fsynced. No commit's work grows with the table.

mod contract;

pub use contract::{Committed, Facts, HistoryEntry, RowCounts, Token, UpsertSpec};
