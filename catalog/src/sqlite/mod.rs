//! The catalog in one SQLite file: one writer, readers that never wait for it.

mod access;
mod alerts;
mod database;
mod definitions;
mod events;
mod files;
mod history;
mod migrations;
mod roles;
mod row;
mod runs;
mod schema_changes;
mod store;

pub use store::{SqliteStore, open, open_in_memory};

#[cfg(test)]
mod tests;
