//! The log of events: what happened, numbered in the order of commits, because there is one writer.
//!
//! What a run does is logged in the very transaction that makes it true, so no event is missing and none tells of something that was rolled
//! back.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::row::{all, first, run, signed, word};
use crate::error::Result;
use crate::events::{self, Event, NewEvent};
use crate::model::{FileEntry, Micros, ObjectId, Run, RunEnd, RunStatus};
use crate::store::EventFilter;

const COLUMNS: &str = "seq, id, time, type, source, subject, object_id, data";

pub(super) fn insert(db: &Connection, event: &NewEvent) -> Result<()> {
    let NewEvent { time, kind, source, subject, object, data } = event;
    let id = Uuid::new_v4();
    let sql = "INSERT INTO events (id, time, type, source, subject, object_id, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    run(db, sql, params![id, time, kind, source, subject, object.map(|id| id.0), data])?;
    Ok(())
}

/// The last number that was given; 0 before the first.
pub(super) fn newest(db: &Connection) -> Result<i64> {
    Ok(first(db, "SELECT seq FROM sqlite_sequence WHERE name = 'events'", [], |row| Ok(row.get(0)?))?.unwrap_or(0))
}

/// The last event up to that time, by the clock of then; 0 when there is none.
pub(super) fn last_at(db: &Connection, at: Micros) -> Result<i64> {
    let sql = "SELECT seq FROM events WHERE time <= ?1 ORDER BY seq DESC LIMIT 1";
    Ok(first(db, sql, [at], |row| Ok(row.get(0)?))?.unwrap_or(0))
}

/// The number up to which events are gone.
pub(super) fn forgotten(db: &Connection) -> Result<i64> {
    match first(db, "SELECT seq FROM events ORDER BY seq LIMIT 1", [], |row| Ok(row.get::<_, i64>(0)?))? {
        Some(oldest) => Ok(oldest - 1),
        None => newest(db),
    }
}

/// In the order they happened.
pub(super) fn list(db: &Connection, filter: &EventFilter) -> Result<Vec<Event>> {
    let EventFilter { after, to, kind, object, limit } = filter;
    let mut sql = format!("SELECT {COLUMNS} FROM events WHERE seq > ?");
    let mut values = vec![Value::Integer(*after)];
    if let Some(to) = to {
        sql.push_str(" AND seq <= ?");
        values.push(Value::Integer(*to));
    }
    if let Some(kind) = kind {
        sql.push_str(" AND type = ?");
        values.push(Value::Text(kind.clone()));
    }
    if let Some(object) = object {
        sql.push_str(" AND object_id = ?");
        values.push(Value::Integer(object.0));
    }
    sql.push_str(" ORDER BY seq");
    if let Some(limit) = limit {
        sql.push_str(" LIMIT ?");
        values.push(Value::Integer(signed(*limit as u64)?));
    }
    all(db, &sql, params_from_iter(values), read)
}

/// Takes away the oldest that are older than `before` and not behind `to`; looks at `limit` of them at most. Tells how many went.
pub(super) fn forget(db: &Connection, before: Micros, to: i64, limit: usize) -> Result<usize> {
    // The numbers follow the time closely: what is old stands first. Where they do not, none goes before one that stays: readers of the log
    // know by the oldest number what is gone.
    let sql = "WITH first AS (SELECT seq, time FROM events WHERE seq <= ?2 ORDER BY seq LIMIT ?3)
        DELETE FROM events WHERE seq IN (SELECT seq FROM first
            WHERE seq < coalesce((SELECT min(seq) FROM first WHERE time >= ?1), 9223372036854775807))";
    run(db, sql, params![before, to, signed(limit as u64)?])
}

/// A run was frozen.
pub(super) fn started(db: &Connection, frozen: &Run) -> Result<()> {
    insert(db, &about(frozen, events::RUN_STARTED, frozen.created_at, run_data(frozen)?))
}

/// A run is over: what came of it, in the order in which it became true.
pub(super) fn ended(db: &Connection, before: &Run, end: &RunEnd) -> Result<()> {
    let RunEnd { run_id, status, ended_at, counts, error, sqlstate, outputs, .. } = end;
    for output in outputs {
        let data = json!({
            "run_id": run_id,
            "batch": before.batch,
            "target": output.target,
            "mode": output.mode,
            "rows": output.rows,
            "table_version": output.table_version,
        });
        insert(db, &about(before, events::BATCH_COMMITTED, *ended_at, data))?;
    }
    if counts.quarantined > 0 && *status == RunStatus::Succeeded {
        let data = json!({ "run_id": run_id, "rows": counts.quarantined });
        insert(db, &about(before, events::RECORDS_QUARANTINED, *ended_at, data))?;
    }
    let kind = match status {
        RunStatus::Succeeded => events::RUN_COMPLETED,
        RunStatus::Cancelled => events::RUN_CANCELLED,
        _ => events::RUN_FAILED,
    };
    let mut data = run_data(before)?;
    let result = json!({
        "status": word(status)?,
        "rows_in": counts.read,
        "rows_out": counts.written,
        "rows_quarantined": counts.quarantined,
        "rows_dropped": counts.dropped,
        "error": error,
        "sqlstate": sqlstate,
    });
    if let (Json::Object(data), Json::Object(result)) = (&mut data, result) {
        data.extend(result);
    }
    insert(db, &about(before, kind, *ended_at, data))
}

/// New files of a source, or new versions of known ones, each an event.
pub(super) fn received(db: &Connection, source: ObjectId, files: &[FileEntry]) -> Result<()> {
    let name = "SELECT schema || '.' || name FROM objects WHERE id = ?1";
    let subject: Option<String> = first(db, name, [source.0], |row| Ok(row.get(0)?))?;
    for FileEntry { seq, file, seen_at, .. } in files {
        let data = json!({ "path": file.path, "size": file.size, "etag": file.etag, "number": seq });
        insert(
            db,
            &NewEvent {
                time: *seen_at,
                kind: events::FILE_RECEIVED.to_owned(),
                source: events::HUB.to_owned(),
                subject: subject.clone(),
                object: Some(source),
                data: data.to_string(),
            },
        )?;
    }
    Ok(())
}

fn about(run: &Run, kind: &str, time: Micros, data: Json) -> NewEvent {
    NewEvent {
        time,
        kind: kind.to_owned(),
        source: events::HUB.to_owned(),
        subject: Some(run.pipeline.clone()),
        object: Some(run.pipeline_id),
        data: data.to_string(),
    }
}

fn run_data(run: &Run) -> Result<Json> {
    Ok(json!({
        "run_id": run.run_id,
        "pipeline": run.pipeline,
        "version": run.pipeline_version,
        "kind": word(run.kind)?,
        "trigger": run.trigger,
        "requested_by": run.requested_by,
    }))
}

fn read(row: &Row<'_>) -> Result<Event> {
    Ok(Event {
        seq: row.get(0)?,
        id: row.get::<_, Uuid>(1)?,
        time: row.get(2)?,
        kind: row.get(3)?,
        source: row.get(4)?,
        subject: row.get(5)?,
        object: row.get::<_, Option<i64>>(6)?.map(ObjectId),
        data: row.get(7)?,
    })
}
