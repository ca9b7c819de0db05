//! `IMPORT FOREIGN SCHEMA remote [{LIMIT TO | EXCEPT} (..)] FROM {CONNECTION | SERVER} name INTO schema [WITH (..)]`
//!
//! Makes a source for each table of a database.

use crate::{Ident, Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct ImportForeignSchema {
    pub remote_schema: Ident,
    pub filter: ImportFilter,
    pub connection: Name,
    pub into: Ident,
    pub options: Options,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ImportFilter {
    All,
    LimitTo(Vec<Ident>),
    Except(Vec<Ident>),
}
