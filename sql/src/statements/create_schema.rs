//! `CREATE SCHEMA [IF NOT EXISTS] name [AUTHORIZATION role]`

use super::Create;
use crate::Ident;
use crate::cursor::Cursor;
use crate::error::Result;

#[derive(Debug, Clone, PartialEq)]
pub struct CreateSchema {
    /// `None` with AUTHORIZATION alone: the schema is called like the role.
    pub name: Ident,
    pub if_not_exists: bool,
    pub owner: Option<Ident>,
}

impl CreateSchema {
    pub(super) fn parse(p: &mut Cursor<'_>, create: &Create) -> Result<Self> {
        create.refuse_or_replace()?;
        let if_not_exists = create.if_not_exists(p)?;
        if p.word("AUTHORIZATION") {
            let owner = p.any_ident()?;
            return Ok(Self { name: owner.clone(), if_not_exists, owner: Some(owner) });
        }
        let name = p.ident()?;
        let owner = if p.word("AUTHORIZATION") { Some(p.any_ident()?) } else { None };
        Ok(Self { name, if_not_exists, owner })
    }
}
