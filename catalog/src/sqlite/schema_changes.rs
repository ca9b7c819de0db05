//! Changes of columns that were seen, and what was decided about them.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::row::{all, from_json, from_word, run, to_json, word};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{ChangeStatus, ObjectId, SchemaChange};
use crate::store::Decision;

const COLUMNS: &str = "id, relation_id, kind, column_name, before, after, field, seen_in, status, seen_at, run_id, decided_at, decided_by";

/// A change that need not be entered again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    id: i64,
    status: ChangeStatus,
}

impl Known {
    /// None for one that somebody has rejected.
    pub(super) fn number(self) -> Option<i64> {
        (self.status != ChangeStatus::Rejected).then_some(self.id)
    }
}

/// The same change, if it is known and need not be decided on anew. An accepted one that is seen again is a new one.
pub(super) fn known(db: &Connection, seen: &SchemaChange) -> Result<Option<Known>> {
    let same = match seen.status {
        ChangeStatus::Applied => "status = 'applied'",
        _ => "status IN ('open', 'rejected')",
    };
    let sql = format!(
        "SELECT id, status FROM schema_changes WHERE relation_id = ?1 AND kind = ?2 AND column_name = ?3 AND after = ?4 AND {same} LIMIT 1"
    );
    let params = params![seen.relation_id.0, word(seen.kind)?, seen.column, seen.after];
    let found = db.prepare_cached(&sql)?.query_row(params, |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).optional()?;
    found.map(|(id, status)| Ok(Known { id, status: from_word(status)? })).transpose()
}

pub(super) fn propose(db: &Connection, seen: &SchemaChange) -> Result<Option<i64>> {
    if let Some(known) = known(db, seen)? {
        return Ok(known.number());
    }
    let SchemaChange { id: _, relation_id, kind, column, before, after, field, seen_in, status, seen_at, run_id, decided_at, decided_by } =
        seen;
    let sql = "INSERT INTO schema_changes
        (relation_id, kind, column_name, before, after, field, seen_in, status, seen_at, run_id, decided_at, decided_by)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) RETURNING id";
    let field = field.as_ref().map(to_json).transpose()?;
    let (kind, status) = (word(kind)?, word(status)?);
    let values = params![relation_id.0, kind, column, before, after, field, seen_in, status, seen_at, run_id, decided_at, decided_by];
    Ok(Some(db.prepare_cached(sql)?.query_row(values, |row| row.get(0))?))
}

pub(super) fn list(db: &Connection, relation: Option<ObjectId>) -> Result<Vec<SchemaChange>> {
    let by_relation = if relation.is_some() { "relation_id = ?1" } else { "?1 IS NULL" };
    let sql = format!("SELECT {COLUMNS} FROM schema_changes WHERE {by_relation} ORDER BY id");
    all(db, &sql, [relation.map(|id| id.0)], change)
}

/// Decides on a change that is open.
pub(super) fn decide(db: &Connection, decision: &Decision<'_>) -> Result<()> {
    let sql = "UPDATE schema_changes SET status = ?2, decided_at = ?3, decided_by = ?4 WHERE id = ?1 AND status = 'open'";
    match run(db, sql, params![decision.id, word(decision.status)?, decision.at, decision.by])? {
        1 => Ok(()),
        _ => Err(Error::new(ErrorKind::Conflict, format!("schema change {} is not open", decision.id))),
    }
}

fn change(row: &Row<'_>) -> Result<SchemaChange> {
    let field: Option<String> = row.get(6)?;
    Ok(SchemaChange {
        id: row.get(0)?,
        relation_id: ObjectId(row.get(1)?),
        kind: from_word(row.get(2)?)?,
        column: row.get(3)?,
        before: row.get(4)?,
        after: row.get(5)?,
        field: field.as_deref().map(from_json).transpose()?,
        seen_in: row.get(7)?,
        status: from_word(row.get(8)?)?,
        seen_at: row.get(9)?,
        run_id: row.get(10)?,
        decided_at: row.get(11)?,
        decided_by: row.get(12)?,
    })
}
