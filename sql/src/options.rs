//! `WITH (key.sub = value, ..)`: the one way to write options, and its typed values.
//!
//! Whether a key exists and takes such a value is not known here.

use crate::{Ident, Interval, Name};

/// A list of options in the order written. No key occurs twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    pub entries: Vec<OptionEntry>,
}

/// One `key = value`.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionEntry {
    /// Parts joined by dots; unquoted parts are in lower case.
    pub key: String,
    /// Where the key starts: 1-based character offset in the whole input.
    pub position: usize,
    pub value: OptionValue,
    /// Where the value starts.
    pub value_position: usize,
}

/// A typed value.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    Text(String),
    /// A number as typed, with its sign.
    Number(String),
    Bool(bool),
    /// `5 MINUTES` or `INTERVAL '5 minutes'`. A plain `'5 minutes'` is `Text`: only the option's own type tells.
    Interval(Interval),
    Secret {
        name: Name,
        key: Option<String>,
    },
    /// `$name`, without the dollar sign.
    Param(String),
    List(Vec<OptionValue>),
}

impl Options {
    /// The entry of `key`, if it was written.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&OptionEntry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// `name => expr` or `expr`: an argument of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    pub name: Option<Ident>,
    pub value: crate::Expr,
}
