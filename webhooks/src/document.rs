//! The few fields of a JSON body that schemes look at: an id, a type, a challenge.
//!
//! A body is looked into after its signature is known, except where the scheme has nothing but such a field. A field that is there
//! twice is as good as none: readers disagree on which one counts.

use serde::Deserialize;

use crate::request::Request;

const MOST_ID_BYTES: usize = 256;

/// The fields of all schemes together; each looks at its own.
#[derive(Deserialize)]
pub(crate) struct Document {
    pub(crate) id: Option<Text>,
    pub(crate) event_id: Option<Text>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<Text>,
    pub(crate) challenge: Option<Text>,
}

/// A string, or anything else that is not of interest.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Text {
    Is(String),
    IsNot(serde::de::IgnoredAny),
}

impl Text {
    pub(crate) fn get(self) -> Option<String> {
        match self {
            Text::Is(text) => Some(text),
            Text::IsNot(_) => None,
        }
    }
}

/// Reads the body; None when it is not one JSON object with each of these fields at most once.
pub(crate) fn document(request: &Request<'_>) -> Option<Document> {
    is_object(request.body).then(|| serde_json::from_slice(request.body).ok()).flatten()
}

/// Whether a body begins as an object: an array would be taken for the fields in their order.
pub(crate) fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'{')
}

/// A text that can stand as a delivery's id: visible ASCII, not too long.
pub(crate) fn id(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty() && text.len() <= MOST_ID_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic()))
}
