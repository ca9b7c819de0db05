//! What a format promises.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{BinaryArray, Int64Array};
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::types::Logical;
use crate::error::Result;
use crate::spec::{Options, Spec};

/// One column that a source declares, or that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSpec {
    pub name: String,
    pub data_type: DataType,
    /// What the Arrow type alone does not tell.
    pub logical: Logical,
    pub not_null: bool,
    /// Where the value lies inside a record: SQL/JSON path for nested formats, header name for flat ones. None = the column's name.
    pub path: Option<String>,
    pub on_error: OnError,
    /// Text of the value for an absent field.
    pub default: Option<String>,
    /// It takes what no other column takes, as a JSON object; NULL when that is nothing.
    pub rescues: bool,
    /// What its field is called since a rename was accepted; records that still have the old name are read as before.
    pub renamed: Option<String>,
    /// Records need not have it any more: it is NULL.
    pub gone: bool,
    /// It is no longer what the definition says: a change of it was accepted or followed.
    pub amended: bool,
}

/// Keys of a stored column's metadata: see `ColumnSpec::renamed`, `gone` and `amended`.
const RENAMED_KEY: &str = "weir.renamed";
const GONE_KEY: &str = "weir.gone";
const AMENDED_KEY: &str = "weir.amended";

impl ColumnSpec {
    /// A nullable column found under its own name.
    pub fn new(name: impl Into<String>, data_type: DataType, logical: Logical) -> Self {
        Self {
            name: name.into(),
            data_type,
            logical,
            not_null: false,
            path: None,
            on_error: OnError::Reject,
            default: None,
            rescues: false,
            renamed: None,
            gone: false,
            amended: false,
        }
    }

    /// The column of a schema found earlier.
    pub fn from_field(field: &Field) -> Self {
        let mark = |key: &str| field.metadata().get(key);
        Self {
            not_null: !field.is_nullable(),
            renamed: mark(RENAMED_KEY).cloned(),
            gone: mark(GONE_KEY).is_some(),
            amended: mark(AMENDED_KEY).is_some(),
            ..Self::new(field.name(), field.data_type().clone(), Logical::of(field))
        }
    }

    /// As it stands in a schema, with the metadata that names its logical type.
    pub fn field(&self) -> Field {
        self.logical.mark(Field::new(&self.name, self.data_type.clone(), !self.not_null))
    }

    /// As the catalog keeps it: with what only the source itself needs to know.
    pub fn stored(&self) -> Field {
        let field = self.field();
        let mut metadata = field.metadata().clone();
        let mut mark = |key: &str, value: Option<&str>| match value {
            Some(value) => drop(metadata.insert(key.to_owned(), value.to_owned())),
            None => drop(metadata.remove(key)),
        };
        mark(RENAMED_KEY, self.renamed.as_deref());
        mark(GONE_KEY, self.gone.then_some("true"));
        mark(AMENDED_KEY, self.amended.then_some("true"));
        field.with_metadata(metadata)
    }

    /// What the field may be called inside a record, the first that is there counts.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.renamed.as_deref().into_iter().chain([self.field_name()])
    }

    /// What the field is called inside a record.
    pub fn field_name(&self) -> &str {
        self.path.as_deref().unwrap_or(&self.name)
    }
}

/// What a value that does not convert costs.
#[derive(Debug, Clone, PartialEq)]
pub enum OnError {
    /// The record is rejected.
    Reject,
    Null,
    /// This text is converted instead.
    Default(String),
}

/// A record that could not become a row. It carries all that is needed to repair and replay it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reject {
    /// `type:<column>` for a value, `record` for a record that could not be taken apart, `not_null:<column>`.
    pub rule: String,
    pub error: String,
    /// The record as it stood in the file, without its line end.
    pub raw: Vec<u8>,
    /// 1-based line of the record's first byte (text formats) or 1-based record number.
    pub position: i64,
}

/// What one block became.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The columns asked for, in order, with the declared types.
    pub batch: RecordBatch,
    /// Per row of `batch`: its position, as in `Reject::position`.
    pub positions: Int64Array,
    /// Per row of `batch`: its raw bytes, only when asked for.
    pub raw: Option<BinaryArray>,
    pub rejects: Vec<Reject>,
    /// Columns met that are not among those asked for; for ON SCHEMA CHANGE. First seen values only, at most a few.
    pub unknown_fields: Vec<String>,
}

/// Where a decoder gets its bytes.
pub enum Input {
    /// Already decompressed; read once, from the start to the end.
    Stream(Box<dyn Read + Send>),
    /// Formats with a footer need the file itself.
    File(PathBuf),
}

/// What the start of a delimited file says about all its records.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layout {
    /// Names of a record's fields, in order; None when the file has no header.
    pub fields: Option<Vec<String>>,
    pub delimiter: u8,
}

/// A piece of a file that can be decoded alone, in any order and on any thread.
#[derive(Clone)]
pub struct Block {
    /// Position of its first record.
    pub first_position: i64,
    /// What the start of the file says about all its records. None: nothing, or the block does not come from a file.
    pub layout: Option<Arc<Layout>>,
    pub content: BlockContent,
}

#[derive(Clone)]
pub enum BlockContent {
    /// Whole records of a text format.
    Bytes(bytes::Bytes),
    /// Whole records, each ending at the given offset: for formats whose records do not end with their line.
    Records { bytes: bytes::Bytes, ends: Vec<u32> },
    /// What was found while cutting not to be a record; it is one record for the counts.
    Refused(Reject),
    /// Rows of a row group of a columnar file, counted within the group.
    RowGroup { file: PathBuf, index: usize, first_row: usize, rows: usize },
}

/// How much of a file is looked at where its start does not say what fields there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The first records.
    Start,
    Whole,
}

/// How the fields of a file and the columns differ.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Survey {
    /// Fields that no column takes, with types guessed.
    pub new: Vec<Field>,
    /// Columns, by their place, whose field no record has.
    pub missing: Vec<usize>,
    /// Whether records have all the fields that there are, so that a missing one is not just left out.
    pub is_strict: bool,
}

/// The columns without a place in the records, of those that need one.
pub(super) fn missing(columns: &[ColumnSpec], places: &[Option<usize>]) -> Vec<usize> {
    let needs = |column: &ColumnSpec| !column.rescues && !column.gone && column.default.is_none();
    columns.iter().zip(places).enumerate().filter(|(_, (column, place))| needs(column) && place.is_none()).map(|(at, _)| at).collect()
}

pub trait Format: Send + Sync {
    fn spec(&self) -> &'static Spec;

    fn open(&self, options: &Options) -> Result<Arc<dyn Decoder>>;
}

/// A format with its options set.
pub trait Decoder: Send + Sync {
    /// Columns and types found in the first `max_bytes` of a file. Never an error for a bad record: those are passed over.
    fn infer(&self, input: Input, max_bytes: usize) -> Result<SchemaRef>;

    /// How the fields of a file and the columns differ; nothing where fields have no names. Memory does not grow with the file.
    fn survey(&self, input: Input, columns: &[ColumnSpec], depth: Depth) -> Result<Survey>;

    /// Cuts a file into blocks of whole records (about `target_bytes` each); the header, if any, is consumed here. Runs on a thread of its
    /// own and reads ahead no more than one block. Fails only when the file as a whole cannot be read.
    fn blocks(&self, input: Input, columns: &[ColumnSpec], target_bytes: usize) -> Result<Box<dyn Iterator<Item = Result<Block>> + Send>>;

    /// Decodes one block. CPU only. `projection` are indices into `columns` to return; all columns are checked.
    fn decode(&self, block: Block, columns: &[ColumnSpec], projection: Option<&[usize]>, want_raw: bool) -> Result<Decoded>;
}
