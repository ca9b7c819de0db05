//! The only room that names `deltalake`: open, append, upsert, replace, evolve, history, changes, upkeep.
//!
//! One commit carries rows, the run's token and its facts. Local commits are fsynced. No commit's work grows with the table.

mod addressed;
mod changes;
mod commit;
mod compact;
mod contract;
mod failure;
mod feed;
mod files;
mod filters;
mod floats;
mod history;
mod lake;
mod log;
mod partitions;
mod planner;
mod prune;
mod rewrite;
mod scan;
mod schema;
mod segment;
mod staged;
mod stats;
mod table;
mod tombstones;
mod upsert;
mod vacuum;
mod widen;
mod writer;

#[cfg(test)]
mod tests;

pub use compact::Effort;
pub use contract::{Committed, Facts, HISTORY, HistorySpec, IS_CURRENT, Token, UpsertSpec, VALID_FROM, VALID_TO, is_validity};
pub use feed::{Ahead, DELETE as DELETED, FEED, Most, Piece, Read};
pub use floats::by_value;
pub use lake::{Lake, Scratch, location};
pub use planner::query_planner;
pub use rewrite::Matching;
pub use schema::normalise;
pub use staged::{RestsOn, Staged};
pub use table::Table;
pub use tombstones::Deletions;
pub use upsert::Effect;
pub use vacuum::Sweep;
pub use writer::{Writer, WriterOptions, Written};

#[cfg(test)]
pub use contract::RowCounts;
#[cfg(test)]
pub use schema::normalise_batch;
