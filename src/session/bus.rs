//! What a session publishes and what it may hear.
//!
//! A notification is an event of the hub as well: logged before anybody hears it, so that pipelines can wait for it. What the hub says of
//! itself cannot be said by anybody else.

use std::collections::HashMap;

use serde::de::IgnoredAny;
use serde_json::json;
use weir_catalog::{Kind, NewEvent, ObjectId, Thing, events};

use super::client::Session;
use super::link::Link;
use crate::clock::Micros;
use crate::engine::{HUB_CHANNEL, Notification, catalog_error};
use crate::error::{Code, Error, Result};

impl Link {
    /// # Errors
    /// `ReservedName` for a channel on which only the hub speaks: `hub`, types of its own events, names of pipelines.
    pub(super) fn refuse_channel(&self, channel: &str) -> Result<()> {
        let reserved =
            |detail: &str| Error::new(Code::ReservedName, format!("channel name \"{channel}\" is reserved")).detail(detail.to_owned());
        if channel == HUB_CHANNEL || channel.starts_with(events::PREFIX) {
            return Err(reserved("Events of the hub itself are told on it."));
        }
        let Some((schema, name)) = channel.split_once('.') else { return Ok(()) };
        match self.engine.store().object(Kind::Pipeline, schema, name).map_err(catalog_error)? {
            Some(_) => Err(reserved("It is the name of a pipeline, whose events are told on it.")),
            None => Ok(()),
        }
    }

    /// The notifications as events. A payload that is JSON is kept as such, any other as a text.
    pub(super) fn events_of(&self, notifications: &[Notification], now: Micros) -> Vec<NewEvent> {
        let event = |notification: &Notification| NewEvent {
            time: now,
            kind: notification.channel.clone(),
            source: format!("/roles/{}", self.client.role),
            subject: None,
            object: None,
            data: match notification.payload.as_str() {
                "" => "null".to_owned(),
                text if serde_json::from_str::<IgnoredAny>(text).is_ok() => text.to_owned(),
                text => json!(text).to_string(),
            },
        };
        notifications.iter().map(event).collect()
    }
}

impl Session {
    /// # Errors
    /// `ReservedName` for a channel on which only the hub speaks.
    pub fn refuse_channel(&self, channel: &str) -> Result<()> {
        self.link().refuse_channel(channel)
    }

    /// Those of them that the session's role may hear. Of what was dropped only superusers do.
    pub(super) fn audible(&self, mut notifications: Vec<Notification>) -> Vec<Notification> {
        let mut known: HashMap<ObjectId, bool> = HashMap::new();
        let role = self.role();
        notifications.retain(|notification| {
            let Some(object) = notification.about else { return true };
            *known.entry(object).or_insert_with(|| self.may_hear(&role, object).unwrap_or(false))
        });
        notifications
    }

    fn may_hear(&self, role: &str, object: ObjectId) -> Result<bool> {
        let store = self.hub().store();
        let access = store.access()?;
        Ok(match store.object_by_id(object)? {
            Some(object) => access.allows_any(role, Thing::of(&object)),
            None => access.is_superuser(role),
        })
    }
}
