//! `VACUUM table [RETAIN interval] [DRY RUN]`

use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Interval, Name};

#[derive(Debug, Clone, PartialEq)]
pub struct Vacuum {
    pub name: Name,
    pub retain: Option<Interval>,
    pub dry_run: bool,
}

impl Vacuum {
    pub(super) const WORDS: &[&str] = &["VACUUM"];

    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        p.word("TABLE");
        let name = p.name()?;
        let retain = if p.word("RETAIN") { Some(p.interval()?) } else { None };
        let dry_run = p.words(&["DRY", "RUN"]);
        p.finish_or(&["RETAIN", "DRY RUN"])?;
        Ok(Self { name, retain, dry_run })
    }
}
