//! `EXPLAIN [ANALYZE] [VERBOSE] query`, also with PostgreSQL's option list.

use crate::{Ident, Query};

#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    pub analyze: bool,
    pub verbose: bool,
    pub format: Option<Ident>,
    pub query: Query,
}
