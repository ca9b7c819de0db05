//! Microsoft Graph change notifications: no signature, but the `clientState` given at subscription comes back in each of them.
//!
//! The address is tried out with a POST that carries `validationToken`, which nobody signs: whoever knows the address gets his token
//! back. So it goes back as plain text, with angle brackets escaped and nothing in it that does not print.
//! There is no id of a delivery. Notifications that carry the resource's data also bring tokens of their own; those are not checked.
//! Source: <https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks>.

use serde::Deserialize;

use crate::digest::secure_compare;
use crate::document::is_object;
use crate::name::Name;
use crate::reply::Reply;
use crate::request::Request;
use crate::secret::Secrets;
use crate::verdict::{Key, Refusal};

use super::scheme::Scheme;

const MOST_TOKEN_BYTES: usize = 1024;

#[derive(Debug, Clone)]
pub struct Graph {
    client_state: Secrets,
}

impl Graph {
    pub fn new(client_state: Secrets) -> Self {
        Graph { client_state }
    }
}

#[derive(Deserialize)]
struct Notifications {
    value: Vec<Notification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    client_state: String,
}

impl Scheme for Graph {
    fn name(&self) -> &'static str {
        "graph"
    }

    fn verify(&self, request: &Request<'_>) -> Result<Key, Refusal> {
        let malformed = Refusal::MalformedBody("is not a list of notifications that each have one clientState");
        let body = is_object(request.body).then(|| serde_json::from_slice::<Notifications>(request.body).ok()).flatten();
        let body = body.ok_or(malformed)?;
        if body.value.is_empty() {
            return Err(Refusal::MalformedBody("has no notification"));
        }
        let mut used = Key::None;
        for notification in &body.value {
            let state = notification.client_state.as_bytes();
            used = used.max(self.client_state.find(|secret| secure_compare(secret, state)).ok_or(Refusal::WrongCredentials)?);
        }
        Ok(used)
    }

    fn handshake(&self, request: &Request<'_>) -> Option<Result<Reply, Refusal>> {
        let name = Name::of("validationToken");
        match request.parameter(&name) {
            _ if request.method != "POST" => None,
            Err(Refusal::MissingParameter(_)) => None,
            Err(refusal) => Some(Err(refusal)),
            Ok(token) if token.len() <= MOST_TOKEN_BYTES && !token.chars().any(char::is_control) => {
                Some(Ok(Reply::text(token.replace('<', "&lt;").replace('>', "&gt;"))))
            }
            Ok(_) => Some(Err(Refusal::MalformedParameter(name))),
        }
    }
}
