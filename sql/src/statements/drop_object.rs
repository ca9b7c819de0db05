//! `DROP noun [IF EXISTS] name [, ..] [RESTRICT | CASCADE]`

use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Name, ObjectKind};

#[derive(Debug, Clone, PartialEq)]
pub struct DropObject {
    pub kind: ObjectKind,
    pub names: Vec<Name>,
    pub if_exists: bool,
    pub cascade: bool,
}

impl DropObject {
    pub(super) fn parse(p: &mut Cursor<'_>, kind: ObjectKind) -> Result<Self> {
        let if_exists = p.if_exists();
        let names = p.list(Cursor::name)?;
        let cascade = p.word("CASCADE");
        if !cascade {
            p.word("RESTRICT");
        }
        p.finish_or(&["RESTRICT", "CASCADE"])?;
        Ok(Self { kind, names, if_exists, cascade })
    }
}
