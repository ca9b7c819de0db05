//! What a function refuses, with the kind of error that PostgreSQL would name.

use std::fmt;

use datafusion_common::DataFusionError;

/// Kinds of failure that have a SQLSTATE of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    InvalidText,
    NumericOutOfRange,
    DatetimeOutOfRange,
    /// Text that is no date, time or interval.
    InvalidDatetime,
    StringTooLong,
    InvalidParameter,
    NotSupported,
    TooComplex,
    Untranslatable,
    /// A place outside an array.
    OutOfArray,
    Syntax,
    InvalidRegex,
    NoJsonMember,
    JsonItem,
    /// A part of a text that cannot be.
    Substring,
}

#[derive(Debug, Clone)]
pub struct Failure {
    pub kind: Kind,
    pub message: String,
    pub detail: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

pub fn failed(kind: Kind, message: impl Into<String>) -> DataFusionError {
    DataFusionError::External(Box::new(Failure { kind, message: message.into(), detail: None }))
}

pub fn with_detail(kind: Kind, message: &str, detail: String) -> DataFusionError {
    DataFusionError::External(Box::new(Failure { kind, message: message.to_owned(), detail: Some(detail) }))
}

/// `invalid input syntax for type integer: "x"`.
#[must_use]
pub fn unreadable(type_name: &str, text: &str) -> DataFusionError {
    failed(Kind::InvalidText, format!("invalid input syntax for type {type_name}: \"{text}\""))
}
