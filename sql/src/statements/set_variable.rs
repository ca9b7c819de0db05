//! `SET [SESSION | LOCAL] name {= | TO} {value, .. | DEFAULT}`, `SET TIME ZONE ..`, `RESET name`, `SHOW name`, `DISCARD ..`

use sqlparser::tokenizer::Token;

use crate::cursor::Cursor;
use crate::error::Result;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetVariable {
    /// Lower case, dotted.
    pub name: String,
    pub position: usize,
    /// Until the end of the transaction only.
    pub local: bool,
    pub value: VariableValue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableValue {
    Default,
    /// The values as text: bare words and strings lose their quotes, numbers keep their form.
    Values(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetVariable {
    /// `None` for `RESET ALL`.
    pub name: Option<String>,
    pub position: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowVariable {
    /// `None` for `SHOW ALL`.
    pub name: Option<String>,
    pub position: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    All,
    Plans,
    Sequences,
    Temp,
}

impl SetVariable {
    /// Reads what stands behind SET.
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let local = p.word("LOCAL");
        if !local && !p.nth(1).is_some_and(|tok| tok.is(&Token::Eq) || tok.is_word("TO")) {
            p.word("SESSION");
        }
        let position = p.position();
        if p.words(&["TIME", "ZONE"]) {
            let value = if p.word("LOCAL") { VariableValue::Default } else { VariableValue::parse(p)? };
            return Ok(Self { name: "timezone".to_owned(), position, local, value });
        }
        if p.word("NAMES") {
            return Ok(Self { name: "client_encoding".to_owned(), position, local, value: VariableValue::parse(p)? });
        }
        if p.words(&["SESSION", "AUTHORIZATION"]) {
            let name = "session_authorization".to_owned();
            return Ok(Self { name, position, local, value: VariableValue::parse(p)? });
        }
        if p.sees(&["ROLE"]) && !p.nth(1).is_some_and(|tok| tok.is(&Token::Eq) || tok.is_word("TO")) {
            p.word("ROLE");
            return Ok(Self { name: "role".to_owned(), position, local, value: VariableValue::parse(p)? });
        }
        let name = variable_name(p)?;
        if !p.symbol(&Token::Eq) && !p.word("TO") {
            return Err(p.expected("TO or ="));
        }
        Ok(Self { name, position, local, value: VariableValue::parse(p)? })
    }
}

impl VariableValue {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if p.word("DEFAULT") {
            return Ok(Self::Default);
        }
        Ok(Self::Values(p.list(one_value)?))
    }
}

fn one_value(p: &mut Cursor<'_>) -> Result<String> {
    if let Some(text) = p.try_string() {
        return Ok(text);
    }
    let sign = if p.symbol(&Token::Minus) { "-" } else { "" };
    p.symbol(&Token::Plus);
    if let Some(number) = p.try_number() {
        // `SET x = 30 s` is not SQL; units belong in quotes, and the variable knows them.
        return Ok(format!("{sign}{number}"));
    }
    if p.sees(&["INTERVAL"]) {
        return Ok(p.interval()?.to_string());
    }
    if sign.is_empty() && p.peek().is_some_and(|tok| matches!(tok.token.token, Token::Word(_))) {
        return Ok(p.any_ident()?.value);
    }
    Err(p.expected("a value"))
}

/// `a.b`, in lower case.
fn variable_name(p: &mut Cursor<'_>) -> Result<String> {
    let mut name = p.any_ident()?.value;
    while p.symbol(&Token::Period) {
        name.push('.');
        name.push_str(&p.any_ident()?.value);
    }
    Ok(name.to_ascii_lowercase())
}

/// The spellings of RESET and SHOW that have words of their own.
fn named(p: &mut Cursor<'_>) -> Result<Option<String>> {
    if p.word("ALL") {
        return Ok(None);
    }
    if p.words(&["TIME", "ZONE"]) {
        return Ok(Some("timezone".to_owned()));
    }
    if p.words(&["TRANSACTION", "ISOLATION", "LEVEL"]) {
        return Ok(Some("transaction_isolation".to_owned()));
    }
    if p.words(&["SESSION", "AUTHORIZATION"]) {
        return Ok(Some("session_authorization".to_owned()));
    }
    variable_name(p).map(Some)
}

impl ResetVariable {
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let position = p.position();
        Ok(Self { name: named(p)?, position })
    }
}

impl ShowVariable {
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let position = p.position();
        Ok(Self { name: named(p)?, position })
    }
}

impl Discard {
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        p.one_of(&[
            ("ALL", Self::All),
            ("PLANS", Self::Plans),
            ("SEQUENCES", Self::Sequences),
            ("TEMP", Self::Temp),
            ("TEMPORARY", Self::Temp),
        ])
    }
}
