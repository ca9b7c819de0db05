//! Where files live: list, open, put-then-rename; the fsyncing local object store.

mod fsync;

pub use fsync::{FsyncStore, create_dir_durable, sync_dir};
