//! `BEGIN`, `COMMIT`, `ROLLBACK`, `SAVEPOINT` and their kin, in all of PostgreSQL's spellings.

use sqlparser::tokenizer::Token;

use crate::Ident;
use crate::cursor::Cursor;
use crate::error::{Result, SyntaxError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transaction {
    Begin(TransactionModes),
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Savepoint(Ident),
    Release(Ident),
    RollbackTo(Ident),
    /// `SET TRANSACTION ..`, and with `session` `SET SESSION CHARACTERISTICS AS TRANSACTION ..`.
    SetModes {
        modes: TransactionModes,
        session: bool,
    },
}

/// What was written; `None` where nothing was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionModes {
    pub isolation: Option<Isolation>,
    pub read_only: Option<bool>,
    pub deferrable: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

const NOISE: &[(&str, ())] = &[("WORK", ()), ("TRANSACTION", ())];

impl Transaction {
    /// First words of every spelling.
    pub(super) const WORDS: &[&str] = &["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"];

    /// Reads a whole statement; the first word is one of [`Self::WORDS`].
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if p.words(&["START", "TRANSACTION"]) {
            return Ok(Self::Begin(TransactionModes::parse(p)?));
        }
        if p.word("BEGIN") {
            skip_noise(p);
            return Ok(Self::Begin(TransactionModes::parse(p)?));
        }
        if p.word("COMMIT") || p.word("END") {
            refuse_prepared(p)?;
            skip_noise(p);
            return Ok(Self::Commit { chain: chain(p)? });
        }
        if p.word("SAVEPOINT") {
            return Ok(Self::Savepoint(p.ident()?));
        }
        if p.word("RELEASE") {
            p.word("SAVEPOINT");
            return Ok(Self::Release(p.ident()?));
        }
        if p.word("ROLLBACK") || p.word("ABORT") {
            refuse_prepared(p)?;
            skip_noise(p);
            if p.word("TO") {
                p.word("SAVEPOINT");
                return Ok(Self::RollbackTo(p.ident()?));
            }
            return Ok(Self::Rollback { chain: chain(p)? });
        }
        Err(p.expected_one_of(&["TRANSACTION"]))
    }
}

fn skip_noise(p: &mut Cursor<'_>) {
    for (word, ()) in NOISE {
        if p.word(word) {
            return;
        }
    }
}

fn chain(p: &mut Cursor<'_>) -> Result<bool> {
    if p.words(&["AND", "NO", "CHAIN"]) {
        return Ok(false);
    }
    let chain = p.words(&["AND", "CHAIN"]);
    p.finish_or(&["AND CHAIN"])?;
    Ok(chain)
}

fn refuse_prepared(p: &Cursor<'_>) -> Result<()> {
    if p.sees(&["PREPARED"]) {
        return Err(SyntaxError::not_supported("two-phase commit is not supported").at(p.position()));
    }
    Ok(())
}

impl TransactionModes {
    /// `mode [[,] mode ..]`, up to the end.
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let mut modes = Self::default();
        while !p.at_end() {
            if p.words(&["ISOLATION", "LEVEL"]) {
                modes.isolation = Some(Isolation::parse(p)?);
            } else if p.words(&["READ", "ONLY"]) {
                modes.read_only = Some(true);
            } else if p.words(&["READ", "WRITE"]) {
                modes.read_only = Some(false);
            } else if p.words(&["NOT", "DEFERRABLE"]) {
                modes.deferrable = Some(false);
            } else if p.word("DEFERRABLE") {
                modes.deferrable = Some(true);
            } else {
                return Err(p.expected_one_of(&["ISOLATION LEVEL", "READ ONLY", "READ WRITE", "DEFERRABLE"]));
            }
            if p.symbol(&Token::Comma) && p.at_end() {
                return Err(p.unexpected());
            }
        }
        Ok(modes)
    }
}

impl Isolation {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if p.words(&["READ", "UNCOMMITTED"]) {
            Ok(Self::ReadUncommitted)
        } else if p.words(&["READ", "COMMITTED"]) {
            Ok(Self::ReadCommitted)
        } else if p.words(&["REPEATABLE", "READ"]) {
            Ok(Self::RepeatableRead)
        } else if p.word("SERIALIZABLE") {
            Ok(Self::Serializable)
        } else {
            Err(p.expected("an isolation level"))
        }
    }
}
