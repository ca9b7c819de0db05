//! Slack: `v0=` and HMAC-SHA256 of `v0:time:body` in hexadecimal in `X-Slack-Signature`, the time in `X-Slack-Request-Timestamp`.
//!
//! The id is the `event_id` of an event's body; slash commands and buttons, which are forms, have none. The challenge of a new address
//! is signed like everything else and answered only then.
//! Sources: <https://docs.slack.dev/authentication/verifying-requests-from-slack>, <https://api.slack.com/events/url_verification>.

use crate::digest::{Algorithm, Encoding};
use crate::document::{Text, document, id};
use crate::name::Name;
use crate::reply::Reply;
use crate::request::Request;
use crate::secret::Secrets;
use crate::verdict::{Key, Refusal};
use crate::window::{Unit, Window};

use super::scheme::{Place, Scheme, digest_in, signed_by};

const MOST_CHALLENGE_BYTES: usize = 1024;

#[derive(Debug, Clone)]
pub struct Slack {
    secrets: Secrets,
    window: Window,
}

impl Slack {
    /// Slack recommends [`Window::FIVE_MINUTES`].
    pub fn new(secrets: Secrets, window: Window) -> Self {
        Slack { secrets, window }
    }
}

impl Scheme for Slack {
    fn name(&self) -> &'static str {
        "slack"
    }

    fn verify(&self, request: &Request<'_>) -> Result<Key, Refusal> {
        let (time_at, code_at) = (Name::of("X-Slack-Request-Timestamp"), Place::Header(Name::of("X-Slack-Signature")));
        let time = request.header(&time_at)?;
        let code = code_at.read(request)?;
        let signed_ms = Unit::Seconds.parse(time).ok_or(Refusal::MalformedHeader(time_at))?;
        let code = code.strip_prefix("v0=").ok_or_else(|| code_at.malformed())?;
        let code = digest_in(code, Encoding::Hex, Algorithm::Sha256, &code_at)?;
        self.window.check(signed_ms, request.now_ms)?;
        signed_by(&self.secrets, Algorithm::Sha256, &[code], &[b"v0:", time.as_bytes(), b":", request.body])
    }

    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        id(document(request)?.event_id.and_then(Text::get))
    }

    fn handshake(&self, request: &Request<'_>) -> Option<Result<Reply, Refusal>> {
        let document = document(request)?;
        if document.kind.and_then(Text::get).as_deref() != Some("url_verification") {
            return None;
        }
        let challenge = document.challenge.and_then(Text::get);
        let fits = |text: &String| !text.is_empty() && text.len() <= MOST_CHALLENGE_BYTES && !text.chars().any(char::is_control);
        let answer = challenge.filter(fits).ok_or(Refusal::MalformedBody("has no challenge that could be answered"));
        Some(self.verify(request).and(answer).map(Reply::text))
    }
}
