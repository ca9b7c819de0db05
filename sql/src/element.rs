//! Elements of a column list: columns with their attributes, keys and rules.

use crate::{Columns, Expr, Ident, Rule, TypeName};

/// One element of the list of a source or a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Element {
    Column(Column),
    PrimaryKey(Columns),
    LookupKey(Columns),
    Rule(Rule),
}

/// A column and what is said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: Ident,
    pub data_type: TypeName,
    pub not_null: bool,
    pub primary_key: bool,
    pub unique: bool,
    pub default: Option<Expr>,
    /// A JSON path, or the reader's own way to name a field.
    pub path: Option<String>,
    pub on_error: Option<OnError>,
    pub generated: Option<Expr>,
    pub check: Option<Expr>,
    pub comment: Option<String>,
}

/// What becomes of a value that does not convert.
#[derive(Debug, Clone, PartialEq)]
pub enum OnError {
    Null,
    Error,
    Default(Expr),
}
