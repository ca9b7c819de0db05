//! The rest of pg_catalog that speaks of this hub: schemas, databases, roles, settings, connections.

use weir_catalog::access::DATABASE;
use weir_catalog::{Kind as Noun, Thing};
use weir_sql::Protected;

use super::super::definition;
use super::super::errors::catalog_error;
use super::super::state::database;
use super::access::acl;
use super::pg_relations::{SCHEMAS, role_oids};
use super::table::{Asked, Cell, Kind, Row, Rows, SystemTable, time};
use crate::error::Result;
use crate::sources;

pub(super) const TABLES: &[SystemTable] = &[
    SystemTable {
        schema: "pg_catalog",
        name: "pg_namespace",
        comment: "Schemas.",
        columns: &[("oid", Kind::Oid), ("nspname", Kind::Text), ("nspowner", Kind::Oid), ("nspacl", Kind::Array)],
        rows: Rows::Now(pg_namespace),
    },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_database",
        comment: "Databases: this one.",
        columns: PG_DATABASE,
        rows: Rows::Now(pg_database),
    },
    SystemTable { schema: "pg_catalog", name: "pg_roles", comment: "Roles.", columns: PG_ROLES, rows: Rows::Now(pg_roles) },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_user",
        comment: "Roles that can log in.",
        columns: &[
            ("usename", Kind::Text),
            ("usesysid", Kind::Oid),
            ("usecreatedb", Kind::Bool),
            ("usesuper", Kind::Bool),
            ("userepl", Kind::Bool),
            ("usebypassrls", Kind::Bool),
            ("passwd", Kind::Text),
            ("valuntil", Kind::Time),
            ("useconfig", Kind::Array),
        ],
        rows: Rows::Now(pg_user),
    },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_settings",
        comment: "Settings of this session.",
        columns: &[
            ("name", Kind::Text),
            ("setting", Kind::Text),
            ("unit", Kind::Text),
            ("category", Kind::Text),
            ("short_desc", Kind::Text),
            ("extra_desc", Kind::Text),
            ("context", Kind::Text),
            ("vartype", Kind::Text),
            ("source", Kind::Text),
            ("min_val", Kind::Text),
            ("max_val", Kind::Text),
            ("enumvals", Kind::Array),
            ("boot_val", Kind::Text),
            ("reset_val", Kind::Text),
            ("sourcefile", Kind::Text),
            ("sourceline", Kind::Int),
            ("pending_restart", Kind::Bool),
        ],
        rows: Rows::Now(pg_settings),
    },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_foreign_server",
        comment: "Connections.",
        columns: &[
            ("oid", Kind::Oid),
            ("srvname", Kind::Text),
            ("srvowner", Kind::Oid),
            ("srvfdw", Kind::Oid),
            ("srvtype", Kind::Text),
            ("srvversion", Kind::Text),
            ("srvacl", Kind::Array),
            ("srvoptions", Kind::Array),
        ],
        rows: Rows::Now(pg_foreign_server),
    },
    SystemTable {
        schema: "pg_catalog",
        name: "pg_foreign_data_wrapper",
        comment: "Types of connections.",
        columns: &[
            ("oid", Kind::Oid),
            ("fdwname", Kind::Text),
            ("fdwowner", Kind::Oid),
            ("fdwhandler", Kind::Oid),
            ("fdwvalidator", Kind::Oid),
            ("fdwacl", Kind::Array),
            ("fdwoptions", Kind::Array),
        ],
        rows: Rows::Now(pg_foreign_data_wrapper),
    },
];

fn pg_namespace(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let access = asked.access()?;
    let roles = role_oids(asked)?;
    let objects = asked.engine.store().objects(Some(Noun::Schema), None).map_err(catalog_error)?;
    let fixed = SCHEMAS.iter().filter(|(name, _)| !objects.iter().any(|schema| schema.name == *name));
    let mut rows: Vec<Row> = fixed.map(|(name, oid)| vec![(*oid).into(), (*name).into(), Cell::Int(10), Cell::Null]).collect();
    for schema in objects {
        let owner = roles.get(&schema.owner).copied().unwrap_or(10);
        let acl = acl(&access, Thing::of(&schema));
        rows.push(vec![schema.id.0.into(), schema.name.into(), owner.into(), acl]);
    }
    Ok(rows)
}

const PG_DATABASE: &[(&str, Kind)] = &[
    ("oid", Kind::Oid),
    ("datname", Kind::Text),
    ("datdba", Kind::Oid),
    ("encoding", Kind::Int),
    ("datlocprovider", Kind::Text),
    ("datistemplate", Kind::Bool),
    ("datallowconn", Kind::Bool),
    ("datconnlimit", Kind::Int),
    ("datfrozenxid", Kind::Int),
    ("datminmxid", Kind::Int),
    ("dattablespace", Kind::Oid),
    ("datcollate", Kind::Text),
    ("datctype", Kind::Text),
    ("daticulocale", Kind::Text),
    ("daticurules", Kind::Text),
    ("datcollversion", Kind::Text),
    ("datacl", Kind::Array),
];

/// Encoding number of UTF8.
const UTF8: i64 = 6;

fn pg_database(asked: &Asked<'_>) -> Result<Vec<Row>> {
    Ok(vec![vec![
        Cell::Int(5),
        database(asked.scope).into(),
        Cell::Int(10),
        Cell::Int(UTF8),
        "c".into(),
        false.into(),
        true.into(),
        Cell::Int(-1),
        Cell::Int(0),
        Cell::Int(0),
        Cell::Int(1663),
        "C.UTF-8".into(),
        "C.UTF-8".into(),
        Cell::Null,
        Cell::Null,
        Cell::Null,
        acl(asked.access()?.as_ref(), Thing::of_hub(DATABASE, Protected::Database)),
    ]])
}

const PG_ROLES: &[(&str, Kind)] = &[
    ("oid", Kind::Oid),
    ("rolname", Kind::Text),
    ("rolsuper", Kind::Bool),
    ("rolinherit", Kind::Bool),
    ("rolcreaterole", Kind::Bool),
    ("rolcreatedb", Kind::Bool),
    ("rolcanlogin", Kind::Bool),
    ("rolreplication", Kind::Bool),
    ("rolconnlimit", Kind::Int),
    ("rolpassword", Kind::Text),
    ("rolvaliduntil", Kind::Time),
    ("rolbypassrls", Kind::Bool),
    ("rolconfig", Kind::Array),
];

fn pg_roles(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let row = |role: weir_catalog::Role| -> Row {
        vec![
            role.id.0.into(),
            role.name.into(),
            role.superuser.into(),
            role.inherit.into(),
            (role.superuser || role.createrole).into(),
            role.superuser.into(),
            role.login.into(),
            false.into(),
            role.connection_limit.into(),
            "********".into(),
            time(role.valid_until),
            role.superuser.into(),
            Cell::Null,
        ]
    };
    Ok(asked.access()?.roles().into_iter().map(row).collect())
}

pub(super) fn pg_user(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let row = |role: weir_catalog::Role| -> Row {
        let superuser = role.superuser;
        vec![
            role.name.into(),
            role.id.0.into(),
            superuser.into(),
            superuser.into(),
            false.into(),
            superuser.into(),
            "********".into(),
            time(role.valid_until),
            Cell::Null,
        ]
    };
    Ok(asked.access()?.roles().into_iter().filter(|role| role.login).map(row).collect())
}

fn pg_settings(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let row = |(name, value): &(String, String)| -> Row {
        vec![
            name.as_str().into(),
            value.as_str().into(),
            Cell::Null,
            "Session".into(),
            "".into(),
            Cell::Null,
            "user".into(),
            "string".into(),
            "session".into(),
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            false.into(),
        ]
    };
    Ok(asked.scope.settings.iter().map(row).collect())
}

/// Types of connections are numbered from here, in the order of their list.
const FIRST_WRAPPER_OID: i64 = 12_000;

fn wrappers() -> impl Iterator<Item = (i64, &'static str)> {
    (FIRST_WRAPPER_OID..).zip(sources::CONNECTORS.iter().map(|connector| connector.spec().name))
}

fn pg_foreign_data_wrapper(_: &Asked<'_>) -> Result<Vec<Row>> {
    let row = |(oid, name): (i64, &str)| -> Row {
        vec![oid.into(), name.into(), Cell::Int(10), Cell::Int(0), Cell::Int(0), Cell::Null, Cell::Null]
    };
    Ok(wrappers().map(row).collect())
}

fn pg_foreign_server(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let access = asked.access()?;
    let roles = role_oids(asked)?;
    let connections = asked.engine.store().objects(Some(Noun::Connection), None).map_err(catalog_error)?;
    let row = |connection: weir_catalog::Object| -> Row {
        let kind = definition::connection(&connection).ok().map(|definition| definition.connection_type.value);
        let owner = roles.get(&connection.owner).copied().unwrap_or(10);
        let wrapper = wrappers().find(|(_, name)| kind.as_deref() == Some(*name)).map_or(0, |(oid, _)| oid);
        vec![
            connection.id.0.into(),
            connection.full_name().into(),
            owner.into(),
            wrapper.into(),
            kind.into(),
            Cell::Null,
            acl(&access, Thing::of(&connection)),
            Cell::Null,
        ]
    };
    Ok(connections.into_iter().map(row).collect())
}
