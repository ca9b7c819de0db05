//! `CREATE [OR REPLACE] SECRET [IF NOT EXISTS] name { AS 'value' | FROM provider 'reference' [WITH (..)] }` and
//! `ALTER SECRET name { AS 'value' | FROM .. }`

use std::fmt;

use crate::{Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct CreateSecret {
    pub name: Name,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub value: SecretValue,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AlterSecret {
    pub name: Name,
    pub if_exists: bool,
    pub value: SecretValue,
}

/// Where the secret comes from.
#[derive(Clone, PartialEq)]
pub enum SecretValue {
    /// The value itself. The statement's text holds it too and must be redacted before it is kept anywhere.
    Value(String),
    Reference {
        provider: SecretProvider,
        reference: String,
        options: Options,
    },
}

/// Who keeps the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretProvider {
    Env,
    File,
    Vault,
    Aws,
    Azure,
    Gcp,
}

impl fmt::Debug for SecretValue {
    /// Never prints the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value(..)"),
            Self::Reference {
                provider,
                reference,
                options,
            } => {
                write!(
                    f,
                    "Reference {{ {provider:?}, {reference:?}, {options:?} }}"
                )
            }
        }
    }
}
