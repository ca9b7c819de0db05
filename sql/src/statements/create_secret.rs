//! `CREATE [OR REPLACE] SECRET [IF NOT EXISTS] name { AS 'value' | FROM provider 'reference' [WITH (..)] }` and
//! `ALTER SECRET name { AS 'value' | FROM .. }`

use super::Create;
use crate::cursor::Cursor;
use crate::error::Result;
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
            Self::Reference { provider, reference, options } => {
                write!(f, "Reference {{ {provider:?}, {reference:?}, {options:?} }}")
            }
        }
    }
}

impl CreateSecret {
    pub(super) fn parse(p: &mut Cursor<'_>, create: &Create) -> Result<Self> {
        let if_not_exists = create.if_not_exists(p)?;
        let name = p.name()?;
        Ok(Self { name, or_replace: create.or_replace, if_not_exists, value: SecretValue::parse(p)? })
    }
}

impl AlterSecret {
    /// Whether this is about the value, and not about the object.
    pub(super) fn begins(p: &Cursor<'_>) -> bool {
        p.sees(&["AS"]) || p.sees(&["FROM"])
    }

    pub(super) fn parse(p: &mut Cursor<'_>, name: Name, if_exists: bool) -> Result<Self> {
        Ok(Self { name, if_exists, value: SecretValue::parse(p)? })
    }
}

impl SecretValue {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if p.word("AS") {
            return Ok(Self::Value(p.string()?));
        }
        if !p.word("FROM") {
            return Err(p.expected_one_of(&["AS", "FROM"]));
        }
        let provider = p.one_of(&[
            ("ENV", SecretProvider::Env),
            ("FILE", SecretProvider::File),
            ("VAULT", SecretProvider::Vault),
            ("AWS", SecretProvider::Aws),
            ("AZURE", SecretProvider::Azure),
            ("GCP", SecretProvider::Gcp),
        ])?;
        Ok(Self::Reference { provider, reference: p.string()?, options: Options::parse_optional(p)? })
    }
}
