//! `EXPLAIN [(FORMAT json)] {CREATE [OR REPLACE] PIPELINE .. | ALTER PIPELINE .. | ALTER TABLE ..}`
//!
//! Tells what the statement would touch, and does nothing.

use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Ident, StatementKind};

use super::dispatch;

#[derive(Debug, Clone, PartialEq)]
pub struct ExplainChange {
    pub change: Box<StatementKind>,
    /// The text of the statement that is explained.
    pub text: String,
    pub format: Option<Ident>,
}

impl ExplainChange {
    /// Whether a change that can be explained comes next.
    pub(super) fn begins(p: &Cursor<'_>) -> bool {
        [&["CREATE", "PIPELINE"][..], &["CREATE", "OR", "REPLACE", "PIPELINE"], &["ALTER", "PIPELINE"], &["ALTER", "TABLE"]]
            .iter()
            .any(|words| p.sees(words))
    }

    /// Reads the statement; the option list has been read by whoever saw that a change is meant.
    pub(super) fn parse(p: &mut Cursor<'_>, list: Option<Cursor<'_>>) -> Result<Self> {
        let mut format = None;
        if let Some(mut list) = list {
            list.list(|list| {
                list.expect(&["FORMAT"])?;
                format = Some(list.any_ident()?);
                Ok(())
            })?;
            list.finish()?;
        }
        let start = p.index();
        let change = Box::new(dispatch::definition(p)?);
        Ok(Self { change, text: p.text_since(start), format })
    }
}
