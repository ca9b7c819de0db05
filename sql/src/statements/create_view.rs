//! `CREATE [OR REPLACE] VIEW [IF NOT EXISTS] name [(columns)] [COMMENT '..'] AS query`

use super::Create;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Columns, Name, Query};

#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    pub name: Name,
    pub or_replace: bool,
    pub if_not_exists: bool,
    /// Empty when the query's own names are kept.
    pub columns: Columns,
    pub comment: Option<String>,
    pub query: Query,
}

impl CreateView {
    pub(super) fn parse(p: &mut Cursor<'_>, create: &Create) -> Result<Self> {
        let if_not_exists = create.if_not_exists(p)?;
        let name = p.name()?;
        let bracket = p.sees_symbol(&sqlparser::tokenizer::Token::LParen);
        let columns = if bracket { p.columns()? } else { Vec::new() };
        let comment = if p.word("COMMENT") { Some(p.string()?) } else { None };
        p.expect(&["AS"])?;
        Ok(Self { name, or_replace: create.or_replace, if_not_exists, columns, comment, query: p.query_to_end()? })
    }
}
