//! Making files and folders durable, and the end of the process where that fails.
//!
//! After a failed fsync the system may have dropped the pages and call the next fsync a success, so nothing that this process believes to be on
//! disk can be trusted any more. It ends at once, without an answer to anybody; the next start reads what is really there. A full
//! disk is no such case: the file that has no room was never given a name, is thrown away, and its statement or run fails alone.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The exit code of a hub whose disk failed: an input or output error, as in `sysexits.h`.
const DISK_FAILED: i32 = 74;

/// Makes the content of a new file durable.
///
/// # Errors
/// When there is no room for it. Every other failure ends the process.
pub fn sync_file(file: &File, path: &Path) -> io::Result<()> {
    match try_file(file) {
        Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => Err(error),
        Err(error) => not_synced(&path.display().to_string(), &error),
        Ok(()) => Ok(()),
    }
}

/// Makes the entries of a folder durable: names created, linked or renamed in it.
///
/// # Errors
/// When the folder cannot be opened. A failed sync ends the process: the names are already there for readers to see.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    let folder = File::open(dir)?;
    try_folder(&folder).or_else(|error| not_synced(&dir.display().to_string(), &error))
}

fn try_file(file: &File) -> io::Result<()> {
    fail::fail_point!("file.sync", |_| Err(io::Error::other("fail point file.sync")));
    file.sync_data()
}

fn try_folder(folder: &File) -> io::Result<()> {
    fail::fail_point!("folder.sync", |_| Err(io::Error::other("fail point folder.sync")));
    folder.sync_all()
}

/// The catalog could not make a commit durable.
pub fn catalog_not_synced(error: &weir_catalog::Error) {
    let source = std::error::Error::source(error);
    not_synced("the catalog", source.unwrap_or(error))
}

/// Ends the process: what failed is said first.
#[expect(clippy::disallowed_methods, reason = "destructors would go on writing to a disk that lies, and callers would answer")]
fn not_synced(what: &str, error: &dyn std::error::Error) -> ! {
    tracing::error!(
        file = what,
        error = %error,
        "the disk failed to make a write durable; the hub ends here, because nobody can tell what was lost: look at the disk, then start it again"
    );
    std::process::exit(DISK_FAILED)
}
