//! `CREATE TABLE [IF NOT EXISTS] name [(elements)] [PARTITIONED BY (..)] [WITH (..)] [COMMENT '..'] [AS query]`

use crate::{Columns, Element, Name, Options, Query};

#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    pub name: Name,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub elements: Vec<Element>,
    pub partitioned_by: Columns,
    pub options: Options,
    pub comment: Option<String>,
    pub query: Option<Query>,
}
