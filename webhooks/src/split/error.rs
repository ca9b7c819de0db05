//! What is wrong with a payload, and where.

use std::fmt;
use std::ops::Range;

/// A part of the body that is no payload. Its bytes are `body[range]`; store them with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// What could not be read: a line; for JSON, from the value's first byte to the end, as nothing behind it can be told apart.
    pub range: Range<usize>,
    /// The byte at which it went wrong, counted from the start of the body.
    pub at: usize,
    pub fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is nothing in the body.
    Empty,
    /// The text is not JSON here.
    NotJson,
    /// The text ends within a value.
    Cut,
    NotUtf8,
    /// A second value where one was expected.
    TrailingText,
    /// The same name twice in one object, perhaps written differently: readers disagree on which value counts.
    RepeatedName,
    /// An escape of a form that is not `%` and two digits.
    BadEscape,
    PayloadTooLarge,
    TooManyPayloads,
    TooDeep,
    NumberTooLong,
    ExponentTooLarge,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Empty => "the body is empty",
            Fault::NotJson => "not JSON",
            Fault::Cut => "ends within a value",
            Fault::NotUtf8 => "not UTF-8",
            Fault::TrailingText => "text behind the value",
            Fault::RepeatedName => "the same name twice in one object",
            Fault::BadEscape => "not a percent escape",
            Fault::PayloadTooLarge => "the payload is too large",
            Fault::TooManyPayloads => "too many payloads",
            Fault::TooDeep => "arrays and objects too deep",
            Fault::NumberTooLong => "the number is too long",
            Fault::ExponentTooLarge => "the number's exponent is too large",
        })
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.fault, self.at)
    }
}
