//! Alerts: how each stands, what it has still to do, and what it did.
//!
//! A step of an alert is one transaction: its new state, the acts that follow from it with the rows they carry, its line of history, and
//! its events. An act is gone once it is done.

use rusqlite::{Connection, Row, params};

use super::row::{all, first, from_json, from_word, run, text, to_json, word};
use super::{events, runs};
use crate::alerts::{AlertAct, AlertMove, AlertPast, AlertState};
use crate::error::Result;
use crate::model::{ObjectId, TriggerMark};

pub(super) fn step(db: &Connection, step: &AlertMove) -> Result<()> {
    let AlertMove { alert_id, alert, state, acts, past, events: told, marks } = step;
    let sql = "INSERT INTO alert_states (alert_id, state) VALUES (?1, ?2) ON CONFLICT (alert_id) DO UPDATE SET state = excluded.state";
    run(db, sql, params![alert_id.0, to_json(state)?])?;
    for (ordinal, payload) in acts {
        let sql = "INSERT INTO alert_acts (alert_id, number, ordinal, payload) VALUES (?1, ?2, ?3, ?4)";
        run(db, sql, params![alert_id.0, state.number, ordinal, payload])?;
    }
    if let Some(past) = past {
        add_past(db, *alert_id, alert, past)?;
    }
    for TriggerMark { pipeline_id, trigger, state } in marks {
        runs::set_trigger_state(db, *pipeline_id, trigger, state)?;
    }
    told.iter().try_for_each(|event| events::insert(db, event))
}

/// The act is done, or given up, which its line of history says.
pub(super) fn done(db: &Connection, act: &AlertAct, alert: &str, past: Option<&AlertPast>) -> Result<()> {
    let AlertAct { alert_id, number, ordinal, payload: _ } = act;
    run(db, "DELETE FROM alert_acts WHERE alert_id = ?1 AND number = ?2 AND ordinal = ?3", [alert_id.0, *number, *ordinal])?;
    match past {
        Some(past) => add_past(db, *alert_id, alert, past),
        None => Ok(()),
    }
}

pub(super) fn add_past(db: &Connection, alert_id: ObjectId, alert: &str, past: &AlertPast) -> Result<()> {
    let AlertPast { at, state, rows, truncated, error } = past;
    let sql = "INSERT INTO alert_history (alert_id, alert, at, state, rows, truncated, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    run(db, sql, params![alert_id.0, alert, at, word(state)?, rows, truncated, error])?;
    Ok(())
}

pub(super) fn state(db: &Connection, alert: ObjectId) -> Result<Option<AlertState>> {
    first(db, "SELECT state FROM alert_states WHERE alert_id = ?1", [alert.0], |row| from_json(text(row, 0)?))
}

/// In the order in which they are to be done.
pub(super) fn acts(db: &Connection, alert: ObjectId) -> Result<Vec<AlertAct>> {
    let sql = "SELECT alert_id, number, ordinal, payload FROM alert_acts WHERE alert_id = ?1 ORDER BY number, ordinal";
    all(db, sql, [alert.0], |row| {
        Ok(AlertAct { alert_id: ObjectId(row.get(0)?), number: row.get(1)?, ordinal: row.get(2)?, payload: row.get(3)? })
    })
}

/// Newest first, with the alert's number and its name of then.
pub(super) fn history(db: &Connection) -> Result<Vec<(ObjectId, String, AlertPast)>> {
    all(db, "SELECT alert_id, alert, at, state, rows, truncated, error FROM alert_history ORDER BY seq DESC", [], past)
}

fn past(row: &Row<'_>) -> Result<(ObjectId, String, AlertPast)> {
    let past = AlertPast { at: row.get(2)?, state: from_word(row.get(3)?)?, rows: row.get(4)?, truncated: row.get(5)?, error: row.get(6)? };
    Ok((ObjectId(row.get(0)?), row.get(1)?, past))
}

/// What only says how a dropped alert stands; its history stays.
pub(super) fn forget(db: &Connection, alert: ObjectId) -> Result<()> {
    run(db, "DELETE FROM alert_states WHERE alert_id = ?1", [alert.0])?;
    run(db, "DELETE FROM alert_acts WHERE alert_id = ?1", [alert.0])?;
    Ok(())
}
