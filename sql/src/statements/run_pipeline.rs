//! `RUN PIPELINE name [(args)] [DRY RUN [LIMIT n] | FULL REFRESH | STARTING AT expr [UNTIL expr]] [WITH (..)]`

use crate::{Argument, Expr, Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct RunPipeline {
    pub name: Name,
    pub arguments: Vec<Argument>,
    pub how: RunHow,
    pub options: Options,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RunHow {
    /// What is new since the last run.
    New,
    /// Writes nothing and moves no offset.
    Dry {
        limit: Option<u64>,
    },
    FullRefresh,
    Backfill {
        from: Expr,
        until: Option<Expr>,
    },
}
