//! `[CONSTRAINT name] EXPECT (..) | NOT NULL (..) | UNIQUE (..) | FOREIGN KEY (..) REFERENCES .. [ON VIOLATION action] [MESSAGE '..']`
//!
//! A rule says which rows may land, and what becomes of the others.

use crate::{Columns, Expr, Ident, Name};

/// A rule of an output, a source or a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub name: Option<Ident>,
    pub kind: RuleKind,
    /// `None` when not written: the default is quarantine.
    pub action: Option<Action>,
    pub message: Option<String>,
    /// Where the rule starts: 1-based character offset in the whole input.
    pub position: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RuleKind {
    /// The expression must be TRUE; NULL is a violation.
    Expect(Expr),
    /// The expression must not be FALSE; only on tables.
    Check(Expr),
    NotNull(Columns),
    Unique(Columns),
    /// Empty `referenced` means the referenced table's key.
    ForeignKey {
        columns: Columns,
        table: Name,
        referenced: Columns,
    },
}

/// What becomes of a row that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Quarantine,
    Drop,
    Fail,
    Warn,
}
