//! Roles, and the settings of the hub itself.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::row::{all, first, run};
use crate::error::Result;
use crate::model::{ObjectId, Role};

const COLUMNS: &str =
    "id, name, superuser, salt, iterations, stored_key, server_key, login, inherit, createrole, connection_limit, valid_until";

pub(super) fn role(db: &Connection, name: &str) -> Result<Option<Role>> {
    first(db, &format!("SELECT {COLUMNS} FROM roles WHERE name = ?1"), [name], read)
}

pub(super) fn list(db: &Connection) -> Result<Vec<Role>> {
    all(db, &format!("SELECT {COLUMNS} FROM roles ORDER BY name"), [], read)
}

/// `new_id` is used when no role of that name is there.
pub(super) fn put(db: &Connection, role: &Role, new_id: ObjectId) -> Result<()> {
    let id = self::role(db, &role.name)?.map_or(new_id, |known| known.id);
    store(db, &Role { id, ..role.clone() })
}

/// By number: a new role, or a known one as it is to be.
pub(super) fn store(db: &Connection, role: &Role) -> Result<()> {
    let Role { id, name, superuser, salt, iterations, stored_key, server_key, login, inherit, createrole, connection_limit, valid_until } =
        role;
    let sql = format!(
        "INSERT INTO roles ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name, superuser = excluded.superuser, salt = excluded.salt,
            iterations = excluded.iterations, stored_key = excluded.stored_key, server_key = excluded.server_key, login = excluded.login,
            inherit = excluded.inherit, createrole = excluded.createrole, connection_limit = excluded.connection_limit,
            valid_until = excluded.valid_until"
    );
    let values =
        params![id.0, name, superuser, salt, iterations, stored_key, server_key, login, inherit, createrole, connection_limit, valid_until];
    run(db, &sql, values)?;
    Ok(())
}

pub(super) fn setting(db: &Connection, key: &str) -> Result<Option<String>> {
    Ok(db.prepare_cached("SELECT value FROM settings WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()?)
}

pub(super) fn set_setting(db: &Connection, key: &str, value: &str) -> Result<()> {
    let sql = "INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    run(db, sql, [key, value])?;
    Ok(())
}

pub(super) fn settings(db: &Connection) -> Result<Vec<(String, String)>> {
    all(db, "SELECT key, value FROM settings ORDER BY key", [], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn read(row: &Row<'_>) -> Result<Role> {
    Ok(Role {
        id: ObjectId(row.get(0)?),
        name: row.get(1)?,
        superuser: row.get(2)?,
        salt: row.get(3)?,
        iterations: row.get(4)?,
        stored_key: row.get(5)?,
        server_key: row.get(6)?,
        login: row.get(7)?,
        inherit: row.get(8)?,
        createrole: row.get(9)?,
        connection_limit: row.get(10)?,
        valid_until: row.get(11)?,
    })
}
