//! JSON: one value per line, or records at a path inside bigger documents.
//!
//! A broken record costs itself. Files are cut while streaming, so a document may be larger than memory; only a single record may not.

mod tape;

pub(super) use tape::checked;
