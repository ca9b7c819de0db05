//! Which keys were deleted, and by which sequence: what a keyed table remembers of rows that it no longer has.
//!
//! An event that is older than a deletion must not bring the key back, also when it comes much later. So every version of a keyed table may
//! have a set of tombstones: rows of key and sequence, in Parquet files beside the data, under a folder that no reader of the table looks into.
//! A list of the set's files is written anew for each version that changes it; a token in the commit names the list by its number. So the set
//! changes with the rows or not at all: a list that no commit names is never read, whatever process was killed between the two, and an old
//! version can be gone back to with the tombstones that it had.
//!
//! A history keeps more than deletions in the set: all events that its rows do not tell (`upsert/history`), each with what the row lacks.
//!
//! A key has one tombstone at most while it is deleted, and none once it is back: the place of an outdated one is marked in the list, and it is
//! left out when files are merged. Files of like size are merged, so that there are few and each row is copied seldom.
//!
//! Not here: who is deleted (`upsert`), and taking files away that only old versions need, as for those of the data.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, is_not_null};
use arrow::datatypes::{Field, Schema, SchemaRef};
use base64::prelude::BASE64_STANDARD;
use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::contract::UpsertSpec;
use super::failure::{blocking_failed, io_failed};
use super::files::{DataFile, FileStats};
use super::schema;
use super::segment::Outline;
use super::table::Table;
use super::writer::{Layout, Purpose, Writer, WriterOptions, Written};
use crate::error::{Code, Error, Result};
use crate::stores::{create_dir_durable, sync_dir, sync_file};

/// The application of the token whose version is the number of the list.
pub(super) const APP: &str = "weir.tombstones";

/// Readers and cleaners of Delta tables pass over folders that begin with `_`.
pub(super) const FOLDER: &str = "_weir_tombstones";

/// What lists of this program look like; an older program refuses a newer list.
const FORMAT: u32 = 2;

/// The form of lists that hold nothing but deletions, which older programs know, too.
const FORMAT_OF_DELETIONS: u32 = 1;

/// The column of a sequence that the table does not keep.
pub(super) const OWN_SEQUENCE: &str = "__weir_sequence";

/// Among the events of a history, the column that tells which are deletions.
pub(super) const DELETION: &str = "__weir_deletion";

/// Files with fewer rows than this are merged whatever the others are.
const SMALL: u64 = 4096;

/// The list of a set, as it is written.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct List {
    format: u32,
    pub key: Vec<String>,
    /// The column that the deletions are ordered by.
    pub sequence: String,
    #[serde(default, skip_serializing_if = "Holds::are_deletions")]
    pub holds: Holds,
    pub parts: Vec<Part>,
}

/// What the rows of a set's files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Holds {
    /// Deleted keys, each with its sequence.
    #[default]
    Deletions,
    /// Events of a history.
    Events,
}

impl Holds {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    fn are_deletions(&self) -> bool {
        *self == Self::Deletions
    }
}

/// What a table remembers by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Memory {
    pub key: Vec<String>,
    pub sequence: String,
    pub holds: Holds,
}

impl Memory {
    /// That of a table with one row for each key.
    pub(super) fn of(spec: &UpsertSpec) -> Self {
        Self { key: spec.key.clone(), sequence: spec.sequence.clone().unwrap_or_default(), holds: Holds::Deletions }
    }

    /// That of a history.
    pub(super) fn of_history(key: &[String]) -> Self {
        Self { key: key.to_vec(), sequence: OWN_SEQUENCE.to_owned(), holds: Holds::Events }
    }
}

/// A file of tombstones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    path: String,
    rows: u64,
    stats: Option<String>,
    /// Rows that no longer count.
    #[serde(default, skip_serializing_if = "RoaringTreemap::is_empty", with = "places")]
    pub gone: RoaringTreemap,
}

/// A list that is durable but not committed yet.
#[derive(Debug)]
pub(super) struct Published {
    pub number: i64,
    /// What to take away should there be no room for the commit.
    pub paths: Vec<PathBuf>,
}

/// The set of a version.
#[derive(Debug, Clone)]
pub(super) struct Tombstones {
    root: PathBuf,
    pub list: List,
}

impl Part {
    fn live(&self) -> u64 {
        self.rows.saturating_sub(self.gone.len())
    }

    pub(super) fn data(&self, root: &Path) -> DataFile {
        DataFile { path: root.join(FOLDER).join(&self.path), partition: BTreeMap::new() }
    }

    pub(super) fn stats(&self) -> Option<FileStats> {
        self.stats.as_deref().and_then(FileStats::parse)
    }
}

impl List {
    pub(super) fn of(memory: &Memory, parts: Vec<Part>) -> Self {
        let Memory { key, sequence, holds } = memory.clone();
        let format = if holds == Holds::Deletions { FORMAT_OF_DELETIONS } else { FORMAT };
        Self { format, key, sequence, holds, parts }
    }

    fn live(&self) -> u64 {
        self.parts.iter().map(Part::live).sum()
    }

    /// Adds files that were just written.
    pub(super) fn add(&mut self, written: &Written) {
        for file in &written.files {
            let stats = file.stats.clone();
            let rows = stats.as_deref().and_then(FileStats::parse).and_then(|stats| stats.rows()).and_then(|rows| u64::try_from(rows).ok());
            self.parts.push(Part { path: file.path.clone(), rows: rows.unwrap_or(0), stats, gone: RoaringTreemap::new() });
        }
    }
}

impl Tombstones {
    /// Whether a keyed write can tell by this set what it was not to bring back.
    ///
    /// # Errors
    /// `WrongState` when what is remembered is of other keys, in another order, or of another kind.
    pub(super) fn check(&self, memory: &Memory, location: &str) -> Result<()> {
        let list = &self.list;
        if self.is_empty() {
            return Ok(());
        }
        let hint = "Fill the table anew with RUN PIPELINE .. FULL REFRESH.".to_owned();
        if list.holds != memory.holds {
            let what = if list.holds == Holds::Events { "is a history" } else { "has one row for each key" };
            return Err(
                Error::new(Code::WrongState, format!("table \"{location}\" {what} and cannot be written in another way")).hint(hint)
            );
        }
        let same_key = list.key.len() == memory.key.len() && list.key.iter().all(|column| memory.key.contains(column));
        if same_key && memory.sequence == list.sequence {
            return Ok(());
        }
        let (key, sequence) = (list.key.join(", "), &list.sequence);
        Err(Error::new(Code::WrongState, format!("table \"{location}\" remembers deletions by another key or another sequence"))
            .detail(format!("They were of the key ({key}), in the order of {sequence}."))
            .hint(hint))
    }

    /// Whether no key is known to be deleted.
    pub(super) fn is_empty(&self) -> bool {
        self.list.live() == 0
    }

    /// The files of the set, below the folder of tombstones.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.list.parts.iter().map(|part| part.path.as_str())
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }
}

/// The columns of a set's files: the key, then the sequence.
pub(super) fn columns(key: &[String], sequence: &str, known: &[&Field]) -> Result<SchemaRef> {
    let names = key.iter().map(String::as_str).chain(Some(sequence).filter(|sequence| !key.iter().any(|name| name == sequence)));
    let field = |name: &str| {
        let found = known.iter().find(|field| field.name() == name);
        let found = found.ok_or_else(|| Error::internal(format!("column {name} of a tombstone has no type")))?;
        Ok(Field::new(name, found.data_type().clone(), true))
    };
    Ok(Arc::new(Schema::new(names.map(field).collect::<Result<Vec<_>>>()?)))
}

/// Opens a writer of tombstones with these columns for a table. Those of `filtered` get filters, by which their values are looked up.
pub(super) fn writer(table: &Layout, columns: &SchemaRef, filtered: &[String]) -> Result<Writer> {
    let (root, schema) = (table.root.join(FOLDER), columns.clone());
    let layout = Layout { root, schema, partition_by: Vec::new(), key: filtered.to_vec(), ..table.clone() };
    Writer::new(layout, WriterOptions { row_group_bytes: 4 << 20, ..WriterOptions::default() }, Purpose::Data)
}

/// Takes files out of the list that are better written together with `fresh` new rows, or that have no row left.
pub(super) fn to_merge(parts: &mut Vec<Part>, fresh: u64) -> Vec<Part> {
    parts.retain(|part| part.live() > 0);
    parts.sort_by_key(Part::live);
    let (mut together, mut merged, mut kept) = (fresh, Vec::new(), Vec::new());
    for part in parts.drain(..) {
        // Half of it is outdated, or it is not much more than what is written anyway.
        if part.gone.len() * 2 > part.rows || part.live() <= (together * 2).max(SMALL) {
            together += part.live();
            merged.push(part);
        } else {
            kept.push(part);
        }
    }
    *parts = kept;
    // One file that would only be copied.
    if fresh == 0 && merged.len() == 1 && merged.iter().all(|part| part.gone.is_empty()) {
        parts.append(&mut merged);
    }
    merged
}

/// Copies the rows of a file that still count.
pub(super) fn copy(part: &Part, root: &Path, columns: &SchemaRef, into: &mut Writer) -> Result<()> {
    let mut first = 0_u64;
    for batch in part.data(root).read(columns)? {
        let batch = batch?;
        let keep: BooleanArray = (first..).take(batch.num_rows()).map(|row| Some(!part.gone.contains(row))).collect();
        into.push(&filter_record_batch(&batch, &keep).map_err(|source| Error::internal("tombstones cannot be copied").caused_by(source))?)?;
        first += batch.num_rows() as u64;
    }
    Ok(())
}

/// Rows whose sequence is known: nothing is older than a deletion without one, so it need not be remembered.
pub(super) fn with_sequence(rows: &RecordBatch, sequence: &ArrayRef) -> Result<RecordBatch> {
    if sequence.logical_null_count() == 0 {
        return Ok(rows.clone());
    }
    is_not_null(sequence)
        .and_then(|keep| filter_record_batch(rows, &keep))
        .map_err(|source| Error::internal("tombstones cannot be chosen").caused_by(source))
}

/// The deletions that a table begins anew with.
pub struct DeletionsWriter {
    spec: UpsertSpec,
    sequence: String,
    columns: SchemaRef,
    writer: Writer,
}

/// Written deletions, for the commit that replaces all rows.
pub struct Deletions {
    pub(super) list: List,
    pub(super) written: Written,
}

impl DeletionsWriter {
    /// Adds deleted keys with their sequences; other columns are passed over. No key may come twice.
    ///
    /// # Errors
    /// `UndefinedColumn` when the key or the sequence is missing; `Io` or `DiskFull` when they cannot be kept.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let rows = schema::project(rows, &self.columns)?;
        let sequence = rows.column_by_name(&self.sequence).ok_or_else(|| Error::internal("deleted rows came without their sequence"))?;
        self.writer.push(&with_sequence(&rows, sequence)?)
    }

    /// Ends the files. On return they are durable.
    pub async fn finish(self) -> Result<Deletions> {
        let written = self.writer.finish().await?;
        let mut list = List::of(&Memory::of(&self.spec), Vec::new());
        list.add(&written);
        Ok(Deletions { list, written })
    }
}

impl Table {
    /// Opens a writer for the keys that were deleted in what is about to replace all rows, if `spec` orders deletions at all.
    ///
    /// # Errors
    /// `Internal` when the columns of `spec` are not among `columns`, those of the table to be.
    pub fn deletions_writer(&self, spec: &UpsertSpec, columns: &SchemaRef) -> Result<Option<DeletionsWriter>> {
        let (Some(sequence), Some(_)) = (&spec.sequence, &spec.delete) else { return Ok(None) };
        let normal = schema::normalise(columns);
        let fields: Vec<&Field> = normal.fields().iter().map(AsRef::as_ref).collect();
        let columns = self::columns(&spec.key, sequence, &fields)?;
        let writer = writer(&self.layout(), &columns, &[])?;
        Ok(Some(DeletionsWriter { spec: spec.clone(), sequence: sequence.clone(), columns, writer }))
    }

    /// The tombstones of the newest version; None for a table that never had any.
    pub(super) async fn tombstones(&self) -> Result<Option<Tombstones>> {
        match self.applied(APP).await? {
            Some(number) => self.load_tombstones(number).await.map(Some),
            None => Ok(None),
        }
    }

    /// The tombstones of an old version.
    pub(super) async fn tombstones_of(&self, then: &Outline) -> Result<Option<Tombstones>> {
        match then.applied(APP).await? {
            Some(number) => self.load_tombstones(number).await.map(Some),
            None => Ok(None),
        }
    }

    /// Hands on the deletions that the newest version remembers by this key and sequence: the columns of the key, then the sequence. Nothing where
    /// the table remembers by others.
    ///
    /// # Errors
    /// When they cannot be read, and what `take` says.
    pub async fn remembered(
        &self,
        key: &[String],
        sequence: &str,
        take: &mut (dyn FnMut(&RecordBatch) -> Result<()> + Send),
    ) -> Result<()> {
        let is_asked = |list: &List| list.holds == Holds::Deletions && list.key == key && list.sequence == sequence;
        let Some(dead) = self.tombstones().await?.filter(|dead| is_asked(&dead.list)) else { return Ok(()) };
        let table = self.schema();
        let fields: Vec<&Field> = table.fields().iter().map(AsRef::as_ref).collect();
        let columns = columns(key, sequence, &fields)?;
        for part in &dead.list.parts {
            let mut first = 0_u64;
            for batch in part.data(&dead.root).read(&columns)? {
                let batch = batch?;
                let live: BooleanArray = (first..).take(batch.num_rows()).map(|row| Some(!part.gone.contains(row))).collect();
                first += batch.num_rows() as u64;
                take(
                    &filter_record_batch(&batch, &live).map_err(|source| Error::internal("tombstones cannot be read").caused_by(source))?,
                )?;
            }
        }
        Ok(())
    }

    pub(super) async fn load_tombstones(&self, number: i64) -> Result<Tombstones> {
        let (root, path) = (self.root.clone(), list_path(&self.root, number));
        let lost = |error: Error| {
            error
                .detail(format!("List {number} in the folder {FOLDER} of table \"{}\" is not there or not whole.", self.location))
                .hint("Bring the folder back, or fill the table anew with RUN PIPELINE .. FULL REFRESH.".to_owned())
        };
        let bytes = tokio::task::spawn_blocking(move || std::fs::read(path))
            .await
            .map_err(blocking_failed)?
            .map_err(|source| lost(io_failed("the table's deleted keys cannot be read", source)))?;
        let unreadable = |source| lost(Error::new(Code::DataException, "the table's deleted keys cannot be read").caused_by(source));
        let list: Value = serde_json::from_slice(&bytes).map_err(unreadable)?;
        if list.get("format").and_then(Value::as_u64).is_some_and(|format| format > u64::from(FORMAT)) {
            let message = format!("table \"{}\" was written by a newer version of the hub", self.location);
            return Err(Error::new(Code::NotSupported, message));
        }
        Ok(Tombstones { root, list: serde_json::from_value(list).map_err(unreadable)? })
    }

    /// Writes the list that a commit is to name, behind that of the version on which the commit rests.
    pub(super) async fn publish_tombstones(&self, list: List) -> Result<Published> {
        let (root, before) = (self.root.clone(), self.applied(APP).await?);
        let publish = move || publish(&root, before.unwrap_or(0) + 1, &list);
        let published = tokio::task::spawn_blocking(publish).await.map_err(blocking_failed)?;
        let published = published.map_err(|source| io_failed("the table's deleted keys cannot be written", source))?;
        fail::fail_point!("tombstones.written", |_| std::process::abort());
        Ok(published)
    }

    /// Whether the newest version is known to remember nothing. A set that is lost must not stand in the way of what replaces it.
    async fn remembers_nothing(&self) -> Result<bool> {
        match self.applied(APP).await? {
            Some(number) => Ok(self.load_tombstones(number).await.is_ok_and(|now| now.list.parts.is_empty())),
            None => Ok(true),
        }
    }

    /// The list of the deletions that all rows are replaced with.
    pub(super) async fn publish_deletions(&self, deletions: Deletions) -> Result<Option<Published>> {
        let Deletions { list, written } = deletions;
        if list.parts.is_empty() && self.remembers_nothing().await? {
            return Ok(None);
        }
        self.publish_tombstones(list).await.map(|published| Some(published.with(&self.root, Some(written))))
    }

    /// The list that forgets all deletions, unless there are none: what replaces all rows replaces them, too.
    pub(super) async fn publish_without_tombstones(&self) -> Result<Option<Published>> {
        match self.remembers_nothing().await? {
            true => Ok(None),
            false => self.publish_tombstones(List { format: FORMAT_OF_DELETIONS, ..List::default() }).await.map(Some),
        }
    }

    /// The list with the deletions of an old version, unless it is that of the newest.
    pub(super) async fn publish_tombstones_of(&self, then: &Outline) -> Result<Option<Published>> {
        let Some(old) = self.tombstones_of(then).await? else { return self.publish_without_tombstones().await };
        match self.tombstones().await {
            Ok(Some(now)) if old.list == now.list => Ok(None),
            _ => self.publish_tombstones(old.list).await.map(Some),
        }
    }
}

impl Tombstones {
    /// The list after a keyed write: what is kept of the old one.
    pub(super) fn followed_by(before: Option<&Self>, memory: &Memory, parts: Vec<Part>) -> List {
        match before {
            Some(before) if !before.is_empty() => List { parts, ..before.list.clone() },
            _ => List::of(memory, parts),
        }
    }
}

impl Published {
    /// Takes over the files that the list is the first to name.
    pub(super) fn with(mut self, root: &Path, written: Option<Written>) -> Self {
        let files = written.into_iter().flat_map(Written::hand_over);
        self.paths.extend(files.map(|file| root.join(FOLDER).join(file.path)));
        self
    }

    /// The token by which the commit names the list.
    pub(super) fn token(&self) -> (&'static str, i64) {
        (APP, self.number)
    }
}

/// The file name of a list.
pub(super) fn list_name(number: i64) -> String {
    format!("{number:020}.json")
}

fn list_path(root: &Path, number: i64) -> PathBuf {
    root.join(FOLDER).join(list_name(number))
}

/// Writes a list under the first free number. One that was left by a crash keeps its number for ever: nobody names it.
fn publish(root: &Path, first: i64, list: &List) -> std::io::Result<Published> {
    let folder = root.join(FOLDER);
    create_dir_durable(&folder)?;
    let bytes = serde_json::to_vec(list)?;
    let mut number = first;
    let (path, mut file) = loop {
        let path = list_path(root, number);
        match File::options().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            opened => break (path, opened?),
        }
    };
    let whole = file.write_all(&bytes).and_then(|()| sync_file(&file, &path)).and_then(|()| sync_dir(&folder));
    if let Err(error) = whole {
        drop(std::fs::remove_file(&path));
        return Err(error);
    }
    Ok(Published { number, paths: vec![path] })
}

/// Places as text.
mod places {
    use super::{BASE64_STANDARD, Deserialize, RoaringTreemap};
    use base64::Engine as _;
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(places: &RoaringTreemap, to: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(places.serialized_size());
        places.serialize_into(&mut bytes).map_err(S::Error::custom)?;
        to.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<RoaringTreemap, D::Error> {
        let bytes = BASE64_STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)?;
        RoaringTreemap::deserialize_from(bytes.as_slice()).map_err(D::Error::custom)
    }
}
