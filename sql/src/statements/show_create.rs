//! `SHOW CREATE noun name`

use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Name, ObjectKind};

#[derive(Debug, Clone, PartialEq)]
pub struct ShowCreate {
    pub kind: ObjectKind,
    pub name: Name,
}

impl ShowCreate {
    pub(super) fn parse(p: &mut Cursor<'_>, kind: ObjectKind) -> Result<Self> {
        Ok(Self { kind, name: p.name()? })
    }
}
