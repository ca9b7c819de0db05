//! `OPTIMIZE table`

use crate::Name;
use crate::cursor::Cursor;
use crate::error::Result;

#[derive(Debug, Clone, PartialEq)]
pub struct Optimize {
    pub name: Name,
}

impl Optimize {
    pub(super) const WORDS: &[&str] = &["OPTIMIZE"];

    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        p.word("TABLE");
        Ok(Self { name: p.name()? })
    }
}
