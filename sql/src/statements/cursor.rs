//! `DECLARE name CURSOR [WITH HOLD] FOR query`, `FETCH`, `MOVE`, `CLOSE`

use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Ident, Query};

#[derive(Debug, Clone, PartialEq)]
pub struct DeclareCursor {
    pub name: Ident,
    pub binary: bool,
    pub scroll: bool,
    pub hold: bool,
    pub query: Query,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchCursor {
    pub name: Ident,
    pub count: FetchCount,
    /// `MOVE`: go there, answer no rows.
    pub move_only: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchCount {
    Forward(u64),
    All,
    /// `PRIOR`, `BACKWARD`, `ABSOLUTE` ..: only a scrollable cursor could.
    Backward,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseCursor {
    /// `None` for `CLOSE ALL`.
    pub name: Option<Ident>,
}

impl DeclareCursor {
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let name = p.ident()?;
        let (mut binary, mut scroll) = (false, false);
        while !p.word("CURSOR") {
            if p.word("BINARY") {
                binary = true;
            } else if p.word("SCROLL") {
                scroll = true;
            } else if !(p.word("INSENSITIVE") || p.word("ASENSITIVE") || p.words(&["NO", "SCROLL"])) {
                return Err(p.expected_one_of(&["CURSOR", "BINARY", "INSENSITIVE", "NO SCROLL", "SCROLL"]));
            }
        }
        let hold = p.words(&["WITH", "HOLD"]);
        if !hold {
            p.words(&["WITHOUT", "HOLD"]);
        }
        p.expect(&["FOR"])?;
        Ok(Self { name, binary, scroll, hold, query: p.query_to_end()? })
    }
}

impl FetchCursor {
    pub(super) fn parse(p: &mut Cursor<'_>, move_only: bool) -> Result<Self> {
        let count = FetchCount::parse(p)?;
        if !p.word("FROM") {
            p.word("IN");
        }
        Ok(Self { name: p.ident()?, count, move_only })
    }
}

impl FetchCount {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        const BACKWARD: &[&str] = &["PRIOR", "FIRST", "LAST", "ABSOLUTE", "RELATIVE", "BACKWARD"];
        if p.word("NEXT") {
            return Ok(Self::Forward(1));
        }
        if BACKWARD.iter().any(|word| p.sees(&[word])) && p.nth(1).is_some() {
            let end = p.scan(|_, tok| tok.is_word("FROM") || tok.is_word("IN"));
            p.move_to(end.min(p.rest().end.saturating_sub(1)));
            return Ok(Self::Backward);
        }
        p.word("FORWARD");
        if p.word("ALL") {
            return Ok(Self::All);
        }
        let number = p.peek().is_some_and(|tok| matches!(tok.token.token, sqlparser::tokenizer::Token::Number(..)));
        if number {
            return Ok(Self::Forward(p.whole()?));
        }
        if p.symbol(&sqlparser::tokenizer::Token::Minus) {
            p.whole()?;
            return Ok(Self::Backward);
        }
        Ok(Self::Forward(1))
    }
}

impl CloseCursor {
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if p.word("ALL") {
            return Ok(Self { name: None });
        }
        Ok(Self { name: Some(p.ident()?) })
    }
}
