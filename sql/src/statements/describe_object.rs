//! `DESCRIBE [noun] name`

use crate::{Name, ObjectKind};

#[derive(Debug, Clone, PartialEq)]
pub struct DescribeObject {
    /// `None` when no noun was written: whatever relation has that name.
    pub kind: Option<ObjectKind>,
    pub name: Name,
}
