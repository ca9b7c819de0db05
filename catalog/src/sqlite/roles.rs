//! Roles that may log in, and the settings of the hub itself.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::row::{all, first, run};
use crate::error::Result;
use crate::model::{ObjectId, Role};

pub(super) fn role(db: &Connection, name: &str) -> Result<Option<Role>> {
    first(db, "SELECT id, name, superuser, salt, iterations, salted_password FROM roles WHERE name = ?1", [name], read)
}

pub(super) fn list(db: &Connection) -> Result<Vec<Role>> {
    all(db, "SELECT id, name, superuser, salt, iterations, salted_password FROM roles ORDER BY name", [], read)
}

/// `new_id` is used when no role of that name is there.
pub(super) fn put(db: &Connection, role: &Role, new_id: ObjectId) -> Result<()> {
    let Role { id: _, name, superuser, salt, iterations, salted_password } = role;
    let sql = "INSERT INTO roles (id, name, superuser, salt, iterations, salted_password) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (name) DO UPDATE SET superuser = excluded.superuser, salt = excluded.salt, iterations = excluded.iterations,
            salted_password = excluded.salted_password";
    run(db, sql, params![new_id.0, name, superuser, salt, iterations, salted_password])?;
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
        salted_password: row.get(5)?,
    })
}
