//! Every scheme against a request that is right and against the same request spoiled in at least eight ways.
//!
//! Signatures are literals: the vendor's own where its page has one (the page stands beside it), else made with `openssl dgst -hmac`.

mod forms;
mod generic;
mod handshakes;
mod hubspot;
mod json;
mod networks;
mod properties;
mod salesforce;
mod sent;
mod signed;
mod unsigned;
