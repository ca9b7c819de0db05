//! `CANCEL RUN 'id'`

use crate::cursor::Cursor;
use crate::error::Result;

#[derive(Debug, Clone, PartialEq)]
pub struct CancelRun {
    pub run_id: String,
    pub position: usize,
}

impl CancelRun {
    pub(super) const WORDS: &[&str] = &["CANCEL", "RUN"];

    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let position = p.position();
        Ok(Self { run_id: p.string()?, position })
    }
}
