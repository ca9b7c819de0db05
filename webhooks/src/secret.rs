//! Secrets: one, or two while a sender changes over from the old to the new.

use std::fmt;

use crate::error::ConfigError;
use crate::verdict::Key;

/// Bytes that are never shown.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Taken as it is: a line break at the end of a file is part of the secret.
    ///
    /// # Errors
    /// `EmptySecret` when there is nothing but white space.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, ConfigError> {
        let bytes = bytes.into();
        match bytes.iter().all(u8::is_ascii_whitespace) {
            true => Err(ConfigError::EmptySecret),
            false => Ok(Secret(bytes)),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The secrets that are good at the moment.
#[derive(Debug, Clone)]
pub struct Secrets {
    current: Secret,
    previous: Option<Secret>,
}

impl Secrets {
    pub fn one(current: Secret) -> Self {
        Secrets { current, previous: None }
    }

    /// Both are accepted; [`Key`] in the verdict says which one it was, so that the old one can be dropped when it is out of use.
    pub fn rotating(current: Secret, previous: Secret) -> Self {
        Secrets { current, previous: Some(previous) }
    }

    /// Asks for every secret, also after one has fitted: how long an answer takes says nothing about which it was.
    pub(crate) fn find(&self, fits: impl Fn(&[u8]) -> bool) -> Option<Key> {
        let current = fits(self.current.bytes());
        let previous = self.previous.as_ref().is_some_and(|secret| fits(secret.bytes()));
        match (current, previous) {
            (true, _) => Some(Key::Current),
            (false, true) => Some(Key::Previous),
            (false, false) => None,
        }
    }

    /// The same secrets in another form, as when a scheme writes them in base64.
    pub(crate) fn map(&self, change: impl Fn(&Secret) -> Result<Secret, ConfigError>) -> Result<Self, ConfigError> {
        let previous = self.previous.as_ref().map(&change).transpose()?;
        Ok(Secrets { current: change(&self.current)?, previous })
    }
}
