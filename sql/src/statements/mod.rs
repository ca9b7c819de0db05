//! Every statement of the hub: a file each, and the one list that leads to them.

pub mod alter_object;
pub mod alter_pipeline;
pub mod alter_table;
pub mod cancel_run;
pub mod comment_on;
pub mod copy;
pub mod create_connection;
pub mod create_pipeline;
pub mod create_schema;
pub mod create_secret;
pub mod create_source;
pub mod create_table;
pub mod create_view;
pub mod cursor;
pub mod describe_history;
pub mod describe_object;
mod dispatch;
pub mod drop_object;
pub mod explain;
pub mod explain_pipeline;
pub mod import_foreign_schema;
pub mod notify;
pub mod optimize;
pub mod prepared;
pub mod replay_pipeline;
pub mod restore_table;
pub mod run_pipeline;
pub mod set_variable;
pub mod show_create;
pub mod show_objects;
pub mod show_runs;
pub mod transaction;
pub mod vacuum;
pub mod validate_connection;

pub(crate) use dispatch::parse;
use dispatch::{Create, not_built};
