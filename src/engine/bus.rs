//! Events on their way to those who listen: to everybody on `hub`, and on the name of the object that they tell of.
//!
//! Called with each event after its commit, in their order. A payload is a CloudEvent in JSON; where it would be longer than PostgreSQL's
//! clients expect, its data is the number of the event, to be looked up in hub.events. Who may hear what is judged where it is taken.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value as Json, json};
use weir_catalog::Event;

use super::clients::{Clients, Notification};
use crate::clock::Micros;

/// The channel of all events.
pub const HUB_CHANNEL: &str = "hub";

/// Longest payload of a notification, in bytes, as PostgreSQL has it.
pub const MAX_PAYLOAD_BYTES: usize = 7_999;

/// How the sources of events begin that alerts publish.
pub const ALERTS: &str = "/alerts/";

/// What PostgreSQL calls the process that sent a notification: the hub itself is none.
const NOBODY: i32 = 0;

pub(super) fn publish(clients: &Clients, events: &[Event]) {
    for event in events {
        // What an alert publishes goes to its channel as it is. A session that publishes sends it itself: it must hear it before its answer.
        if event.source.starts_with(ALERTS) && clients.has_listener(&event.kind) {
            let payload = if event.data.len() <= MAX_PAYLOAD_BYTES { event.data.clone() } else { json!({ "ref": event.seq }).to_string() };
            clients.send(&Notification { process: NOBODY, channel: event.kind.clone(), payload, about: None });
        }
        for channel in std::iter::once(HUB_CHANNEL).chain(event.subject.as_deref()) {
            if clients.has_listener(channel) {
                let (channel, payload) = (channel.to_owned(), payload(event));
                clients.send(&Notification { process: NOBODY, channel, payload, about: event.object });
            }
        }
    }
}

/// The event as a CloudEvent, in at most [`MAX_PAYLOAD_BYTES`].
fn payload(event: &Event) -> String {
    let text = envelope(event, &event.data);
    if text.len() <= MAX_PAYLOAD_BYTES { text } else { envelope(event, &json!({ "ref": event.seq }).to_string()) }
}

/// `data` is JSON and goes in as it is: read and written again, its numbers could lose digits.
fn envelope(event: &Event, data: &str) -> String {
    let Event { seq: _, id, time, kind, source, subject, object: _, data: _ } = event;
    let mut whole = json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": kind,
        "time": rfc3339(*time),
        "datacontenttype": "application/json",
    });
    if let (Some(subject), Json::Object(fields)) = (subject, &mut whole) {
        fields.insert("subject".to_owned(), json!(subject));
    }
    let mut text = whole.to_string();
    text.pop();
    text.push_str(",\"data\":");
    text.push_str(data);
    text.push('}');
    text
}

fn rfc3339(time: Micros) -> Option<String> {
    Some(DateTime::from_timestamp_micros(time)?.to_rfc3339_opts(SecondsFormat::Micros, true))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use weir_catalog::ObjectId;

    use super::*;

    fn event(data: Json) -> Event {
        Event {
            seq: 7,
            id: Uuid::from_u128(5),
            time: 1_767_268_800_000_001,
            kind: "hub.run.failed".to_owned(),
            source: "/hub".to_owned(),
            subject: Some("sales.load".to_owned()),
            object: Some(ObjectId(1)),
            data: data.to_string(),
        }
    }

    #[test]
    fn a_payload_is_a_cloud_event() {
        let read: Json = serde_json::from_str(&payload(&event(json!({"rows_in": 3})))).unwrap();
        let expected = json!({
            "specversion": "1.0",
            "id": "00000000-0000-0000-0000-000000000005",
            "source": "/hub",
            "type": "hub.run.failed",
            "subject": "sales.load",
            "time": "2026-01-01T12:00:00.000001Z",
            "datacontenttype": "application/json",
            "data": {"rows_in": 3},
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_too_long_is_sent_as_its_number() {
        let padding = MAX_PAYLOAD_BYTES - payload(&event(json!(""))).len();
        // Two bytes each: the length that counts is that of the bytes.
        let fits = payload(&event(json!("x".repeat(padding))));
        assert_eq!(fits.len(), MAX_PAYLOAD_BYTES);
        for longer in ["x".repeat(padding + 1), "é".repeat(padding / 2 + 1)] {
            let read: Json = serde_json::from_str(&payload(&event(json!(longer)))).unwrap();
            assert_eq!((&read["data"], &read["subject"]), (&json!({"ref": 7}), &json!("sales.load")));
        }
    }
}
