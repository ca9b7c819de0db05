//! COPY: how rows look on their way in and out, and the end of the hub's own side.

use std::fmt;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use datafusion::error::DataFusionError;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::error::Result;

/// The form of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyForm {
    Text,
    Csv,
    Binary,
}

/// Whether the first line names the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    No,
    Yes,
    /// The names must be those of the columns.
    Match,
}

/// Columns that an option is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Force {
    None,
    All,
    Columns(Vec<String>),
}

impl Force {
    pub fn includes(&self, column: &str) -> bool {
        match self {
            Force::None => false,
            Force::All => true,
            Force::Columns(names) => names.iter().any(|name| name == column),
        }
    }
}

/// All that COPY's options say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyStyle {
    pub form: CopyForm,
    pub delimiter: u8,
    /// The text that stands for NULL.
    pub null: String,
    pub header: Header,
    pub quote: u8,
    pub escape: u8,
    pub force_quote: Force,
    pub force_not_null: Force,
    pub force_null: Force,
}

impl CopyStyle {
    pub fn new(form: CopyForm) -> Self {
        let (delimiter, null) = if form == CopyForm::Csv { (b',', "") } else { (b'\t', "\\N") };
        Self {
            form,
            delimiter,
            null: null.to_owned(),
            header: Header::No,
            quote: b'"',
            escape: b'"',
            force_quote: Force::None,
            force_not_null: Force::None,
            force_null: Force::None,
        }
    }
}

/// A COPY that waits for rows.
pub struct CopyIn {
    /// The columns that a client sends.
    pub columns: SchemaRef,
    pub style: CopyStyle,
    /// As messages name it.
    pub table: String,
    /// Where rows go, with their line behind the columns (`engine::line_behind`). Holds few: who sends more waits.
    pub rows: mpsc::Sender<Result<RecordBatch, DataFusionError>>,
    /// Writes what comes, and commits once `rows` is dropped; answers the tag. Dropped before that, it leaves nothing.
    pub done: BoxFuture<'static, Result<String>>,
}

/// A COPY that waits for a file, byte for byte.
pub struct CopyFile {
    /// Programs that read text line by line must not do so with it.
    pub is_binary: bool,
    /// Where the bytes go. Holds few: who sends more waits.
    pub bytes: mpsc::Sender<Bytes>,
    /// Takes what comes, and works on the whole once `bytes` is dropped; answers the tag. Dropped before that, it leaves nothing.
    pub done: BoxFuture<'static, Result<String>>,
}

impl fmt::Debug for CopyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyFile").field("is_binary", &self.is_binary).finish_non_exhaustive()
    }
}

impl fmt::Debug for CopyIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyIn").field("table", &self.table).finish_non_exhaustive()
    }
}
