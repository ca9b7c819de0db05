//! Which files of the log make up a version: a checkpoint, and the commits that came after it.
//!
//! The library finds them by a listing of the log, which takes longer with every commit. Checkpoints of this hub stand close together, so their
//! names are tried out instead; only a log that another writer laid out differently is listed. What the library is given then is a view of
//! the log with these files and no others. Nothing here reads the list of the table's files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use delta_kernel::{Engine, Snapshot, SnapshotRef};
use deltalake::kernel::Version;
use deltalake::logstore::{LogStoreRef, StorageConfig, logstore_with};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::failure::{blocking_failed, delta_failed, io_failed};
use super::log::{MetaData, Protocol};
use super::table::Table;
use crate::error::{Code, Error, Result};
use crate::stores::{FsyncStore, sync_dir, sync_file};

/// The folder of the log, given by the protocol.
pub(super) const LOG: &str = "_delta_log";

/// Where writers say which checkpoint is the last.
const HINT: &str = "_last_checkpoint";

/// Where it is written down from which version on all files are there.
const WHOLE: &str = "_weir_whole_from";

/// Versions before the wanted one whose checkpoints are tried out. This hub leaves no larger gaps.
const NEAR: Version = 256;

/// The files of one version's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub version: Version,
    pub checkpoint: Option<Version>,
    names: BTreeSet<String>,
}

/// The last checkpoint, as far as anybody wrote it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hint {
    pub version: Version,
    /// Actions in the checkpoint, which is about the files of the table.
    pub size: u64,
}

pub(super) fn log_folder(root: &Path) -> PathBuf {
    root.join(LOG)
}

fn commit_name(version: Version) -> String {
    format!("{version:020}.json")
}

fn checkpoint_name(version: Version) -> String {
    format!("{version:020}.checkpoint.parquet")
}

/// What is written down about the last checkpoint. It is only a hint: one that cannot be read is none.
pub(super) fn hint(log: &Path) -> Option<Hint> {
    let bytes = std::fs::read(log.join(HINT)).ok()?;
    let hint: Value = serde_json::from_slice(&bytes).ok()?;
    Some(Hint { version: hint.get("version")?.as_u64()?, size: hint.get("size").and_then(Value::as_u64).unwrap_or(0) })
}

/// The oldest version whose files nobody has taken away.
pub(super) fn whole_from(log: &Path) -> Version {
    std::fs::read_to_string(log.join(WHOLE)).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Writes down, before any file goes, that older versions cannot be read any more.
pub(super) fn say_whole_from(log: &Path, version: Version) -> io::Result<()> {
    if version <= whole_from(log) {
        return Ok(());
    }
    let (path, fresh) = (log.join(WHOLE), log.join(format!("{WHOLE}#{}", rand::random::<u64>())));
    let mut file = File::options().write(true).create_new(true).open(&fresh)?;
    file.write_all(version.to_string().as_bytes())?;
    sync_file(&file, &path)?;
    std::fs::rename(&fresh, &path)?;
    sync_dir(log)
}

/// The newest version in a log.
fn newest(log: &Path) -> io::Result<Option<Version>> {
    let mut version = match hint(log) {
        Some(hint) if log.join(checkpoint_name(hint.version)).try_exists()? => hint.version,
        // Without a checkpoint to begin at, a commit that is missing is no sign of the end.
        _ => return Ok(versions(log)?.last().map(|(newest, _)| *newest)),
    };
    while log.join(commit_name(version + 1)).try_exists()? {
        version += 1;
    }
    Ok(Some(version))
}

/// What a version of the log has of its own.
#[derive(Debug, Default)]
struct Kept {
    names: Vec<String>,
    is_commit: bool,
    is_checkpoint: bool,
}

/// All that the log holds, by version, in order.
fn versions(log: &Path) -> io::Result<Vec<(Version, Kept)>> {
    let entries = match std::fs::read_dir(log) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut kept: BTreeMap<Version, Kept> = BTreeMap::new();
    let mut parts: BTreeMap<(Version, &'static str, u64), u64> = BTreeMap::new();
    for entry in entries {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let Some((digits, kind)) = name.split_once('.') else { continue };
        let Some(version) = Some(digits).filter(|digits| digits.len() == 20).and_then(|digits| digits.parse().ok()) else { continue };
        let of_version = kept.entry(version).or_default();
        let words: Vec<&str> = kind.split('.').collect();
        match words.as_slice() {
            ["json"] => of_version.is_commit = true,
            ["checkpoint", "parquet"] | ["checkpoint", _, "parquet" | "json"] => of_version.is_checkpoint = true,
            ["checkpoint", _, of, "parquet"] => {
                let Ok(of) = of.parse() else { continue };
                let found = parts.entry((version, "parts", of)).or_default();
                *found += 1;
                of_version.is_checkpoint |= *found == of;
            }
            _ => continue,
        }
        of_version.names.push(name.to_owned());
    }
    kept.retain(|_, kept| kept.is_commit || kept.is_checkpoint);
    Ok(kept.into_iter().collect())
}

/// The versions that can be read: each from its checkpoint or the beginning on, without a gap.
pub(super) fn oldest(log: &Path) -> io::Result<Option<Version>> {
    let versions = versions(log)?;
    let mut oldest = None;
    let mut next = None;
    for (version, kept) in &versions {
        if next != Some(*version) {
            // Behind a gap the log can only be read from a checkpoint on.
            oldest = (*version == 0 || kept.is_checkpoint).then_some(*version);
        }
        next = oldest.and(version.checked_add(1));
    }
    Ok(oldest)
}

/// Removes what is older than a checkpoint, oldest first: wherever it ends, what is left can be read. Answers how many files.
pub(super) fn trim(log: &Path, checkpoint: Version) -> io::Result<usize> {
    let mut removed = 0;
    for (_, kept) in versions(log)?.into_iter().take_while(|(version, _)| *version < checkpoint) {
        for name in kept.names {
            std::fs::remove_file(log.join(name))?;
            removed += 1;
        }
    }
    Ok(removed)
}

impl Segment {
    /// The files of the newest version; None when there is no table.
    fn newest(log: &Path) -> io::Result<Option<Self>> {
        match newest(log)? {
            Some(version) => Self::of(log, version),
            None => Ok(None),
        }
    }

    /// The files of a version; None when it does not exist or is no longer kept.
    fn of(log: &Path, version: Version) -> io::Result<Option<Self>> {
        match Self::near(log, version)? {
            Some(segment) => Ok(Some(segment)),
            None => Self::listed(log, version),
        }
    }

    /// Tries out the names that this hub gives.
    fn near(log: &Path, version: Version) -> io::Result<Option<Self>> {
        let mut names = BTreeSet::new();
        let mut at = version;
        loop {
            let checkpoint = checkpoint_name(at);
            let is_checkpoint = log.join(&checkpoint).try_exists()?;
            let commit = commit_name(at);
            let is_commit = log.join(&commit).try_exists()?;
            if is_commit {
                names.insert(commit);
            }
            if is_checkpoint {
                names.insert(checkpoint);
                return Ok(Some(Self { version, checkpoint: Some(at), names }));
            }
            match at.checked_sub(1) {
                _ if !is_commit || version - at >= NEAR => return Ok(None),
                Some(before) => at = before,
                None => return Ok(Some(Self { version, checkpoint: None, names })),
            }
        }
    }

    fn listed(log: &Path, version: Version) -> io::Result<Option<Self>> {
        let mut names = BTreeSet::new();
        let mut next = Some(version);
        for (at, kept) in versions(log)?.into_iter().rev().skip_while(|(at, _)| *at > version) {
            if next != Some(at) {
                return Ok(None);
            }
            names.extend(kept.names);
            if kept.is_checkpoint {
                return Ok(Some(Self { version, checkpoint: Some(at), names }));
            }
            next = at.checked_sub(1);
            if next.is_none() {
                return Ok(Some(Self { version, checkpoint: None, names }));
            }
        }
        Ok(None)
    }

    /// A log that holds nothing but this version, and its checkpoint once there is one. Files of the table are as ever.
    fn view(&self, root: &Path) -> Result<LogStoreRef> {
        let mut names = self.names.clone();
        names.insert(checkpoint_name(self.version));
        let shown = FsyncStore::showing(&log_folder(root), names);
        open_log(root, shown.map_err(|source| Error::internal("the lake's folder cannot be named").caused_by(source))?)
    }
}

/// The log of a table, with whatever its store shows of it.
pub(super) fn open_log(root: &Path, store: FsyncStore) -> Result<LogStoreRef> {
    logstore_with(Arc::new(store), &table_url(root)?, StorageConfig::default()).map_err(delta_failed)
}

/// The table's own URL, which ends in a slash.
fn table_url(root: &Path) -> Result<Url> {
    Url::from_directory_path(root).map_err(|()| Error::internal("the lake's folder is not absolute"))
}

/// What a version says beside the list of its files, which is not read.
pub(super) struct Outline {
    pub checkpoint: Option<Version>,
    pub log: LogStoreRef,
    snapshot: SnapshotRef,
    engine: Arc<dyn Engine>,
}

impl Outline {
    /// The outline of a version, or of the newest; None when it does not exist or is no longer kept.
    pub(super) async fn read(root: &Path, version: Option<Version>) -> Result<Option<Self>> {
        let Some(segment) = find(root, version).await? else { return Ok(None) };
        let log = segment.view(root)?;
        let (engine, url) = (log.engine(None), table_url(root)?);
        let task_engine = Arc::clone(&engine);
        let build = move || Snapshot::builder_for(url).at_version(segment.version).build(task_engine.as_ref());
        let snapshot = tokio::task::spawn_blocking(build).await.map_err(blocking_failed)?.map_err(|source| delta_failed(source.into()))?;
        Ok(Some(Self { checkpoint: segment.checkpoint, log, snapshot, engine }))
    }

    pub(super) fn version(&self) -> Version {
        self.snapshot.version()
    }

    pub(super) fn metadata(&self) -> Result<MetaData> {
        taken_over(self.snapshot.table_configuration().metadata())
    }

    pub(super) fn protocol(&self) -> Result<Protocol> {
        taken_over(self.snapshot.table_configuration().protocol())
    }

    /// The batch of a token's application that was committed last, up to this version.
    pub(super) async fn applied(&self, app_id: &str) -> Result<Option<i64>> {
        let (snapshot, engine, app_id) = (Arc::clone(&self.snapshot), Arc::clone(&self.engine), app_id.to_owned());
        let look = move || snapshot.get_app_id_version(&app_id, engine.as_ref());
        tokio::task::spawn_blocking(look).await.map_err(blocking_failed)?.map_err(|source| delta_failed(source.into()))
    }

    /// Writes the checkpoint of this version.
    pub(super) async fn write_checkpoint(self) -> Result<()> {
        let write = move || self.snapshot.checkpoint(self.engine.as_ref(), None).map(drop);
        tokio::task::spawn_blocking(write).await.map_err(blocking_failed)?.map_err(|source| delta_failed(source.into()))
    }
}

fn taken_over<T: DeserializeOwned>(words: &impl serde::Serialize) -> Result<T> {
    let encoded = |source| Error::internal("the table's description cannot be taken over").caused_by(source);
    serde_json::to_value(words).and_then(serde_json::from_value).map_err(encoded)
}

async fn find(root: &Path, version: Option<Version>) -> Result<Option<Segment>> {
    let log = log_folder(root);
    let look = move || match version {
        Some(version) => Segment::of(&log, version),
        None => Segment::newest(&log),
    };
    let found = tokio::task::spawn_blocking(look).await.map_err(blocking_failed)?;
    found.map_err(|source| io_failed("the table's log cannot be read", source))
}

impl Table {
    /// The log as it was at a version whose files are to be read.
    ///
    /// # Errors
    /// `InvalidParameter` when the version does not exist or is no longer kept.
    pub(super) async fn log_of(&self, version: Version) -> Result<LogStoreRef> {
        self.check_whole(version).await?;
        let found = if self.is_known(version) { find(&self.root, Some(version)).await? } else { None };
        match found {
            Some(segment) => segment.view(&self.root),
            None => Err(self.not_kept(version).await?),
        }
    }

    /// # Errors
    /// As `log_of`.
    pub(super) async fn outline_of(&self, version: Version) -> Result<Outline> {
        let found = if self.is_known(version) { Outline::read(&self.root, Some(version)).await? } else { None };
        match found {
            Some(outline) => Ok(outline),
            None => Err(self.not_kept(version).await?),
        }
    }

    /// # Errors
    /// As `log_of`, when files of the version may have been taken away.
    pub(super) async fn check_whole(&self, version: Version) -> Result<()> {
        match version < whole_from(&log_folder(&self.root)) {
            true => Err(self.not_kept(version).await?),
            false => Ok(()),
        }
    }

    fn is_known(&self, version: Version) -> bool {
        version <= self.known().version
    }

    async fn not_kept(&self, version: Version) -> Result<Error> {
        let (newest, oldest) = (self.known().version, self.oldest().await?);
        Ok(Error::new(Code::InvalidParameter, format!("version {version} does not exist"))
            .detail(format!("Versions {oldest} to {newest} are kept.")))
    }
}

#[cfg(test)]
mod tests;
