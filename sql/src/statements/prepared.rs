//! `PREPARE name [(types)] AS statement`, `EXECUTE name [(args)]`, `DEALLOCATE [PREPARE] {name | ALL}`

use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Expr, Ident, Statement, TypeName};

#[derive(Debug, Clone, PartialEq)]
pub struct Prepare {
    pub name: Ident,
    pub types: Vec<TypeName>,
    pub statement: Box<Statement>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Execute {
    pub name: Ident,
    pub arguments: Vec<Expr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deallocate {
    /// `None` for `ALL`.
    pub name: Option<Ident>,
}

impl Prepare {
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let name = p.ident()?;
        let mut types = Vec::new();
        if p.sees_symbol(&sqlparser::tokenizer::Token::LParen) {
            let mut inner = p.group()?;
            types = inner.list(Cursor::type_name)?;
            inner.finish()?;
        }
        p.expect(&["AS"])?;
        const BEGINNINGS: &[&str] = &["SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE"];
        let bracket = p.sees_symbol(&sqlparser::tokenizer::Token::LParen);
        if !bracket && !BEGINNINGS.iter().any(|word| p.sees(&[word])) {
            return Err(p.expected_one_of(BEGINNINGS));
        }
        Ok(Self { name, types, statement: Box::new(super::parse(p)?) })
    }
}

impl Execute {
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let position = p.position();
        let name = p.ident()?;
        if name.value == "pipeline" && p.peek_word().is_some() {
            return Err(p.input().unexpected(p.index()).hint(Some("Use RUN PIPELINE.".to_owned())).at(position));
        }
        let mut arguments = Vec::new();
        if p.sees_symbol(&sqlparser::tokenizer::Token::LParen) {
            let mut inner = p.group()?;
            if !inner.at_end() {
                arguments = inner.list(Cursor::expr)?;
            }
            inner.finish()?;
        }
        Ok(Self { name, arguments })
    }
}

impl Deallocate {
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        p.word("PREPARE");
        if p.word("ALL") {
            return Ok(Self { name: None });
        }
        Ok(Self { name: Some(p.ident()?) })
    }
}
