//! The one door to the hub's state.
//!
//! Every method is one transaction, durable when it returns, and short: callers may call it from async code. Nothing outside this package
//! writes SQL to the catalog, so the same trait can stand over another database.

use std::sync::Arc;

use serde_json::Value as Json;
use uuid::Uuid;

use crate::access::{Access, AuditEntry};
use crate::alerts::{AlertAct, AlertMove, AlertPast, AlertState};
use crate::error::Result;
use crate::events::{Event, NewEvent};
use crate::model::{
    Change, ChangeStatus, FileEntry, FileSeen, Kind, Lineage, Micros, Object, ObjectId, ObjectVersion, Offset, Role, RuleResult, Run,
    RunEnd, RunOutput, RunStatus, SchemaChange, SchemaVersion, SecretValue, TableCommit, TriggerMark,
};

/// Which runs to list; `None` means any.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    pub pipeline_id: Option<ObjectId>,
    pub run_id: Option<Uuid>,
    /// Only runs that are not over.
    pub unfinished: bool,
    /// Only runs that move offsets when they succeed.
    pub moves_offsets: bool,
    /// Newest first, at most this many.
    pub limit: Option<usize>,
}

/// Which events to list, in the order they happened; `None` means any.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only those with a greater number.
    pub after: i64,
    /// Only those up to this number.
    pub to: Option<i64>,
    /// `type` of CloudEvents.
    pub kind: Option<String>,
    /// Only those that tell of it.
    pub object: Option<ObjectId>,
    pub limit: Option<usize>,
}

/// Is told of events once they are on disk.
pub type Listener = Box<dyn Fn(&[Event]) + Send + Sync>;

/// Looking up and changing definitions: over the store itself, or over a `Draft` that holds the pending changes of a transaction.
pub trait Definitions: Send + Sync {
    fn object(&self, kind: Kind, schema: &str, name: &str) -> Result<Option<Object>>;
    /// The source, view or table of that name.
    fn relation(&self, schema: &str, name: &str) -> Result<Option<Object>>;
    fn object_by_id(&self, id: ObjectId) -> Result<Option<Object>>;
    /// Ordered by schema and name.
    fn objects(&self, kind: Option<Kind>, schema: Option<&str>) -> Result<Vec<Object>>;
    /// Ordered by object and version. The history of a dropped object stays.
    fn versions(&self, id: Option<ObjectId>) -> Result<Vec<ObjectVersion>>;
    /// Objects that depend on `id`, direct and indirect, dependents first: the order to drop them in. The objects of a schema count as
    /// its dependents.
    fn dependents(&self, id: ObjectId) -> Result<Vec<Object>>;
    /// What `id` itself names, ordered by schema and name.
    fn depends_on(&self, id: ObjectId) -> Result<Vec<Object>>;
    /// Roles and rights, as they are now.
    fn access(&self) -> Result<Arc<Access>>;
    /// Draws an id. Ids start at 16384 and are never given twice, also after a crash.
    fn next_id(&self) -> Result<ObjectId>;
    /// Makes the changes as one step, all or none: a `Store` applies them at once, a `Draft` keeps them until its commit.
    fn stage(&self, changes: &[Change], by: &str, now: Micros) -> Result<()>;
}

pub trait Store: Definitions {
    /// Applies all changes in one transaction. `by` is the role, for the version history.
    fn apply(&self, changes: &[Change], by: &str, now: Micros) -> Result<()> {
        self.apply_expecting(&[], changes, by, now)
    }
    /// As `apply`, but `Conflict` unless each object of `expected` still exists with that version.
    fn apply_expecting(&self, expected: &[(ObjectId, i64)], changes: &[Change], by: &str, now: Micros) -> Result<()>;
    /// Grows with every successful `apply`: caches compare it.
    fn generation(&self) -> u64;

    // Secrets: values come out only here.
    fn secret(&self, id: ObjectId) -> Result<Option<SecretValue>>;

    // Roles.
    fn role(&self, name: &str) -> Result<Option<Role>>;
    fn roles(&self) -> Result<Vec<Role>>;
    /// `id` of the given role is ignored when the role is new.
    fn put_role(&self, role: &Role) -> Result<()>;

    // The audit.
    /// Adds lines that belong to no change of a definition: what was refused, log-ins that failed.
    fn audit(&self, entries: &[AuditEntry]) -> Result<()>;
    /// Newest first.
    fn audited(&self, limit: Option<usize>) -> Result<Vec<AuditEntry>>;

    // Runs.
    /// Freezes a run: draws its batch number (`run.batch` of the argument is ignored), stores ranges and pinned versions. `Conflict` when
    /// the pipeline already has a run that is not over.
    fn freeze_run(&self, run: &Run) -> Result<Run> {
        self.freeze_triggered(run, &[])
    }
    /// As `freeze_run`; what the triggers that set it off remember is stored with it or not at all, so that a crash neither loses nor doubles
    /// what they saw.
    fn freeze_triggered(&self, run: &Run, marks: &[TriggerMark]) -> Result<Run>;
    /// A run that is over stays as it is. `None` keeps the last error, so that it can be seen while the run is tried again.
    fn mark_run(
        &self,
        run_id: Uuid,
        status: RunStatus,
        attempt: i64,
        now: Micros,
        error: Option<&str>,
        sqlstate: Option<&str>,
    ) -> Result<()>;
    /// Idempotent: ending a run that is over changes nothing. Facts (`Change::Body`) about objects dropped meanwhile are left out, and a schema
    /// version takes the next free number, so that a run can always end.
    fn end_run(&self, end: &RunEnd) -> Result<()>;
    fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>>;
    fn run_outputs(&self, run_id: Option<Uuid>) -> Result<Vec<RunOutput>>;
    fn rule_results(&self, run_id: Option<Uuid>) -> Result<Vec<RuleResult>>;
    /// (pipeline, last success, last run, consecutive failures), for `hub.pipeline_status`.
    fn pipeline_health(&self, pipeline_id: ObjectId) -> Result<Health>;

    // Positions.
    fn offsets(&self, pipeline_id: Option<ObjectId>) -> Result<Vec<Offset>>;
    fn offset(&self, pipeline_id: ObjectId, relation_id: ObjectId) -> Result<Option<Json>>;
    /// `None` forgets it: the next run starts at the beginning.
    fn set_offset(&self, pipeline_id: ObjectId, relation_id: ObjectId, position: Option<&Json>, now: Micros) -> Result<()>;
    fn trigger_state(&self, pipeline_id: ObjectId, trigger: &str) -> Result<Option<Json>>;
    fn set_trigger_state(&self, pipeline_id: ObjectId, trigger: &str, state: &Json) -> Result<()>;

    /// Several at once, in one transaction.
    fn set_trigger_states(&self, marks: &[TriggerMark]) -> Result<()>;

    // Events. Freezing and ending a run log their own.
    fn add_events(&self, events: &[NewEvent]) -> Result<()>;
    fn events(&self, filter: &EventFilter) -> Result<Vec<Event>>;
    /// The last number that was given; 0 before the first event.
    fn newest_event(&self) -> Result<i64>;
    /// The last event up to that time, by the clock of then; 0 when there is none.
    fn last_event_at(&self, at: Micros) -> Result<i64>;
    /// The number up to which events are no longer kept: all behind it are there. 0 when none were forgotten.
    fn forgotten_events(&self) -> Result<i64>;
    /// Takes away the oldest that are older than `before` and numbered up to `to`; looks at `limit` of them at most. Tells how many went.
    fn forget_events(&self, before: Micros, to: i64, limit: usize) -> Result<usize>;
    /// Tells `listener` of every event from now on, after its commit and in their order. It is called while the writer is held: it must be
    /// short and must not call the store.
    fn when_events(&self, listener: Listener);

    // Alerts.
    fn alert_state(&self, alert_id: ObjectId) -> Result<Option<AlertState>>;
    /// The new state, the acts that follow, the line of history, the events and what the trigger saw: all or nothing.
    fn move_alert(&self, step: &AlertMove) -> Result<()>;
    /// Acts that are not done, in order.
    fn alert_acts(&self, alert_id: ObjectId) -> Result<Vec<AlertAct>>;
    /// Takes an act away because it is done, or given up, and logs the events that it stands for.
    fn alert_acted(&self, act: &AlertAct, alert: &str, past: Option<&AlertPast>, events: &[NewEvent]) -> Result<()>;
    /// Adds a line of history that belongs to no step.
    fn alert_happened(&self, alert_id: ObjectId, alert: &str, past: &AlertPast) -> Result<()>;
    /// Newest first, with each alert's id and its name of then.
    fn alert_history(&self) -> Result<Vec<(ObjectId, String, AlertPast)>>;

    // The file ledger.
    /// Enters the files whose path is not known with that etag as its current one, in the given order, and marks earlier versions of the same
    /// path as replaced; a path that takes an old etag again is new. Cheap when nothing is new. Returns the new entries.
    fn register_files(&self, source_id: ObjectId, seen: &[FileSeen], now: Micros) -> Result<Vec<FileEntry>>;
    /// Entries with `after < seq <= to`, in order; `to` None means to the newest; at most `limit`.
    fn files(&self, source_id: ObjectId, after: i64, to: Option<i64>, limit: Option<usize>) -> Result<Vec<FileEntry>>;
    fn newest_file(&self, source_id: ObjectId) -> Result<i64>;
    /// Marks versions whose file is gone as replaced, by nothing: they are not offered again. Should the file come back, it is new.
    fn forget_files(&self, source_id: ObjectId, seqs: &[i64]) -> Result<()>;

    // History.
    fn record_commits(&self, commits: &[TableCommit]) -> Result<()>;
    fn table_commits(&self, table_id: ObjectId) -> Result<Vec<TableCommit>>;
    /// Those behind a version, in order.
    fn table_commits_after(&self, table_id: ObjectId, version: u64) -> Result<Vec<TableCommit>>;
    /// The newest commit at or before `at`.
    fn table_version_at(&self, table_id: ObjectId, at: Micros) -> Result<Option<TableCommit>>;
    fn add_schema_version(&self, version: &SchemaVersion) -> Result<()>;
    fn schema_versions(&self, relation_id: Option<ObjectId>) -> Result<Vec<SchemaVersion>>;
    /// Enters changes that were seen. One that is open or was rejected before is not entered again, and one that was applied by itself only
    /// once. Answers with the number of each; None for one that somebody has rejected.
    fn propose(&self, seen: &[SchemaChange]) -> Result<Vec<Option<i64>>>;
    /// In the order of their numbers.
    fn schema_changes(&self, relation_id: Option<ObjectId>) -> Result<Vec<SchemaChange>>;
    /// Decides on an open change, together with what follows from it: all or nothing. `Conflict` when it is no longer open.
    fn decide(&self, decision: &Decision<'_>) -> Result<()>;
    fn lineage(&self) -> Result<Vec<Lineage>>;

    // Settings of the hub itself.
    fn setting(&self, key: &str) -> Result<Option<String>>;
    fn set_setting(&self, key: &str, value: &str) -> Result<()>;
    fn settings(&self) -> Result<Vec<(String, String)>>;
}

/// What somebody decides about a change of columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<'a> {
    pub id: i64,
    pub status: ChangeStatus,
    pub by: &'a str,
    pub at: Micros,
    pub changes: &'a [Change],
    pub version: Option<&'a SchemaVersion>,
}

/// How a pipeline has been doing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Health {
    pub last_success_at: Option<Micros>,
    pub last_run_id: Option<Uuid>,
    pub last_status: Option<RunStatus>,
    pub last_error: Option<String>,
    pub last_sqlstate: Option<String>,
    /// Of the last run: greater than 1 while it is tried again.
    pub last_attempt: i64,
    pub consecutive_failures: i64,
}
