//! `TRUNCATE [TABLE] [ONLY] name [, ..] [RESTART IDENTITY | CONTINUE IDENTITY] [RESTRICT | CASCADE]`

use crate::Name;
use crate::cursor::Cursor;
use crate::error::Result;

#[derive(Debug, Clone, PartialEq)]
pub struct Truncate {
    pub names: Vec<Name>,
}

impl Truncate {
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        p.word("TABLE");
        let names = p.list(|p| {
            p.word("ONLY");
            p.name()
        })?;
        // There are no sequences to restart.
        let _ = p.words(&["RESTART", "IDENTITY"]) || p.words(&["CONTINUE", "IDENTITY"]);
        let _ = p.word("RESTRICT") || p.word("CASCADE");
        p.finish_or(&["RESTART IDENTITY", "CONTINUE IDENTITY", "RESTRICT", "CASCADE"])?;
        Ok(Self { names })
    }
}
