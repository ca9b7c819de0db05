//! What happened: the log of events, as far back as it is kept.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow::record_batch::RecordBatch;
use weir_catalog::{Event, EventFilter, ObjectId};

use super::super::errors::catalog_error;
use super::table::{Asked, Kind, Row, Rows, SystemTable, batch, time};
use crate::error::{Error, Result};

pub(super) const TABLES: &[SystemTable] = &[SystemTable {
    schema: "hub",
    name: "events",
    comment: "What happened, in order: runs, batches, sources, and what was published with NOTIFY.",
    columns: &[
        ("seq", Kind::Big),
        ("id", Kind::Uuid),
        ("time", Kind::Time),
        ("type", Kind::Text),
        ("source", Kind::Text),
        ("subject", Kind::Text),
        ("data", Kind::Json),
    ],
    rows: Rows::Now(events),
}];

fn events(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let sees_all = asked.sees_all()?;
    // What is hidden does not count.
    let limit = asked.limit.filter(|_| sees_all);
    let filter = EventFilter { after: asked.after, to: None, kind: asked.kind.clone(), object: None, limit };
    let mut events = asked.engine.store().events(&filter).map_err(catalog_error)?;
    if !sees_all {
        let mut seen: HashMap<ObjectId, bool> = HashMap::new();
        for object in events.iter().filter_map(|event| event.object) {
            if let Entry::Vacant(unknown) = seen.entry(object) {
                unknown.insert(asked.sees_id(object)?);
            }
        }
        events.retain(|event| event.object.is_none_or(|object| seen.get(&object) == Some(&true)));
    }
    Ok(events.into_iter().map(row).collect())
}

fn row(event: Event) -> Row {
    vec![
        event.seq.into(),
        event.id.into(),
        time(event.time),
        event.kind.into(),
        event.source.into(),
        event.subject.into(),
        event.data.into(),
    ]
}

/// Events as rows of the table.
pub(in crate::engine) fn event_batch(events: Vec<Event>) -> Result<RecordBatch> {
    let table = TABLES.first().ok_or_else(|| Error::internal("the table of events is missing"))?;
    batch(table, &table.arrow_schema(), events.into_iter().map(row).collect())
}
