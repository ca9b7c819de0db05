//! The one way a commit reaches the log.
//!
//! A commit is one file, made durable by a conditional put: it is there whole or not at all, and only one writer gets a version. The work
//! does not grow with the table. When another writer took the version, what it did is read: rows that were only added are added
//! again after it; anything that read the table must be done anew and says so.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::datatypes::{Field, Fields, Schema, SchemaRef};
use bytes::Bytes;
use deltalake::kernel::Version;
use deltalake::kernel::transaction::TransactionError;
use deltalake::logstore::{CommitOrBytes, LogStoreRef};
use uuid::Uuid;

use super::contract::{Committed, Facts, RowCounts, Token};
use super::failure::{delta_failed, store_failed};
use super::files::LiveFile;
use super::lake::{FIRST, has_local_time, not_of_feed, protocol_for};
use super::log::{Action, Entry, Info, MetaData, Txn, encode};
use super::schema;
use super::segment::{Outline, hint, log_folder};
use super::table::Table;
use super::tombstones::Published;
use super::writer::Written;
use crate::clock::{Clock, Micros};
use crate::error::{Code, Error, Result};

/// Times an append steps aside for other writers before it gives up.
const ATTEMPTS: u32 = 100;

/// A checkpoint follows after so many commits when the table does not say.
const CHECKPOINT_INTERVAL: Version = 10;

/// A checkpoint tells of all files of the table. For each so many of them it may come a commit later, so that a commit's share of it
/// does not grow with the table..
const CHECKPOINT_ACTIONS: u64 = 128;

/// ..but not later than this, for a reader has the commits since to read.
const LONGEST_INTERVAL: Version = 160;

/// A commit that is yet to be made.
pub(super) struct Draft<'a> {
    pub operation: &'static str,
    pub parameters: Vec<(&'static str, String)>,
    pub actions: Vec<Action>,
    pub reads: Reads,
    pub rows: RowCounts,
    pub token: Option<&'a Token>,
    /// The set of tombstones from this version on, where it is another than before.
    pub tombstones: Option<Published>,
    pub facts: &'a Facts,
}

/// What the commit rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// Only the columns: it holds whatever rows others write.
    Shape,
    /// The rows of a version: it holds only right after it.
    Rows(Version),
}

impl<'a> Draft<'a> {
    pub(super) fn new(operation: &'static str, facts: &'a Facts) -> Self {
        let rows = RowCounts::default();
        Self { operation, parameters: Vec::new(), actions: Vec::new(), reads: Reads::Shape, rows, token: None, tombstones: None, facts }
    }

    /// The bytes of this commit as that version, and what they say.
    fn encode(&self, version: Version, at: Micros) -> Result<(Bytes, Entry)> {
        let info = Info {
            operation: self.operation,
            parameters: &self.parameters,
            at,
            read_version: version.checked_sub(1),
            is_blind_append: self.reads == Reads::Shape && self.operation == "WRITE",
            rows: self.rows,
            facts: self.facts,
        };
        let mut lines = vec![info.action()];
        if let Some(token) = self.token {
            lines.push(Action::Txn(Txn { app_id: token.app_id.clone(), version: token.batch, last_updated: Some(at.div_euclid(1000)) }));
        }
        if let Some((app_id, number)) = self.tombstones.as_ref().map(Published::token) {
            lines.push(Action::Txn(Txn { app_id: app_id.to_owned(), version: number, last_updated: Some(at.div_euclid(1000)) }));
        }
        let mut entry = Entry::default();
        for line in &lines {
            match line {
                Action::CommitInfo(info) => entry.info = info.clone(),
                Action::Txn(txn) => entry.txns.push(txn.clone()),
                _ => {}
            }
        }
        for action in &self.actions {
            match action {
                Action::MetaData(metadata) => entry.metadata = Some(metadata.clone()),
                Action::Protocol(protocol) => entry.protocol = Some(protocol.clone()),
                _ => {}
            }
        }
        let mut bytes = encode(&lines)?;
        bytes.extend(encode(&self.actions)?);
        Ok((bytes.into(), entry))
    }

    fn committed(&self, version: Version, at: Micros) -> Committed {
        Committed { version, committed_at: at, repeated: false, rows: self.rows, facts: self.facts.clone() }
    }
}

enum Put {
    Done,
    Taken,
}

async fn put(log: &LogStoreRef, version: Version, bytes: Bytes) -> Result<Put> {
    match log.write_commit_entry(version, CommitOrBytes::LogBytes(bytes), Uuid::new_v4()).await {
        Ok(()) => Ok(Put::Done),
        Err(TransactionError::VersionAlreadyExists(_)) => Ok(Put::Taken),
        Err(TransactionError::ObjectStore { source }) => Err(store_failed(source)),
        Err(other) => Err(delta_failed(other.into())),
    }
}

impl Table {
    /// Makes a table by its first commit.
    pub(super) async fn begin(root: &Path, location: &str, clock: &Clock, draft: Draft<'_>) -> Result<()> {
        let (bytes, _) = draft.encode(FIRST, clock.now())?;
        match put(&Self::log_at(root)?, FIRST, bytes).await? {
            Put::Done => Ok(()),
            Put::Taken => Err(Error::new(Code::Conflict, format!("table \"{location}\" was created by another writer"))),
        }
    }

    /// Adds written rows in one commit. With a token also when there are none, so that the batch is known as done.
    ///
    /// Called again with the same token it writes nothing and answers with the first commit.
    ///
    /// # Errors
    /// `Conflict` when another writer changed the columns meanwhile. `Io` or `DiskFull` when the commit is not durable.
    pub async fn append(&self, written: Vec<Written>, token: Option<&Token>, facts: &Facts) -> Result<Committed> {
        let _turn = self.turn().await?;
        if let Some(done) = self.repeated(token).await? {
            return Ok(done);
        }
        let rows = RowCounts { inserted: written.iter().map(Written::rows).sum(), ..RowCounts::default() };
        let state = self.known();
        written.iter().try_for_each(|files| fits(&files.schema, &state.schema))?;
        let actions: Vec<_> = written.into_iter().flat_map(Written::hand_over).map(Action::Add).collect();
        if actions.is_empty() && token.is_none() {
            return Ok(Committed { version: state.version, committed_at: state.committed_at, repeated: false, rows, facts: facts.clone() });
        }
        let parameters = vec![("mode", "Append".to_owned())];
        self.commit(Draft { actions, parameters, rows, token, ..Draft::new("WRITE", facts) }).await
    }

    /// Adds nullable columns that the table does not have yet. None is missing: no commit.
    ///
    /// # Errors
    /// `WrongType` when a column is there with another type.
    pub async fn evolve(&self, add: &[Field], facts: &Facts) -> Result<Option<Committed>> {
        let _turn = self.turn().await?;
        self.check_writable()?;
        let state = self.refresh().await?;
        let mut fields = state.schema.fields().to_vec();
        for field in schema::normalise(&Schema::new(add.to_vec())).fields() {
            match state.schema.fields().iter().find(|known| known.name().eq_ignore_ascii_case(field.name())) {
                Some(known) if known.name() == field.name() && known.data_type() == field.data_type() => {}
                Some(known) => {
                    return Err(Error::new(
                        Code::WrongType,
                        format!("column \"{}\" is already there as {}", known.name(), known.data_type()),
                    ));
                }
                None => fields.push(Arc::new(field.as_ref().clone().with_nullable(true))),
            }
        }
        if fields.len() == state.schema.fields().len() {
            return Ok(None);
        }
        not_of_feed(&Schema::new(add.to_vec()))?;
        let actions = self.reshape(&Arc::new(Schema::new(fields)))?;
        // Another writer's columns would be lost if this description replaced theirs.
        let draft = Draft { actions, reads: Reads::Rows(state.version), ..Draft::new("ADD COLUMN", facts) };
        self.commit(draft).await.map(Some)
    }

    /// Gives a table without rows, and without memory of deleted ones, these columns. False when it has any: then nothing happens.
    ///
    /// # Errors
    /// `Conflict` when another writer changed the table meanwhile.
    pub async fn reshape_empty(&self, columns: &SchemaRef, facts: &Facts) -> Result<bool> {
        let _turn = self.turn().await?;
        self.check_writable()?;
        let state = self.refresh().await?;
        if !self.is_blank().await? {
            return Ok(false);
        }
        let actions = self.reshape(&schema::normalise(columns))?;
        self.commit(Draft { actions, reads: Reads::Rows(state.version), ..Draft::new("CHANGE COLUMNS", facts) }).await.map(|_| true)
    }

    /// Whether the newest version has no rows, and no memory of deleted ones.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn is_blank(&self) -> Result<bool> {
        self.refresh().await?;
        let files = self.live_files(&*self.snapshot().await?).await?;
        let dead = self.tombstones().await?.is_some_and(|tombstones| !tombstones.is_empty());
        Ok(!dead && files.iter().map(LiveFile::rows).sum::<Result<i64>>()? == 0)
    }

    /// The actions that give the table these columns.
    pub(super) fn reshape(&self, columns: &SchemaRef) -> Result<Vec<Action>> {
        let state = self.known();
        let schema_string = serde_json::to_string(&schema::to_delta(columns)?)
            .map_err(|source| Error::internal("a schema cannot be encoded").caused_by(source))?;
        let metadata = MetaData { schema_string, ..state.metadata.as_ref().clone() };
        let mut actions = vec![Action::MetaData(metadata)];
        let is_new = |fields: &Fields| fields.iter().any(|field| has_local_time(field));
        if is_new(columns.fields()) && !is_new(state.schema.fields()) && state.protocol.min_reader_version < 3 {
            actions.insert(0, Action::Protocol(protocol_for(columns)));
        }
        Ok(actions)
    }

    /// The commit of this token, if it was made before.
    pub(super) async fn repeated(&self, token: Option<&Token>) -> Result<Option<Committed>> {
        let Some(token) = token else {
            self.refresh().await?;
            return Ok(None);
        };
        match self.applied(&token.app_id).await? {
            Some(batch) if batch >= token.batch => self.find(token).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn find(&self, token: &Token) -> Result<Committed> {
        let state = self.known();
        if let Some((batch, committed)) = state.made.get(&token.app_id)
            && *batch == token.batch
        {
            return Ok(Committed { repeated: true, ..committed.clone() });
        }
        let mut version = state.version;
        while let Some(bytes) = self.log.read_commit_entry(version).await.map_err(delta_failed)? {
            let entry = Entry::parse(&bytes)?;
            if entry.txns.iter().any(|txn| txn.app_id == token.app_id && txn.version == token.batch) {
                let committed_at = entry.committed_at().unwrap_or(0);
                return Ok(Committed { version, committed_at, repeated: true, rows: entry.rows(), facts: entry.facts() });
            }
            let Some(before) = version.checked_sub(1) else { break };
            version = before;
        }
        // The log no longer reaches back to it: that it was made is all that is known.
        Ok(Committed {
            version: state.version,
            committed_at: state.committed_at,
            repeated: true,
            rows: RowCounts::default(),
            facts: Facts::default(),
        })
    }

    /// Makes the commit. The caller has the turn and has checked the token.
    ///
    /// When there is no room for it, the files that it would have added are removed: they are the first to give room back.
    pub(super) async fn commit(&self, draft: Draft<'_>) -> Result<Committed> {
        let names = |action: &Action| match action {
            Action::Add(file) => Some(self.root.join(&file.path)),
            Action::Cdc(file) => Some(self.root.join(&file.path)),
            _ => None,
        };
        let tombstones = draft.tombstones.iter().flat_map(|published| published.paths.iter().cloned());
        let files: Vec<_> = draft.actions.iter().filter_map(names).chain(tombstones).collect();
        let outcome = self.try_commit(draft).await;
        if outcome.as_ref().is_err_and(|error| error.code() == Code::DiskFull) {
            // One that stays is an orphan, which no reader sees.
            files.iter().for_each(|file| drop(std::fs::remove_file(file)));
        }
        outcome
    }

    async fn try_commit(&self, draft: Draft<'_>) -> Result<Committed> {
        self.check_writable()?;
        let start = self.known();
        if let Reads::Rows(version) = draft.reads
            && version != start.version
        {
            return Err(self.overtaken());
        }
        for _ in 0..ATTEMPTS {
            let state = self.known();
            let version = state.version + 1;
            // The log's times never run backwards, so that a time names one version.
            let at = self.clock.now().max(state.committed_at);
            let (bytes, entry) = draft.encode(version, at)?;
            if let Put::Done = put(&self.log, version, bytes).await? {
                self.take_in(version, &entry)?;
                let committed = draft.committed(version, at);
                if let Some(token) = draft.token {
                    self.remember(&token.app_id, token.batch, &committed);
                }
                self.follow_up(version).await;
                return Ok(committed);
            }
            let now = self.refresh().await?;
            if let Some(done) = self.repeated(draft.token).await? {
                return Ok(done);
            }
            if draft.reads != Reads::Shape || now.shaped_at > start.version {
                return Err(self.overtaken());
            }
        }
        Err(self.overtaken())
    }

    pub(super) fn overtaken(&self) -> Error {
        Error::new(Code::Conflict, format!("table \"{}\" was changed by another writer meanwhile", self.location))
            .hint("Run the statement again.".to_owned())
    }

    /// Starts a checkpoint when enough commits came since the last; it works beside the writers.
    async fn follow_up(&self, version: Version) {
        let interval = self.known().metadata.configuration.get("delta.checkpointInterval").and_then(|text| text.parse().ok());
        let interval = interval.filter(|interval| *interval > 0).unwrap_or(CHECKPOINT_INTERVAL);
        let mut checkpoint = self.checkpoint_state().await;
        let worth = (checkpoint.size.load(Ordering::Relaxed) / CHECKPOINT_ACTIONS).min(LONGEST_INTERVAL);
        let is_busy = checkpoint.task.as_ref().is_some_and(|task| !task.is_finished());
        if is_busy || version.saturating_sub(checkpoint.version) < interval.max(worth) {
            return;
        }
        checkpoint.version = version;
        let (size, root, location) = (Arc::clone(&checkpoint.size), self.root.clone(), self.location.clone());
        checkpoint.task = Some(tokio::spawn(async move {
            match write_checkpoint(&root, version).await {
                Ok(actions) => size.store(actions, Ordering::Relaxed),
                // A missing checkpoint costs time, never rows: the next one makes up for it.
                Err(error) => tracing::warn!(table = location, version, error = %error.chain(), "checkpoint failed"),
            }
        }));
    }
}

/// Writes the checkpoint of a version, and answers how many actions it has.
async fn write_checkpoint(root: &Path, version: Version) -> Result<u64> {
    let outline = Outline::read(root, Some(version)).await?;
    outline.ok_or_else(|| Error::internal("the log has a gap before the checkpoint"))?.write_checkpoint().await?;
    Ok(hint(&log_folder(root)).map_or(0, |hint| hint.size))
}

/// Whether files with these columns can be read as a table of those.
fn fits(files: &SchemaRef, table: &SchemaRef) -> Result<()> {
    let same = |field: &Arc<Field>| table.field_with_name(field.name()).is_ok_and(|known| known.data_type() == field.data_type());
    let filled = |field: &Arc<Field>| field.is_nullable() || files.field_with_name(field.name()).is_ok();
    if files.fields().iter().all(same) && table.fields().iter().all(filled) {
        return Ok(());
    }
    Err(Error::new(Code::Conflict, "the table's columns changed while rows were written").hint("Run the statement again.".to_owned()))
}
