//! JSON: one value per line, or records at a path inside bigger documents.
//!
//! A broken record costs itself. Files are cut while streaming, so a document may be larger than memory; only a single record may not.

mod cut;
mod decode;
mod format;
mod infer;
mod path;
mod tape;

#[cfg(test)]
mod tests;

pub(super) use decode::{Record, rows};
pub(super) use format::{Json, Ndjson};
pub(super) use tape::checked;
