//! Connectors that read: one file or folder each, one list `CONNECTORS`.

mod columns;
mod contract;
mod drift;
mod lake;
mod local;
mod postgres;
mod watched;

pub use columns::{amended, rescued_field};
pub use contract::{
    BatchLimit, CHANGE_COLUMN, Check, Connector, Drift, FileKey, OpenRequest, Position, Range, RawRecord, RejectSink, RemoteRelation,
    ScanRequest, Seen, Source, SourceReject, StartPoint,
};
pub use lake::LakeTable;
pub use local::{UPLOAD_NUMBER, UploadColumns, UploadRequest, open_upload, upload_columns, upload_layout};
pub use watched::{Watch, watched};

/// Name and meaning of the provenance columns that scans append and lake tables keep.
pub const SOURCE_COLUMN: &str = "_source";
pub const POSITION_COLUMN: &str = "_source_position";

/// Every connector. This list is the registry.
pub static CONNECTORS: &[&dyn Connector] = &[&local::Local, &postgres::Postgres];

/// The connector of that `TYPE`.
pub fn connector(name: &str) -> Option<&'static dyn Connector> {
    CONNECTORS.iter().copied().find(|connector| connector.spec().name == name)
}
