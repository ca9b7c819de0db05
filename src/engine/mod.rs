//! Names to tables, SQL to plans, plans to rows: DataFusion behind one door.
//!
//! One plan per statement over shared memory and catalog. Providers are snapshots made per statement, never kept. The planner's own DDL, COPY
//! and DML never run.

mod among;
mod apart;
mod bus;
mod clients;
mod condition;
mod constant;
mod contract;
pub mod definition;
mod dependent;
mod dml;
#[expect(clippy::module_inception, reason = "the type gives the room its name")]
mod engine;
mod errors;
mod event_stream;
mod floats;
mod found_columns;
mod from_calls;
mod functions;
mod guarded;
mod letters;
mod memory;
mod multisets;
mod open_source;
mod openlineage;
mod origins;
mod output_names;
mod pace;
mod parameters;
mod placed;
mod plan;
mod planner;
mod position;
pub mod privileges;
mod resolve;
mod rewrite;
mod settled;
mod snapshot;
mod source_state;
mod state;
pub mod streams;
mod subqueries;
mod system;
mod temporary;
mod trace;
mod types;
mod typing;
mod version;

#[cfg(test)]
mod tests;

pub use bus::{ALERTS, HUB_CHANNEL, MAX_PAYLOAD_BYTES};
pub use clients::{Caller, Client, Notification};
pub use condition::asks_tables;
pub use contract::{Planned, RelationKey, Relations, Scope, Used, Wanted};
#[cfg(test)]
pub use dml::DmlDone;
pub use dml::{DmlKind, line_behind};
pub use engine::Engine;
pub use errors::catalog_error;
pub use found_columns::Verdict;
pub use functions::texts_of;
pub use letters::are as is_dead_letters;
pub use openlineage::{RunEvent, Teller};
pub use origins::{ORIGIN_KEY, origins, with_origins};
pub use output_names::{shown, told_apart};
pub use snapshot::{Snapshot, SnapshotMark};
pub use state::EngineLimits;
pub use streams::{UPLOAD_ID, reads_upload, upload_object};
pub use temporary::{TEMPORARY, drop_left_over, drop_tables, is_temporary};
pub use types::{schema_json, shown_type};
