//! Objects, their past versions, what they depend on, and their secrets.

use std::cell::RefCell;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::row::{all, first, from_word, json, run, to_json};
use super::{access, alerts, events};
use crate::access::{Access, AuditEntry, Edit};
use crate::change::{Look, State, name_space};
use crate::error::{Error, ErrorKind, Result};
use crate::events::NewEvent;
use crate::model::{Kind, Object, ObjectId, ObjectVersion, SecretValue};
use crate::secret::{Sealed, SecretKey};

const COLUMNS: &str = "id, kind, schema, name, owner, version, definition, alters, body, comment, created_at, changed_at";

/// Definitions inside a transaction.
pub(super) struct Rows<'a> {
    pub(super) db: &'a Connection,
    /// Only needed to store secrets.
    pub(super) key: &'a SecretKey,
    /// Read once per transaction.
    access: RefCell<Option<Arc<Access>>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(db: &'a Connection, key: &'a SecretKey) -> Self {
        Rows { db, key, access: RefCell::new(None) }
    }
}

impl Look for Rows<'_> {
    fn get(&self, id: ObjectId) -> Result<Option<Object>> {
        first(self.db, &format!("SELECT {COLUMNS} FROM objects WHERE id = ?1"), [id.0], object)
    }

    fn find(&self, kind: Kind, schema: &str, name: &str) -> Result<Option<Object>> {
        let sql = format!("SELECT {COLUMNS} FROM objects WHERE space = ?1 AND schema = ?2 AND name = ?3");
        first(self.db, &sql, (name_space(kind), schema, name), object)
    }

    fn direct_dependents(&self, id: ObjectId) -> Result<Vec<Object>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM objects WHERE id IN (SELECT from_id FROM dependencies WHERE on_id = ?1) ORDER BY schema, name, id"
        );
        all(self.db, &sql, [id.0], object)
    }

    fn in_schema(&self, schema: &str) -> Result<Vec<Object>> {
        let sql = format!("SELECT {COLUMNS} FROM objects WHERE schema = ?1 AND kind <> 'schema' ORDER BY name, id");
        all(self.db, &sql, [schema], object)
    }

    fn owned_by(&self, role: &str) -> Result<Vec<Object>> {
        all(self.db, &format!("SELECT {COLUMNS} FROM objects WHERE owner = ?1 ORDER BY schema, name, id"), [role], object)
    }

    fn access(&self) -> Result<Arc<Access>> {
        let mut known = self.access.borrow_mut();
        if let Some(access) = &*known {
            return Ok(Arc::clone(access));
        }
        let access = Arc::new(access::load(self.db)?);
        *known = Some(Arc::clone(&access));
        Ok(access)
    }

    fn was_used(&self, id: ObjectId) -> Result<bool> {
        Ok(self.db.prepare_cached("SELECT 1 FROM object_versions WHERE id = ?1")?.exists([id.0])?)
    }
}

impl State for Rows<'_> {
    fn put(&mut self, object: &Object, depends_on: Option<&[ObjectId]>) -> Result<()> {
        let sql =
            "INSERT INTO objects (id, space, kind, schema, name, owner, version, definition, alters, body, comment, created_at, changed_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
            ON CONFLICT (id) DO UPDATE SET schema = excluded.schema, name = excluded.name, owner = excluded.owner,
                version = excluded.version, definition = excluded.definition, alters = excluded.alters, body = excluded.body,
                comment = excluded.comment, changed_at = excluded.changed_at";
        let Object { id, kind, schema, name, owner, version, definition, alters, body, comment, created_at, changed_at } = object;
        let (alters, body) = (to_json(alters)?, to_json(body)?);
        let space = name_space(*kind);
        run(
            self.db,
            sql,
            params![id.0, space, kind.noun(), schema, name, owner, version, definition, alters, body, comment, created_at, changed_at],
        )?;
        // An id that was not drawn here must not be drawn later.
        run(self.db, "UPDATE counters SET value = ?1 + 1 WHERE name = 'oid' AND value <= ?1", [id.0])?;
        if let Some(depends_on) = depends_on {
            run(self.db, "DELETE FROM dependencies WHERE from_id = ?1", [id.0])?;
            for on in depends_on {
                run(self.db, "INSERT INTO dependencies (from_id, on_id) VALUES (?1, ?2)", [id.0, on.0])?;
            }
        }
        Ok(())
    }

    /// What only speaks of positions goes too; history stays, because past answers must stay explainable.
    fn remove(&mut self, object: &Object) -> Result<()> {
        let id = [object.id.0];
        run(self.db, "DELETE FROM objects WHERE id = ?1", id)?;
        run(self.db, "DELETE FROM offsets WHERE pipeline_id = ?1", id)?;
        run(self.db, "DELETE FROM offsets WHERE relation_id = ?1", id)?;
        run(self.db, "DELETE FROM trigger_states WHERE pipeline_id = ?1", id)?;
        run(self.db, "DELETE FROM files WHERE source_id = ?1", id)?;
        alerts::forget(self.db, object.id)?;
        run(self.db, "DELETE FROM lineage WHERE pipeline_id = ?1", id)?;
        Ok(())
    }

    fn remember(&mut self, version: ObjectVersion) -> Result<()> {
        let ObjectVersion { id, version, definition, alters, changed_at, changed_by } = version;
        let sql = "INSERT INTO object_versions (id, version, definition, alters, changed_at, changed_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        run(self.db, sql, params![id.0, version, definition, to_json(&alters)?, changed_at, changed_by])?;
        Ok(())
    }

    fn edit_access(&mut self, edits: &[Edit]) -> Result<()> {
        let before = self.access()?;
        access::store(self.db, edits)?;
        *self.access.borrow_mut() = Some(Arc::new(Access::clone(&before).edited(edits)));
        Ok(())
    }

    fn note(&mut self, entry: &AuditEntry) -> Result<()> {
        access::note(self.db, entry)
    }

    fn tell(&mut self, event: &NewEvent) -> Result<()> {
        events::insert(self.db, event)
    }

    fn put_secret(&mut self, secret: &Object, value: Option<&SecretValue>) -> Result<()> {
        let Some(value) = value else {
            run(self.db, "DELETE FROM secrets WHERE id = ?1", [secret.id.0])?;
            return Ok(());
        };
        let Sealed { nonce, text } = self.key.seal(secret.id, value)?;
        let sql = "INSERT INTO secrets (id, nonce, sealed) VALUES (?1, ?2, ?3)
            ON CONFLICT (id) DO UPDATE SET nonce = excluded.nonce, sealed = excluded.sealed";
        run(self.db, sql, params![secret.id.0, nonce, text])?;
        Ok(())
    }
}

pub(super) fn list(db: &Connection, kind: Option<Kind>, schema: Option<&str>) -> Result<Vec<Object>> {
    let by_schema = if schema.is_some() { "schema = ?2" } else { "?2 IS NULL" };
    let sql = format!("SELECT {COLUMNS} FROM objects WHERE {by_schema} AND (?1 IS NULL OR kind = ?1) ORDER BY schema, name, id");
    all(db, &sql, (kind.map(Kind::noun), schema), object)
}

pub(super) fn versions(db: &Connection, id: Option<ObjectId>) -> Result<Vec<ObjectVersion>> {
    let by_id = if id.is_some() { "id = ?1" } else { "?1 IS NULL" };
    let sql =
        format!("SELECT id, version, definition, alters, changed_at, changed_by FROM object_versions WHERE {by_id} ORDER BY id, version");
    all(db, &sql, [id.map(|id| id.0)], |row| {
        Ok(ObjectVersion {
            id: ObjectId(row.get(0)?),
            version: row.get(1)?,
            definition: row.get(2)?,
            alters: json(row, 3)?,
            changed_at: row.get(4)?,
            changed_by: row.get(5)?,
        })
    })
}

pub(super) fn depends_on(db: &Connection, id: ObjectId) -> Result<Vec<Object>> {
    let sql =
        format!("SELECT {COLUMNS} FROM objects WHERE id IN (SELECT on_id FROM dependencies WHERE from_id = ?1) ORDER BY schema, name, id");
    all(db, &sql, [id.0], object)
}

/// Sets aside `count` ids; gives the first.
pub(super) fn reserve_ids(db: &Connection, count: i64) -> Result<i64> {
    let sql = "UPDATE counters SET value = value + ?1 WHERE name = 'oid' RETURNING value - ?1";
    Ok(db.prepare_cached(sql)?.query_row([count], |row| row.get(0))?)
}

pub(super) fn has_secrets(db: &Connection) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM secrets")?.exists([])?)
}

pub(super) fn secret(db: &Connection, key: &SecretKey, id: ObjectId) -> Result<Option<SecretValue>> {
    let stored = db
        .prepare_cached("SELECT nonce, sealed FROM secrets WHERE id = ?1")?
        .query_row([id.0], |row| Ok(Sealed { nonce: row.get(0)?, text: row.get(1)? }))
        .optional()?;
    let Some(sealed) = stored else { return Ok(None) };
    if let Some(value) = key.unseal(id, &sealed)? {
        return Ok(Some(value));
    }
    let name = Rows::new(db, key).get(id)?.map(|object| object.full_name()).unwrap_or_default();
    Err(Error::new(ErrorKind::Corrupt, format!("secret \"{name}\" cannot be decrypted"))
        .with_detail("The key in use is not the one it was stored with, or the stored value is damaged.")
        .with_hint("Put back the right key, or give the secret a new value with ALTER SECRET."))
}

fn object(row: &Row<'_>) -> Result<Object> {
    Ok(Object {
        id: ObjectId(row.get(0)?),
        kind: from_word(row.get(1)?)?,
        schema: row.get(2)?,
        name: row.get(3)?,
        owner: row.get(4)?,
        version: row.get(5)?,
        definition: row.get(6)?,
        alters: json(row, 7)?,
        body: json(row, 8)?,
        comment: row.get(9)?,
        created_at: row.get(10)?,
        changed_at: row.get(11)?,
    })
}
