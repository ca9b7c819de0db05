//! `REPLAY PIPELINE name [WHERE expr] [WITH (..)]`
//!
//! Puts repaired dead letters back; the condition reads the columns of `hub.dead_letters`.

use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Expr, Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct ReplayPipeline {
    pub name: Name,
    pub condition: Option<Expr>,
    pub options: Options,
}

impl ReplayPipeline {
    pub(super) const WORDS: &[&str] = &["REPLAY", "PIPELINE"];

    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let name = p.name()?;
        let condition = if p.word("WHERE") { Some(p.expr()?) } else { None };
        let options = Options::parse_optional(p)?;
        p.finish_or(&["WHERE", "WITH"])?;
        Ok(Self { name, condition, options })
    }
}
