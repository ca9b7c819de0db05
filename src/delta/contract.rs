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
