//! HTTP basic authentication (RFC 7617). The body is not covered: good behind TLS only.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::digest::secure_compare;
use crate::error::ConfigError;
use crate::name::Name;
use crate::request::Request;
use crate::secret::Secrets;
use crate::verdict::{Key, Refusal};

use super::scheme::Scheme;

const HEADER: Name = Name::of("Authorization");

#[derive(Debug, Clone)]
pub struct Basic {
    user: String,
    passwords: Secrets,
}

impl Basic {
    /// # Errors
    /// `InvalidOption` for a user with a colon, which the header cannot carry.
    pub fn new(user: &str, passwords: Secrets) -> Result<Self, ConfigError> {
        match user.contains(':') {
            true => Err(ConfigError::InvalidOption("user", "has a colon")),
            false => Ok(Basic { user: user.to_owned(), passwords }),
        }
    }
}

impl Scheme for Basic {
    fn name(&self) -> &'static str {
        "basic"
    }

    fn verify(&self, request: &Request<'_>) -> Result<Key, Refusal> {
        let malformed = || Refusal::MalformedHeader(HEADER);
        let (kind, coded) = request.header(&HEADER)?.split_once(' ').ok_or_else(malformed)?;
        if !kind.eq_ignore_ascii_case("basic") {
            return Err(malformed());
        }
        let given = STANDARD.decode(coded).map_err(|_| malformed())?;
        // User and password are compared together, so that a right user takes no longer than a wrong one.
        let fits = |password: &[u8]| secure_compare(&given, &[self.user.as_bytes(), b":", password].concat());
        self.passwords.find(fits).ok_or(Refusal::WrongCredentials)
    }
}
