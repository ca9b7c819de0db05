//! The change feed of a table as files to be read: which versions changed rows, and the rows of a range of them in order.
//!
//! The rows of a version come as what they were before those that they are now: first what was deleted, then what was inserted or updated. So
//! whoever applies them in order, key by key, ends with the table's own rows. The former values of updated rows are left out.
//!
//! A commit's list of files is read once to find the end of a range and once to read the range; never the list of the table's files, but for
//! the rows of a whole version. Memory holds the names of the files of a range and one batch per reader.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use deltalake::kernel::{EagerSnapshot, Version};
use serde::Deserialize;

use super::failure::{blocking_failed, delta_failed};
use super::files::DataFile;
use super::log::{Entry, decoded};
use super::segment::{log_folder, whole_from};
use super::table::Table;
use super::writer::CHANGE_TYPE;
use crate::clock::Micros;
use crate::error::{Code, Error, Result};

/// The columns of the feed that say what became of a row, and by which commit.
pub const FEED: [&str; 3] = [CHANGE_TYPE, "_commit_version", "_commit_timestamp"];

pub const INSERT: &str = "insert";
pub const DELETE: &str = "delete";
const UPDATE: &str = "update_postimage";

/// Where a reader of changes stands: everything up to this version is read. One less than the first version of all when nothing is.
pub type Read = i64;

/// What comes behind a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// It is the newest.
    Nothing,
    /// Versions up to this one changed no row.
    Quiet(Version),
    /// Rows were changed by versions up to this one.
    Rows(Version),
}

/// How much of the feed a reader takes at a time, whichever comes first.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Versions that change rows.
    pub versions: usize,
    /// In the files that say what changed. A single version may have more.
    pub bytes: u64,
}

/// Rows, and what became of each.
pub type Changes = Box<dyn Iterator<Item = Result<(RecordBatch, ArrayRef)>> + Send>;

/// A file of the feed, or of a version whose rows are read as if they had just come.
#[derive(Debug, Clone)]
pub struct Piece {
    pub version: Version,
    pub committed_at: Micros,
    file: DataFile,
    rows: Rows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// All rows of a data file were inserted, or deleted.
    All(&'static str),
    /// The rows of a change file that were deleted.
    Gone,
    /// Those that were inserted, and the new values of those that were updated.
    There,
}

/// One file that a commit names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NamedFile {
    path: String,
    partition_values: Option<BTreeMap<String, Option<String>>>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    data_change: Option<bool>,
    #[serde(default)]
    deletion_vector: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Line {
    add: Option<NamedFile>,
    remove: Option<NamedFile>,
    cdc: Option<NamedFile>,
}

/// The files of a commit that say which rows it changed.
#[derive(Default)]
struct Changed {
    added: Vec<NamedFile>,
    removed: Vec<NamedFile>,
    changes: Vec<NamedFile>,
}

impl Changed {
    fn of(commit: &[u8]) -> Result<Self> {
        let mut changed = Self::default();
        for line in commit.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
            let unreadable = |source| Error::new(Code::DataException, "a commit of the table cannot be read").caused_by(source);
            let Line { add, remove, cdc } = serde_json::from_slice(line).map_err(unreadable)?;
            let changes_rows = |file: &NamedFile| file.data_change.unwrap_or(true);
            changed.added.extend(add.filter(changes_rows));
            changed.removed.extend(remove.filter(changes_rows));
            changed.changes.extend(cdc);
        }
        Ok(changed)
    }

    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changes.is_empty()
    }

    /// Where a commit lists changes, those are all its changes.
    fn files(&self) -> Vec<(&NamedFile, Rows)> {
        if self.changes.is_empty() {
            let gone = self.removed.iter().map(|file| (file, Rows::All(DELETE)));
            return gone.chain(self.added.iter().map(|file| (file, Rows::All(INSERT)))).collect();
        }
        let gone = self.changes.iter().map(|file| (file, Rows::Gone));
        gone.chain(self.changes.iter().map(|file| (file, Rows::There))).collect()
    }

    fn bytes(&self) -> u64 {
        let files = if self.changes.is_empty() {
            self.added.iter().chain(&self.removed).collect()
        } else {
            self.changes.iter().collect::<Vec<_>>()
        };
        files.iter().map(|file| file.size.unwrap_or(0)).sum()
    }
}

impl Table {
    /// The table's own identity: another one that is made at its place has another.
    pub fn identity(&self) -> String {
        self.known().metadata.id.clone()
    }

    /// The end of the next part of the feed behind a version. Versions that change no row cost nothing and are passed over.
    ///
    /// # Errors
    /// `WrongState` when the changes of a version behind `read` are not kept, or were not recorded.
    pub async fn ahead(&self, read: Read, most: Most) -> Result<Ahead> {
        let newest = self.refresh().await?.version;
        let Some(first) = behind(read).filter(|first| *first <= newest) else { return Ok(Ahead::Nothing) };
        let (mut versions, mut bytes) = (0, 0_u64);
        let mut is_recorded = None;
        for version in first..=newest {
            let Some((_, changed)) = self.recorded(version, &mut is_recorded).await? else { continue };
            let size = changed.bytes();
            if versions >= most.versions.max(1) || (versions > 0 && bytes.saturating_add(size) > most.bytes) {
                return Ok(Ahead::Rows(version - 1));
            }
            (versions, bytes) = (versions + 1, bytes.saturating_add(size));
        }
        Ok(if versions > 0 { Ahead::Rows(newest) } else { Ahead::Quiet(newest) })
    }

    /// When rows behind a version were changed first; None when none were.
    ///
    /// # Errors
    /// As `ahead`.
    pub async fn first_change_behind(&self, read: Read) -> Result<Option<Micros>> {
        let newest = self.refresh().await?.version;
        for version in behind(read).into_iter().flat_map(|first| first..=newest) {
            let (entry, changed) = self.changed_by(version).await?;
            if !changed.is_empty() {
                return Ok(entry.committed_at());
            }
        }
        Ok(None)
    }

    /// Everything that changed behind `read`, up to a version and with it, in order.
    ///
    /// # Errors
    /// `WrongState` when any of it is not kept, or was not recorded.
    pub async fn changes_between(&self, read: Read, to: Version) -> Result<Vec<Piece>> {
        self.refresh().await?;
        let mut pieces = Vec::new();
        let mut is_recorded = None;
        for version in behind(read).into_iter().flat_map(|first| first..=to) {
            let Some((entry, changed)) = self.recorded(version, &mut is_recorded).await? else { continue };
            let committed_at = entry.committed_at().unwrap_or(0);
            for (file, rows) in changed.files() {
                pieces.push(Piece { version, committed_at, file: self.change_file(file)?, rows });
            }
        }
        self.all_there(pieces).await
    }

    /// The rows of a version, as if it had inserted them.
    ///
    /// # Errors
    /// `InvalidParameter` when the version does not exist or is no longer kept.
    pub async fn pieces_of(&self, version: Version) -> Result<Vec<Piece>> {
        let newest = self.refresh().await?.version;
        let files = if version == newest {
            self.live_files(&*self.snapshot().await?).await?
        } else {
            let log = self.log_of(version).await?;
            self.live_files(&EagerSnapshot::try_new(&log, Some(version)).await.map_err(delta_failed)?).await?
        };
        let committed_at = self.entry(version).await?.and_then(|entry| entry.committed_at()).unwrap_or(0);
        let mut files: Vec<DataFile> = files.into_iter().map(|file| file.data).collect();
        // However often it is read, it comes in the same order.
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let piece = |file| Piece { version, committed_at, file, rows: Rows::All(INSERT) };
        self.all_there(files.into_iter().map(piece).collect()).await
    }

    /// The last version committed before a time; one less than the first of all when there is none.
    ///
    /// # Errors
    /// `InvalidParameter` for a time before what is kept, or later than now.
    pub async fn read_before(&self, at: Micros) -> Result<Read> {
        let oldest = self.oldest().await?;
        let first = self.entry(oldest).await?.and_then(|entry| entry.committed_at());
        if oldest == 0 && first.is_some_and(|first| at <= first) {
            return Ok(-1);
        }
        self.version_at(at.saturating_sub(1)).await.map(known_as_read)
    }

    /// What a commit changed. Its files are not looked at.
    async fn changed_by(&self, version: Version) -> Result<(Entry, Changed)> {
        let Some(bytes) = self.log.read_commit_entry(version).await.map_err(delta_failed)? else {
            return Err(self.changes_not_kept(version).await);
        };
        Ok((Entry::parse(&bytes)?, Changed::of(&bytes)?))
    }

    /// The same, if it changed a row. `is_recorded` says whether the versions before recorded what they changed, as far as it is known.
    async fn recorded(&self, version: Version, is_recorded: &mut Option<bool>) -> Result<Option<(Entry, Changed)>> {
        let (entry, changed) = self.changed_by(version).await?;
        if let Some(metadata) = &entry.metadata {
            *is_recorded = Some(metadata.is_set("delta.enableChangeDataFeed"));
        }
        if changed.is_empty() {
            return Ok(None);
        }
        let known = match *is_recorded {
            Some(known) => known,
            None => self.records_at(version).await?,
        };
        *is_recorded = Some(known);
        if known { Ok(Some((entry, changed))) } else { Err(self.not_recorded(version).await) }
    }

    async fn records_at(&self, version: Version) -> Result<bool> {
        match self.outline_of(version).await {
            Ok(outline) => Ok(outline.metadata()?.is_set("delta.enableChangeDataFeed")),
            Err(error) if error.code() == Code::InvalidParameter => Err(self.changes_not_kept(version).await),
            Err(error) => Err(error),
        }
    }

    fn change_file(&self, file: &NamedFile) -> Result<DataFile> {
        let refuse = |what: &str| {
            let message = format!("the changes of table \"{}\" cannot be read because it uses {what}", self.location);
            Err(Error::new(Code::NotSupported, message))
        };
        let path = decoded(&file.path);
        if file.deletion_vector.is_some() {
            return refuse("deletion vectors");
        }
        if path.contains("://") || path.starts_with('/') {
            return refuse("files of another table");
        }
        let is_partitioned = !self.known().metadata.partition_columns.is_empty();
        let partition = match &file.partition_values {
            Some(values) => values.clone(),
            None if is_partitioned => return refuse("a log that does not name the partitions of removed files"),
            None => BTreeMap::new(),
        };
        Ok(DataFile { path: self.root.join(path), partition })
    }

    /// The pieces, if none of their files was taken away.
    async fn all_there(&self, pieces: Vec<Piece>) -> Result<Vec<Piece>> {
        let look = move || {
            let gone = pieces.iter().find(|piece| matches!(piece.file.path.try_exists(), Ok(false))).map(|piece| piece.version);
            (pieces, gone)
        };
        match tokio::task::spawn_blocking(look).await.map_err(blocking_failed)? {
            (pieces, None) => Ok(pieces),
            (_, Some(version)) => Err(self.changes_not_kept(version).await),
        }
    }

    async fn changes_not_kept(&self, version: Version) -> Error {
        let from = self.oldest().await.unwrap_or(version).max(whole_from(&log_folder(&self.root)));
        Error::new(Code::WrongState, format!("what changed at version {version} of table \"{}\" is no longer kept", self.location))
            .detail(format!("The oldest version that is kept is {from}; VACUUM and the clean-up of the log take older ones away."))
    }

    async fn not_recorded(&self, version: Version) -> Error {
        let newest = self.known().version;
        let mut since = None;
        for later in version..=newest {
            match self.entry(later).await {
                Ok(Some(entry)) if entry.metadata.as_ref().is_some_and(|metadata| metadata.is_set("delta.enableChangeDataFeed")) => {
                    since = Some(later);
                    break;
                }
                _ => {}
            }
        }
        let detail = match since {
            Some(since) => format!("It records them since version {since}."),
            None => "It does not record them now either: its property delta.enableChangeDataFeed is not set.".to_owned(),
        };
        Error::new(Code::WrongState, format!("table \"{}\" did not record its changes at version {version}", self.location)).detail(detail)
    }
}

/// The first version that is not read; None when there can be none.
fn behind(read: Read) -> Option<Version> {
    read.checked_add(1).and_then(|next| Version::try_from(next).ok())
}

fn known_as_read(version: Version) -> Read {
    Read::try_from(version).unwrap_or(Read::MAX)
}

impl Piece {
    /// The rows in these columns, those that the file does not have as NULL, and what became of each: `insert`, `update_postimage`, `delete`.
    ///
    /// # Errors
    /// `Io`, `DataException` when the file cannot be read; `NumericOutOfRange` when a value does not fit the columns.
    pub fn read(&self, columns: &SchemaRef) -> Result<Changes> {
        match self.rows {
            Rows::All(change) => Ok(Box::new(self.file.read(columns)?.map(move |batch| {
                let batch = batch?;
                let changes = StringArray::from_iter_values(std::iter::repeat_n(change, batch.num_rows()));
                Ok((batch, Arc::new(changes) as ArrayRef))
            }))),
            // Mostly nothing was deleted, which the column of changes alone tells.
            Rows::Gone if !self.has_gone()? => Ok(Box::new(std::iter::empty())),
            Rows::Gone => self.chosen(columns, |change| change == DELETE),
            Rows::There => self.chosen(columns, |change| change == INSERT || change == UPDATE),
        }
    }

    fn has_gone(&self) -> Result<bool> {
        for batch in self.file.read(&with_change(&Schema::empty()))? {
            if changes(&batch?)?.iter().any(|change| change == Some(DELETE)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn chosen(&self, columns: &SchemaRef, wanted: fn(&str) -> bool) -> Result<Changes> {
        let rows = self.file.read(&with_change(columns))?;
        Ok(Box::new(rows.map(move |batch| {
            let batch = batch?;
            let keep: BooleanArray = changes(&batch)?.iter().map(|change| Some(change.is_some_and(wanted))).collect();
            let mut rows = if keep.true_count() == batch.num_rows() {
                batch
            } else {
                filter_record_batch(&batch, &keep).map_err(|source| Error::internal("changes cannot be chosen").caused_by(source))?
            };
            let at = rows.num_columns().saturating_sub(1);
            let change = rows.remove_column(at);
            Ok((rows, change))
        })))
    }
}

fn with_change(columns: &Schema) -> SchemaRef {
    let mut fields = columns.fields().to_vec();
    fields.push(Arc::new(Field::new(CHANGE_TYPE, DataType::Utf8, true)));
    Arc::new(Schema::new(fields))
}

fn changes(batch: &RecordBatch) -> Result<StringArray> {
    let column = batch.columns().last().and_then(|column| column.as_string_opt::<i32>().cloned());
    column.ok_or_else(|| Error::new(Code::DataException, "a change file does not say what changed"))
}

#[cfg(test)]
mod tests;
