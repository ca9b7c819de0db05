//! Definition to plan to run to commit: the runner, its triggers and retries, dead letters, lineage.
//!
//! A run freezes its input before it reads, commits dead letters before rows, and moves offsets last. A crash between any two steps is
//! taken up at the next start with the same input and the same batch number.

mod assemble;
mod bind;
mod carry;
pub mod dead_letters;
mod execute;
mod fail_points;
mod inputs;
mod isolate;
mod options;
mod pass;
mod refresh;
mod replay;
mod stream_table;
mod target;

pub use bind::Checked;
pub use fail_points::FAIL_POINTS;
pub use options::SPEC;
