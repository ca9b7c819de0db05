//! One table: its newest state, its queue of writers, and what may be read of it.
//!
//! The newest version, schema and tokens are kept current by reading only the commits that came since; the list of files is first read when a
//! reader or a keyed write needs it, and then moved forward commit by commit. So neither opening a table nor adding to it grows with it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use deltalake::DeltaTable;
use deltalake::delta_datafusion::DeltaScanNext;
use deltalake::kernel::{EagerSnapshot, Version};
use deltalake::logstore::LogStoreRef;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};
use tokio::task::JoinHandle;

use super::contract::Committed;
use super::failure::delta_failed;
use super::filters::key_of;
use super::lake::Scratch;
use super::log::{Entry, MetaData, Protocol};
use super::scan::Scan;
use super::schema;
use super::segment::{LOG, Outline, hint, log_folder, open_log};
use super::writer::{InFlight, Layout, Purpose, Writer, WriterOptions};
use crate::clock::{Clock, Micros};
use crate::error::{Code, Error, Result};
use crate::stores::FsyncStore;

/// A Delta table of the lake.
pub struct Table {
    pub(super) location: String,
    pub(super) root: PathBuf,
    pub(super) scratch: Scratch,
    pub(super) clock: Clock,
    pub(super) log: LogStoreRef,
    state: Mutex<State>,
    /// The library's view of the table, with its list of files, once somebody asked; its version may lag behind `state`.
    files: AsyncMutex<DeltaTable>,
    /// Writers of this hub stand in line here, from their check of the token to their commit.
    queue: AsyncMutex<()>,
    checkpoint: AsyncMutex<Checkpoint>,
    retired: AtomicBool,
    pub(super) in_flight: InFlight,
    /// Held by open transactions that rest on the files of a version.
    lease: Arc<()>,
    /// Passed by who takes a lease, and by who swaps files: never both at once.
    gate: AsyncMutex<()>,
}

pub(super) struct Checkpoint {
    /// The last one, or the one that is being written.
    pub version: Version,
    pub task: Option<JoinHandle<()>>,
    /// Actions in the last one, which is what the next will cost.
    pub size: Arc<AtomicU64>,
}

/// What the newest known version says.
#[derive(Clone)]
pub(super) struct State {
    pub version: Version,
    pub committed_at: Micros,
    pub metadata: Arc<MetaData>,
    pub protocol: Arc<Protocol>,
    pub schema: SchemaRef,
    /// Version that last changed metadata or protocol, as far as this handle has seen.
    pub shaped_at: Version,
    /// Version that last changed rows, columns or tokens, as far as this handle has seen; later ones only have the same rows in other files.
    pub changed_at: Version,
    /// Tokens seen since the table was opened, and older ones that were looked up.
    tokens: Arc<HashMap<String, Option<i64>>>,
    /// The last commit of each token that this handle made.
    pub made: Arc<HashMap<String, (i64, Committed)>>,
}

impl Table {
    pub(super) fn log_at(root: &Path) -> Result<LogStoreRef> {
        open_log(root, FsyncStore::default())
    }

    pub(super) async fn load(root: &Path, location: &str, scratch: &Scratch, clock: &Clock) -> Result<Arc<Self>> {
        let gone = || Error::new(Code::DataException, format!("the log of table \"{location}\" has a gap"));
        let outline = Outline::read(root, None).await?.ok_or_else(gone)?;
        let (version, metadata) = (outline.version(), outline.metadata()?);
        let log = Self::log_at(root)?;
        let committed_at = match log.read_commit_entry(version).await.map_err(delta_failed)? {
            Some(bytes) => Entry::parse(&bytes)?.committed_at().unwrap_or(0),
            None => 0,
        };
        let state = State {
            version,
            committed_at,
            schema: schema::from_delta(&metadata.schema_string)?,
            metadata: Arc::new(metadata),
            protocol: Arc::new(outline.protocol()?),
            shaped_at: version,
            changed_at: version,
            tokens: Arc::default(),
            made: Arc::default(),
        };
        let size = hint(&log_folder(root)).map_or(0, |hint| hint.size);
        let checkpoint = Checkpoint { version: outline.checkpoint.unwrap_or(0), task: None, size: Arc::new(AtomicU64::new(size)) };
        Ok(Arc::new(Self {
            location: location.to_owned(),
            root: root.to_owned(),
            scratch: scratch.clone(),
            clock: clock.clone(),
            files: AsyncMutex::new(DeltaTable::new(log.clone())),
            log,
            state: Mutex::new(state),
            queue: AsyncMutex::default(),
            checkpoint: AsyncMutex::new(checkpoint),
            retired: AtomicBool::new(false),
            in_flight: InFlight::default(),
            lease: Arc::default(),
            gate: AsyncMutex::default(),
        }))
    }

    /// The columns of the newest version that this handle knows.
    pub fn schema(&self) -> SchemaRef {
        self.state.lock().schema.clone()
    }

    pub fn location(&self) -> &str {
        &self.location
    }

    /// The newest version, also when another writer made it.
    pub async fn version(&self) -> Result<u64> {
        Ok(self.refresh().await?.version)
    }

    /// The newest version and when it was committed.
    pub async fn newest(&self) -> Result<(u64, Micros)> {
        let state = self.refresh().await?;
        Ok((state.version, state.committed_at))
    }

    /// The rows of a version, or of the newest, in that version's own columns.
    ///
    /// The provider is a snapshot: later commits do not change it.
    ///
    /// # Errors
    /// `InvalidParameter` when the version does not exist or is no longer kept.
    pub async fn scan(&self, version: Option<u64>) -> Result<Arc<dyn TableProvider>> {
        let newest = self.refresh().await?.version;
        let builder = match version {
            Some(version) if version != newest => {
                DeltaScanNext::builder().with_log_store(self.log_of(version).await?).with_table_version(version)
            }
            _ => DeltaScanNext::builder().with_log_store(self.log.clone()).with_eager_snapshot(self.snapshot().await?),
        };
        let scan =
            builder.build().await.map_err(|source| Error::new(Code::DataException, "the table's log cannot be read").caused_by(source))?;
        Ok(Scan::over(Arc::new(scan)))
    }

    /// The batch of a token's application that was committed last.
    pub async fn applied(&self, token_app: &str) -> Result<Option<i64>> {
        let state = self.refresh().await?;
        if let Some(known) = state.tokens.get(token_app) {
            return Ok(*known);
        }
        // What is committed from here on is known by itself, and newer than what is found.
        let found = self.outline_of(state.version).await?.applied(token_app).await?;
        let mut state = self.state.lock();
        Ok(*Arc::make_mut(&mut state.tokens).entry(token_app.to_owned()).or_insert(found))
    }

    /// Opens a writer of files for one commit. Several may work at once and be committed together.
    #[expect(clippy::unused_async, reason = "stores that are not local are reached over the network here")]
    pub async fn writer(&self, options: WriterOptions) -> Result<Writer> {
        self.check_writable()?;
        Writer::new(self.layout(), options, Purpose::Data)
    }

    pub(super) fn layout(&self) -> Layout {
        let state = self.state.lock();
        Layout {
            root: self.root.clone(),
            schema: state.schema.clone(),
            partition_by: state.metadata.partition_columns.clone(),
            key: key_of(&state.metadata),
            clock: self.clock.clone(),
            in_flight: self.in_flight.clone(),
        }
    }

    /// Waits for the turn to write.
    pub(super) async fn turn(&self) -> Result<MutexGuard<'_, ()>> {
        let turn = self.queue.lock().await;
        if self.retired.load(Ordering::Acquire) {
            return Err(Error::new(Code::UndefinedTable, format!("table \"{}\" was dropped", self.location)));
        }
        Ok(turn)
    }

    /// Lets nobody write any more; returns when the last one is done.
    pub(super) async fn retire(&self) -> MutexGuard<'_, ()> {
        let turn = self.queue.lock().await;
        self.retired.store(true, Ordering::Release);
        self.settle().await;
        turn
    }

    /// Waits for a checkpoint that is under way.
    pub(super) async fn settle(&self) {
        if let Some(task) = self.checkpoint.lock().await.task.take()
            && let Err(error) = task.await
        {
            tracing::warn!(table = self.location, %error, "checkpoint broke off");
        }
    }

    /// Takes in the commits made since the last look, and returns the newest state.
    pub(super) async fn refresh(&self) -> Result<State> {
        loop {
            let next = self.state.lock().version + 1;
            // Mostly nothing has come: that is seen without a trip to another thread.
            let entry = self.root.join(LOG).join(format!("{next:020}.json"));
            if matches!(std::fs::exists(entry), Ok(false)) {
                return Ok(self.state.lock().clone());
            }
            match self.log.read_commit_entry(next).await.map_err(delta_failed)? {
                Some(bytes) => self.take_in(next, &Entry::parse(&bytes)?)?,
                None => return Ok(self.state.lock().clone()),
            }
        }
    }

    /// Moves the state on to `version`, unless somebody else already did.
    pub(super) fn take_in(&self, version: Version, entry: &Entry) -> Result<()> {
        let schema = entry.metadata.as_ref().map(|metadata| schema::from_delta(&metadata.schema_string)).transpose()?;
        let mut state = self.state.lock();
        if state.version + 1 != version {
            return Ok(());
        }
        state.version = version;
        if !entry.is_compaction() {
            state.changed_at = version;
        }
        state.committed_at = entry.committed_at().unwrap_or(state.committed_at).max(state.committed_at);
        for txn in &entry.txns {
            Arc::make_mut(&mut state.tokens).insert(txn.app_id.clone(), Some(txn.version));
        }
        if entry.metadata.is_some() || entry.protocol.is_some() {
            state.shaped_at = version;
        }
        if let Some(metadata) = &entry.metadata {
            state.metadata = Arc::new(metadata.clone());
        }
        if let Some(protocol) = &entry.protocol {
            state.protocol = Arc::new(protocol.clone());
        }
        if let Some(schema) = schema {
            state.schema = schema;
        }
        Ok(())
    }

    pub(super) fn remember(&self, app_id: &str, batch: i64, committed: &Committed) {
        let mut state = self.state.lock();
        Arc::make_mut(&mut state.made).insert(app_id.to_owned(), (batch, committed.clone()));
    }

    pub(super) fn known(&self) -> State {
        self.state.lock().clone()
    }

    /// The list of files at the newest known version.
    pub(super) async fn snapshot(&self) -> Result<Arc<EagerSnapshot>> {
        let files = self.loaded().await?;
        Ok(Arc::new(files.snapshot().map_err(delta_failed)?.snapshot().clone()))
    }

    /// The library's view of the newest known version, with its list of files.
    pub(super) async fn loaded(&self) -> Result<DeltaTable> {
        let mut files = self.files.lock().await;
        let version = self.known().version;
        if files.version().is_none_or(|loaded| loaded < version) {
            files.update_incremental(Some(version)).await.map_err(delta_failed)?;
        }
        Ok(files.clone())
    }

    #[cfg(test)]
    pub(super) async fn has_listed_files(&self) -> bool {
        self.files.lock().await.version().is_some()
    }

    pub(super) async fn gate(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().await
    }

    /// Keeps the files of the newest version in the table while it is held. Taken behind the gate.
    pub(super) fn lease(&self) -> Arc<()> {
        Arc::clone(&self.lease)
    }

    pub(super) fn is_leased(&self) -> bool {
        Arc::strong_count(&self.lease) > 1
    }

    pub(super) async fn checkpoint_state(&self) -> MutexGuard<'_, Checkpoint> {
        self.checkpoint.lock().await
    }

    /// Refuses tables of other writers that ask for more than this writer does.
    pub(super) fn check_writable(&self) -> Result<()> {
        const UNDERSTOOD: &[&str] = &[
            "appendOnly",
            "invariants",
            "changeDataFeed",
            "timestampNtz",
            "checkConstraints",
            "generatedColumns",
            "v2Checkpoint",
            "deletionVectors",
            "columnMapping",
        ];
        let state = self.known();
        let refuse = |what: &str| {
            Err(Error::new(Code::NotSupported, format!("table \"{}\" cannot be written because it uses {what}", self.location)))
        };
        if let Some(features) = &state.protocol.writer_features
            && let Some(unknown) = features.iter().find(|feature| !UNDERSTOOD.contains(&feature.as_str()))
        {
            return refuse(&format!("the feature {unknown}"));
        }
        if state.protocol.min_writer_version > 7 {
            return refuse("a newer protocol");
        }
        let configuration = &state.metadata.configuration;
        if configuration.get("delta.columnMapping.mode").is_some_and(|mode| mode != "none") {
            return refuse("column mapping");
        }
        if configuration.keys().any(|key| key.starts_with("delta.constraints.")) {
            return refuse("check constraints");
        }
        if ["delta.generationExpression", "delta.invariants", "delta.identity"].iter().any(|key| state.metadata.schema_string.contains(key))
        {
            return refuse("generated columns or invariants");
        }
        Ok(())
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("location", &self.location).finish_non_exhaustive()
    }
}
