//! What a statement answers, whatever the protocol.

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;

/// What is known of a statement before it runs.
#[derive(Debug, Clone, Default)]
pub struct Description {
    /// Types of `$1`, `$2`, ..; Utf8 when nothing tells.
    pub parameters: Vec<DataType>,
    /// None when it returns no rows.
    pub columns: Option<SchemaRef>,
}

/// The answer to one statement.
pub enum Outcome {
    /// Rows to stream; the tag gets their number (`SELECT 5`, `FETCH 5`). The stream itself obeys cancel and deadline.
    Rows { schema: SchemaRef, rows: SendableRecordBatchStream, tag: &'static str },
    /// `CREATE PIPELINE`, `INSERT 0 5`, `BEGIN`: the whole tag.
    Done { tag: String },
    /// Nothing but white space and comments.
    Empty,
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

/// For ReadyForQuery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    Idle,
    InBlock,
    Failed,
}
