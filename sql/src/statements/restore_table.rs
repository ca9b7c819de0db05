//! `RESTORE TABLE name TO {VERSION | TIMESTAMP} AS OF ..`

use crate::cursor::Cursor;
use crate::error::Result;
use crate::temporal;
use crate::{Name, TemporalPoint};

#[derive(Debug, Clone, PartialEq)]
pub struct RestoreTable {
    pub name: Name,
    pub to: TemporalPoint,
}

impl RestoreTable {
    pub(super) const WORDS: &[&str] = &["RESTORE", "TABLE"];

    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let name = p.name()?;
        p.expect(&["TO"])?;
        Ok(Self { name, to: temporal::point(p)? })
    }
}
