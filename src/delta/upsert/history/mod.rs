//! Histories: of each key all periods, whatever the order in which its events come.
//!
//! `line` decides what becomes of one key, `keys` of all that are at hand, `run` makes the commits.

mod keys;
mod line;
mod run;

pub(super) use keys::History;
pub use line::Effect;
