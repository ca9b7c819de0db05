//! Stripe: `t=time,v1=code[,v1=code]` in `Stripe-Signature`, each code the HMAC-SHA256 of `time.body` in hexadecimal.
//!
//! The key is the endpoint's secret as it is shown, with its `whsec_`. While a secret is rolled Stripe signs with both; other versions
//! (`v0`, of test events) are passed over. The id is the `id` of the body, an event or a thin notification.
//! Source: <https://docs.stripe.com/webhooks#verify-manually>.

use crate::digest::{Algorithm, Encoding};
use crate::document::{Text, document, id};
use crate::name::Name;
use crate::request::Request;
use crate::secret::Secrets;
use crate::verdict::{Key, Refusal};
use crate::window::{Unit, Window};

use super::scheme::{Place, Scheme, digest_in, signed_by};

const HEADER: Name = Name::of("Stripe-Signature");
/// Two while rolling; a header of thousands would only cost time.
const MOST_CODES: usize = 8;

#[derive(Debug, Clone)]
pub struct Stripe {
    secrets: Secrets,
    window: Window,
}

impl Stripe {
    /// Stripe's own libraries use [`Window::FIVE_MINUTES`].
    pub fn new(secrets: Secrets, window: Window) -> Self {
        Stripe { secrets, window }
    }
}

/// The header taken apart.
struct Signed<'a> {
    time: &'a str,
    codes: Vec<Vec<u8>>,
}

fn take_apart(header: &str) -> Result<Signed<'_>, Refusal> {
    let place = Place::Header(HEADER);
    let (mut time, mut codes) = (None, Vec::new());
    for element in header.split(',') {
        match element.split_once('=').ok_or_else(|| place.malformed())? {
            ("t", value) if time.is_none() => time = Some(value),
            ("t" | "", _) => return Err(place.malformed()),
            ("v1", code) => codes.push(digest_in(code, Encoding::Hex, Algorithm::Sha256, &place)?),
            _ => {}
        }
    }
    match time {
        Some(time) if !codes.is_empty() && codes.len() <= MOST_CODES => Ok(Signed { time, codes }),
        _ => Err(place.malformed()),
    }
}

impl Scheme for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn verify(&self, request: &Request<'_>) -> Result<Key, Refusal> {
        let signed = take_apart(request.header(&HEADER)?)?;
        let signed_ms = Unit::Seconds.parse(signed.time).ok_or(Refusal::MalformedHeader(HEADER))?;
        self.window.check(signed_ms, request.now_ms)?;
        signed_by(&self.secrets, Algorithm::Sha256, &signed.codes, &[signed.time.as_bytes(), b".", request.body])
    }

    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        id(document(request)?.id.and_then(Text::get))
    }
}
