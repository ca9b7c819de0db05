//! How each source did when it was last read: hub.sources shows it, and it outlives a restart.
//!
//! Every read is noted in memory. The catalog is told when a source begins to fail or works again, and else once in a while, so that a
//! source that is read every second costs no write every second.

use std::error::Error as StdError;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde_json::json;
use weir_catalog::{Change, NewEvent, Object, ObjectId, RelationBody, events};

use super::Engine;
use super::errors::{catalog_error, innermost};
use crate::clock::Micros;
use crate::error::{Code, Error, Result};
use crate::sources::Watch;

/// A success is stored again when the stored one is that old.
const STORED_EVERY: Micros = 3_600_000_000;

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Health {
    pub last_ok_at: Option<Micros>,
    pub last_error: Option<String>,
}

/// One opened source under watch.
pub(super) struct SourceState {
    engine: Weak<Engine>,
    source: ObjectId,
    /// Of the source's definition: what an earlier one said is void.
    version: i64,
    health: Mutex<Health>,
    stored: Mutex<Health>,
}

impl SourceState {
    pub(super) fn new(engine: Weak<Engine>, source: &Object) -> Arc<Self> {
        let body: RelationBody = serde_json::from_value(source.body.clone()).unwrap_or_default();
        let known = Health { last_ok_at: body.last_ok_at, last_error: body.last_error };
        let (health, stored) = (Mutex::new(known.clone()), Mutex::new(known));
        Arc::new(Self { engine, source: source.id, version: source.version, health, stored })
    }

    fn note(&self, change: impl FnOnce(&mut Health, Micros)) {
        let Some(engine) = self.engine.upgrade() else { return };
        let now = {
            let mut health = self.health.lock();
            change(&mut health, engine.clock().now());
            health.clone()
        };
        let mut stored = self.stored.lock();
        let due = match (stored.last_ok_at, now.last_ok_at) {
            (Some(then), Some(at)) => at.saturating_sub(then) >= STORED_EVERY,
            (then, at) => then != at,
        };
        if stored.last_error == now.last_error && !due {
            return;
        }
        match engine.store_health(self.source, &now) {
            Ok(()) => *stored = now,
            Err(error) => tracing::warn!(source = self.source.0, error = %error.chain(), "the state of a source could not be stored"),
        }
    }
}

impl Watch for SourceState {
    fn read(&self) {
        self.note(|health, now| *health = Health { last_ok_at: Some(now), last_error: None });
    }

    fn failed(&self, error: &(dyn StdError + 'static)) {
        let text = match innermost(error) {
            Some(error) if error.code() == Code::Cancelled => return,
            Some(error) => match error.detail_text() {
                Some(detail) => format!("{} DETAIL: {detail}", error.chain()),
                None => error.chain(),
            },
            None => error.to_string(),
        };
        self.note(|health, _| health.last_error = Some(text));
    }
}

impl Engine {
    /// What is known of a source: by those who read it in this life of the hub, else by the catalog.
    pub(super) fn source_health(&self, source: &Object) -> Health {
        let watched = self.source_states.lock().get(&source.id).filter(|state| state.version == source.version).map(Arc::clone);
        watched.map_or_else(|| SourceState::new(Weak::new(), source).health.lock().clone(), |state| state.health.lock().clone())
    }

    /// The watch over a source that is opened now.
    pub(super) fn watch(&self, source: &Object) -> Arc<SourceState> {
        let mut states = self.source_states.lock();
        match states.get(&source.id) {
            Some(state) if state.version == source.version => Arc::clone(state),
            _ => {
                let state = SourceState::new(self.me_weak(), source);
                states.insert(source.id, Arc::clone(&state));
                state
            }
        }
    }

    fn store_health(&self, source: ObjectId, health: &Health) -> Result<()> {
        let _turn = self.keeping_columns.lock();
        let Some(object) = self.store().object_by_id(source).map_err(catalog_error)? else { return Ok(()) };
        let body: RelationBody = serde_json::from_value(object.body.clone()).unwrap_or_default();
        let turned = match (&body.last_error, &health.last_error) {
            (None, Some(error)) => Some((events::SOURCE_DOWN, json!({ "error": error }))),
            (Some(_), None) => Some((events::SOURCE_RECOVERED, json!({}))),
            _ => None,
        };
        let body =
            RelationBody { columns: body.columns, last_ok_at: health.last_ok_at, last_error: health.last_error.clone(), search_path: None };
        let body =
            serde_json::to_value(body).map_err(|error| Error::internal("the body of a source cannot be written").caused_by(error))?;
        let now = self.clock().now();
        let told = turned.map(|(kind, data)| {
            Change::Event(NewEvent {
                time: now,
                kind: kind.to_owned(),
                source: events::HUB.to_owned(),
                subject: Some(object.full_name()),
                object: Some(source),
                data: data.to_string(),
            })
        });
        let changes: Vec<Change> = std::iter::once(Change::Body { id: source, body }).chain(told).collect();
        self.store().apply(&changes, &object.owner, now).map_err(catalog_error)
    }
}
