//! Memberships, rights, and the audit.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};
use weir_sql::{Privilege, Protected};

use super::roles;
use super::row::{all, run};
use crate::access::{Access, AuditEntry, DefaultKey, Edit, GrantKey, Membership};
use crate::error::{Error, ErrorKind, Result};
use crate::model::ObjectId;

/// Every schema, where a default right names none.
const ANY_SCHEMA: i64 = 0;

/// Reads everything.
pub(super) fn load(db: &Connection) -> Result<Access> {
    let roles = roles::list(db)?.into_iter().map(|role| (role.id, role)).collect();
    let memberships = all(db, "SELECT role, member, grantor, admin, inherit, may_set FROM memberships", [], membership)?;
    let grants: Vec<(GrantKey, bool)> = all(db, "SELECT object, grantee, privilege, grantor, grantable FROM grants", [], grant)?;
    let defaults: Vec<(DefaultKey, bool)> =
        all(db, "SELECT owner, schema, kind, grantee, privilege, grantable FROM default_grants", [], default)?;
    Ok(Access {
        roles,
        memberships: memberships.into_iter().map(|membership| ((membership.role, membership.member), membership)).collect(),
        grants: grants.into_iter().collect::<BTreeMap<_, _>>(),
        defaults: defaults.into_iter().collect::<BTreeMap<_, _>>(),
    })
}

pub(super) fn store(db: &Connection, edits: &[Edit]) -> Result<()> {
    for edit in edits {
        match edit {
            Edit::Role(_, Some(role)) => roles::store(db, role)?,
            Edit::Role(id, None) => drop(run(db, "DELETE FROM roles WHERE id = ?1", [id.0])?),
            Edit::Membership(_, Some(Membership { role, member, grantor, admin, inherit, set })) => {
                let sql =
                    "INSERT OR REPLACE INTO memberships (role, member, grantor, admin, inherit, may_set) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                run(db, sql, params![role.0, member.0, grantor.0, admin, inherit, set])?;
            }
            Edit::Membership((role, member), None) => {
                run(db, "DELETE FROM memberships WHERE role = ?1 AND member = ?2", [role.0, member.0])?;
            }
            Edit::Grant(GrantKey { object, grantee, privilege, grantor }, Some(grantable)) => {
                let sql = "INSERT OR REPLACE INTO grants (object, grantee, privilege, grantor, grantable) VALUES (?1, ?2, ?3, ?4, ?5)";
                run(db, sql, params![object.0, grantee.0, privilege.word(), grantor.0, grantable])?;
            }
            Edit::Grant(GrantKey { object, grantee, privilege, grantor }, None) => {
                let sql = "DELETE FROM grants WHERE object = ?1 AND grantee = ?2 AND privilege = ?3 AND grantor = ?4";
                run(db, sql, params![object.0, grantee.0, privilege.word(), grantor.0])?;
            }
            Edit::Default(DefaultKey { owner, schema, kind, grantee, privilege }, Some(grantable)) => {
                let sql = "INSERT OR REPLACE INTO default_grants (owner, schema, kind, grantee, privilege, grantable)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                let schema = schema.map_or(ANY_SCHEMA, |schema| schema.0);
                run(db, sql, params![owner.0, schema, kind.noun(), grantee.0, privilege.word(), grantable])?;
            }
            Edit::Default(DefaultKey { owner, schema, kind, grantee, privilege }, None) => {
                let sql = "DELETE FROM default_grants WHERE owner = ?1 AND schema = ?2 AND kind = ?3 AND grantee = ?4 AND privilege = ?5";
                let schema = schema.map_or(ANY_SCHEMA, |schema| schema.0);
                run(db, sql, params![owner.0, schema, kind.noun(), grantee.0, privilege.word()])?;
            }
        }
    }
    Ok(())
}

pub(super) fn note(db: &Connection, entry: &AuditEntry) -> Result<()> {
    let AuditEntry { at, role, session_role, client, action, object, statement, sqlstate } = entry;
    let sql = "INSERT INTO audit (at, role, session_role, client, action, object, statement, sqlstate)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    run(db, sql, params![at, role, session_role, client, action, object, statement, sqlstate])?;
    Ok(())
}

pub(super) fn audited(db: &Connection, limit: Option<usize>) -> Result<Vec<AuditEntry>> {
    let limit = limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(-1);
    let sql = "SELECT at, role, session_role, client, action, object, statement, sqlstate FROM audit ORDER BY seq DESC LIMIT ?1";
    all(db, sql, [limit], |row| {
        Ok(AuditEntry {
            at: row.get(0)?,
            role: row.get(1)?,
            session_role: row.get(2)?,
            client: row.get(3)?,
            action: row.get(4)?,
            object: row.get(5)?,
            statement: row.get(6)?,
            sqlstate: row.get(7)?,
        })
    })
}

fn membership(row: &Row<'_>) -> Result<Membership> {
    Ok(Membership {
        role: ObjectId(row.get(0)?),
        member: ObjectId(row.get(1)?),
        grantor: ObjectId(row.get(2)?),
        admin: row.get(3)?,
        inherit: row.get(4)?,
        set: row.get(5)?,
    })
}

fn grant(row: &Row<'_>) -> Result<(GrantKey, bool)> {
    let key = GrantKey {
        object: ObjectId(row.get(0)?),
        grantee: ObjectId(row.get(1)?),
        privilege: privilege(&row.get::<_, String>(2)?)?,
        grantor: ObjectId(row.get(3)?),
    };
    Ok((key, row.get(4)?))
}

fn default(row: &Row<'_>) -> Result<(DefaultKey, bool)> {
    let schema: i64 = row.get(1)?;
    let noun: String = row.get(2)?;
    let kind = Protected::ALL.iter().find(|kind| kind.noun() == noun).copied();
    let key = DefaultKey {
        owner: ObjectId(row.get(0)?),
        schema: (schema != ANY_SCHEMA).then_some(ObjectId(schema)),
        kind: kind.ok_or_else(|| unknown(&noun))?,
        grantee: ObjectId(row.get(3)?),
        privilege: privilege(&row.get::<_, String>(4)?)?,
    };
    Ok((key, row.get(5)?))
}

fn privilege(word: &str) -> Result<Privilege> {
    Privilege::from_word(word).ok_or_else(|| unknown(word))
}

fn unknown(word: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("a stored right \"{word}\" is not known"))
}
