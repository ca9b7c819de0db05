//! PostgreSQL as a source: tables, views and queries, read by `COPY .. (FORMAT binary)` straight into Arrow.
//!
//! Values never become part of a statement's text: they are bound to settings of the transaction, which the COPY refers to by name. Sessions
//! are read-only. Not here: change data capture, and retries (the runner's job).

mod again;
mod column;
mod connector;
mod cursor;
mod describe;
mod drift;
mod exec;
mod filter;
mod link;
mod numeric;
mod query;
mod refusal;
mod row;
mod rows;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod tls;
mod types;

pub(super) use connector::Postgres;
