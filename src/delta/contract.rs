//! Words shared by all that touches a Delta table.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::clock::Micros;

/// Marks the commit of one batch: the same token is never applied twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// `<pipeline id>/<output>`.
    pub app_id: String,
    pub batch: i64,
}

/// What a commit carries beside its rows, flattened into the commit's info.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    pub run_id: Option<Uuid>,
    pub user: String,
    /// Free facts as text: ranges, counts. Given back by `Committed` when a batch turns out to be there already.
    pub extra: BTreeMap<String, String>,
}

/// The result of a commit, or of finding it already made.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    pub version: u64,
    pub committed_at: Micros,
    /// True when the token was there before: nothing was written, the facts are those of the first time.
    pub repeated: bool,
    pub rows: RowCounts,
    pub facts: Facts,
}

/// What a write did to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowCounts {
    pub inserted: i64,
    pub updated: i64,
    pub deleted: i64,
    /// Given and without effect: older than what is stored, or superseded within the batch.
    pub ignored: i64,
}

/// How rows of a keyed write meet rows of the table.
#[derive(Debug, Clone)]
pub struct UpsertSpec {
    /// Key columns; never NULL in the input.
    pub key: Vec<String>,
    /// Column of the input that orders events of one key; not stored unless it is also a table column. Ties: the later row wins.
    pub sequence: Option<String>,
    /// Boolean column of the input: true removes the key.
    pub delete: Option<String>,
    /// A NULL in the input keeps the stored value.
    pub ignore_null_updates: bool,
}

/// The columns of a history that say when a row held.
pub const VALID_FROM: &str = "valid_from";
pub const VALID_TO: &str = "valid_to";
pub const IS_CURRENT: &str = "is_current";

/// What `valid_from` says of itself in a table that is a history: in which way it is one, in the words of whoever made it.
pub const HISTORY: &str = "weir.history";

/// Whether a column of a history is filled by the write itself.
pub fn is_validity(name: &str) -> bool {
    [VALID_FROM, VALID_TO, IS_CURRENT].iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// How events become the periods of a history: a table that keeps, for each key, what was true from when to when.
#[derive(Debug, Clone)]
pub struct HistorySpec {
    /// Key columns; never NULL in the input.
    pub key: Vec<String>,
    /// Column of the input that orders the events of a key, never NULL; not stored unless it is also a table column. `valid_from` and
    /// `valid_to` are of its type. Ties: the later event counts.
    pub sequence: String,
    /// Boolean column of the input: true ends the key's period.
    pub delete: Option<String>,
    /// Columns that begin a new period when they change. Changes of others are written into the period that the event falls into.
    pub tracked: Vec<String>,
    /// Columns that say where a row comes from. They are those of the event whose values the row has, and change nothing by themselves.
    pub provenance: Vec<String>,
    /// Whether events that the rows do not tell are remembered, so that earlier ones may come later.
    pub is_remembered: bool,
}

/// One version of a table, newest first in listings.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    pub version: u64,
    pub timestamp: Micros,
    pub operation: String,
    pub run_id: Option<String>,
    pub user: Option<String>,
    /// Operation metrics and parameters as JSON text.
    pub detail: String,
}
