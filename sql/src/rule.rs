//! `[CONSTRAINT name] EXPECT (..) | NOT NULL (..) | UNIQUE (..) | FOREIGN KEY (..) REFERENCES .. [ON VIOLATION action] [MESSAGE '..']`
//!
//! A rule says which rows may land, and what becomes of the others.

use crate::cursor::Cursor;
use crate::error::{Result, SyntaxError};
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

const KINDS: &[&str] = &["EXPECT", "NOT NULL", "UNIQUE", "FOREIGN KEY"];

impl Rule {
    /// Whether a rule comes next.
    pub(crate) fn begins(p: &Cursor<'_>) -> bool {
        let bracket_behind = |ahead| p.nth(ahead).is_some_and(|tok| tok.is(&sqlparser::tokenizer::Token::LParen));
        p.sees(&["CONSTRAINT"])
            || (p.sees(&["EXPECT"]) && bracket_behind(1))
            || (p.sees(&["NOT", "NULL"]) && bracket_behind(2))
            || (p.sees(&["UNIQUE"]) && bracket_behind(1))
            || (p.sees(&["CHECK"]) && bracket_behind(1))
            || p.sees(&["FOREIGN", "KEY"])
    }

    pub(crate) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let position = p.position();
        let name = if p.word("CONSTRAINT") { Some(p.ident()?) } else { None };
        let kind = RuleKind::parse(p)?;
        let mut rule = Self { name, kind, action: None, message: None, position };
        loop {
            let position = p.position();
            if p.words(&["ON", "VIOLATION"]) {
                once(rule.action.is_none(), "ON VIOLATION", position)?;
                rule.action = Some(Action::parse(p)?);
            } else if p.word("MESSAGE") {
                once(rule.message.is_none(), "MESSAGE", position)?;
                rule.message = Some(p.string()?);
            } else {
                return Ok(rule);
            }
        }
    }

    /// A CHECK belongs to a table: elsewhere EXPECT says what must hold.
    pub(crate) fn refuse_check(&self) -> Result<()> {
        match self.kind {
            RuleKind::Check(_) => {
                Err(SyntaxError::syntax("CHECK stands only in a table").hint(Some("Use EXPECT (..).".to_owned())).at(self.position))
            }
            _ => Ok(()),
        }
    }
}

impl RuleKind {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if p.word("EXPECT") {
            Ok(Self::Expect(p.expr_in_brackets()?))
        } else if p.word("CHECK") {
            Ok(Self::Check(p.expr_in_brackets()?))
        } else if p.words(&["NOT", "NULL"]) {
            Ok(Self::NotNull(p.columns()?))
        } else if p.word("UNIQUE") {
            Ok(Self::Unique(p.columns()?))
        } else if p.words(&["FOREIGN", "KEY"]) {
            let columns = p.columns()?;
            p.expect(&["REFERENCES"])?;
            let table = p.name()?;
            let referenced = if p.sees_symbol(&sqlparser::tokenizer::Token::LParen) { p.columns()? } else { Vec::new() };
            if !referenced.is_empty() && referenced.len() != columns.len() {
                return Err(
                    SyntaxError::syntax("number of referencing and referenced columns for foreign key disagree").at(table.position())
                );
            }
            Ok(Self::ForeignKey { columns, table, referenced })
        } else {
            Err(p.expected_one_of(KINDS))
        }
    }
}

impl Action {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let choices = &[("QUARANTINE", Self::Quarantine), ("DROP", Self::Drop), ("FAIL", Self::Fail), ("WARN", Self::Warn)];
        let action = p.one_of(choices)?;
        match action {
            Self::Drop => p.word("ROW"),
            Self::Fail => p.word("UPDATE"),
            Self::Quarantine | Self::Warn => false,
        };
        Ok(action)
    }
}

/// Refuses a clause that was there before.
pub(crate) fn once(first: bool, clause: &str, position: usize) -> Result<()> {
    if first { Ok(()) } else { Err(SyntaxError::syntax(format!("{clause} is written twice")).at(position)) }
}
