//! An event of the hub, and the words for those that it makes itself.
//!
//! The form is that of CloudEvents: id, source, type, subject, time, data. `seq` is the hub's own: consumers hold it as their position.

use uuid::Uuid;

use crate::model::{Micros, ObjectId};

/// Source of what the hub itself says. Events that a role published have `/roles/name`.
pub const HUB: &str = "/hub";
/// Types of the hub's own events begin with it: nobody else may publish such.
pub const PREFIX: &str = "hub.";

pub const RUN_STARTED: &str = "hub.run.started";
pub const RUN_COMPLETED: &str = "hub.run.completed";
pub const RUN_FAILED: &str = "hub.run.failed";
pub const RUN_CANCELLED: &str = "hub.run.cancelled";
pub const BATCH_COMMITTED: &str = "hub.batch.committed";
pub const RECORDS_QUARANTINED: &str = "hub.records.quarantined";
pub const SCHEMA_CHANGED: &str = "hub.schema.changed";
pub const ALERT_FIRING: &str = "hub.alert.firing";
pub const ALERT_RESOLVED: &str = "hub.alert.resolved";
pub const ALERT_FAILED: &str = "hub.alert.failed";
pub const FILE_RECEIVED: &str = "hub.file.received";
pub const SOURCE_DOWN: &str = "hub.source.down";
pub const SOURCE_RECOVERED: &str = "hub.source.recovered";

/// What stands for `hub.events` among the inputs and offsets of pipelines; no object has this number.
pub const RELATION: ObjectId = ObjectId(-1);

/// An event that is logged.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Grows with every event of the hub and is never given twice.
    pub seq: i64,
    pub id: Uuid,
    pub time: Micros,
    /// `type` of CloudEvents.
    pub kind: String,
    pub source: String,
    /// `schema.name` of the object it tells of, as it was called then.
    pub subject: Option<String>,
    /// That object: whoever may know of it may read the event. None: everybody may.
    pub object: Option<ObjectId>,
    /// JSON, as it was published: numbers keep all their digits.
    pub data: String,
}

/// An event to be logged; its number and id are given with the commit.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    pub time: Micros,
    pub kind: String,
    pub source: String,
    pub subject: Option<String>,
    pub object: Option<ObjectId>,
    /// JSON.
    pub data: String,
}
