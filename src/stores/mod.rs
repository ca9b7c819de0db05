//! Where files live: list, open, put-then-rename; the fsyncing local object store.

mod fsync;

#[cfg(test)]
mod tests;

pub use fsync::{FsyncStore, create_dir_durable, sync_dir};
