//! Where files live: list, open, put-then-rename; the fsyncing local object store.

mod compression;
mod local;

pub use compression::{Compression, decompressed};
pub use local::{Folder, Listed, Pattern};
