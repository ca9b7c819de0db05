//! `SHOW nouns [IN schema] [LIKE 'pattern']`

use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Ident, ObjectKind};

#[derive(Debug, Clone, PartialEq)]
pub struct ShowObjects {
    pub kind: ObjectKind,
    pub schema: Option<Ident>,
    pub like: Option<String>,
}

impl ShowObjects {
    pub(super) fn parse(p: &mut Cursor<'_>, kind: ObjectKind) -> Result<Self> {
        let schema = if p.word("IN") || p.word("FROM") { Some(p.ident()?) } else { None };
        let like = if p.word("LIKE") { Some(p.string()?) } else { None };
        p.finish_or(&["IN", "LIKE"])?;
        Ok(Self { kind, schema, like })
    }
}
