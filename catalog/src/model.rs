//! What the catalog holds: objects and the facts of runs, as plain data.
//!
//! Times are UTC microseconds since 1970. Positions are opaque JSON that only a source understands. Nothing here plans, dials or decides.

use arrow_schema::SchemaRef;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::access::AuditEntry;
use crate::access_change::AccessChange;
use crate::events::NewEvent;

/// Microseconds since 1970-01-01 00:00 UTC.
pub type Micros = i64;

/// Identity of an object: also its oid on the wire. It survives OR REPLACE and RENAME and is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectId(pub i64);

/// The nouns of the language that the catalog keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Schema,
    Secret,
    Connection,
    Source,
    View,
    Table,
    Pipeline,
    Alert,
    Template,
}

impl Kind {
    /// The noun as error messages and `SHOW` print it.
    pub fn noun(self) -> &'static str {
        match self {
            Kind::Schema => "schema",
            Kind::Secret => "secret",
            Kind::Connection => "connection",
            Kind::Source => "source",
            Kind::View => "view",
            Kind::Table => "table",
            Kind::Pipeline => "pipeline",
            Kind::Alert => "alert",
            Kind::Template => "template",
        }
    }

    /// Sources, views and tables share one name space per schema; every other kind has its own.
    pub fn is_relation(self) -> bool {
        matches!(self, Kind::Source | Kind::View | Kind::Table)
    }
}

/// One object as it is now.
///
/// What it means is its text: `definition` as the user typed it, then every later `ALTER` in `alters`, in order. Readers parse both;
/// nothing is ever printed back from a parsed form. `body` holds only what the text does not say (found columns, places, states).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Object {
    pub id: ObjectId,
    pub kind: Kind,
    /// Empty for schemas themselves.
    pub schema: String,
    pub name: String,
    pub owner: String,
    /// Grows by one with each OR REPLACE or ALTER; starts at 1.
    pub version: i64,
    pub definition: String,
    pub alters: Vec<String>,
    pub body: Json,
    pub comment: Option<String>,
    pub created_at: Micros,
    pub changed_at: Micros,
}

impl Object {
    /// `schema.name`, unquoted: the form used in system tables and messages.
    pub fn full_name(&self) -> String {
        if self.schema.is_empty() { self.name.clone() } else { format!("{}.{}", self.schema, self.name) }
    }
}

/// `Object::body` of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableBody {
    /// Where the Delta table lies, relative to the lake's root.
    pub location: String,
    /// Columns as of the last commit the hub made, so that listing never opens the table.
    pub columns: SchemaRef,
    /// Columns of the primary key, empty when there is none.
    pub key: Vec<String>,
    /// The pipeline that made the table, if one did.
    pub made_by: Option<ObjectId>,
}

/// `Object::body` of a source or a view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct RelationBody {
    /// Declared, or found at the first read. None until then.
    pub columns: Option<SchemaRef>,
    pub last_ok_at: Option<Micros>,
    pub last_error: Option<String>,
    /// Of a view: where names without a schema were looked for when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_path: Option<Vec<String>>,
}

/// `Object::body` of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct PipelineBody {
    pub suspended: bool,
    /// The target's object, once it exists; of several outputs the first one's.
    pub target: Option<ObjectId>,
    /// Those of the other outputs, in their order.
    #[serde(default)]
    pub more_targets: Vec<ObjectId>,
    /// Where names without a schema are looked for, if not in its own schema: of a temporary pipeline the path of its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_path: Option<Vec<String>>,
    /// What it was made from, if from a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateUse>,
}

/// The template of a pipeline, as it was when the pipeline was made or last refreshed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TemplateUse {
    pub template: ObjectId,
    /// With its schema, as it was called.
    pub name: String,
    pub version: i64,
    /// The arguments as typed, between the brackets.
    pub arguments: String,
}

impl PipelineBody {
    /// Every target that exists, in the order of the outputs.
    pub fn targets(&self) -> impl Iterator<Item = ObjectId> {
        self.target.iter().chain(&self.more_targets).copied()
    }
}

/// How sure a dependency is: every one of them blocks DROP .. RESTRICT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    pub from: ObjectId,
    pub on: ObjectId,
}

/// A past definition of an object, for `hub.pipeline_versions` and reproducible answers about the past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectVersion {
    pub id: ObjectId,
    pub version: i64,
    pub definition: String,
    pub alters: Vec<String>,
    pub changed_at: Micros,
    pub changed_by: String,
}

/// One step of a definition change. A slice of these is applied in one transaction or not at all.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// `id` is drawn beforehand with `Store::next_id`, so that later changes of one statement can name it.
    Create {
        object: Object,
        depends_on: Vec<ObjectId>,
    },
    /// OR REPLACE and ALTER: same id, `version` must be the one read (else `Conflict`); it is stored as version + 1.
    Replace {
        object: Object,
        depends_on: Vec<ObjectId>,
    },
    /// Facts found while running (columns, state): no new version, no conflict check.
    Body {
        id: ObjectId,
        body: Json,
    },
    Comment {
        id: ObjectId,
        comment: Option<String>,
    },
    /// Dependents must be dropped by the same slice, or `InUse`.
    Drop {
        id: ObjectId,
    },
    /// Stored encrypted; `None` value = a reference whose provider text is in the definition.
    PutSecret {
        id: ObjectId,
        value: Option<SecretValue>,
    },
    /// Roles, memberships, rights.
    Access(AccessChange),
    /// What the other steps are, for the audit: stored with them or not at all.
    Audit(AuditEntry),
    /// What the other steps mean to those who listen: logged with them or not at all.
    Event(NewEvent),
}

/// A credential in memory. It has no `Display`, and `Debug` prints nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(pub String);

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

/// A role. The password is kept as SCRAM salt and salted password only; no salted password is no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Role {
    pub id: ObjectId,
    pub name: String,
    pub superuser: bool,
    pub salt: Vec<u8>,
    pub iterations: u32,
    /// StoredKey and ServerKey of SCRAM-SHA-256: they check a proof of the password and cannot make one. Empty: it has no password.
    pub stored_key: Vec<u8>,
    pub server_key: Vec<u8>,
    pub login: bool,
    /// Has the rights of the roles it becomes a member of, without SET ROLE.
    pub inherit: bool,
    pub createrole: bool,
    /// Sessions at a time; -1 is any number.
    pub connection_limit: i64,
    /// The password is good until then.
    pub valid_until: Option<Micros>,
}

impl std::fmt::Debug for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Role").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Role {
    /// A role with a number yet to be given, no password and no right.
    pub fn named(name: &str) -> Self {
        Role {
            id: ObjectId(0),
            name: name.to_owned(),
            superuser: false,
            salt: Vec::new(),
            iterations: 0,
            stored_key: Vec::new(),
            server_key: Vec::new(),
            login: true,
            inherit: true,
            createrole: false,
            connection_limit: -1,
            valid_until: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    Trigger,
    Manual,
    Copy,
    Replay,
    Backfill,
    FullRefresh,
    DryRun,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    Skipped,
}

impl RunStatus {
    pub fn is_over(self) -> bool {
        !matches!(self, RunStatus::Queued | RunStatus::Running)
    }
}

/// What became of the records of a run: `read = written + quarantined + dropped + duplicates`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    pub read: i64,
    pub written: i64,
    pub quarantined: i64,
    pub dropped: i64,
    /// Read, valid, and without effect: an older SEQUENCE BY, or an equal key earlier in the batch, or filtered out by the query's WHERE
    /// (`filtered` counts those apart).
    pub duplicates: i64,
    /// Read and left out by the user's own query (WHERE, inner join): neither rejected nor lost.
    pub filtered: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub run_id: Uuid,
    pub pipeline_id: ObjectId,
    /// `schema.name` as it was when the run was made.
    pub pipeline: String,
    pub pipeline_version: i64,
    /// The text that ran: definition and alters of that version.
    pub kind: RunKind,
    /// What set it off, in words: `schedule every '5 minutes'`, `update of erp.files`, `RUN PIPELINE`.
    pub trigger: String,
    pub params: Json,
    pub status: RunStatus,
    pub attempt: i64,
    /// Number of the batch within the pipeline, from 1: the version of the Delta transaction token.
    pub batch: i64,
    pub created_at: Micros,
    pub started_at: Option<Micros>,
    pub ended_at: Option<Micros>,
    pub counts: Counts,
    pub error: Option<String>,
    pub sqlstate: Option<String>,
    pub requested_by: String,
    pub inputs: Vec<RunInput>,
}

/// What a trigger remembers, stored in the transaction that freezes the run which it set off.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerMark {
    pub pipeline_id: ObjectId,
    /// The trigger's own text.
    pub trigger: String,
    pub state: Json,
}

/// What a run reads, frozen with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInput {
    pub relation_id: ObjectId,
    pub relation: String,
    pub input: Input,
    /// Of a source: the version of its columns that every attempt reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Rows after `from` up to and including `to`.
    Stream { from: Option<Json>, to: Json },
    /// A lake table at a version.
    Version { version: u64 },
    /// The open dead letters with these ids (replay).
    DeadLetters { ids: Vec<String> },
    /// Read as it is when read: a database table, a view over one.
    Live,
    /// A target that has the rows of this input already: an earlier run, which could not land its other outputs, brought it to this version.
    Landed { run_id: Uuid, version: u64 },
    /// A file that a client sent, in the place of this relation's stream.
    Upload(Box<Upload>),
}

/// A file that a client sent to be read by one run: all that is needed to read it, and to read its dead letters when it is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Upload {
    /// What provenance calls it.
    pub name: String,
    /// Its name in the hub's own folder, where it lies until the run is over.
    pub file: String,
    pub bytes: u64,
    pub format: String,
    /// Options of the format, as texts.
    pub options: Vec<(String, String)>,
    pub compression: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_decompressed: Option<u64>,
    /// The columns that were found in it, where it has those of no source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<SchemaRef>,
    /// The pipeline itself, where it is a temporary one: it may be gone before its run is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<Box<Object>>,
    /// What its start says about its records, if it says something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<UploadLayout>,
}

/// What the start of a delimited file says about all its records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UploadLayout {
    /// Names of a record's fields, in order; None when the file has no header.
    pub fields: Option<Vec<String>>,
    pub delimiter: u8,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunOutput {
    pub run_id: Uuid,
    pub step: String,
    pub output: String,
    pub target_id: ObjectId,
    pub target: String,
    pub mode: String,
    pub rows: i64,
    pub table_version_before: Option<u64>,
    pub table_version: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleResult {
    pub run_id: Uuid,
    pub output: String,
    pub rule: String,
    pub action: String,
    pub checked: i64,
    pub failed: i64,
}

/// Everything that becomes true when a run ends, in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    pub run_id: Uuid,
    pub status: RunStatus,
    pub ended_at: Micros,
    pub counts: Counts,
    pub error: Option<String>,
    pub sqlstate: Option<String>,
    pub outputs: Vec<RunOutput>,
    pub rules: Vec<RuleResult>,
    /// Offsets to move: relation and new position. Empty for failed runs, replays and backfills.
    pub offsets: Vec<(ObjectId, Json)>,
    /// Rows read per file of the ledger.
    pub file_rows: Vec<(ObjectId, i64, i64)>,
    pub table_commits: Vec<TableCommit>,
    pub schema_versions: Vec<SchemaVersion>,
    pub lineage: Vec<Lineage>,
    pub changes: Vec<Change>,
}

/// A version of a lake table: the hub's own index from commit time to version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableCommit {
    pub table_id: ObjectId,
    pub version: u64,
    pub committed_at: Micros,
    pub operation: String,
    pub run_id: Option<Uuid>,
    pub user: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SchemaVersion {
    pub relation_id: ObjectId,
    pub version: i64,
    pub columns: SchemaRef,
    pub valid_from: Micros,
    pub run_id: Option<Uuid>,
}

/// How a column of a relation was seen to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A field that no column takes.
    Add,
    /// A column whose field is gone.
    Drop,
    /// A column whose field is gone, where a field of the same type has come.
    Rename,
    /// A type that holds every value of the old one, and more.
    Widen,
    Narrow,
    Retype,
    /// A column that must have a value has none.
    Nullable,
    /// Objects or lists in the place of plain values, or a path into them that leads nowhere any more.
    Nested,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeStatus {
    /// Waits for a decision.
    Open,
    Accepted,
    Rejected,
    /// Followed without asking, as the source's policy says.
    Applied,
}

/// A change of a relation's columns that was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SchemaChange {
    /// Given by the store.
    pub id: i64,
    pub relation_id: ObjectId,
    pub kind: ChangeKind,
    pub column: String,
    /// What it was, in words: a type, a field's name.
    pub before: Option<String>,
    /// What it would be, in words.
    pub after: String,
    /// The column as it would be, where its type or its NOT NULL change.
    pub field: Option<arrow_schema::Field>,
    /// The file or table that shows it.
    pub seen_in: String,
    pub status: ChangeStatus,
    pub seen_at: Micros,
    pub run_id: Option<Uuid>,
    pub decided_at: Option<Micros>,
    pub decided_by: Option<String>,
}

/// One edge of lineage. `from_column`/`to_column` are None for the table-level edge.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lineage {
    pub pipeline_id: ObjectId,
    pub pipeline_version: i64,
    pub from_relation: String,
    pub to_relation: String,
    pub from_column: Option<String>,
    pub to_column: Option<String>,
    /// identity, expression, aggregate; for indirect edges: filter, join, group, sort.
    pub transformation: Option<String>,
    pub direct: bool,
}

/// A file as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSeen {
    pub path: String,
    pub etag: String,
    pub size: u64,
    pub modified_at: Micros,
}

/// A line of a source's file ledger. `seq` orders files by discovery and is the position that consumers hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    pub seq: i64,
    pub file: FileSeen,
    pub seen_at: Micros,
    pub rows: Option<i64>,
    /// A later version of the same path has come: this one can no longer be read.
    pub replaced: bool,
    /// Removed before anybody read it; then `replaced` is true as well.
    pub gone: bool,
}

/// A committed offset of one pipeline on one relation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offset {
    pub pipeline_id: ObjectId,
    pub relation_id: ObjectId,
    pub position: Json,
    pub committed_at: Micros,
}
