//! `CREATE [OR REPLACE] CONNECTION [IF NOT EXISTS] name TYPE type [WITH (..)]`

use super::Create;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Ident, Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct CreateConnection {
    pub name: Name,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub connection_type: Ident,
    pub options: Options,
}

impl CreateConnection {
    pub(super) fn parse(p: &mut Cursor<'_>, create: &Create) -> Result<Self> {
        let if_not_exists = create.if_not_exists(p)?;
        let name = p.name()?;
        p.expect(&["TYPE"])?;
        let connection_type = p.any_ident()?;
        let options = Options::parse_optional(p)?;
        p.finish_or(&["WITH"])?;
        Ok(Self { name, or_replace: create.or_replace, if_not_exists, connection_type, options })
    }
}
