//! Meta (Facebook, Instagram, WhatsApp): `sha256=` and HMAC-SHA256 of the body in hexadecimal in `X-Hub-Signature-256`, keyed with the
//! app's secret. The address is tried out with a GET that carries the verify token.
//!
//! Meta says that it signs the payload with its characters escaped (`\u00e4`). That is how it sends them, so the raw bytes are right.
//! There is no id of the delivery and no time: de-duplicate by the ids of the entries.
//! Source: <https://developers.facebook.com/docs/graph-api/webhooks/getting-started/>.

use crate::digest::{Encoding, secure_compare};
use crate::name::Name;
use crate::reply::Reply;
use crate::request::Request;
use crate::secret::Secrets;
use crate::verdict::{Key, Refusal};

use super::body_hmac::body_code;
use super::scheme::Scheme;

const MOST_CHALLENGE_BYTES: usize = 256;

#[derive(Debug, Clone)]
pub struct Meta {
    app_secrets: Secrets,
    verify_token: Secrets,
}

impl Meta {
    /// `verify_token` is the text entered in the app's dashboard beside the address.
    pub fn new(app_secrets: Secrets, verify_token: Secrets) -> Self {
        Meta { app_secrets, verify_token }
    }

    fn challenge(&self, request: &Request<'_>) -> Result<Reply, Refusal> {
        let token = request.parameter(&Name::of("hub.verify_token"))?;
        let known = self.verify_token.find(|secret| secure_compare(secret, token.as_bytes()));
        known.ok_or(Refusal::WrongCredentials)?;
        let challenge = request.parameter(&Name::of("hub.challenge"))?;
        // A number today. Nothing in here can be read as markup, wherever it is shown.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        match challenge.len() <= MOST_CHALLENGE_BYTES && challenge.bytes().all(plain) {
            true => Ok(Reply::text(challenge)),
            false => Err(Refusal::MalformedParameter(Name::of("hub.challenge"))),
        }
    }
}

impl Scheme for Meta {
    fn name(&self) -> &'static str {
        "meta"
    }

    fn verify(&self, request: &Request<'_>) -> Result<Key, Refusal> {
        body_code(&self.app_secrets, request, "X-Hub-Signature-256", "sha256=", Encoding::Hex)
    }

    fn handshake(&self, request: &Request<'_>) -> Option<Result<Reply, Refusal>> {
        let asks = request.method == "GET" && request.parameter(&Name::of("hub.mode")).is_ok_and(|mode| mode == "subscribe");
        asks.then(|| self.challenge(request))
    }
}
