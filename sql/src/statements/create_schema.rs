//! `CREATE SCHEMA [IF NOT EXISTS] name [AUTHORIZATION role]`

use crate::Ident;

#[derive(Debug, Clone, PartialEq)]
pub struct CreateSchema {
    /// `None` with AUTHORIZATION alone: the schema is called like the role.
    pub name: Ident,
    pub if_not_exists: bool,
    pub owner: Option<Ident>,
}
