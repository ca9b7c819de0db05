//! HMAC by options, for senders that have no scheme of their own here.
//!
//! PrestaShop is one: its core sends no webhooks, and modules that do sign each in its own way. What is published has HMAC-SHA256 of
//! the body in hexadecimal, without a prefix or behind `sha256=`, under the key entered in the module's settings, in a header that the
//! module names (`X-Prestashop-Signature`, `X-Webhook-Signature`, ..): `GenericOptions::body_hmac(Place::header("..")?, secrets)`, with
//! the prefix where there is one. Modules that send only a key are [`super::Token`].
//! Source, of one module: <https://www.datafirefly.com/en/documentation/dfwebhooks/>.

use std::borrow::Cow;

use crate::digest::{Algorithm, Encoding};
use crate::document::id;
use crate::error::ConfigError;
use crate::request::Request;
use crate::secret::Secrets;
use crate::verdict::{Key, Refusal};
use crate::window::{Unit, Window};

use super::hubspot::SignedUrl;
use super::scheme::{Place, Scheme, digest_in, signed_by};
use super::template::{self, Part, Values};

/// A time that the sender signs.
#[derive(Debug, Clone)]
pub struct SignedTime {
    pub place: Place,
    pub unit: Unit,
    pub window: Window,
}

#[derive(Debug, Clone)]
pub struct GenericOptions {
    pub secrets: Secrets,
    pub algorithm: Algorithm,
    pub encoding: Encoding,
    /// Where the signature stands.
    pub signature: Place,
    /// What stands before it, as `sha256=`; empty for nothing.
    pub prefix: String,
    /// What is signed, as `{timestamp}.{body}`. The body must be part of it.
    pub template: String,
    pub time: Option<SignedTime>,
    pub delivery_id: Option<Place>,
    /// What `{url}` stands for.
    pub url: SignedUrl,
}

impl GenericOptions {
    /// HMAC-SHA256 of the body in hexadecimal: change the fields that differ.
    pub fn body_hmac(signature: Place, secrets: Secrets) -> Self {
        GenericOptions {
            secrets,
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            signature,
            prefix: String::new(),
            template: "{body}".to_owned(),
            time: None,
            delivery_id: None,
            url: SignedUrl::AsReceived,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Generic {
    options: GenericOptions,
    parts: Vec<Part>,
}

impl Generic {
    /// # Errors
    /// `UnknownPlaceholder` for one without a source, `InvalidOption` for a template without the body, and `Contradiction` for a time
    /// that is checked and not signed, which everybody could change, and for a signature that would have to sign itself.
    pub fn new(options: GenericOptions) -> Result<Self, ConfigError> {
        // No `..`: a new option must be considered here.
        let GenericOptions { secrets: _, algorithm: _, encoding: _, signature, prefix, template, time, delivery_id, url: _ } = &options;
        let parts = template::parse(template)?;
        let uses = |part: &Part| parts.contains(part);
        if !uses(&Part::Body) {
            return Err(ConfigError::InvalidOption("template", "does not have {body}: the body could be anything"));
        }
        if !prefix.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(ConfigError::InvalidOption("prefix", "is not visible ASCII"));
        }
        match (uses(&Part::Time), time) {
            (true, None) => return Err(ConfigError::UnknownPlaceholder("timestamp".to_owned())),
            (false, Some(_)) => return Err(ConfigError::Contradiction("the time is checked, and the template does not have {timestamp}")),
            _ => {}
        }
        if uses(&Part::Id) && delivery_id.is_none() {
            return Err(ConfigError::UnknownPlaceholder("id".to_owned()));
        }
        if matches!(signature, Place::Parameter(_)) && (uses(&Part::Url) || uses(&Part::Query)) {
            return Err(ConfigError::Contradiction("the signature stands in the query, and the template has the query"));
        }
        Ok(Generic { options, parts })
    }
}

impl Scheme for Generic {
    fn name(&self) -> &'static str {
        "hmac"
    }

    fn verify(&self, request: &Request<'_>) -> Result<Key, Refusal> {
        let GenericOptions { secrets, algorithm, encoding, signature, prefix, template: _, time, delivery_id, url } = &self.options;
        let given = signature.read(request)?;
        let given = given.strip_prefix(prefix.as_str()).ok_or_else(|| signature.malformed())?;
        let given = digest_in(given, *encoding, *algorithm, signature)?;
        let signed_time = match time {
            Some(time) => time.place.read(request)?,
            None => Cow::Borrowed(""),
        };
        if let Some(time) = time {
            let signed_ms = time.unit.parse(&signed_time).ok_or_else(|| time.place.malformed())?;
            time.window.check(signed_ms, request.now_ms)?;
        }
        let id = match delivery_id {
            Some(place) if self.parts.contains(&Part::Id) => place.read(request)?,
            _ => Cow::Borrowed(""),
        };
        let values = Values { time: &signed_time, id: &id };
        let signed = template::fill(&self.parts, request, url, &values)?;
        let signed: Vec<&[u8]> = signed.iter().map(AsRef::as_ref).collect();
        signed_by(secrets, *algorithm, &[given], &signed)
    }

    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        id(self.options.delivery_id.as_ref()?.read(request).ok().map(Cow::into_owned))
    }
}
