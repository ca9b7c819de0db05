//! `CREATE [OR REPLACE] ALERT [IF NOT EXISTS] name [trigger] IF EXISTS (query) [FOR interval] THEN act, .. [WITH (..)]`

use sqlparser::tokenizer::Token;

use super::Create;
use super::create_pipeline::Trigger;
use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Argument, Ident, Interval, Name, Options, Query};

#[derive(Debug, Clone, PartialEq)]
pub struct CreateAlert {
    pub name: Name,
    pub or_replace: bool,
    pub if_not_exists: bool,
    /// When the query is asked; `None` when not written.
    pub trigger: Option<Trigger>,
    /// Its rows are what is wrong, and what is told.
    pub query: Query,
    /// How long there must be rows before anybody is told.
    pub hold: Option<Interval>,
    pub acts: Vec<Act>,
    pub options: Options,
}

/// What an alert does when it fires.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Adds the rows of the alert, or those of a query of its own, to a table or sink.
    Into {
        target: Name,
        query: Option<Query>,
    },
    Notify(Ident),
    Run {
        pipeline: Name,
        arguments: Vec<Argument>,
    },
}

impl CreateAlert {
    pub(super) fn parse(p: &mut Cursor<'_>, create: &Create) -> Result<Self> {
        let if_not_exists = create.if_not_exists(p)?;
        let name = p.name()?;
        let trigger = if Trigger::begins(p) { Some(Trigger::parse(p)?) } else { None };
        if !p.words(&["IF", "EXISTS"]) {
            return Err(p.expected_one_of(if trigger.is_some() { &["IF EXISTS"] } else { &["SCHEDULE", "TRIGGER", "IF EXISTS"] }));
        }
        let query = p.query_in_brackets()?;
        let hold = if p.word("FOR") { Some(p.interval()?) } else { None };
        if !p.word("THEN") {
            return Err(p.expected_one_of(if hold.is_some() { &["THEN"] } else { &["FOR", "THEN"] }));
        }
        let acts = p.list(Act::parse)?;
        let options = Options::parse_optional(p)?;
        p.finish_or(&["WITH"])?;
        Ok(Self { name, or_replace: create.or_replace, if_not_exists, trigger, query, hold, acts, options })
    }
}

impl Act {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if p.word("INTO") {
            let target = p.name()?;
            let query = if p.word("AS") { Some(p.query_in_brackets()?) } else { None };
            return Ok(Self::Into { target, query });
        }
        if p.word("NOTIFY") {
            return Ok(Self::Notify(p.ident()?));
        }
        if p.words(&["RUN", "PIPELINE"]) {
            let pipeline = p.name()?;
            let arguments = if p.sees_symbol(&Token::LParen) { Argument::parse_list(p)? } else { Vec::new() };
            return Ok(Self::Run { pipeline, arguments });
        }
        Err(p.expected_one_of(&["INTO", "NOTIFY", "RUN PIPELINE"]))
    }
}
