//! HubSpot, three versions.
//!
//! | version | header | signed |
//! |---|---|---|
//! | v1 | `X-HubSpot-Signature` | SHA-256 of secret and body, in hexadecimal |
//! | v2 | `X-HubSpot-Signature` | SHA-256 of secret, method, address and body, in hexadecimal |
//! | v3 | `X-HubSpot-Signature-v3` | HMAC-SHA256 of method, address, body and time, in base64; time in `X-HubSpot-Request-Timestamp` |
//!
//! v1 and v2 say so in `X-HubSpot-Signature-Version`. They are plain hashes behind a secret: whoever has one signed body could append
//! to it and sign the longer one (length extension). What is appended is never UTF-8, so bodies that are not are refused. They have no
//! time either: use v3. There is no id of a delivery, which holds up to 100 events: de-duplicate by their `eventId`.
//! Sources: <https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation>,
//! <https://legacydocs.hubspot.com/docs/faq/v1-request-validation>, <https://legacydocs.hubspot.com/docs/faq/v2-request-validation>.

use crate::digest::{Algorithm, Encoding, same_digest, sha256};
use crate::error::ConfigError;
use crate::name::Name;
use crate::query::decode_only;
use crate::request::Request;
use crate::secret::Secrets;
use crate::verdict::{Key, Refusal};
use crate::window::{Unit, Window};

use super::scheme::{Place, Scheme, digest_in, signed_by};

/// The escapes that v3 undoes before signing; every other one stays.
const DECODED: &[u8] = b":/?@!$'()*,;";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubSpotVersion {
    V1,
    V2,
    /// With the window around the signed time; HubSpot says [`Window::FIVE_MINUTES`].
    V3(Window),
}

/// The address that the sender signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedUrl {
    /// Scheme and host as this server received them.
    AsReceived,
    /// What stands before the path when a proxy is in between, as `https://hub.example.com` or `https://example.com/hub`.
    Behind(String),
}

impl SignedUrl {
    /// # Errors
    /// `InvalidOption` unless it is `http` or `https`, a host, and perhaps a path without a slash at its end.
    pub fn behind(base: &str) -> Result<Self, ConfigError> {
        let rest = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://")).unwrap_or_default();
        let odd = |byte: u8| !byte.is_ascii_graphic() || b"?#".contains(&byte);
        match rest.is_empty() || rest.starts_with('/') || rest.ends_with('/') || rest.bytes().any(odd) {
            true => Err(ConfigError::InvalidOption("url", "is not as https://host, without a slash at its end")),
            false => Ok(SignedUrl::Behind(base.to_owned())),
        }
    }

    /// The whole address, with the query as received.
    pub(super) fn of(&self, request: &Request<'_>) -> String {
        match self {
            SignedUrl::AsReceived => format!("{}://{}{}", request.scheme, request.host, request.target()),
            SignedUrl::Behind(base) => format!("{base}{}", request.target()),
        }
    }
}

#[derive(Debug, Clone)]
pub struct HubSpot {
    version: HubSpotVersion,
    secrets: Secrets,
    url: SignedUrl,
}

impl HubSpot {
    /// `secrets` are the app's client secrets.
    pub fn new(version: HubSpotVersion, secrets: Secrets, url: SignedUrl) -> Self {
        HubSpot { version, secrets, url }
    }

    /// v1 and v2: the hash of the secret and the parts.
    fn verify_hash(&self, request: &Request<'_>, version: &str, parts: &[&[u8]]) -> Result<Key, Refusal> {
        let place = Place::Header(Name::of("X-HubSpot-Signature"));
        if request.header(&Name::of("X-HubSpot-Signature-Version"))? != version {
            return Err(Refusal::OtherVersion);
        }
        let given = digest_in(&place.read(request)?, Encoding::Hex, Algorithm::Sha256, &place)?;
        if std::str::from_utf8(request.body).is_err() {
            return Err(Refusal::MalformedBody("is not UTF-8"));
        }
        let fits = |secret: &[u8]| {
            let all: Vec<&[u8]> = std::iter::once(secret).chain(parts.iter().copied()).collect();
            same_digest(&sha256(&all), &given)
        };
        self.secrets.find(fits).ok_or(Refusal::WrongSignature)
    }

    fn verify_code(&self, request: &Request<'_>, window: Window) -> Result<Key, Refusal> {
        let place = Place::Header(Name::of("X-HubSpot-Signature-v3"));
        let time_at = Name::of("X-HubSpot-Request-Timestamp");
        let time = request.header(&time_at)?;
        let given = digest_in(&place.read(request)?, Encoding::Base64, Algorithm::Sha256, &place)?;
        let signed_ms = Unit::Milliseconds.parse(time).ok_or(Refusal::MalformedHeader(time_at))?;
        window.check(signed_ms, request.now_ms)?;
        let url = decode_only(&self.url.of(request), DECODED);
        signed_by(&self.secrets, Algorithm::Sha256, &[given], &[request.method.as_bytes(), &url, request.body, time.as_bytes()])
    }
}

impl Scheme for HubSpot {
    fn name(&self) -> &'static str {
        "hubspot"
    }

    fn verify(&self, request: &Request<'_>) -> Result<Key, Refusal> {
        match self.version {
            HubSpotVersion::V1 => self.verify_hash(request, "v1", &[request.body]),
            HubSpotVersion::V2 => {
                let url = self.url.of(request);
                self.verify_hash(request, "v2", &[request.method.as_bytes(), url.as_bytes(), request.body])
            }
            HubSpotVersion::V3(window) => self.verify_code(request, window),
        }
    }
}
