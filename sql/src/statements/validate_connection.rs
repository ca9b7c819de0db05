//! `VALIDATE CONNECTION name`
//!
//! Dials out and answers one row per check.

use crate::Name;
use crate::cursor::Cursor;
use crate::error::Result;

#[derive(Debug, Clone, PartialEq)]
pub struct ValidateConnection {
    pub name: Name,
}

impl ValidateConnection {
    pub(super) const WORDS: &[&str] = &["VALIDATE", "CONNECTION"];

    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        Ok(Self { name: p.name()? })
    }
}
