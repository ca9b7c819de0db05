//! Definition to plan to run to commit: the runner, its triggers and retries, dead letters, lineage.
//!
//! A run freezes its input before it reads, commits dead letters before rows, and moves offsets last. A crash between any two steps is
//! taken up at the next start with the same input and the same batch number.

mod assemble;
mod bind;
mod carry;
mod cron;
pub mod dead_letters;
pub mod fail_points;
mod isolate;
pub mod lineage;
mod options;
mod pass;
mod schedule;
mod stream_table;
mod target;

#[cfg(test)]
mod tests;

pub use bind::Checked;
pub use fail_points::FAIL_POINTS;
pub use options::SPEC;
pub use schedule::Schedule;
