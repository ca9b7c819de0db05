//! Bodies into payloads, as bytes: what one POST carries becomes records of a source.
//!
//! Nothing is changed on the way: a JSON payload is the exact range of the body it stood in. Only a form becomes something new. XML is
//! left to the formats of the main package: take it as [`Form::Raw`].

mod error;
mod form;
mod json;
mod keys;
mod payloads;

pub use error::{Fault, Rejected};
pub use payloads::{Payload, Payloads, split};

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One value; the items of an array at the top are a payload each.
    Json,
    /// One value per line. A line that is none is rejected alone.
    Ndjson,
    /// `application/x-www-form-urlencoded`: one JSON object of texts, in the order of the form. A name that is there more than once has
    /// a list.
    Urlencoded,
    /// The body is the payload.
    Raw,
}

/// What one body may cost. A payload beyond is rejected, never cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub payload_bytes: usize,
    /// Payloads of one body.
    pub payloads: usize,
    /// Arrays and objects within each other; the array around payloads does not count.
    pub depth: usize,
    /// Characters of one number.
    pub number_bytes: usize,
    /// The power of ten of one number, in either direction: short to write, long to write out.
    pub exponent: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { payload_bytes: 16 << 20, payloads: 100_000, depth: 128, number_bytes: 128, exponent: 400 }
    }
}
