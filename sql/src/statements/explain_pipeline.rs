//! `EXPLAIN [(PLAN | RULES | LINEAGE [, FORMAT json])] PIPELINE name`

use crate::{Ident, Name};

#[derive(Debug, Clone, PartialEq)]
pub struct ExplainPipeline {
    pub name: Name,
    pub what: ExplainWhat,
    pub format: Option<Ident>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainWhat {
    Plan,
    Rules,
    Lineage,
}
