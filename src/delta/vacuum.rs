//! VACUUM: files that no version within the retention names are taken away; and commits that nobody can go back to.
//!
//! What stays: the files of every version that was the newest at some moment within the retention, change files and tombstones included; files
//! younger than the retention, whoever is about to commit them; and files that this process has written and not committed yet, however old. Only
//! files are looked at that look like a Delta writer's: others in the folder are nobody's business here.

use std::collections::{BTreeSet, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use deltalake::kernel::{EagerSnapshot, Version};

use super::failure::{blocking_failed, delta_failed, io_failed};
use super::log::{Entry, Named, named};
use super::segment::{self, log_folder};
use super::table::Table;
use super::tombstones::{APP, FOLDER as TOMBSTONES, list_name};
use super::writer::CHANGE_FOLDER;
use crate::clock::Micros;
use crate::error::{Code, Error, Result};

/// How long what is removed is kept when the table does not say.
const RETENTION: Micros = 30 * DAY;
const DAY: Micros = 24 * 60 * 60 * 1_000_000;

/// Files that are taken away before the writers have another turn.
const AT_ONCE: usize = 200;

/// A file that no version needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leftover {
    /// Below the table's folder.
    pub path: String,
    pub bytes: u64,
}

/// Whether anything happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    List,
    Remove,
}

/// What the versions within the retention name.
#[derive(Default)]
struct Needed {
    from: Version,
    /// The last version whose names are in here.
    until: Version,
    names: HashSet<String>,
    /// None once a list of tombstones could not be read: then all of them stay.
    tombstones: Option<HashSet<String>>,
}

impl Table {
    /// Takes away, or lists, what no version within the retention needs. The table's own retention holds where none is given.
    ///
    /// # Errors
    /// `NotSupported` for a table with deletion vectors or files of another table; `WrongState` when the log has a gap.
    pub async fn vacuum(&self, retain: Option<Micros>, sweep: Sweep) -> Result<Vec<Leftover>> {
        let retain = retain.unwrap_or_else(|| self.retention("delta.deletedFileRetentionDuration"));
        let cutoff = self.clock.now().saturating_sub(retain.max(0));
        self.refresh().await?;
        let mut needed = self.needed_since(cutoff).await?;
        let root = self.root.clone();
        let found = tokio::task::spawn_blocking(move || walk(&root, cutoff)).await.map_err(blocking_failed)?;
        let mut found = found.map_err(|source| io_failed("the table's folder cannot be read", source))?;
        found.retain(|file| self.is_leftover(file, &needed));
        found.sort();
        if sweep == Sweep::List {
            return Ok(found);
        }
        if !found.is_empty() {
            let (log, from) = (log_folder(&self.root), needed.from);
            let said = tokio::task::spawn_blocking(move || segment::say_whole_from(&log, from)).await.map_err(blocking_failed)?;
            said.map_err(|source| io_failed("the table's log cannot be written", source))?;
        }
        let mut removed = Vec::new();
        while !found.is_empty() {
            let rest = found.split_off(found.len().min(AT_ONCE));
            // With the turn, nobody is between writing files and committing them, and nobody goes back to an old version.
            let _turn = self.turn().await?;
            self.extend(&mut needed, self.refresh().await?.version).await?;
            found.retain(|file| self.is_leftover(file, &needed));
            removed.extend(self.remove(found).await?);
            found = rest;
        }
        Ok(removed)
    }

    fn is_leftover(&self, file: &Leftover, needed: &Needed) -> bool {
        if self.in_flight.holds(&self.root.join(&file.path)) {
            return false;
        }
        match file.path.strip_prefix(TOMBSTONES).and_then(|path| path.strip_prefix('/')) {
            Some(path) => needed.tombstones.as_ref().is_some_and(|names| !names.contains(path)),
            None => !needed.names.contains(&file.path),
        }
    }

    async fn remove(&self, files: Vec<Leftover>) -> Result<Vec<Leftover>> {
        let root = self.root.clone();
        let work = move || {
            let remove = |file: &Leftover| match std::fs::remove_file(root.join(&file.path)) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
            files.iter().try_for_each(remove).map(|()| files)
        };
        let removed = tokio::task::spawn_blocking(work).await.map_err(blocking_failed)?;
        removed.map_err(|source| io_failed("a file that nobody needs cannot be removed", source))
    }

    /// The names of all versions that were the newest at `cutoff` or later, as far as they can be read at all.
    async fn needed_since(&self, cutoff: Micros) -> Result<Needed> {
        let first = match self.version_at(cutoff).await {
            Ok(version) => version,
            Err(error) if error.code() == Code::InvalidParameter => self.oldest().await?,
            Err(error) => return Err(error),
        };
        let outline = self.outline_of(first).await?;
        let then = EagerSnapshot::try_new(&outline.log, Some(first)).await.map_err(delta_failed)?;
        let names = self.live_files(&then).await?.into_iter().map(|file| file.name).collect();
        let mut needed = Needed { from: first, until: first, names, tombstones: Some(HashSet::new()) };
        // What changed with the first version can still be asked for.
        if let Some(bytes) = self.log.read_commit_entry(first).await.map_err(delta_failed)? {
            needed.take(&bytes)?;
        }
        if let Some(number) = outline.applied(APP).await? {
            self.keep_tombstones(&mut needed, number).await;
        }
        let newest = self.known().version;
        self.extend(&mut needed, newest).await?;
        Ok(needed)
    }

    /// Adds what the versions up to `until` name.
    async fn extend(&self, needed: &mut Needed, until: Version) -> Result<()> {
        for version in needed.until + 1..=until {
            let bytes = self.log.read_commit_entry(version).await.map_err(delta_failed)?;
            let gap = || Error::new(Code::WrongState, format!("the log of table \"{}\" has a gap at version {version}", self.location));
            let bytes = bytes.ok_or_else(gap)?;
            needed.take(&bytes)?;
            for txn in Entry::parse(&bytes)?.txns.iter().filter(|txn| txn.app_id == APP) {
                self.keep_tombstones(needed, txn.version).await;
            }
            needed.until = version;
        }
        Ok(())
    }

    async fn keep_tombstones(&self, needed: &mut Needed, number: i64) {
        let list = self.load_tombstones(number).await;
        match (list, &mut needed.tombstones) {
            (Ok(list), Some(names)) => {
                names.insert(list_name(number));
                names.extend(list.paths().map(str::to_owned));
            }
            (Err(error), tombstones) => {
                tracing::warn!(table = self.location, error = %error.chain(), "the deleted keys of a version cannot be read; none are removed");
                *tombstones = None;
            }
            (Ok(_), None) => {}
        }
    }

    /// A duration among the table's properties, `interval 30 days`.
    fn retention(&self, property: &str) -> Micros {
        self.known().metadata.configuration.get(property).and_then(|text| duration(text)).unwrap_or(RETENTION)
    }

    /// Removes commits and checkpoints that are older than the log's retention and not needed to read what is younger. Answers how many files.
    ///
    /// # Errors
    /// `Io` when a file cannot be removed; those before it are gone, which harms nobody.
    pub async fn trim_log(&self) -> Result<usize> {
        self.refresh().await?;
        let state = self.known();
        if state.metadata.configuration.get("delta.enableExpiredLogCleanup").is_some_and(|value| value.eq_ignore_ascii_case("false")) {
            return Ok(0);
        }
        let cutoff = self.clock.now().saturating_sub(self.retention("delta.logRetentionDuration"));
        let kept = match self.version_at(cutoff).await {
            Ok(version) => version,
            Err(error) if error.code() == Code::InvalidParameter => return Ok(0),
            Err(error) => return Err(error),
        };
        let Some(checkpoint) = self.outline_of(kept).await?.checkpoint else { return Ok(0) };
        let log = log_folder(&self.root);
        let trimmed = tokio::task::spawn_blocking(move || segment::trim(&log, checkpoint)).await.map_err(blocking_failed)?;
        trimmed.map_err(|source| io_failed("an old commit cannot be removed", source))
    }
}

impl Needed {
    /// What a commit removes was there before it, or is not needed.
    fn take(&mut self, commit: &[u8]) -> Result<()> {
        self.names.extend(named(commit)?.into_iter().filter_map(|named| match named {
            Named::Added(name) | Named::Changes(name) => Some(name),
            Named::Removed(_) => None,
        }));
        Ok(())
    }
}

/// The files of a table that are not younger than `cutoff`, outside of its log.
fn walk(root: &Path, cutoff: Micros) -> std::io::Result<Vec<Leftover>> {
    let mut found = Vec::new();
    let mut folders: BTreeSet<PathBuf> = BTreeSet::from([PathBuf::new()]);
    while let Some(folder) = folders.pop_first() {
        for entry in std::fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let (name, kind) = (entry.file_name(), entry.file_type()?);
            let Some(name) = name.to_str() else { continue };
            let path = folder.join(name);
            if kind.is_dir() {
                if is_ours(&folder, name) {
                    folders.insert(path);
                }
                continue;
            }
            let is_list = folder == Path::new(TOMBSTONES) && name.ends_with(".json");
            if !kind.is_file() || !(name.ends_with(".parquet") || is_list) {
                continue;
            }
            let about = match entry.metadata() {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                about => about?,
            };
            // A file from before the epoch is as old as can be.
            let age = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            if Micros::try_from(age.as_micros()).unwrap_or(Micros::MAX) <= cutoff
                && let Some(path) = path.to_str()
            {
                found.push(Leftover { path: path.to_owned(), bytes: about.len() });
            }
        }
    }
    Ok(found)
}

/// Folders that a Delta writer makes: of partitions, changes and tombstones.
fn is_ours(parent: &Path, name: &str) -> bool {
    let is_hidden = name.starts_with('_') || name.starts_with('.');
    !is_hidden || name.contains('=') || (parent.as_os_str().is_empty() && (name == CHANGE_FOLDER || name == TOMBSTONES))
}

/// `interval 30 days` in microseconds. Units of the calendar have no fixed length, and other writers have none either.
fn duration(text: &str) -> Option<Micros> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let words = match words.split_first() {
        Some((first, rest)) if first.eq_ignore_ascii_case("interval") => rest,
        _ => words.as_slice(),
    };
    let mut total: Micros = 0;
    for pair in words.chunks(2) {
        let [number, unit] = pair else { return None };
        let unit = match unit.to_ascii_lowercase().trim_end_matches('s') {
            "microsecond" => 1,
            "millisecond" => 1_000,
            "second" => 1_000_000,
            "minute" => 60_000_000,
            "hour" => 3_600_000_000,
            "day" => DAY,
            "week" => 7 * DAY,
            _ => return None,
        };
        total = total.checked_add(number.parse::<Micros>().ok()?.checked_mul(unit)?)?;
    }
    (!words.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests;
