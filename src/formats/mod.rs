//! Bytes to rows: one file per format, one list `FORMATS`.
//!
//! A bad record is a `Reject` with its position and raw bytes, never the end of the file. A decoder never dials, never sleeps and holds one
//! block in memory.

mod contract;

pub use contract::{Block, BlockContent, ColumnSpec, Decoded, Decoder, Format, Input, OnError, Reject};
