//! `CREATE [OR REPLACE] CONNECTION [IF NOT EXISTS] name TYPE type [WITH (..)]`

use crate::{Ident, Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct CreateConnection {
    pub name: Name,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub connection_type: Ident,
    pub options: Options,
}
