//! `EXPLAIN [(PLAN | RULES | LINEAGE [, FORMAT json])] PIPELINE name`

use crate::cursor::Cursor;
use crate::error::{Result, SyntaxError};
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

impl ExplainPipeline {
    /// Reads the name; the option list has been read by whoever saw that a pipeline is meant.
    pub(super) fn parse(p: &mut Cursor<'_>, list: Option<Cursor<'_>>) -> Result<Self> {
        let mut explain = Self { name: p.name()?, what: ExplainWhat::Plan, format: None };
        let Some(mut list) = list else {
            return Ok(explain);
        };
        let mut said = false;
        list.list(|list| {
            let position = list.position();
            if list.word("FORMAT") {
                explain.format = Some(list.any_ident()?);
                return Ok(());
            }
            if said {
                return Err(SyntaxError::syntax("only one of PLAN, RULES and LINEAGE can be explained").at(position));
            }
            said = true;
            explain.what = list.one_of(&[("PLAN", ExplainWhat::Plan), ("RULES", ExplainWhat::Rules), ("LINEAGE", ExplainWhat::Lineage)])?;
            Ok(())
        })?;
        list.finish()?;
        Ok(explain)
    }
}
