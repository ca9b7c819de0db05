//! How an alert stands, and what follows from a step.

use serde::{Deserialize, Serialize};

use crate::events::NewEvent;
use crate::model::{Micros, ObjectId, TriggerMark};

/// The states of an alert, and of its history. `Repeated` and `GaveUp` are only in history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertWord {
    #[default]
    Ok,
    /// There are rows, and not yet for long enough.
    Pending,
    Firing,
    /// The query cannot be asked.
    Error,
    /// It has fired again because it still does.
    Repeated,
    /// An act could not be done and never will be.
    GaveUp,
}

/// How an alert stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AlertState {
    pub word: AlertWord,
    /// While the query cannot be asked: how it stood before.
    pub before_error: AlertWord,
    /// Of the state.
    pub since: Option<Micros>,
    pub checked_at: Option<Micros>,
    pub fired_at: Option<Micros>,
    /// When its acts were last set going.
    pub acted_at: Option<Micros>,
    /// How often its acts were set going: the batch of what they write.
    pub number: i64,
    /// Rows of the query when it was last asked.
    pub rows: i64,
    pub error: Option<String>,
}

/// A line of history.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertPast {
    pub at: Micros,
    pub state: AlertWord,
    pub rows: i64,
    /// There were more rows than an alert carries.
    pub truncated: bool,
    pub error: Option<String>,
}

/// What becomes true of an alert in one transaction.
#[derive(Debug, Clone)]
pub struct AlertMove {
    pub alert_id: ObjectId,
    /// `schema.name`.
    pub alert: String,
    pub state: AlertState,
    /// Acts to be done, by their place in the definition, with what they carry.
    pub acts: Vec<(i64, Vec<u8>)>,
    pub past: Option<AlertPast>,
    pub events: Vec<NewEvent>,
    pub marks: Vec<TriggerMark>,
}

/// An act that is still to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertAct {
    pub alert_id: ObjectId,
    pub number: i64,
    pub ordinal: i64,
    pub payload: Vec<u8>,
}
