//! `GRANT privileges ON what TO roles [WITH GRANT OPTION]`, `GRANT role TO role [WITH ADMIN OPTION]`, their REVOKE, and
//! `ALTER DEFAULT PRIVILEGES [FOR ROLE ..] [IN SCHEMA ..] {GRANT | REVOKE} ..`

use sqlparser::tokenizer::Token;

use super::not_built;
use super::roles::RoleSpec;
use crate::cursor::Cursor;
use crate::error::{Result, SyntaxError};
use crate::{Ident, Name, Privilege, Protected, StatementKind};

/// Whether rights are given or taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Grant,
    Revoke,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    pub direction: Direction,
    /// None for ALL.
    pub privileges: Option<Vec<Privilege>>,
    pub on: GrantOn,
    pub roles: Vec<RoleSpec>,
    /// GRANT: WITH GRANT OPTION. REVOKE: GRANT OPTION FOR, the right itself stays.
    pub grant_option: bool,
    pub cascade: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum GrantOn {
    Objects {
        kind: Protected,
        names: Vec<Name>,
    },
    /// `ALL TABLES IN SCHEMA a, b`
    AllIn {
        kind: Protected,
        schemas: Vec<Ident>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct GrantRole {
    pub direction: Direction,
    pub roles: Vec<Ident>,
    pub members: Vec<RoleSpec>,
    /// Of GRANT: what was written. Of REVOKE: the option that is taken, or none for the membership itself.
    pub admin: Option<bool>,
    pub inherit: Option<bool>,
    pub set: Option<bool>,
    pub cascade: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DefaultPrivileges {
    pub for_roles: Vec<RoleSpec>,
    pub in_schemas: Vec<Ident>,
    pub direction: Direction,
    pub privileges: Option<Vec<Privilege>>,
    pub kind: Protected,
    pub roles: Vec<RoleSpec>,
    pub grant_option: bool,
}

/// Nouns of PostgreSQL that have no rights here.
const NOUNS_NOT_BUILT: &[&str] = &[
    "SEQUENCE",
    "SEQUENCES",
    "FUNCTION",
    "FUNCTIONS",
    "PROCEDURE",
    "PROCEDURES",
    "ROUTINE",
    "ROUTINES",
    "DOMAIN",
    "LANGUAGE",
    "LARGE",
    "PARAMETER",
    "TABLESPACE",
    "TYPE",
    "TYPES",
    "FOREIGN",
    "SINK",
    "SINKS",
];

/// Reads what stands behind GRANT or REVOKE.
pub(super) fn parse(p: &mut Cursor<'_>, direction: Direction) -> Result<StatementKind> {
    let start = p.clone();
    // Rights stand before ON, roles before TO or FROM.
    let place = p.scan(|_, tok| tok.is_word("ON") || tok.is_word("TO") || tok.is_word("FROM"));
    let mut ahead = p.clone();
    ahead.move_to(place);
    if !ahead.sees(&["ON"]) {
        return roles(p, direction);
    }
    let only_option = direction == Direction::Revoke && p.words(&["GRANT", "OPTION", "FOR"]);
    let privileges = match privileges(p)? {
        Ok(privileges) => privileges,
        Err(what) => return Ok(not_built(&start, what.to_owned())),
    };
    p.expect(&["ON"])?;
    if let Some(noun) = NOUNS_NOT_BUILT.iter().find(|noun| p.sees(&[noun]) || p.sees(&["ALL", noun])) {
        // A table may be called "type": the noun counts only when a name stands behind it.
        if !p.nth(1).is_some_and(|tok| tok.is(&Token::Comma) || tok.is(&Token::Period) || tok.is_word("TO") || tok.is_word("FROM")) {
            return Ok(not_built(&start, format!("GRANT .. ON {noun}")));
        }
    }
    let on = on(p)?;
    let (roles, grant_option, cascade) = receivers(p, direction)?;
    Ok(StatementKind::Grant(Box::new(Grant { direction, privileges, on, roles, grant_option: grant_option || only_option, cascade })))
}

/// ALL is None. What is not built comes back by name.
fn privileges(p: &mut Cursor<'_>) -> Result<std::result::Result<Option<Vec<Privilege>>, &'static str>> {
    if p.word("ALL") {
        p.word("PRIVILEGES");
        if p.sees_symbol(&Token::LParen) {
            return Ok(Err("privileges on columns"));
        }
        return Ok(Ok(None));
    }
    let mut found = Vec::new();
    loop {
        let position = p.position();
        let word = p.any_ident()?.value;
        let Some(privilege) = Privilege::from_word(&word) else {
            let near = crate::nearest(&word, Privilege::ALL.iter().map(|(_, word, _)| *word));
            let hint = near.map(|near| format!("Did you mean {near}?"));
            return Err(SyntaxError::syntax(format!("unrecognized privilege type \"{word}\"")).at(position).hint(hint));
        };
        if p.sees_symbol(&Token::LParen) {
            return Ok(Err("privileges on columns"));
        }
        found.push(privilege);
        if !p.symbol(&Token::Comma) {
            return Ok(Ok(Some(found)));
        }
    }
}

const PLURALS: &[(&str, Protected)] = &[
    ("TABLES", Protected::Relation),
    ("VIEWS", Protected::Relation),
    ("SOURCES", Protected::Relation),
    ("SECRETS", Protected::Secret),
    ("CONNECTIONS", Protected::Connection),
    ("PIPELINES", Protected::Pipeline),
];

fn on(p: &mut Cursor<'_>) -> Result<GrantOn> {
    const NOUNS: &[(&str, Protected)] = &[
        ("TABLE", Protected::Relation),
        ("VIEW", Protected::Relation),
        ("SOURCE", Protected::Relation),
        ("SCHEMA", Protected::Schema),
        ("SECRET", Protected::Secret),
        ("CONNECTION", Protected::Connection),
        ("PIPELINE", Protected::Pipeline),
        ("DATABASE", Protected::Database),
    ];
    if p.word("ALL") {
        let kind = p.one_of(PLURALS)?;
        p.expect(&["IN", "SCHEMA"])?;
        return Ok(GrantOn::AllIn { kind, schemas: p.list(Cursor::ident)? });
    }
    // A table may be called "source": the noun counts only when a name stands behind it.
    let name_behind = p.nth(1).is_some_and(|tok| matches!(tok.token.token, Token::Word(_)) && !tok.is_word("TO") && !tok.is_word("FROM"));
    let kind = NOUNS.iter().find(|(noun, _)| name_behind && p.word(noun)).map_or(Protected::Relation, |(_, kind)| *kind);
    Ok(GrantOn::Objects { kind, names: p.list(Cursor::name)? })
}

/// `TO roles [WITH GRANT OPTION]` or `FROM roles [CASCADE | RESTRICT]`.
fn receivers(p: &mut Cursor<'_>, direction: Direction) -> Result<(Vec<RoleSpec>, bool, bool)> {
    p.expect(&[if direction == Direction::Grant { "TO" } else { "FROM" }])?;
    let roles = p.list(|p| {
        p.word("GROUP");
        RoleSpec::parse(p)
    })?;
    let grant_option = direction == Direction::Grant && p.words(&["WITH", "GRANT", "OPTION"]);
    granted_by(p)?;
    let cascade = direction == Direction::Revoke && p.word("CASCADE");
    if direction == Direction::Revoke && !cascade {
        p.word("RESTRICT");
    }
    Ok((roles, grant_option, cascade))
}

fn granted_by(p: &mut Cursor<'_>) -> Result<()> {
    let position = p.position();
    if p.words(&["GRANTED", "BY"]) && !(p.word("CURRENT_USER") || p.word("CURRENT_ROLE")) {
        return Err(SyntaxError::not_supported("GRANTED BY another role is not supported").at(position));
    }
    Ok(())
}

fn roles(p: &mut Cursor<'_>, direction: Direction) -> Result<StatementKind> {
    let mut grant = GrantRole { direction, roles: Vec::new(), members: Vec::new(), admin: None, inherit: None, set: None, cascade: false };
    if direction == Direction::Revoke {
        for (word, option) in [("ADMIN", &mut grant.admin), ("INHERIT", &mut grant.inherit), ("SET", &mut grant.set)] {
            if p.words(&[word, "OPTION", "FOR"]) {
                *option = Some(false);
            }
        }
    }
    grant.roles = p.list(Cursor::ident)?;
    p.expect(&[if direction == Direction::Grant { "TO" } else { "FROM" }])?;
    grant.members = p.list(RoleSpec::parse)?;
    if direction == Direction::Grant && p.word("WITH") {
        loop {
            let option = p.one_of(&[("ADMIN", 0), ("INHERIT", 1), ("SET", 2)])?;
            let value = p.one_of(&[("OPTION", true), ("TRUE", true), ("FALSE", false)])?;
            match option {
                0 => grant.admin = Some(value),
                1 => grant.inherit = Some(value),
                _ => grant.set = Some(value),
            }
            if !p.symbol(&Token::Comma) {
                break;
            }
        }
    }
    granted_by(p)?;
    if direction == Direction::Revoke {
        grant.cascade = p.word("CASCADE");
        if !grant.cascade {
            p.word("RESTRICT");
        }
    }
    Ok(StatementKind::GrantRole(grant))
}

impl DefaultPrivileges {
    /// Reads what stands behind ALTER DEFAULT PRIVILEGES.
    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<StatementKind> {
        let start = p.clone();
        let for_roles = if p.words(&["FOR", "ROLE"]) || p.words(&["FOR", "USER"]) { p.list(RoleSpec::parse)? } else { Vec::new() };
        let in_schemas = if p.words(&["IN", "SCHEMA"]) { p.list(Cursor::ident)? } else { Vec::new() };
        let direction = p.one_of(&[("GRANT", Direction::Grant), ("REVOKE", Direction::Revoke)])?;
        let only_option = direction == Direction::Revoke && p.words(&["GRANT", "OPTION", "FOR"]);
        let privileges = match privileges(p)? {
            Ok(privileges) => privileges,
            Err(what) => return Ok(not_built(&start, what.to_owned())),
        };
        p.expect(&["ON"])?;
        if let Some(noun) = NOUNS_NOT_BUILT.iter().find(|noun| p.sees(&[noun])) {
            return Ok(not_built(&start, format!("ALTER DEFAULT PRIVILEGES .. ON {noun}")));
        }
        let position = p.position();
        let kind = if p.word("SCHEMAS") { Protected::Schema } else { p.one_of(PLURALS)? };
        if kind == Protected::Schema && !in_schemas.is_empty() {
            return Err(SyntaxError::syntax("cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS").at(position));
        }
        let (roles, grant_option, _) = receivers(p, direction)?;
        let grant_option = grant_option || only_option;
        Ok(StatementKind::DefaultPrivileges(Box::new(Self { for_roles, in_schemas, direction, privileges, kind, roles, grant_option })))
    }
}
