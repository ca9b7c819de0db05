//! Names: an identifier, and an object's name with its optional schema.
//!
//! Unquoted identifiers are folded to lower case, quoted ones are kept, as in PostgreSQL. Two identifiers are equal when
//! their values are: the position does not count.

use std::fmt;
use std::hash::{Hash, Hasher};

/// An identifier, already folded.
#[derive(Debug, Clone)]
pub struct Ident {
    pub value: String,
    /// 1-based character offset in the whole input.
    pub position: usize,
}

impl PartialEq for Ident {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Ident {}

impl Hash for Ident {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl fmt::Display for Ident {
    /// Writes the name as it would have to be typed: quoted only where folding would change it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote_ident(&self.value))
    }
}

/// An object's name, with its schema if one was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    pub schema: Option<Ident>,
    pub name: Ident,
}

impl Name {
    /// Where the name starts: 1-based character offset in the whole input.
    #[must_use]
    pub fn position(&self) -> usize {
        self.schema.as_ref().map_or(self.name.position, |schema| schema.position)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        write!(f, "{}", self.name)
    }
}

/// The identifier as it has to be typed to mean exactly `value`: bare when possible, otherwise in double quotes.
#[must_use]
pub fn quote_ident(value: &str) -> String {
    let mut chars = value.chars();
    let starts = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    if starts && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$') {
        value.to_owned()
    } else {
        format!("\"{}\"", value.replace('"', "\"\""))
    }
}
