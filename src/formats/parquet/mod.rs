//! Parquet: typed columns in row groups, read a slice of a group at a time.

mod convert;
mod format;

#[cfg(test)]
mod tests;

pub(super) use format::Parquet;
