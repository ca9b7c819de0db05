//! Compaction: small files put together into larger ones, in a commit that changes no row.
//!
//! Rows are copied beside the writers, who are kept waiting only for the commit. Before it the log is asked whether any copied file has left the
//! table meanwhile, or an open transaction rests on the files: then it is the compaction that gives way, never the writer. A process that dies
//! half-way leaves files that no version names.

use std::collections::{BTreeMap, HashSet};

use arrow::datatypes::SchemaRef;
use deltalake::kernel::Version;
use tokio_util::sync::CancellationToken;

use super::commit::{Draft, Reads};
use super::contract::{Committed, Facts};
use super::failure::{blocking_failed, delta_failed};
use super::files::LiveFile;
use super::filters::key_of;
use super::log::{Action, Named, named};
use super::table::Table;
use super::writer::{Purpose, Writer, WriterOptions, Written, keyed_file_bytes};
use crate::error::{Code, Error, Result};

/// Files below this are put together whatever the sizes of the others are.
const SMALL_BYTES: i64 = 1 << 20;

/// Times that a commit is tried beside other writers of the same lake.
const ATTEMPTS: u32 = 5;

/// Which files are worth copying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// All that are not large.
    All,
    /// So many at least, of like size: over the life of a table each row is copied a few times only.
    Worthwhile(usize),
}

/// What a compaction did.
#[derive(Debug, Clone, Default)]
pub struct Compacted {
    /// None when there was nothing to do, or the compaction gave way.
    pub committed: Option<Committed>,
    pub files_before: usize,
    pub files_after: usize,
    pub bytes_before: i64,
    pub bytes_after: i64,
}

/// Files of one partition, and the file or files that hold their rows.
struct Bin {
    sources: Vec<LiveFile>,
    written: Written,
}

impl Table {
    /// Puts small files together, each partition's by themselves. Given up when it is dropped.
    ///
    /// # Errors
    /// `NotSupported` for a table that this writer cannot change. Another writer that is faster is no error.
    pub async fn compact(&self, effort: Effort, facts: &Facts) -> Result<Compacted> {
        self.refresh().await?;
        self.check_writable()?;
        let loaded = self.loaded().await?;
        let snapshot = loaded.snapshot().map_err(delta_failed)?.snapshot();
        let (version, columns) = (snapshot.version(), self.schema());
        if self.known().shaped_at > version {
            return Ok(Compacted::default());
        }
        let stop = CancellationToken::new();
        let _stop = stop.clone().drop_guard();
        let mut bins = Vec::new();
        let files = self.live_files(snapshot).await?;
        let options = self.file_options(&files);
        for sources in choose(files, effort, options.target_file_bytes) {
            bins.push(self.copy(sources, &options, &columns, &stop).await?);
        }
        fail::fail_point!("compaction.written", |_| std::process::abort());
        self.swap(bins, version, facts).await
    }

    fn file_options(&self, files: &[LiveFile]) -> WriterOptions {
        let options = WriterOptions::default();
        match key_of(&self.known().metadata).is_empty() {
            true => options,
            false => {
                let bytes = files.iter().filter_map(|file| u64::try_from(file.size()).ok()).sum();
                WriterOptions { target_file_bytes: keyed_file_bytes(bytes), ..options }
            }
        }
    }

    async fn copy(&self, sources: Vec<LiveFile>, options: &WriterOptions, columns: &SchemaRef, stop: &CancellationToken) -> Result<Bin> {
        let mut writer = Writer::new(self.layout(), options.clone(), Purpose::Data)?;
        let (columns, stop) = (columns.clone(), stop.clone());
        let files: Vec<_> = sources.iter().map(|file| file.data.clone()).collect();
        let work = move || {
            for file in files {
                for batch in file.read(&columns)? {
                    if stop.is_cancelled() {
                        return Err(Error::new(Code::Cancelled, "the compaction was given up"));
                    }
                    writer.push(&batch?)?;
                }
            }
            Ok(writer)
        };
        let written = tokio::task::spawn_blocking(work).await.map_err(blocking_failed)??.finish().await?;
        let rows = sources.iter().map(LiveFile::rows).sum::<Result<i64>>()?;
        match written.rows() == rows {
            true => Ok(Bin { sources, written }),
            false => Err(Error::internal("a compaction does not have the rows of its files")),
        }
    }

    /// Commits the bins whose files are all still there.
    async fn swap(&self, mut bins: Vec<Bin>, version: Version, facts: &Facts) -> Result<Compacted> {
        let _turn = self.turn().await?;
        let _gate = self.gate().await;
        let mut seen = version;
        for _ in 0..ATTEMPTS {
            let now = self.refresh().await?;
            let Some(removed) = self.removed_since(seen, now.version).await? else { return Ok(Compacted::default()) };
            seen = now.version;
            bins.retain(|bin| !bin.sources.iter().any(|file| removed.contains(&file.name)));
            if bins.is_empty() || now.shaped_at > version || self.is_leased() {
                return Ok(Compacted::default());
            }
            let (actions, done) = self.exchange(&bins)?;
            let draft = Draft { actions, reads: Reads::Rows(now.version), ..Draft::new("OPTIMIZE", facts) };
            // From here on the files may be part of the table, whatever is heard of the commit.
            bins.iter().for_each(|bin| bin.written.keep(true));
            match self.commit(draft).await {
                Ok(committed) => return Ok(Compacted { committed: Some(committed), ..done }),
                Err(error) if error.code() == Code::Conflict => bins.iter().for_each(|bin| bin.written.keep(false)),
                Err(error) => return Err(error),
            }
        }
        Ok(Compacted::default())
    }

    fn exchange(&self, bins: &[Bin]) -> Result<(Vec<Action>, Compacted)> {
        let (mut actions, mut done) = (Vec::new(), Compacted::default());
        for Bin { sources, written } in bins {
            for file in sources {
                actions.push(file.leave(self.clock.now())?);
                done.files_before += 1;
                done.bytes_before += file.size();
            }
            for file in &written.files {
                done.files_after += 1;
                done.bytes_after += file.size;
                actions.push(Action::Add(super::log::AddFile { data_change: false, ..file.clone() }));
            }
        }
        Ok((actions, done))
    }

    /// The files that left the table after one version, up to another; None when the log no longer says.
    async fn removed_since(&self, after: Version, until: Version) -> Result<Option<HashSet<String>>> {
        let mut removed = HashSet::new();
        for version in after + 1..=until {
            let Some(bytes) = self.log.read_commit_entry(version).await.map_err(delta_failed)? else { return Ok(None) };
            removed.extend(named(&bytes)?.into_iter().filter_map(|named| match named {
                Named::Removed(name) => Some(name),
                Named::Added(_) | Named::Changes(_) => None,
            }));
        }
        Ok(Some(removed))
    }
}

/// Groups of files to be put together: of one partition, in the order in which they came.
fn choose(files: Vec<LiveFile>, effort: Effort, target_bytes: usize) -> Vec<Vec<LiveFile>> {
    let target = i64::try_from(target_bytes).unwrap_or(i64::MAX);
    // A file that is nearly as large as it can become stays as it is.
    let large = target / 4 * 3;
    let mut partitions: BTreeMap<BTreeMap<String, Option<String>>, Vec<LiveFile>> = BTreeMap::new();
    for file in files.into_iter().filter(|file| file.size() < large) {
        partitions.entry(file.data.partition.clone()).or_default().push(file);
    }
    let mut groups = Vec::new();
    for mut files in partitions.into_values() {
        if effort != Effort::All {
            files = of_like_size(files);
        }
        // Names begin with the time of their making.
        files.sort_by(|left, right| left.name.cmp(&right.name));
        let (mut group, mut bytes) = (Vec::new(), 0);
        for file in files {
            if bytes > 0 && bytes + file.size() > target {
                groups.push(std::mem::take(&mut group));
                bytes = 0;
            }
            bytes += file.size();
            group.push(file);
        }
        groups.push(group);
    }
    let least = match effort {
        Effort::All => 2,
        Effort::Worthwhile(files) => files.max(2),
    };
    groups.retain(|group| group.len() >= least);
    groups
}

/// The smallest files, up to where one is larger than all the smaller ones together.
fn of_like_size(mut files: Vec<LiveFile>) -> Vec<LiveFile> {
    files.sort_by_key(LiveFile::size);
    let mut together = 0;
    let mut fits = |file: &LiveFile| {
        let fits = file.size() < SMALL_BYTES || file.size() <= together * 2;
        together += file.size();
        fits
    };
    let count = files.iter().map(&mut fits).take_while(|fits| *fits).count();
    files.truncate(count);
    files
}

#[cfg(test)]
mod tests;
