//! Shopify and GitHub: an HMAC of the body, and nothing else, in a header.
//!
//! Neither signs a time nor the delivery's id: a captured request can be replayed for ever. De-duplicate by the id, and by the body's
//! own id where that matters.

use crate::digest::{Algorithm, Encoding};
use crate::document::id;
use crate::name::Name;
use crate::request::Request;
use crate::secret::Secrets;
use crate::verdict::{Key, Refusal};

use super::scheme::{Place, Scheme, digest_in, signed_by};

/// HMAC-SHA256 in base64 in `X-Shopify-Hmac-Sha256`, keyed with the app's client secret; id in `X-Shopify-Webhook-Id`.
///
/// After a change of the secret Shopify signs with the old one for up to an hour: give both meanwhile.
/// Source: <https://shopify.dev/docs/apps/build/webhooks/verify-deliveries>.
#[derive(Debug, Clone)]
pub struct Shopify {
    secrets: Secrets,
}

impl Shopify {
    pub fn new(secrets: Secrets) -> Self {
        Shopify { secrets }
    }
}

impl Scheme for Shopify {
    fn name(&self) -> &'static str {
        "shopify"
    }

    fn verify(&self, request: &Request<'_>) -> Result<Key, Refusal> {
        body_code(&self.secrets, request, "X-Shopify-Hmac-Sha256", "", Encoding::Base64)
    }

    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        id_in(request, "X-Shopify-Webhook-Id")
    }
}

/// `sha256=` and HMAC-SHA256 in hexadecimal in `X-Hub-Signature-256`; id in `X-GitHub-Delivery`.
///
/// The older `X-Hub-Signature` with SHA-1 is not looked at.
/// Source: <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>.
#[derive(Debug, Clone)]
pub struct GitHub {
    secrets: Secrets,
}

impl GitHub {
    pub fn new(secrets: Secrets) -> Self {
        GitHub { secrets }
    }
}

impl Scheme for GitHub {
    fn name(&self) -> &'static str {
        "github"
    }

    fn verify(&self, request: &Request<'_>) -> Result<Key, Refusal> {
        body_code(&self.secrets, request, "X-Hub-Signature-256", "sha256=", Encoding::Hex)
    }

    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        id_in(request, "X-GitHub-Delivery")
    }
}

/// Checks one header that holds a prefix and the HMAC-SHA256 of the body.
pub(super) fn body_code(
    secrets: &Secrets,
    request: &Request<'_>,
    header: &'static str,
    prefix: &str,
    encoding: Encoding,
) -> Result<Key, Refusal> {
    let place = Place::Header(Name::of(header));
    let value = place.read(request)?;
    let text = value.strip_prefix(prefix).ok_or_else(|| place.malformed())?;
    let given = digest_in(text, encoding, Algorithm::Sha256, &place)?;
    signed_by(secrets, Algorithm::Sha256, &[given], &[request.body])
}

/// The id in a header; None when it is not there exactly once.
pub(super) fn id_in(request: &Request<'_>, header: &'static str) -> Option<String> {
    id(request.header(&Name::of(header)).ok().map(str::to_owned))
}
