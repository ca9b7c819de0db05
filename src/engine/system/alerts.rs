//! Alerts: how each stands, and what happened to it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use weir_catalog::{AlertWord, Kind as Noun, ObjectId};

use super::super::definition;
use super::super::errors::catalog_error;
use super::table::{Asked, Cell, Kind, Row, Rows, SystemTable, time};
use crate::error::Result;

pub(super) const TABLES: &[SystemTable] = &[
    SystemTable {
        schema: "hub",
        name: "alerts",
        comment: "Every alert and how it stands.",
        columns: &[
            ("name", Kind::Text),
            ("schema", Kind::Text),
            ("owner", Kind::Text),
            ("definition", Kind::Text),
            ("alters", Kind::Json),
            ("version", Kind::Big),
            ("trigger", Kind::Text),
            ("state", Kind::Text),
            ("since", Kind::Time),
            ("last_checked_at", Kind::Time),
            ("last_fired_at", Kind::Time),
            ("rows", Kind::Big),
            ("error", Kind::Text),
            ("comment", Kind::Text),
        ],
        rows: Rows::Now(alerts),
    },
    SystemTable {
        schema: "hub",
        name: "alert_history",
        comment: "What happened to each alert, newest first.",
        columns: &[
            ("alert", Kind::Text),
            ("at", Kind::Time),
            ("state", Kind::Text),
            ("rows", Kind::Big),
            ("truncated", Kind::Bool),
            ("error", Kind::Text),
        ],
        rows: Rows::Now(alert_history),
    },
];

fn word(word: AlertWord) -> Cell {
    match word {
        AlertWord::Ok => "ok",
        AlertWord::Pending => "pending",
        AlertWord::Firing => "firing",
        AlertWord::Error => "error",
        AlertWord::Repeated => "repeated",
        AlertWord::GaveUp => "gave_up",
    }
    .into()
}

fn alerts(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let store = asked.engine.store();
    let mut rows = Vec::new();
    for alert in Asked::keep(store.objects(Some(Noun::Alert), None).map_err(catalog_error)?, |alert| asked.sees(alert))? {
        let state = store.alert_state(alert.id).map_err(catalog_error)?.unwrap_or_default();
        let trigger = definition::alert(&alert).ok().and_then(|definition| definition.trigger).map(|trigger| trigger.text);
        rows.push(vec![
            alert.name.into(),
            alert.schema.into(),
            alert.owner.into(),
            alert.definition.into(),
            serde_json::to_string(&alert.alters).ok().into(),
            alert.version.into(),
            trigger.into(),
            word(state.word),
            time(state.since),
            time(state.checked_at),
            time(state.fired_at),
            state.rows.into(),
            state.error.into(),
            alert.comment.into(),
        ]);
    }
    Ok(rows)
}

fn alert_history(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let mut seen: HashMap<ObjectId, bool> = HashMap::new();
    let mut rows = Vec::new();
    for (id, alert, past) in asked.engine.store().alert_history().map_err(catalog_error)? {
        if let Entry::Vacant(unknown) = seen.entry(id) {
            unknown.insert(asked.sees_id(id)?);
        }
        if seen.get(&id) == Some(&true) {
            rows.push(vec![alert.into(), time(past.at), word(past.state), past.rows.into(), past.truncated.into(), past.error.into()]);
        }
    }
    Ok(rows)
}
