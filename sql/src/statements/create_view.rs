//! `CREATE [OR REPLACE] VIEW [IF NOT EXISTS] name [(columns)] [COMMENT '..'] AS query`

use crate::{Columns, Name, Query};

#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    pub name: Name,
    pub or_replace: bool,
    pub if_not_exists: bool,
    /// Empty when the query's own names are kept.
    pub columns: Columns,
    pub comment: Option<String>,
    pub query: Query,
}
