//! `Store` over SQLite: each method is one transaction over the functions of the sibling files.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rusqlite::Connection;
use serde_json::Value as Json;
use uuid::Uuid;

use super::database::Database;
use super::definitions::{self, Rows};
use super::{access, alerts, events, files, history, roles, runs, schema_changes};
use crate::access::{Access, AuditEntry};
use crate::alerts::{AlertAct, AlertMove, AlertPast, AlertState};
use crate::change::{self, Look};
use crate::error::{Error, Result};
use crate::events::{Event, NewEvent};
use crate::model::{
    Change, FileEntry, FileSeen, Kind, Lineage, Micros, Object, ObjectId, ObjectVersion, Offset, Role, RuleResult, Run, RunEnd, RunOutput,
    RunStatus, SchemaChange, SchemaVersion, SecretValue, TableCommit, TriggerMark,
};
use crate::secret::{SecretKey, SecretKeySource};
use crate::store::{Decision, Definitions, EventFilter, Health, Listener, RunFilter, Store};

/// Ids set aside with one write. Those not given before the hub stops are never given.
const IDS_AT_ONCE: i64 = 32;

/// The catalog of one data folder, or of none (in memory).
pub struct SqliteStore {
    database: Database,
    key: SecretKey,
    generation: AtomicU64,
    /// Ids set aside and not given yet: from the first to before the second.
    ids: Mutex<(i64, i64)>,
    /// Roles and rights, and the generation they were read in.
    access: RwLock<Option<(u64, Arc<Access>)>>,
    listeners: RwLock<Vec<Listener>>,
}

/// Opens the catalog of a data folder, which must exist, and keeps every other hub out of it until the store is dropped.
///
/// # Errors
/// `InUse` when another hub has the folder, `TooNew` when a newer one wrote it, `Corrupt` when the file is something else, `Io` when the disk
/// refuses or others may read the secret key. A missing key is no error here, but one for whoever needs a secret.
pub fn open(dir: &Path, key: SecretKeySource) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(SqliteStore::open(dir, key)?))
}

/// A catalog that vanishes with its last holder: for tests and dry checks.
pub fn open_in_memory() -> Result<Arc<dyn Store>> {
    Ok(Arc::new(SqliteStore::open_in_memory()?))
}

impl SqliteStore {
    pub fn open(dir: &Path, key: SecretKeySource) -> Result<Self> {
        let database = Database::open(dir)?;
        let has_secrets = database.read(definitions::has_secrets)?;
        let key = SecretKey::load(&key, dir, has_secrets)?;
        Ok(SqliteStore::over(database, key))
    }

    /// `tell` is called when a commit reached the disk but could not be synced, before the caller gets its error. The store takes no
    /// more writes from then on; a process that goes on can only read.
    #[must_use]
    pub fn when_sync_fails(self, tell: fn(&Error)) -> Self {
        SqliteStore { database: self.database.when_sync_fails(tell), ..self }
    }

    pub fn open_in_memory() -> Result<Self> {
        Ok(SqliteStore::over(Database::in_memory()?, SecretKey::random()?))
    }

    fn over(database: Database, key: SecretKey) -> Self {
        let (generation, ids, access, listeners) = (AtomicU64::new(0), Mutex::default(), RwLock::default(), RwLock::default());
        SqliteStore { database, key, generation, ids, access, listeners }
    }

    fn look<T>(&self, read: impl FnOnce(&Rows<'_>) -> Result<T>) -> Result<T> {
        self.database.read(|db| read(&Rows::new(db, &self.key)))
    }

    fn moved_on(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// A write that may log events: whoever listens is told of them after the commit, before the next write begins. `done` is called first.
    fn write_telling<T>(&self, work: impl FnOnce(&Connection) -> Result<T>, done: impl FnOnce(&T)) -> Result<T> {
        let work = |db: &Connection| {
            let after = events::newest(db)?;
            let value = work(db)?;
            let fresh = events::list(db, &EventFilter { after, ..EventFilter::default() })?;
            Ok((value, fresh))
        };
        let told = |(value, fresh): &(T, Vec<Event>)| {
            done(value);
            if !fresh.is_empty() {
                self.listeners.read().unwrap_or_else(PoisonError::into_inner).iter().for_each(|listener| listener(fresh));
            }
        };
        Ok(self.database.write_then(work, told)?.0)
    }

    #[cfg(test)]
    pub(super) fn database(&self) -> &Database {
        &self.database
    }
}

impl Definitions for SqliteStore {
    fn object(&self, kind: Kind, schema: &str, name: &str) -> Result<Option<Object>> {
        Ok(self.look(|rows| rows.find(kind, schema, name))?.filter(|object| object.kind == kind))
    }

    fn relation(&self, schema: &str, name: &str) -> Result<Option<Object>> {
        self.look(|rows| rows.find(Kind::Table, schema, name))
    }

    fn object_by_id(&self, id: ObjectId) -> Result<Option<Object>> {
        self.look(|rows| rows.get(id))
    }

    fn objects(&self, kind: Option<Kind>, schema: Option<&str>) -> Result<Vec<Object>> {
        self.database.read(|db| definitions::list(db, kind, schema))
    }

    fn versions(&self, id: Option<ObjectId>) -> Result<Vec<ObjectVersion>> {
        self.database.read(|db| definitions::versions(db, id))
    }

    fn dependents(&self, id: ObjectId) -> Result<Vec<Object>> {
        self.look(|rows| change::dependents(rows, id))
    }

    fn depends_on(&self, id: ObjectId) -> Result<Vec<Object>> {
        self.database.read(|db| definitions::depends_on(db, id))
    }

    fn access(&self) -> Result<Arc<Access>> {
        // Before reading: what is written meanwhile makes the next one read again.
        let generation = self.generation();
        if let Some((of, access)) = &*self.access.read().unwrap_or_else(PoisonError::into_inner)
            && *of == generation
        {
            return Ok(Arc::clone(access));
        }
        let access = Arc::new(self.database.read(access::load)?);
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = Some((generation, Arc::clone(&access)));
        Ok(access)
    }

    fn next_id(&self) -> Result<ObjectId> {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.0 == ids.1 {
            let from = self.database.write(|db| definitions::reserve_ids(db, IDS_AT_ONCE))?;
            *ids = (from, from + IDS_AT_ONCE);
        }
        ids.0 += 1;
        Ok(ObjectId(ids.0 - 1))
    }

    fn stage(&self, changes: &[Change], by: &str, now: Micros) -> Result<()> {
        self.apply(changes, by, now)
    }
}

impl Store for SqliteStore {
    fn apply_expecting(&self, expected: &[(ObjectId, i64)], changes: &[Change], by: &str, now: Micros) -> Result<()> {
        let work = |db: &Connection| {
            let mut rows = Rows::new(db, &self.key);
            change::expect_versions(&rows, expected)?;
            change::apply(&mut rows, changes, by, now)
        };
        self.write_telling(work, |()| self.moved_on())
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn secret(&self, id: ObjectId) -> Result<Option<SecretValue>> {
        self.database.read(|db| definitions::secret(db, &self.key, id))
    }

    fn role(&self, name: &str) -> Result<Option<Role>> {
        self.database.read(|db| roles::role(db, name))
    }

    fn roles(&self) -> Result<Vec<Role>> {
        self.database.read(roles::list)
    }

    fn put_role(&self, role: &Role) -> Result<()> {
        let new_id = self.next_id()?;
        self.database.write_then(|db| roles::put(db, role, new_id), |()| self.moved_on())
    }

    fn audit(&self, entries: &[AuditEntry]) -> Result<()> {
        self.database.write(|db| entries.iter().try_for_each(|entry| access::note(db, entry)))
    }

    fn audited(&self, limit: Option<usize>) -> Result<Vec<AuditEntry>> {
        self.database.read(|db| access::audited(db, limit))
    }

    fn set_trigger_states(&self, marks: &[TriggerMark]) -> Result<()> {
        if marks.is_empty() {
            return Ok(());
        }
        let set = |mark: &TriggerMark, db: &Connection| runs::set_trigger_state(db, mark.pipeline_id, &mark.trigger, &mark.state);
        self.database.write(|db| marks.iter().try_for_each(|mark| set(mark, db)))
    }

    fn freeze_triggered(&self, run: &Run, marks: &[TriggerMark]) -> Result<Run> {
        let work = |db: &Connection| {
            for TriggerMark { pipeline_id, trigger, state } in marks {
                runs::set_trigger_state(db, *pipeline_id, trigger, state)?;
            }
            runs::freeze(db, run)
        };
        self.write_telling(work, |_| ())
    }

    fn mark_run(
        &self,
        run_id: Uuid,
        status: RunStatus,
        attempt: i64,
        now: Micros,
        error: Option<&str>,
        sqlstate: Option<&str>,
    ) -> Result<()> {
        self.database.write(|db| runs::mark(db, &runs::Mark { run_id, status, attempt, now, error, sqlstate }))
    }

    fn end_run(&self, end: &RunEnd) -> Result<()> {
        let ended = |changed: &bool| {
            if *changed {
                self.moved_on();
            }
        };
        self.write_telling(|db| runs::end(db, &self.key, end), ended)?;
        Ok(())
    }

    fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>> {
        self.database.read(|db| runs::list(db, filter))
    }

    fn run_outputs(&self, run_id: Option<Uuid>) -> Result<Vec<RunOutput>> {
        self.database.read(|db| runs::outputs(db, run_id))
    }

    fn rule_results(&self, run_id: Option<Uuid>) -> Result<Vec<RuleResult>> {
        self.database.read(|db| runs::rule_results(db, run_id))
    }

    fn pipeline_health(&self, pipeline_id: ObjectId) -> Result<Health> {
        self.database.read(|db| runs::health(db, pipeline_id))
    }

    fn offsets(&self, pipeline_id: Option<ObjectId>) -> Result<Vec<Offset>> {
        self.database.read(|db| runs::offsets(db, pipeline_id))
    }

    fn offset(&self, pipeline_id: ObjectId, relation_id: ObjectId) -> Result<Option<Json>> {
        self.database.read(|db| runs::offset(db, pipeline_id, relation_id))
    }

    fn set_offset(&self, pipeline_id: ObjectId, relation_id: ObjectId, position: Option<&Json>, now: Micros) -> Result<()> {
        self.database.write(|db| runs::set_offset(db, pipeline_id, relation_id, position, now))
    }

    fn trigger_state(&self, pipeline_id: ObjectId, trigger: &str) -> Result<Option<Json>> {
        self.database.read(|db| runs::trigger_state(db, pipeline_id, trigger))
    }

    fn set_trigger_state(&self, pipeline_id: ObjectId, trigger: &str, state: &Json) -> Result<()> {
        self.database.write(|db| runs::set_trigger_state(db, pipeline_id, trigger, state))
    }

    fn add_events(&self, events: &[NewEvent]) -> Result<()> {
        self.write_telling(|db| events.iter().try_for_each(|event| events::insert(db, event)), |()| ())
    }

    fn events(&self, filter: &EventFilter) -> Result<Vec<Event>> {
        self.database.read(|db| events::list(db, filter))
    }

    fn newest_event(&self) -> Result<i64> {
        self.database.read(events::newest)
    }

    fn last_event_at(&self, at: Micros) -> Result<i64> {
        self.database.read(|db| events::last_at(db, at))
    }

    fn forgotten_events(&self) -> Result<i64> {
        self.database.read(events::forgotten)
    }

    fn forget_events(&self, before: Micros, to: i64, limit: usize) -> Result<usize> {
        self.database.write(|db| events::forget(db, before, to, limit))
    }

    fn when_events(&self, listener: Listener) {
        self.listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    fn alert_state(&self, alert_id: ObjectId) -> Result<Option<AlertState>> {
        self.database.read(|db| alerts::state(db, alert_id))
    }

    fn move_alert(&self, step: &AlertMove) -> Result<()> {
        self.write_telling(|db| alerts::step(db, step), |()| ())
    }

    fn alert_acts(&self, alert_id: ObjectId) -> Result<Vec<AlertAct>> {
        self.database.read(|db| alerts::acts(db, alert_id))
    }

    fn alert_acted(&self, act: &AlertAct, alert: &str, past: Option<&AlertPast>, told: &[NewEvent]) -> Result<()> {
        let work = |db: &Connection| {
            alerts::done(db, act, alert, past)?;
            told.iter().try_for_each(|event| events::insert(db, event))
        };
        self.write_telling(work, |()| ())
    }

    fn alert_happened(&self, alert_id: ObjectId, alert: &str, past: &AlertPast) -> Result<()> {
        self.database.write(|db| alerts::add_past(db, alert_id, alert, past))
    }

    fn alert_history(&self) -> Result<Vec<(ObjectId, String, AlertPast)>> {
        self.database.read(alerts::history)
    }

    fn register_files(&self, source_id: ObjectId, seen: &[FileSeen], now: Micros) -> Result<Vec<FileEntry>> {
        // Most listings hold nothing new, and finding that out must not wait for a writer.
        if self.database.read(|db| Ok(files::unknown(db, source_id, seen)?.is_empty()))? {
            return Ok(Vec::new());
        }
        let work = |db: &Connection| {
            let unknown = files::unknown(db, source_id, seen)?;
            let entered = files::enter(db, source_id, &unknown, now)?;
            events::received(db, source_id, &entered)?;
            Ok(entered)
        };
        self.write_telling(work, |_| ())
    }

    fn files(&self, source_id: ObjectId, after: i64, to: Option<i64>, limit: Option<usize>) -> Result<Vec<FileEntry>> {
        self.database.read(|db| files::list(db, source_id, after, to, limit))
    }

    fn forget_files(&self, source_id: ObjectId, seqs: &[i64]) -> Result<()> {
        self.database.write(|db| seqs.iter().try_for_each(|seq| files::forget(db, source_id, *seq)))
    }

    fn newest_file(&self, source_id: ObjectId) -> Result<i64> {
        self.database.read(|db| files::newest(db, source_id))
    }

    fn record_commits(&self, commits: &[TableCommit]) -> Result<()> {
        self.database.write(|db| commits.iter().try_for_each(|commit| history::record_commit(db, commit)))
    }

    fn table_commits(&self, table_id: ObjectId) -> Result<Vec<TableCommit>> {
        self.database.read(|db| history::commits(db, table_id))
    }

    fn table_commits_after(&self, table_id: ObjectId, version: u64) -> Result<Vec<TableCommit>> {
        self.database.read(|db| history::commits_after(db, table_id, version))
    }

    fn table_version_at(&self, table_id: ObjectId, at: Micros) -> Result<Option<TableCommit>> {
        self.database.read(|db| history::commit_at(db, table_id, at))
    }

    fn add_schema_version(&self, version: &SchemaVersion) -> Result<()> {
        self.database.write(|db| history::add_schema(db, version))
    }

    fn schema_versions(&self, relation_id: Option<ObjectId>) -> Result<Vec<SchemaVersion>> {
        self.database.read(|db| history::schemas(db, relation_id))
    }

    fn propose(&self, seen: &[SchemaChange]) -> Result<Vec<Option<i64>>> {
        // The same is seen with every batch: that must not wait for a writer.
        let known = self.database.read(|db| seen.iter().map(|seen| schema_changes::known(db, seen)).collect::<Result<Vec<_>>>())?;
        if known.iter().all(Option::is_some) {
            return Ok(known.into_iter().map(|known| known.and_then(schema_changes::Known::number)).collect());
        }
        self.database.write(|db| seen.iter().map(|seen| schema_changes::propose(db, seen)).collect())
    }

    fn schema_changes(&self, relation_id: Option<ObjectId>) -> Result<Vec<SchemaChange>> {
        self.database.read(|db| schema_changes::list(db, relation_id))
    }

    fn decide(&self, decision: &Decision<'_>) -> Result<()> {
        let work = |db: &_| {
            schema_changes::decide(db, decision)?;
            if let Some(version) = decision.version {
                history::append_schema(db, version)?;
            }
            change::apply(&mut Rows::new(db, &self.key), decision.changes, decision.by, decision.at)
        };
        self.database.write_then(work, |()| self.moved_on())
    }

    fn lineage(&self) -> Result<Vec<Lineage>> {
        self.database.read(history::lineage)
    }

    fn setting(&self, key: &str) -> Result<Option<String>> {
        self.database.read(|db| roles::setting(db, key))
    }

    fn set_setting(&self, key: &str, value: &str) -> Result<()> {
        self.database.write(|db| roles::set_setting(db, key, value))
    }

    fn settings(&self) -> Result<Vec<(String, String)>> {
        self.database.read(roles::settings)
    }
}
