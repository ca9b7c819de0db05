//! A local object store whose writes are on disk when they return.
//!
//! A new file is staged beside its target, synced, and only then linked or renamed into place; then its folder is synced. So a file is
//! either absent or whole, also after a power cut, and a reader never sees one that could still vanish. A sync that fails is never tried
//! again: it ends the process, see `sync`.
//!
//! A store can be narrowed to some files of one folder, so that who lists it does not pay for all the others.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use super::listing;
use super::sync::{sync_dir, sync_file};

const NAME: &str = "FsyncStore";

/// The local file system, seen from its root, with durable writes.
#[derive(Debug, Clone, Default)]
pub struct FsyncStore {
    inner: Arc<LocalFileSystem>,
    shown: Option<Arc<Shown>>,
}

/// The files that are shown of a folder, as if there were no others.
#[derive(Debug)]
struct Shown {
    folder: Path,
    names: BTreeSet<String>,
}

impl FsyncStore {
    /// A store in which a folder has these files, as far as they exist, and no others can be read. Folders in it are as ever.
    ///
    /// # Errors
    /// When the folder's path is not absolute, or not one that the store can name.
    pub fn showing(folder: &FsPath, names: BTreeSet<String>) -> Result<Self> {
        let folder = Path::from_absolute_path(folder)?;
        Ok(Self { inner: Arc::default(), shown: Some(Arc::new(Shown { folder, names })) })
    }

    fn shown_in(&self, prefix: Option<&Path>) -> Option<&Shown> {
        self.shown.as_deref().filter(|shown| prefix == Some(&shown.folder))
    }

    fn hides(&self, location: &Path) -> bool {
        let Some(shown) = &self.shown else { return false };
        let Some(mut parts) = location.prefix_match(&shown.folder) else { return false };
        match (parts.next(), parts.next()) {
            (Some(name), None) => !shown.names.contains(name.as_ref()),
            _ => false,
        }
    }
}

impl fmt::Display for FsyncStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

/// Creates a folder with its missing parents, each entry of which is durable on return.
pub fn create_dir_durable(dir: &FsPath) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut next = Some(dir);
    while let Some(path) = next.filter(|path| !path.exists()) {
        missing.push(path);
        next = path.parent();
    }
    std::fs::create_dir_all(dir)?;
    for created in missing.iter().rev() {
        if let Some(parent) = created.parent() {
            sync_dir(parent)?;
        }
    }
    Ok(())
}

/// A file that is being written beside its target; removed when dropped before it was published.
#[derive(Debug)]
struct Staged {
    file: File,
    path: PathBuf,
    target: PathBuf,
    published: bool,
}

impl Staged {
    fn create(target: PathBuf) -> io::Result<Self> {
        if let Some(parent) = target.parent() {
            create_dir_durable(parent)?;
        }
        // Names that end in `#` and digits are what `LocalFileSystem` leaves out of its listings.
        let mut name = target.as_os_str().to_owned();
        name.push(format!("#{}", rand::random::<u64>()));
        let path = PathBuf::from(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Self { file, path, target, published: false })
    }

    /// Syncs the content and gives it its name; with `Create` only if nobody has it.
    fn publish(&mut self, mode: &PutMode) -> io::Result<()> {
        sync_file(&self.file, &self.target)?;
        match mode {
            PutMode::Create => {
                std::fs::hard_link(&self.path, &self.target)?;
                // The second name is only clutter: a failure to remove it harms nobody.
                drop(std::fs::remove_file(&self.path));
            }
            PutMode::Overwrite | PutMode::Update(_) => std::fs::rename(&self.path, &self.target)?,
        }
        self.published = true;
        match self.target.parent() {
            Some(parent) => sync_dir(parent),
            None => Ok(()),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

pub(super) fn failed(path: &FsPath, source: io::Error) -> Error {
    let text = path.display().to_string();
    match source.kind() {
        ErrorKind::AlreadyExists => Error::AlreadyExists { path: text, source: source.into() },
        ErrorKind::NotFound => Error::NotFound { path: text, source: source.into() },
        _ => Error::Generic { store: NAME, source: Box::new(source) },
    }
}

pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(source) => Err(Error::JoinError { source }),
    }
}

#[async_trait]
impl ObjectStore for FsyncStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if matches!(options.mode, PutMode::Update(_)) || !options.attributes.is_empty() {
            let operation = "`put_opts` with a condition on the old content or with attributes".to_owned();
            return Err(Error::NotImplemented { operation, implementer: NAME.to_owned() });
        }
        let target = self.inner.path_to_filesystem(location)?;
        blocking(move || {
            let write = || -> io::Result<()> {
                let mut staged = Staged::create(target.clone())?;
                for part in &payload {
                    staged.file.write_all(part)?;
                }
                staged.publish(&options.mode)
            };
            write().map_err(|source| failed(&target, source))?;
            Ok(PutResult { e_tag: None, version: None })
        })
        .await
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let target = self.inner.path_to_filesystem(location)?;
        blocking(move || {
            let staged = Staged::create(target.clone()).map_err(|source| failed(&target, source))?;
            let upload: Box<dyn MultipartUpload> = Box::new(Upload { staged: Some(Arc::new(staged)), offset: 0 });
            Ok(upload)
        })
        .await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if self.hides(location) {
            return Err(Error::NotFound { path: location.to_string(), source: "the file is not shown".into() });
        }
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.shown_in(prefix) {
            Some(shown) => listing::of(Arc::clone(&self.inner), shown.folder.clone(), shown.names.iter().cloned().collect()),
            None => self.inner.list(prefix),
        }
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        match (self.shown_in(prefix), prefix) {
            (Some(shown), _) => {
                let behind = shown.names.iter().filter(|name| shown.folder.clone().join(name.as_str()) > *offset).cloned();
                listing::of(Arc::clone(&self.inner), shown.folder.clone(), behind.collect())
            }
            (None, Some(folder)) => listing::behind(Arc::clone(&self.inner), folder.clone(), offset.clone()),
            (None, None) => self.inner.list_with_offset(None, offset),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let source = self.inner.path_to_filesystem(from)?;
        let target = self.inner.path_to_filesystem(to)?;
        blocking(move || {
            let copy = || -> io::Result<()> {
                let mut staged = Staged::create(target.clone())?;
                io::copy(&mut File::open(&source)?, &mut staged.file)?;
                staged.publish(match options.mode {
                    CopyMode::Create => &PutMode::Create,
                    CopyMode::Overwrite => &PutMode::Overwrite,
                })
            };
            copy().map_err(|source| failed(&target, source))
        })
        .await
    }
}

/// Parts land at their offsets in any order; `complete` publishes the whole.
#[derive(Debug)]
struct Upload {
    staged: Option<Arc<Staged>>,
    offset: u64,
}

fn aborted() -> Error {
    Error::Generic { store: NAME, source: "the upload was already completed or aborted".into() }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let mut at = self.offset;
        self.offset += data.content_length() as u64;
        let Some(staged) = self.staged.clone() else {
            return Box::pin(async { Err(aborted()) });
        };
        Box::pin(blocking(move || {
            for part in &data {
                staged.file.write_all_at(part, at).map_err(|source| failed(&staged.target, source))?;
                at += part.len() as u64;
            }
            Ok(())
        }))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let staged = self.staged.take().ok_or_else(aborted)?;
        // A part that is still being written holds the file: publishing now would show half of it.
        let mut staged =
            Arc::try_unwrap(staged).map_err(|_| Error::Generic { store: NAME, source: "the upload still has parts under way".into() })?;
        blocking(move || {
            staged.publish(&PutMode::Overwrite).map_err(|source| failed(&staged.target, source))?;
            Ok(PutResult { e_tag: None, version: None })
        })
        .await
    }

    async fn abort(&mut self) -> Result<()> {
        self.staged.take().map(drop).ok_or_else(aborted)
    }
}
