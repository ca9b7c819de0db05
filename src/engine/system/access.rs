//! Roles, rights and the audit as tables.

use std::collections::BTreeMap;

use weir_catalog::{Access, GrantKey, ObjectId, Thing};
use weir_sql::{Privilege, Protected};

use super::super::errors::catalog_error;
use super::super::state::database;
use super::table::{Asked, Cell, Kind, Row, Rows, SystemTable, time};
use crate::error::Result;

pub(super) const TABLES: &[SystemTable] = &[
    SystemTable {
        schema: "hub",
        name: "audit",
        comment: "What was done to definitions, roles and rights, and by whom; newest first. For superusers and whom they let.",
        columns: &[
            ("at", Kind::Time),
            ("role", Kind::Text),
            ("session_role", Kind::Text),
            ("client", Kind::Text),
            ("action", Kind::Text),
            ("object", Kind::Text),
            ("statement", Kind::Text),
            ("ok", Kind::Bool),
            ("sqlstate", Kind::Text),
        ],
        rows: Rows::Now(audit),
    },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_auth_members",
        comment: "Which role is a member of which.",
        columns: &[
            ("oid", Kind::Oid),
            ("roleid", Kind::Oid),
            ("member", Kind::Oid),
            ("grantor", Kind::Oid),
            ("admin_option", Kind::Bool),
            ("inherit_option", Kind::Bool),
            ("set_option", Kind::Bool),
        ],
        rows: Rows::Now(auth_members),
    },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_default_acl",
        comment: "Rights of objects to come.",
        columns: &[
            ("oid", Kind::Oid),
            ("defaclrole", Kind::Oid),
            ("defaclnamespace", Kind::Oid),
            ("defaclobjtype", Kind::Text),
            ("defaclacl", Kind::Array),
        ],
        rows: Rows::Now(default_acl),
    },
    SystemTable {
        schema: "information_schema",
        name: "table_privileges",
        comment: "Rights on relations that the role has or gave.",
        columns: TABLE_PRIVILEGES,
        rows: Rows::Now(|asked| table_privileges(asked, Public::Shown)),
    },
    SystemTable {
        schema: "information_schema",
        name: "role_table_grants",
        comment: "The same, without those of everybody.",
        columns: TABLE_PRIVILEGES,
        rows: Rows::Now(|asked| table_privileges(asked, Public::Left)),
    },
    SystemTable {
        schema: "information_schema",
        name: "enabled_roles",
        comment: "Roles whose rights the role has.",
        columns: &[("role_name", Kind::Text)],
        rows: Rows::Now(enabled_roles),
    },
    SystemTable {
        schema: "information_schema",
        name: "applicable_roles",
        comment: "Roles that the role is a member of.",
        columns: &[("grantee", Kind::Text), ("role_name", Kind::Text), ("is_grantable", Kind::Text)],
        rows: Rows::Now(applicable_roles),
    },
];

const TABLE_PRIVILEGES: &[(&str, Kind)] = &[
    ("grantor", Kind::Text),
    ("grantee", Kind::Text),
    ("table_catalog", Kind::Text),
    ("table_schema", Kind::Text),
    ("table_name", Kind::Text),
    ("privilege_type", Kind::Text),
    ("is_grantable", Kind::Text),
    ("with_hierarchy", Kind::Text),
];

fn audit(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let entries = asked.engine.store().audited(asked.limit).map_err(catalog_error)?;
    let row = |entry: weir_catalog::AuditEntry| -> Row {
        vec![
            time(entry.at),
            entry.role.into(),
            entry.session_role.into(),
            entry.client.into(),
            entry.action.into(),
            entry.object.into(),
            entry.statement.into(),
            entry.sqlstate.is_none().into(),
            entry.sqlstate.into(),
        ]
    };
    Ok(entries.into_iter().map(row).collect())
}

fn auth_members(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let access = asked.access()?;
    // PostgreSQL numbers the rows too; clients only look that the numbers differ.
    let rows = (1_i64..).zip(access.memberships()).map(|(number, m)| -> Row {
        vec![number.into(), m.role.0.into(), m.member.0.into(), m.grantor.0.into(), m.admin.into(), m.inherit.into(), m.set.into()]
    });
    Ok(rows.collect())
}

fn default_acl(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let access = asked.access()?;
    type Whose = (ObjectId, Option<ObjectId>, Protected);
    let mut groups: BTreeMap<Whose, Vec<(GrantKey, bool)>> = BTreeMap::new();
    for (key, grantable) in access.defaults() {
        let grant = GrantKey { object: ObjectId(0), grantee: key.grantee, privilege: key.privilege, grantor: key.owner };
        groups.entry((key.owner, key.schema, key.kind)).or_default().push((grant, grantable));
    }
    let rows = (1_i64..).zip(groups).map(|(number, ((owner, schema, kind), grants))| -> Row {
        let letter = match kind {
            Protected::Relation => "r",
            Protected::Schema => "n",
            Protected::Pipeline => "f",
            Protected::Secret | Protected::Connection | Protected::Database => "T",
        };
        let items = acl_items(&access, grants.iter().map(|(key, grantable)| (key, *grantable)));
        vec![number.into(), owner.0.into(), schema.map_or(0, |schema| schema.0).into(), letter.into(), Cell::Texts(items)]
    });
    Ok(rows.collect())
}

/// The access list of a thing as PostgreSQL writes it; NULL where nobody but the owner was given anything.
pub(super) fn acl(access: &Access, thing: Thing<'_>) -> Cell {
    let mut items = acl_items(access, access.grants_on(thing.id));
    if items.is_empty() {
        return Cell::Null;
    }
    let owner = aclname(&access.name_of(access.owner_id(thing.owner)));
    let letters: String = thing.kind.privileges().iter().map(|privilege| privilege.letter()).collect();
    items.insert(0, format!("{owner}={letters}/{owner}"));
    Cell::Texts(items)
}

fn acl_items<'a>(access: &Access, grants: impl Iterator<Item = (&'a GrantKey, bool)>) -> Vec<String> {
    let mut groups: BTreeMap<(ObjectId, ObjectId), BTreeMap<Privilege, bool>> = BTreeMap::new();
    for (key, grantable) in grants {
        groups.entry((key.grantee, key.grantor)).or_default().insert(key.privilege, grantable);
    }
    let item = |((grantee, grantor), privileges): ((ObjectId, ObjectId), BTreeMap<Privilege, bool>)| {
        let letters: String = privileges
            .iter()
            .map(|(privilege, grantable)| format!("{}{}", privilege.letter(), if *grantable { "*" } else { "" }))
            .collect();
        let grantee = if grantee == weir_catalog::access::PUBLIC { String::new() } else { aclname(&access.name_of(grantee)) };
        format!("{grantee}={letters}/{}", aclname(&access.name_of(grantor)))
    };
    groups.into_iter().map(item).collect()
}

/// Quoted unless it is letters, digits and underscores.
fn aclname(name: &str) -> String {
    match name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.is_empty() {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Public {
    Shown,
    Left,
}

fn table_privileges(asked: &Asked<'_>, public: Public) -> Result<Vec<Row>> {
    let access = asked.access()?;
    let me = asked.scope.role.as_str();
    let yes = |flag: bool| if flag { "YES" } else { "NO" };
    let mut rows = Vec::new();
    for object in asked.engine.store().objects(None, None).map_err(catalog_error)?.into_iter().filter(|object| object.kind.is_relation()) {
        let mut grants: Vec<(String, String, Privilege, bool)> = Vec::new();
        for privilege in Protected::Relation.privileges() {
            grants.push((object.owner.clone(), object.owner.clone(), *privilege, true));
        }
        for (key, grantable) in access.grants_on(object.id) {
            let grantee = if key.grantee == weir_catalog::access::PUBLIC { "PUBLIC".to_owned() } else { access.name_of(key.grantee) };
            grants.push((access.name_of(key.grantor), grantee, key.privilege, grantable));
        }
        for (grantor, grantee, privilege, grantable) in grants {
            let is_public = grantee == "PUBLIC";
            let mine = access.has_rights_of(me, &grantor) || access.has_rights_of(me, &grantee);
            if (is_public && public == Public::Left) || !(mine || is_public) {
                continue;
            }
            rows.push(vec![
                grantor.into(),
                grantee.into(),
                database(asked.scope).into(),
                object.schema.as_str().into(),
                object.name.as_str().into(),
                privilege.word().into(),
                yes(grantable).into(),
                yes(privilege == Privilege::Select).into(),
            ]);
        }
    }
    Ok(rows)
}

fn enabled_roles(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let access = asked.access()?;
    let roles = access.roles().into_iter().filter(|role| access.has_rights_of(&asked.scope.role, &role.name));
    Ok(roles.map(|role| vec![role.name.into()]).collect())
}

fn applicable_roles(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let access = asked.access()?;
    let rows = access.memberships().filter_map(|membership| {
        let (member, role) = (access.name_of(membership.member), access.name_of(membership.role));
        let is_mine = access.is_member(&asked.scope.role, &member);
        is_mine.then(|| -> Row { vec![member.into(), role.into(), if membership.admin { "YES" } else { "NO" }.into()] })
    });
    Ok(rows.collect())
}
