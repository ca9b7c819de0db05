//! Delimited text: records are lines, fields lie between delimiters, a header may name them.
//!
//! A line that breaks the quoting costs itself and nothing else: reading goes on with the next physical line. How a file is cut into blocks
//! never changes what becomes of its records.

mod decode;
mod dialect;
mod format;
mod infer;
mod split;
mod tokens;

#[cfg(test)]
mod tests;

pub(super) use format::Csv;
pub(super) use split::{lines, unreadable};
