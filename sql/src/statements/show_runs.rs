//! `SHOW RUNS [FOR pipeline]`

use crate::Name;
use crate::cursor::Cursor;
use crate::error::Result;

#[derive(Debug, Clone, PartialEq)]
pub struct ShowRuns {
    pub pipeline: Option<Name>,
}

impl ShowRuns {
    pub(super) const WORDS: &[&str] = &["SHOW", "RUNS"];

    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if !p.word("FOR") {
            p.finish_or(&["FOR"])?;
            return Ok(Self { pipeline: None });
        }
        p.word("PIPELINE");
        Ok(Self { pipeline: Some(p.name()?) })
    }
}
