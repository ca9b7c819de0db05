//! `COMMENT ON {noun name | COLUMN table.column} IS {'text' | NULL}`

use crate::cursor::Cursor;
use crate::error::Result;
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

impl CommentOn {
    /// Reads what stands behind COMMENT ON COLUMN.
    pub(super) fn parse_column(p: &mut Cursor<'_>) -> Result<Self> {
        let mut parts = vec![p.ident()?];
        while p.symbol(&sqlparser::tokenizer::Token::Period) {
            parts.push(p.any_ident()?);
        }
        let column = parts.pop();
        let (Some(column), Some(name), schema, None) = (column, parts.pop(), parts.pop(), parts.pop()) else {
            return Err(p.expected("table.column"));
        };
        Self::parse_text(p, CommentTarget::Column { table: Name { schema, name }, column })
    }

    pub(super) fn parse(p: &mut Cursor<'_>, kind: ObjectKind) -> Result<Self> {
        let name = p.name()?;
        Self::parse_text(p, CommentTarget::Object { kind, name })
    }

    fn parse_text(p: &mut Cursor<'_>, target: CommentTarget) -> Result<Self> {
        p.expect(&["IS"])?;
        let comment = if p.word("NULL") { None } else { Some(p.string()?) };
        Ok(Self { target, comment })
    }
}
