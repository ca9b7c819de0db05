//! Verdicts, and why a request was refused, in words for the log.

use std::fmt;

use crate::name::Name;

/// What is to be done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The sender is who it should be.
    Accepted(Key),
    /// Answer 401 and store nothing. The reason is for the log and not for the sender.
    Refused(Refusal),
}

impl Verdict {
    pub fn is_accepted(&self) -> bool {
        matches!(self, Verdict::Accepted(_))
    }
}

/// Which secret it was. Ordered: of several schemes the last in this order is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The scheme has no secret: an address, an organization.
    None,
    Current,
    /// The sender has not yet changed over.
    Previous,
}

/// Why a request was refused. Names come from the definition; no value of the request is ever in here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    MissingHeader(Name),
    /// Which of the two would count is a question that proxies and servers answer differently.
    RepeatedHeader(Name),
    MalformedHeader(Name),
    MissingParameter(Name),
    RepeatedParameter(Name),
    MalformedParameter(Name),
    /// The body is not what the scheme signs or names its sender in, in words.
    MalformedBody(&'static str),
    /// The request names a version of the scheme that is not the configured one.
    OtherVersion,
    /// The signature is well-formed and made with another secret, of another request, or by nobody.
    WrongSignature,
    /// User, password or token.
    WrongCredentials,
    WrongOrganization,
    /// Signed longer ago than the window allows.
    TooOld,
    /// Signed further in the future than the window allows.
    TooNew,
    AddressNotAllowed,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::MissingHeader(name) => write!(f, "header {name} is missing"),
            Refusal::RepeatedHeader(name) => write!(f, "header {name} is there more than once"),
            Refusal::MalformedHeader(name) => write!(f, "header {name} is malformed"),
            Refusal::MissingParameter(name) => write!(f, "query parameter {name} is missing"),
            Refusal::RepeatedParameter(name) => write!(f, "query parameter {name} is there more than once"),
            Refusal::MalformedParameter(name) => write!(f, "query parameter {name} is malformed"),
            Refusal::MalformedBody(what) => write!(f, "the body {what}"),
            Refusal::OtherVersion => f.write_str("signed with another version of the scheme"),
            Refusal::WrongSignature => f.write_str("the signature does not fit"),
            Refusal::WrongCredentials => f.write_str("the credentials do not fit"),
            Refusal::WrongOrganization => f.write_str("sent by another organization"),
            Refusal::TooOld => f.write_str("signed too long ago"),
            Refusal::TooNew => f.write_str("signed in the future"),
            Refusal::AddressNotAllowed => f.write_str("sent from an address that is not allowed"),
        }
    }
}
