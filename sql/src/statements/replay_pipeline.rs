//! `REPLAY PIPELINE name [WHERE expr] [WITH (..)]`
//!
//! Puts repaired dead letters back; the condition reads the columns of `hub.dead_letters`.

use crate::{Expr, Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct ReplayPipeline {
    pub name: Name,
    pub condition: Option<Expr>,
    pub options: Options,
}
