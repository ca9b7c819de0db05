//! Names of headers and query parameters.

use std::borrow::Cow;
use std::fmt;

/// A name, of a scheme or of a definition. Never taken from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Cow<'static, str>);

impl Name {
    pub const fn of(name: &'static str) -> Self {
        Name(Cow::Borrowed(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        Name(Cow::Owned(name))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
