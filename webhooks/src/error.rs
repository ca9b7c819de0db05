//! What is wrong with a definition, before any request came.

use std::error::Error as StdError;
use std::fmt;

/// A scheme that cannot be built. The text names the option and never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// A secret that is empty or blank would accept what anybody can sign.
    EmptySecret,
    /// A secret that is not in the form its scheme prescribes.
    MalformedSecret(&'static str),
    /// An option whose text cannot be what it should be. Name of the option, and what is wrong.
    InvalidOption(&'static str, &'static str),
    /// A network that is not an address with a prefix length. The text as it was given.
    InvalidNetwork(String),
    /// A network whose address has bits behind its prefix, as `10.0.0.1/8`: one of the two is a slip.
    HostBitsSet(String),
    /// A placeholder of a template that is not known, or has no source. The placeholder.
    UnknownPlaceholder(String),
    /// Two options that contradict each other, in words.
    Contradiction(&'static str),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::EmptySecret => f.write_str("the secret is empty"),
            ConfigError::MalformedSecret(what) => write!(f, "the secret {what}"),
            ConfigError::InvalidOption(name, what) => write!(f, "option {name} {what}"),
            ConfigError::InvalidNetwork(text) => write!(f, "\"{text}\" is not an address or a network"),
            ConfigError::HostBitsSet(text) => write!(f, "\"{text}\" has bits set to the right of its prefix"),
            ConfigError::UnknownPlaceholder(text) => write!(f, "the template's placeholder {{{text}}} is not known or has no source"),
            ConfigError::Contradiction(what) => f.write_str(what),
        }
    }
}

impl StdError for ConfigError {}
