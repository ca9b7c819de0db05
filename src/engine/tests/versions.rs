//! Versions of tables.
