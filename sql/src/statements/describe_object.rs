//! `DESCRIBE [noun] name`

use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Name, ObjectKind};

#[derive(Debug, Clone, PartialEq)]
pub struct DescribeObject {
    /// `None` when no noun was written: whatever relation has that name.
    pub kind: Option<ObjectKind>,
    pub name: Name,
}

impl DescribeObject {
    pub(super) fn parse(p: &mut Cursor<'_>, kind: Option<ObjectKind>) -> Result<Self> {
        Ok(Self { kind, name: p.name()? })
    }
}
