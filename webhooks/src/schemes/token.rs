//! A fixed token in a header or in the address. The body is not covered: good behind TLS only.

use crate::digest::secure_compare;
use crate::name::Name;
use crate::request::Request;
use crate::secret::Secrets;
use crate::verdict::{Key, Refusal};

use super::scheme::{Place, Scheme};

/// Where the token stands. With [`Token::bearer`], behind `Bearer` (RFC 6750); else it is the whole value.
#[derive(Debug, Clone)]
pub struct Token {
    place: Place,
    bearer: Option<&'static str>,
    tokens: Secrets,
}

impl Token {
    /// `Authorization: Bearer token`.
    pub fn bearer(tokens: Secrets) -> Self {
        Token { place: Place::Header(Name::of("Authorization")), bearer: Some("bearer"), tokens }
    }

    /// The whole value of a header or of a query parameter.
    pub fn at(place: Place, tokens: Secrets) -> Self {
        Token { place, bearer: None, tokens }
    }
}

impl Scheme for Token {
    fn name(&self) -> &'static str {
        "token"
    }

    fn verify(&self, request: &Request<'_>) -> Result<Key, Refusal> {
        let value = self.place.read(request)?;
        let given = match (self.bearer, value.split_once(' ')) {
            (None, _) => value.as_ref(),
            (Some(word), Some((kind, token))) if kind.eq_ignore_ascii_case(word) => token,
            _ => return Err(self.place.malformed()),
        };
        self.tokens.find(|secret| secure_compare(secret, given.as_bytes())).ok_or(Refusal::WrongCredentials)
    }
}
