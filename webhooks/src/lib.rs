//! Verification of pushed HTTP requests: who sent this, what is its id, what does the sender want to hear, and which payloads are in it.
//!
//! Pure functions: no server, no I/O, no clock. The caller hands over a [`Request`] with the time and gets a [`Verdict`]. What is
//! guaranteed of every scheme: signatures are taken over the raw bytes and compared in constant time; a header that is missing, doubled
//! or malformed is a refusal; a time is checked in both directions; an empty secret is a [`ConfigError`]; and no verdict, error or
//! `Debug` output holds a secret, a signature or any other value of the request.
//!
//! A server asks in this order:
//! 1. [`Verifier::handshake`]: an answer here is sent and nothing is stored;
//! 2. [`Verifier::verify`];
//! 3. [`Verifier::delivery_id`] and [`split::split`], only of what was accepted;
//! 4. [`Verifier::acknowledgement`], only after the payloads are durable.
//!
//! Absent on purpose: decompression of bodies (it comes after the signature, which covers what was sent), XML as payload (the
//! formats of the main package read it; here it is one raw payload), memory of ids already seen, asymmetric signatures.

mod digest;
mod document;
mod error;
mod name;
mod query;
mod reply;
mod request;
pub mod schemes;
mod secret;
pub mod split;
mod verdict;
mod verifier;
mod window;

pub use digest::{Algorithm, Encoding, secure_compare};
pub use error::ConfigError;
pub use name::Name;
pub use reply::Reply;
pub use request::Request;
pub use secret::{Secret, Secrets};
pub use verdict::{Key, Refusal, Verdict};
pub use verifier::Verifier;
pub use window::Window;

#[cfg(test)]
mod tests;
