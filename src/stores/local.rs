//! A folder of this machine: which files match, and opening one of them.
//!
//! Nothing outside the folder is ever listed or opened: patterns are relative, and links that lead out are passed over.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use weir_catalog::FileSeen;

use crate::clock::Micros;
use crate::error::{Code, Error, Result};

const MAX_DEPTH: usize = 64;
const WILDCARDS: [char; 5] = ['*', '?', '[', '{', '\\'];

/// A glob relative to a folder: `orders/*.csv`, `**/2024-*.json.gz`.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    matcher: GlobMatcher,
    /// Folders before the first wildcard.
    prefix: String,
    /// How many folders below the prefix can hold a match.
    depth: usize,
    shows_hidden: bool,
}

impl Pattern {
    /// # Errors
    /// `InvalidOption` for a pattern that is absolute, climbs with `..` or is not a glob.
    pub fn new(text: &str) -> Result<Self> {
        let refuse = |why: &str| Error::new(Code::InvalidOption, format!("path \"{text}\" {why}"));
        let text = text.strip_prefix("./").unwrap_or(text);
        let inside = Path::new(text).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if text.is_empty() || !inside {
            return Err(refuse("leaves the connection's root").hint("Paths are relative to the root and have no \"..\".".to_owned()));
        }
        let glob =
            GlobBuilder::new(text).literal_separator(true).build().map_err(|error| refuse("is not a valid pattern").caused_by(error))?;
        let parts: Vec<&str> = text.split('/').collect();
        let folders = parts.len().saturating_sub(1);
        let fixed = parts.iter().take(folders).take_while(|part| !part.contains(WILDCARDS)).count();
        // Alternatives may hold slashes of their own.
        let depth = if text.contains("**") || text.contains('{') { MAX_DEPTH } else { folders - fixed };
        Ok(Self {
            text: text.to_owned(),
            matcher: glob.compile_matcher(),
            prefix: parts.iter().take(fixed).copied().collect::<Vec<_>>().join("/"),
            depth,
            shows_hidden: parts.iter().any(|part| part.starts_with('.')),
        })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has no wildcard: it can match one file only.
    pub fn is_exact(&self) -> bool {
        !self.text.contains(WILDCARDS)
    }
}

/// A file found, with the time its entry last changed in any way.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    pub file: FileSeen,
    pub changed_at: Micros,
}

#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
    /// The one file that every path stands for.
    only: Option<String>,
}

impl Folder {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), only: None }
    }

    /// A folder of which one file is opened, whatever it is called.
    pub fn of_file(root: impl Into<PathBuf>, file: impl Into<String>) -> Self {
        Self { root: root.into(), only: Some(file.into()) }
    }

    fn place(&self, path: &str) -> PathBuf {
        self.root.join(self.only.as_deref().unwrap_or(path))
    }

    /// The root with all links resolved.
    ///
    /// # Errors
    /// `SourceUnavailable` when it is not there, is no folder or cannot be read.
    pub fn resolve(&self) -> Result<PathBuf> {
        let unavailable = |why: String| Error::new(Code::SourceUnavailable, format!("folder \"{}\" {why}", self.root.display()));
        let root = fs::canonicalize(&self.root).map_err(|error| unavailable("cannot be reached".to_owned()).detail(error.to_string()))?;
        if root.is_dir() { Ok(root) } else { Err(unavailable("is not a folder".to_owned())) }
    }

    /// Every regular file that matches, ordered by modification time and path.
    ///
    /// # Errors
    /// `SourceUnavailable` when the root or a folder below it cannot be read.
    pub fn list(&self, pattern: &Pattern) -> Result<Vec<Listed>> {
        let root = self.resolve()?;
        let mut walk = Walk { root: &root, pattern, seen: HashSet::new(), found: Vec::new() };
        let start = root.join(&pattern.prefix);
        match fs::canonicalize(&start) {
            Ok(resolved) if resolved.starts_with(&root) => walk.folder(&resolved, &pattern.prefix, pattern.depth)?,
            Ok(_) => return Err(Error::new(Code::SourceRefused, format!("folder \"{}\" leads out of the root", pattern.prefix))),
            // Most often a name that is spelled wrong: no files would look like nothing new.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::new(Code::SourceUnavailable, format!("folder \"{}\" does not exist", start.display()))
                    .hint("Make it, or correct the path of the source: it is relative to the root of the connection.".to_owned()));
            }
            Err(error) => return Err(unreadable(&start, &error)),
        }
        let mut found = walk.found;
        found.sort_by(|a, b| (a.file.modified_at, &a.file.path).cmp(&(b.file.modified_at, &b.file.path)));
        Ok(found)
    }

    /// Opens a file that was listed: its place on disk, the open file and its etag now.
    ///
    /// # Errors
    /// `DataException` when it is gone or leads out of the root, `Io` when it cannot be opened.
    pub fn open(&self, path: &str) -> Result<(PathBuf, File, String)> {
        let root = self.resolve()?;
        let place = fs::canonicalize(self.place(path)).map_err(|error| not_opened(path, error))?;
        if !place.starts_with(&root) {
            return Err(Error::new(Code::DataException, format!("file \"{path}\" leads out of the folder")));
        }
        let file = File::open(&place).map_err(|error| not_opened(path, error))?;
        let etag = etag(&file.metadata().map_err(|error| not_opened(path, error))?);
        Ok((place, file, etag))
    }

    /// The etag of a file now.
    ///
    /// # Errors
    /// As `open`.
    pub fn etag(&self, path: &str) -> Result<String> {
        fs::metadata(self.place(path)).map(|metadata| etag(&metadata)).map_err(|error| not_opened(path, error))
    }
}

fn not_opened(path: &str, error: std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return Error::new(Code::DataException, format!("file \"{path}\" is gone"))
            .hint("It was removed after this run had chosen it. The next run passes over it; put it back to have it read.".to_owned())
            .caused_by(error);
    }
    Error::new(Code::Io, format!("file \"{path}\" cannot be opened")).detail(error.to_string()).caused_by(error)
}

fn unreadable(folder: &Path, error: &std::io::Error) -> Error {
    Error::new(Code::SourceUnavailable, format!("folder \"{}\" cannot be read", folder.display())).detail(error.to_string())
}

/// Changes whenever the content may have: a rewrite moves the time or the size, a replacement the inode.
fn etag(metadata: &Metadata) -> String {
    let nanos = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    format!("{nanos:x}-{:x}-{:x}", metadata.size(), metadata.ino())
}

struct Walk<'a> {
    root: &'a Path,
    pattern: &'a Pattern,
    /// Folders visited, against links that lead in circles.
    seen: HashSet<(u64, u64)>,
    found: Vec<Listed>,
}

impl Walk<'_> {
    fn folder(&mut self, place: &Path, relative: &str, depth: usize) -> Result<()> {
        let metadata = fs::metadata(place).map_err(|error| unreadable(place, &error))?;
        if !self.seen.insert((metadata.dev(), metadata.ino())) {
            return Ok(());
        }
        for entry in fs::read_dir(place).map_err(|error| unreadable(place, &error))? {
            let entry = entry.map_err(|error| unreadable(place, &error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                tracing::warn!(folder = %place.display(), "file name is not UTF-8, passed over");
                continue;
            };
            if name.starts_with('.') && !self.pattern.shows_hidden {
                continue;
            }
            let path = if relative.is_empty() { name.to_owned() } else { format!("{relative}/{name}") };
            let is_match = self.pattern.matcher.is_match(&path);
            if is_match || depth > 0 {
                self.entry(&entry, path, is_match, depth)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &fs::DirEntry, path: String, is_match: bool, depth: usize) -> Result<()> {
        let mut place = entry.path();
        let Ok(mut kind) = entry.file_type() else { return Ok(()) };
        if kind.is_symlink() {
            match fs::canonicalize(&place) {
                Ok(target) if target.starts_with(self.root) => place = target,
                _ => {
                    tracing::warn!(path = %path, "link leads out of the folder or nowhere, passed over");
                    return Ok(());
                }
            }
            match fs::metadata(&place) {
                Ok(metadata) => kind = metadata.file_type(),
                Err(_) => return Ok(()),
            }
        }
        if kind.is_dir() && depth > 0 {
            return self.folder(&place, &path, depth - 1);
        }
        // A file that went away between the listing and this line is simply not there.
        if kind.is_file()
            && is_match
            && let Ok(metadata) = fs::metadata(&place)
        {
            self.found.push(listed(path, &metadata));
        }
        Ok(())
    }
}

fn listed(path: String, metadata: &Metadata) -> Listed {
    let micros = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000);
    let modified_at = micros(metadata.mtime(), metadata.mtime_nsec());
    let changed_at = micros(metadata.ctime(), metadata.ctime_nsec());
    Listed { file: FileSeen { path, etag: etag(metadata), size: metadata.size(), modified_at }, changed_at }
}
