//! Definition to plan to run to commit: the runner, its triggers and retries, dead letters, lineage.
//!
//! A run freezes its input before it reads, commits dead letters before rows, and moves offsets last. A crash between any two steps is
//! taken up at the next start with the same input and the same batch number.

mod alert_steps;
mod alerts;
mod arguments;
mod assemble;
mod attempt;
mod bind;
mod carry;
mod check;
mod copying;
mod cron;
pub mod dead_letters;
mod deletion;
mod drift;
mod dry_run;
mod effect;
mod execute;
mod explain;
mod export;
mod facts;
pub mod fail_points;
mod fan;
mod forgetting;
mod gate;
mod history;
mod impact;
mod in_turn;
mod inputs;
mod isolate;
pub mod lineage;
mod offsets;
mod options;
mod pass;
mod pinned;
mod reentry;
mod references;
mod refresh;
mod replay;
mod retention;
mod runner;
mod schedule;
mod sequence;
mod step;
mod stream_table;
mod target;
mod told;
mod triggers;
mod upkeep;
mod waiting;
mod watches;

#[cfg(test)]
mod tests;

pub use alerts::ALERT_SPEC;
use arguments::Arguments;
pub use copying::CopyRequest;
pub use explain::{columns as explain_columns, explained};
pub use export::ExportTo;
pub use fail_points::{FAIL_POINTS, SYNC_POINTS, UPLOAD_POINTS};
pub use options::SPEC;
pub use runner::{RunReport, RunRequest, Runner, RunnerLimits, search_path};
pub use target::targets_of;
pub use watches::{refuse_cycle, watched};
