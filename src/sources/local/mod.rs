//! Files in a folder of this machine.
//!
//! Incremental by the file ledger: every version of a file (path and etag) gets a number when it is first seen settled, and a position is such
//! a number. A file is read only while it still is the version that was offered.

mod connector;
mod drift;
mod feed;
mod offer;
mod source;
mod table;
mod upload;

#[cfg(test)]
mod tests;

pub(super) use connector::Local;
pub use upload::{UPLOAD_NUMBER, UploadColumns, UploadRequest, open_upload, upload_columns, upload_layout};
