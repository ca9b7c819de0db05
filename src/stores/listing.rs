//! What a folder holds behind a name, for the cost of its names alone.
//!
//! The library's listing turns every name of the folder into a path and asks the file system about each. The log of a table grows by a file
//! with each commit, and who follows it wants the last few: here only those are looked at. Folders below, and names of other characters than
//! those of a log, are left to the library.

use std::io::{self, ErrorKind};
use std::path::Path as FsPath;
use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, Result};

use super::fsync::{blocking, failed};

/// These files of a folder. One that is gone is left out.
pub(super) fn of(files: Arc<LocalFileSystem>, folder: Path, names: Vec<String>) -> BoxStream<'static, Result<ObjectMeta>> {
    let found = blocking(move || {
        let locations = names.into_iter().map(|name| folder.clone().join(name));
        let described = locations.map(|location| {
            let path = files.path_to_filesystem(&location)?;
            describe(location, &path).map_err(|source| failed(&path, source))
        });
        described.filter_map(Result::transpose).collect::<Result<Vec<_>>>()
    });
    stream::once(found).map_ok(|found: Vec<ObjectMeta>| stream::iter(found.into_iter().map(Ok))).try_flatten().boxed()
}

/// The files of a folder whose paths come after `offset`.
pub(super) fn behind(files: Arc<LocalFileSystem>, folder: Path, offset: Path) -> BoxStream<'static, Result<ObjectMeta>> {
    let library = Arc::clone(&files);
    let (prefix, from) = (folder.clone(), offset.clone());
    let names = blocking(move || {
        let path = files.path_to_filesystem(&folder)?;
        let names = plain_names(&path).map_err(|source| failed(&path, source))?;
        Ok(names.map(|names| names.into_iter().filter(|name| folder.clone().join(name.as_str()) > offset).collect::<Vec<_>>()))
    });
    let listed = async move {
        Ok::<_, Error>(match names.await? {
            Some(names) => of(library, prefix, names),
            None => library.list_with_offset(Some(&prefix), &from),
        })
    };
    stream::once(listed).try_flatten().boxed()
}

/// The names of a folder's files; None when there is anything that takes a closer look.
fn plain_names(folder: &FsPath) -> io::Result<Option<Vec<String>>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(Vec::new())),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { return Ok(None) };
        if is_staged(name) {
            continue;
        }
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        if !is_plain || !entry.file_type()?.is_file() {
            return Ok(None);
        }
        names.push(name.to_owned());
    }
    Ok(Some(names))
}

/// Whether the file is one that is still being written beside its target.
fn is_staged(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, digits)| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn describe(location: Path, path: &FsPath) -> io::Result<Option<ObjectMeta>> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let last_modified = metadata.modified()?.into();
    Ok(Some(ObjectMeta { location, last_modified, size: metadata.len(), e_tag: None, version: None }))
}
