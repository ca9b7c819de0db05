//! What a statement answers, whatever the protocol.

use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

use super::copy::{CopyFile, CopyIn, CopyStyle};

/// What is known of a statement before it runs.
#[derive(Debug, Clone, Default)]
pub struct Description {
    /// Types of `$1`, `$2`, ..; Utf8 when nothing tells.
    pub parameters: Vec<DataType>,
    /// Parameters, by their number from 1, that are `uuid`, `jsonb` or `oid`: Arrow knows them as text and numbers.
    pub marks: Vec<(usize, &'static str)>,
    /// None when it returns no rows.
    pub columns: Option<SchemaRef>,
}

/// The answer to one statement.
pub enum Outcome {
    /// Rows to stream; the tag gets their number (`SELECT 5`, `FETCH 5`). The stream itself obeys cancel and deadline.
    Rows { schema: SchemaRef, rows: SendableRecordBatchStream, tag: &'static str },
    /// Rows to send as a COPY writes them; the tag gets their number.
    CopyOut { schema: SchemaRef, rows: SendableRecordBatchStream, style: CopyStyle },
    /// The client sends rows.
    CopyIn(CopyIn),
    /// The client sends a file.
    CopyFile(CopyFile),
    /// `CREATE PIPELINE`, `INSERT 0 5`, `BEGIN`: the whole tag.
    Done { tag: String },
}

impl Outcome {
    pub fn done(tag: impl Into<String>) -> Self {
        Outcome::Done { tag: tag.into() }
    }

    /// Rows that flow from a plan.
    pub fn rows(rows: SendableRecordBatchStream, tag: &'static str) -> Self {
        Outcome::Rows { schema: rows.schema(), rows, tag }
    }

    /// The few rows that a statement of our own answers.
    pub fn batch(batch: RecordBatch, tag: &'static str) -> Self {
        let schema = batch.schema();
        let rows = futures::stream::iter([Ok(batch)]);
        Outcome::Rows { schema: schema.clone(), rows: Box::pin(RecordBatchStreamAdapter::new(schema, rows)), tag }
    }
}

/// A message beside the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `NOTICE`, `WARNING` or `INFO`.
    pub severity: &'static str,
    pub sqlstate: &'static str,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl Notice {
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { severity: "NOTICE", sqlstate, message: message.into(), detail: None, hint: None }
    }

    pub fn warning(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { severity: "WARNING", ..Self::new(sqlstate, message) }
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// What is said to a client unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Notifications wait.
    Notified,
    /// The connection ends.
    Ended { sqlstate: &'static str, message: &'static str },
}

impl News {
    pub const TERMINATED: News = News::Ended { sqlstate: "57P01", message: "terminating connection due to administrator command" };
    pub const IDLE: News = News::Ended { sqlstate: "57P05", message: "terminating connection due to idle-session timeout" };
    pub const IDLE_IN_TRANSACTION: News =
        News::Ended { sqlstate: "25P03", message: "terminating connection due to idle-in-transaction timeout" };
}

/// For ReadyForQuery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    Idle,
    InBlock,
    Failed,
}
