//! Standard Webhooks 1.0 and Svix: `v1,code [v1,code ..]` in `webhook-signature`, each code the HMAC-SHA256 of `id.time.body` in base64.
//!
//! The key is what stands in base64 behind `whsec_`. Asymmetric signatures (`v1a`) are passed over, so a sender that has only those is
//! refused. An id with a full stop is refused too: with it the same signed text could be read as another id, time and body.
//! Sources: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>,
//! <https://docs.svix.com/receiving/verifying-payloads/how-manual>.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::digest::{Algorithm, Encoding};
use crate::document::id;
use crate::error::ConfigError;
use crate::name::Name;
use crate::request::Request;
use crate::secret::{Secret, Secrets};
use crate::verdict::{Key, Refusal};
use crate::window::{Unit, Window};

use super::scheme::{Place, Scheme, digest_in, signed_by};

/// As many as a sender in the middle of several changes could want.
const MOST_CODES: usize = 8;

/// How the three headers are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderNames {
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    Webhook,
    /// `svix-id`, `svix-timestamp`, `svix-signature`.
    Svix,
}

impl HeaderNames {
    fn all(self) -> [&'static str; 3] {
        match self {
            HeaderNames::Webhook => ["webhook-id", "webhook-timestamp", "webhook-signature"],
            HeaderNames::Svix => ["svix-id", "svix-timestamp", "svix-signature"],
        }
    }
}

#[derive(Debug, Clone)]
pub struct Standard {
    secrets: Secrets,
    names: HeaderNames,
    window: Window,
}

impl Standard {
    /// Secrets as they are shown: base64, with or without `whsec_` before it. The specification leaves the window open; its libraries
    /// use [`Window::FIVE_MINUTES`].
    ///
    /// # Errors
    /// `MalformedSecret` when what follows is not base64, `EmptySecret` when it is nothing.
    pub fn new(secrets: &Secrets, names: HeaderNames, window: Window) -> Result<Self, ConfigError> {
        Ok(Standard { secrets: secrets.map(key)?, names, window })
    }
}

fn key(secret: &Secret) -> Result<Secret, ConfigError> {
    let text = secret.bytes();
    let coded = text.strip_prefix(b"whsec_").unwrap_or(text);
    let bytes = STANDARD.decode(coded).map_err(|_| ConfigError::MalformedSecret("is not base64 behind whsec_"))?;
    Secret::new(bytes)
}

/// The codes of a header's `v1` elements.
fn codes(header: &str, place: &Place) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut codes = Vec::new();
    for element in header.split(' ') {
        match element.split_once(',').ok_or_else(|| place.malformed())? {
            ("v1", code) => codes.push(digest_in(code, Encoding::Base64, Algorithm::Sha256, place)?),
            ("", _) => return Err(place.malformed()),
            _ => {}
        }
    }
    match codes.len() {
        0 => Err(Refusal::OtherVersion),
        1..=MOST_CODES => Ok(codes),
        _ => Err(place.malformed()),
    }
}

impl Scheme for Standard {
    fn name(&self) -> &'static str {
        match self.names {
            HeaderNames::Webhook => "standard",
            HeaderNames::Svix => "svix",
        }
    }

    fn verify(&self, request: &Request<'_>) -> Result<Key, Refusal> {
        let [id_at, time_at, codes_at] = self.names.all().map(Name::of);
        let (id, time, header) = (request.header(&id_at)?, request.header(&time_at)?, request.header(&codes_at)?);
        if id.contains('.') {
            return Err(Refusal::MalformedHeader(id_at));
        }
        let signed_ms = Unit::Seconds.parse(time).ok_or(Refusal::MalformedHeader(time_at))?;
        let codes = codes(header, &Place::Header(codes_at))?;
        self.window.check(signed_ms, request.now_ms)?;
        signed_by(&self.secrets, Algorithm::Sha256, &codes, &[id.as_bytes(), b".", time.as_bytes(), b".", request.body])
    }

    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        let [id_at, ..] = self.names.all().map(Name::of);
        id(request.header(&id_at).ok().map(str::to_owned))
    }
}
