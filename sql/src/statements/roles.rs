//! `CREATE {ROLE | USER | GROUP} [IF NOT EXISTS] name [[WITH] option ..]`, `ALTER .. name {option .. | RENAME TO name}`,
//! `DROP {ROLE | USER | GROUP} [IF EXISTS] name [, ..]`

use std::fmt;

use super::{Create, not_built};
use crate::cursor::Cursor;
use crate::error::{Result, SyntaxError};
use crate::{Ident, StatementKind};

/// A role as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleSpec {
    pub who: Who,
    pub position: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    Role(String),
    /// Every role there is and will be.
    Public,
    /// `CURRENT_USER`, `CURRENT_ROLE`
    Current,
    /// `SESSION_USER`
    Session,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateRole {
    pub name: Ident,
    pub if_not_exists: bool,
    /// `CREATE USER`: may log in unless it says otherwise.
    pub is_user: bool,
    pub options: Vec<RoleOption>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AlterRole {
    pub role: RoleSpec,
    pub change: RoleChange,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RoleChange {
    Options(Vec<RoleOption>),
    RenameTo(Ident),
}

#[derive(Debug, Clone, PartialEq)]
pub struct DropRole {
    pub roles: Vec<RoleSpec>,
    pub if_exists: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RoleOption {
    Superuser(bool),
    CreateRole(bool),
    Inherit(bool),
    Login(bool),
    /// None takes the password away. The statement's text holds it too and must be redacted before it is kept anywhere.
    Password(Option<Password>),
    ValidUntil {
        until: String,
        position: usize,
    },
    ConnectionLimit(i64),
    InRole(Vec<RoleSpec>),
    Members {
        members: Vec<RoleSpec>,
        admin: bool,
    },
    /// Asks for nothing that the hub has: `NOCREATEDB`, `NOREPLICATION`, `NOBYPASSRLS`.
    Nothing,
}

/// A password in memory: `Debug` prints nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// The three nouns that mean a role.
pub(super) fn noun(p: &mut Cursor<'_>) -> Option<&'static str> {
    if p.sees(&["USER", "MAPPING"]) {
        return None;
    }
    ["ROLE", "USER", "GROUP"].into_iter().find(|noun| p.word(noun))
}

impl RoleSpec {
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let position = p.position();
        let who = if p.word("CURRENT_USER") || p.word("CURRENT_ROLE") {
            Who::Current
        } else if p.word("SESSION_USER") {
            Who::Session
        } else if p.word("PUBLIC") {
            Who::Public
        } else {
            Who::Role(p.ident()?.value)
        };
        Ok(Self { who, position })
    }
}

impl CreateRole {
    pub(super) fn parse(p: &mut Cursor<'_>, create: &Create, noun: &str) -> Result<StatementKind> {
        create.refuse_or_replace()?;
        let if_not_exists = create.if_not_exists(p)?;
        let name = p.ident()?;
        Ok(match options(p)? {
            Ok(options) => StatementKind::CreateRole(Self { name, if_not_exists, is_user: noun == "USER", options }),
            Err(missing) => missing,
        })
    }
}

impl AlterRole {
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<StatementKind> {
        let start = p.clone();
        if p.sees(&["ALL"]) {
            return Ok(not_built(&start, "ALTER ROLE ALL".to_owned()));
        }
        let role = RoleSpec::parse(p)?;
        if p.words(&["RENAME", "TO"]) {
            return Ok(StatementKind::AlterRole(Self { role, change: RoleChange::RenameTo(p.ident()?) }));
        }
        for word in ["SET", "RESET", "IN", "ADD", "DROP"] {
            if p.sees(&[word]) {
                return Ok(not_built(p, format!("ALTER ROLE .. {word}")));
            }
        }
        Ok(match options(p)? {
            Ok(options) => StatementKind::AlterRole(Self { role, change: RoleChange::Options(options) }),
            Err(missing) => missing,
        })
    }
}

impl DropRole {
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let if_exists = p.if_exists();
        Ok(Self { roles: p.list(RoleSpec::parse)?, if_exists })
    }
}

/// What is known and not built comes back as a statement of its own.
fn options(p: &mut Cursor<'_>) -> Result<std::result::Result<Vec<RoleOption>, StatementKind>> {
    p.word("WITH");
    let mut options: Vec<RoleOption> = Vec::new();
    while !p.at_end() {
        let position = p.position();
        for word in ["CREATEDB", "REPLICATION", "BYPASSRLS"] {
            if p.sees(&[word]) {
                return Ok(Err(not_built(p, format!("CREATE ROLE .. {word}"))));
            }
        }
        let option = option(p)?;
        let same = |other: &RoleOption| std::mem::discriminant(other) == std::mem::discriminant(&option) && *other != RoleOption::Nothing;
        if options.iter().any(same) {
            return Err(SyntaxError::syntax("conflicting or redundant options").at(position));
        }
        options.push(option);
    }
    Ok(Ok(options))
}

fn option(p: &mut Cursor<'_>) -> Result<RoleOption> {
    type Make = fn(bool) -> RoleOption;
    const FLAGS: &[(&str, Make)] = &[
        ("SUPERUSER", RoleOption::Superuser),
        ("CREATEROLE", RoleOption::CreateRole),
        ("INHERIT", RoleOption::Inherit),
        ("LOGIN", RoleOption::Login),
        ("CREATEDB", |_| RoleOption::Nothing),
        ("REPLICATION", |_| RoleOption::Nothing),
        ("BYPASSRLS", |_| RoleOption::Nothing),
    ];
    for (word, make) in FLAGS {
        if p.word(word) {
            return Ok(make(true));
        }
        if p.word(&format!("NO{word}")) {
            return Ok(make(false));
        }
    }
    let encrypted = p.word("ENCRYPTED");
    if p.word("PASSWORD") {
        return Ok(RoleOption::Password(if !encrypted && p.word("NULL") { None } else { Some(Password(p.string()?)) }));
    }
    if encrypted {
        return Err(p.expected_one_of(&["PASSWORD"]));
    }
    if p.words(&["VALID", "UNTIL"]) {
        let position = p.position();
        return Ok(RoleOption::ValidUntil { until: p.string()?, position });
    }
    if p.words(&["CONNECTION", "LIMIT"]) {
        let negative = p.symbol(&sqlparser::tokenizer::Token::Minus);
        let position = p.position();
        let number = i64::try_from(p.whole()?).ok().filter(|number| *number <= i64::from(i32::MAX) && (!negative || *number == 1));
        let number = number.ok_or_else(|| SyntaxError::syntax("invalid connection limit").at(position))?;
        return Ok(RoleOption::ConnectionLimit(if negative { -1 } else { number }));
    }
    if p.words(&["IN", "ROLE"]) || p.words(&["IN", "GROUP"]) {
        return Ok(RoleOption::InRole(p.list(RoleSpec::parse)?));
    }
    for (word, admin) in [("ROLE", false), ("USER", false), ("ADMIN", true)] {
        if p.word(word) {
            return Ok(RoleOption::Members { members: p.list(RoleSpec::parse)?, admin });
        }
    }
    let words = ["SUPERUSER", "CREATEROLE", "INHERIT", "LOGIN", "PASSWORD", "VALID UNTIL", "CONNECTION LIMIT", "IN ROLE", "ROLE", "ADMIN"];
    Err(p.expected_one_of(&words))
}
