//! Tables that are not stored anywhere: what the hub knows about itself, read when a query scans them.
//!
//! `hub.*` is the hub's own; pg_catalog and information_schema say the same in the words that tools expect. One file per group of tables,
//! one list.

mod access;
mod activity;
mod alerts;
mod constraints;
mod definitions;
mod empty;
mod empty_views;
mod events;
mod fixed;
mod history;
mod information_keys;
mod information_schema;
mod monitoring;
mod pg_catalog;
mod pg_relations;
mod runs;
mod status;
mod table;

pub(super) use constraints::{Constraint, constraints};
pub(super) use events::event_batch;
pub(super) use fixed::{Fixed, is_fixed};
pub(super) use pg_relations::{Relation, catalog_oid, is_visible, relations, schema_oids, view_text};
pub(super) use table::{Asked, SystemTable, provider};

/// Every system table.
static TABLES: &[&[SystemTable]] = &[
    definitions::TABLES,
    runs::TABLES,
    status::TABLES,
    history::TABLES,
    events::TABLES,
    alerts::TABLES,
    pg_catalog::TABLES,
    activity::TABLES,
    monitoring::TABLES,
    access::TABLES,
    pg_relations::TABLES,
    constraints::TABLES,
    empty::TABLES,
    empty_views::TABLES,
    information_schema::TABLES,
    information_keys::TABLES,
];

/// The system table of that name.
pub(super) fn find(schema: &str, name: &str) -> Option<&'static SystemTable> {
    TABLES.iter().flat_map(|group| group.iter()).find(|table| table.schema == schema && table.name == name)
}

/// Schema and name of every system table.
pub(super) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLES.iter().flat_map(|group| group.iter()).map(|table| (table.schema, table.name))
}

/// Every system table, for listings.
pub(super) fn all() -> impl Iterator<Item = &'static SystemTable> {
    TABLES.iter().flat_map(|group| group.iter())
}
