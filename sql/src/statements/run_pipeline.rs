//! `RUN PIPELINE name [(args)] [DRY RUN [LIMIT n] | FULL REFRESH | STARTING AT expr [UNTIL expr]] [WITH (..)]`

use crate::cursor::Cursor;
use crate::error::Result;
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

impl RunPipeline {
    pub(super) const WORDS: &[&str] = &["RUN", "PIPELINE"];

    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let name = p.name()?;
        let bracket = p.sees_symbol(&sqlparser::tokenizer::Token::LParen);
        let arguments = if bracket { Argument::parse_list(p)? } else { Vec::new() };
        let how = RunHow::parse(p)?;
        let options = Options::parse_optional(p)?;
        p.finish_or(&["DRY RUN", "FULL REFRESH", "STARTING AT", "WITH"])?;
        Ok(Self { name, arguments, how, options })
    }
}

impl RunHow {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if p.words(&["DRY", "RUN"]) {
            let limit = if p.word("LIMIT") { Some(p.whole()?) } else { None };
            return Ok(Self::Dry { limit });
        }
        if p.words(&["FULL", "REFRESH"]) {
            return Ok(Self::FullRefresh);
        }
        if p.words(&["STARTING", "AT"]) {
            let from = p.expr()?;
            let until = if p.word("UNTIL") { Some(p.expr()?) } else { None };
            return Ok(Self::Backfill { from, until });
        }
        Ok(Self::New)
    }
}
