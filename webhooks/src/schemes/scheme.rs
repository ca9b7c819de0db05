//! What a scheme promises.

use std::borrow::Cow;
use std::fmt;

use crate::digest::{Algorithm, Encoding, same_digest};
use crate::error::ConfigError;
use crate::name::Name;
use crate::reply::Reply;
use crate::request::Request;
use crate::secret::Secrets;
use crate::verdict::{Key, Refusal};

/// One way to know a sender. Pure: the same request gets the same answer.
pub trait Scheme: fmt::Debug + Send + Sync {
    /// The name in definitions, one of [`super::NAMES`].
    fn name(&self) -> &'static str;

    /// Which secret the request was made with.
    ///
    /// # Errors
    /// Why the request is not what it claims to be. Whatever is not clearly right is refused.
    fn verify(&self, request: &Request<'_>) -> Result<Key, Refusal>;

    /// See [`crate::Verifier::delivery_id`].
    fn delivery_id(&self, _request: &Request<'_>) -> Option<String> {
        None
    }

    /// See [`crate::Verifier::handshake`]. A scheme that signs its handshakes verifies before it answers.
    fn handshake(&self, _request: &Request<'_>) -> Option<Result<Reply, Refusal>> {
        None
    }

    /// See [`crate::Verifier::acknowledgement`].
    fn acknowledgement(&self) -> Option<Reply> {
        None
    }
}

/// Where in a request a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The name in any case.
    Header(Name),
    /// A query parameter. Addresses get into logs of proxies: a header is the better place.
    Parameter(Name),
}

impl Place {
    /// # Errors
    /// `InvalidOption` for a name that no header can have.
    pub fn header(name: &str) -> Result<Self, ConfigError> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        match !name.is_empty() && name.bytes().all(token) {
            true => Ok(Place::Header(name.to_owned().into())),
            false => Err(ConfigError::InvalidOption("header", "is not the name of a header")),
        }
    }

    /// # Errors
    /// `InvalidOption` for an empty name.
    pub fn parameter(name: &str) -> Result<Self, ConfigError> {
        match name.is_empty() {
            true => Err(ConfigError::InvalidOption("parameter", "is empty")),
            false => Ok(Place::Parameter(name.to_owned().into())),
        }
    }

    /// The one value at this place.
    pub(super) fn read<'a>(&self, request: &Request<'a>) -> Result<Cow<'a, str>, Refusal> {
        match self {
            Place::Header(name) => request.header(name).map(Cow::Borrowed),
            Place::Parameter(name) => request.parameter(name).map(Cow::Owned),
        }
    }

    pub(super) fn malformed(&self) -> Refusal {
        match self {
            Place::Header(name) => Refusal::MalformedHeader(name.clone()),
            Place::Parameter(name) => Refusal::MalformedParameter(name.clone()),
        }
    }
}

/// Reads a written digest of the algorithm's size.
pub(super) fn digest_in(text: &str, encoding: Encoding, algorithm: Algorithm, place: &Place) -> Result<Vec<u8>, Refusal> {
    let digest = encoding.decode(text).filter(|digest| digest.len() == algorithm.size_bytes());
    digest.ok_or_else(|| place.malformed())
}

/// The secret under which one of the given codes is the HMAC of the parts. All of them are compared, whichever fits.
pub(super) fn signed_by(secrets: &Secrets, algorithm: Algorithm, given: &[Vec<u8>], parts: &[&[u8]]) -> Result<Key, Refusal> {
    let fits = |secret: &[u8]| {
        let expected = algorithm.hmac(secret, parts);
        given.iter().fold(false, |found, code| found | same_digest(code, &expected))
    };
    secrets.find(fits).ok_or(Refusal::WrongSignature)
}
