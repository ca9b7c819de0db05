//! `IMPORT FOREIGN SCHEMA remote [{LIMIT TO | EXCEPT} (..)] FROM {CONNECTION | SERVER} name INTO schema [WITH (..)]`
//!
//! Makes a source for each table of a database.

use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Ident, Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct ImportForeignSchema {
    pub remote_schema: Ident,
    pub filter: ImportFilter,
    pub connection: Name,
    pub into: Ident,
    pub options: Options,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ImportFilter {
    All,
    LimitTo(Vec<Ident>),
    Except(Vec<Ident>),
}

impl ImportForeignSchema {
    pub(super) const WORDS: &[&str] = &["IMPORT", "FOREIGN", "SCHEMA"];

    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let remote_schema = p.any_ident()?;
        let filter = if p.words(&["LIMIT", "TO"]) {
            ImportFilter::LimitTo(p.columns()?)
        } else if p.word("EXCEPT") {
            ImportFilter::Except(p.columns()?)
        } else {
            ImportFilter::All
        };
        p.expect(&["FROM"])?;
        p.one_of(&[("CONNECTION", ()), ("SERVER", ())])?;
        let connection = p.name()?;
        p.expect(&["INTO"])?;
        let into = p.ident()?;
        Ok(Self { remote_schema, filter, connection, into, options: Options::parse_optional(p)? })
    }
}
