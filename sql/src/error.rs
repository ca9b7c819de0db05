//! What is wrong with a text, in terms a person can act on.
//!
//! Wording follows PostgreSQL (`syntax error at or near "X"`). A position is a 1-based character offset in the whole
//! text that was given to the parser, so a client can point at the character.

use std::fmt;

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyntaxErrorKind {
    /// The text does not follow the grammar.
    Syntax,
    /// The text is understood, but the hub does not do this.
    NotSupported,
}

/// A refused text: primary message, optional detail and hint, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// 1-based character offset in the whole input.
    pub position: Option<usize>,
    pub kind: SyntaxErrorKind,
}

/// The result of every parsing function of this package.
pub type Result<T> = std::result::Result<T, SyntaxError>;

impl SyntaxError {
    pub(crate) fn syntax(message: impl Into<String>) -> Self {
        Self { message: message.into(), detail: None, hint: None, position: None, kind: SyntaxErrorKind::Syntax }
    }

    pub(crate) fn not_supported(message: impl Into<String>) -> Self {
        Self { kind: SyntaxErrorKind::NotSupported, ..Self::syntax(message) }
    }

    pub(crate) fn at(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn hint(mut self, hint: Option<String>) -> Self {
        if hint.is_some() {
            self.hint = hint;
        }
        self
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SyntaxError {}
