//! `COMMENT ON {noun name | COLUMN table.column} IS {'text' | NULL}`

use crate::{Ident, Name, ObjectKind};

#[derive(Debug, Clone, PartialEq)]
pub struct CommentOn {
    pub target: CommentTarget,
    /// `None` removes the comment.
    pub comment: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CommentTarget {
    Object { kind: ObjectKind, name: Name },
    Column { table: Name, column: Ident },
}
