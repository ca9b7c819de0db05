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

#[cfg(test)]
mod tests;

pub(super) use connector::Local;
