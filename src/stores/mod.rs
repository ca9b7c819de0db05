//! Where files live: list, open, put-then-rename; the fsyncing local object store.

mod compression;
mod fsync;
mod local;

#[cfg(test)]
mod tests;

pub use compression::{Compression, decompressed};
pub use fsync::{FsyncStore, create_dir_durable, sync_dir};
pub use local::{Folder, Listed, Pattern};
