//! Where files live: list, open, put-then-rename; the fsyncing local object store.

mod compression;
mod fsync;
mod listing;
mod local;
mod spool;
mod sync;

#[cfg(test)]
mod tests;

pub use compression::{Compression, decompressed};
pub use fsync::{FsyncStore, create_dir_durable};
pub use local::{Folder, Listed, Pattern};
pub use spool::{Spool, Spooled, Spooling};
pub use sync::{catalog_not_synced, sync_dir, sync_file};
