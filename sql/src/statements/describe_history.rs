//! `DESCRIBE HISTORY table [LIMIT n]`

use crate::Name;
use crate::cursor::Cursor;
use crate::error::Result;

#[derive(Debug, Clone, PartialEq)]
pub struct DescribeHistory {
    pub name: Name,
    pub limit: Option<u64>,
}

impl DescribeHistory {
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let name = p.name()?;
        let limit = if p.word("LIMIT") { Some(p.whole()?) } else { None };
        p.finish_or(&["LIMIT"])?;
        Ok(Self { name, limit })
    }
}
