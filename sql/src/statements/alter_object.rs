//! `ALTER {SCHEMA | CONNECTION | SOURCE | VIEW} [IF EXISTS] name {SET (..) | RESET (..) | RENAME TO | SET SCHEMA | OWNER TO}`

use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Ident, Name, ObjectKind, OptionKey, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct AlterObject {
    pub kind: ObjectKind,
    pub name: Name,
    pub if_exists: bool,
    pub change: ObjectChange,
}

/// The changes every kind of object takes.
#[derive(Debug, Clone, PartialEq)]
pub enum ObjectChange {
    Set(Options),
    Reset(Vec<OptionKey>),
    RenameTo(Ident),
    SetSchema(Ident),
    OwnerTo(Ident),
}

/// Words that begin a change of any object.
pub(super) const CHANGES: &[&str] = &["SET", "RESET", "RENAME TO", "SET SCHEMA", "OWNER TO"];

impl ObjectChange {
    /// Reads a change that every object takes; `None` if something else comes next.
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Option<Self>> {
        let bracket_behind = p.nth(1).is_some_and(|tok| tok.is(&sqlparser::tokenizer::Token::LParen));
        if p.words(&["RENAME", "TO"]) {
            return Ok(Some(Self::RenameTo(p.ident()?)));
        }
        if p.words(&["SET", "SCHEMA"]) {
            return Ok(Some(Self::SetSchema(p.ident()?)));
        }
        if p.words(&["OWNER", "TO"]) {
            return Ok(Some(Self::OwnerTo(p.any_ident()?)));
        }
        if bracket_behind && p.word("SET") {
            return Ok(Some(Self::Set(Options::parse_group(p)?)));
        }
        if bracket_behind && p.word("RESET") {
            let mut inner = p.group()?;
            let keys = inner.list(OptionKey::parse)?;
            inner.finish()?;
            return Ok(Some(Self::Reset(keys)));
        }
        Ok(None)
    }
}

impl AlterObject {
    pub(super) fn parse(p: &mut Cursor<'_>, kind: ObjectKind, name: Name, if_exists: bool) -> Result<Self> {
        match ObjectChange::parse(p)? {
            Some(change) => Ok(Self { kind, name, if_exists, change }),
            None => Err(p.expected_one_of(CHANGES)),
        }
    }
}
