//! SCRAM-SHA-256, the server's side (RFC 5802, RFC 7677), without channel binding.
//!
//! An exchange belongs to one socket. A role that does not exist goes through the same steps with a made-up salt that stays the
//! same from try to try, so that nobody learns which names exist.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rand::Rng;

use crate::error::{Code, Error, Result};

pub(super) const MECHANISM: &str = "SCRAM-SHA-256";

/// What is stored of a password.
pub(super) struct Verifier {
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
    pub(super) stored_key: Vec<u8>,
    pub(super) server_key: Vec<u8>,
    /// False for a role that does not exist: no proof is right.
    pub(super) is_real: bool,
}

impl Verifier {
    /// Stands in for a role that does not exist. `secret` must not be known to clients and should outlive restarts.
    pub(super) fn made_up(name: &str, secret: &[u8], iterations: u32) -> Self {
        let salt = sign(secret, name.as_bytes());
        let salt = salt.get(..16).unwrap_or(&salt).to_vec();
        Self { salt, iterations, stored_key: sign(secret, b"no password"), server_key: sign(secret, b"no server"), is_real: false }
    }
}

/// The exchange after the server's first message.
pub(super) struct Exchange {
    verifier: Verifier,
    /// The client's header before its first message, as it must come back in its last one.
    header: String,
    client_first_bare: String,
    server_first: String,
    nonce: String,
}

impl Exchange {
    /// Takes the client's first message; `server_first` of the result is the answer.
    ///
    /// # Errors
    /// `Protocol` when the message is not one, or asks for channel binding, which was not offered.
    pub(super) fn begin(client_first: &str, verifier: Verifier) -> Result<Self> {
        let mut parts = client_first.splitn(3, ',');
        let (Some(binding @ ("n" | "y")), Some(""), Some(bare)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed());
        };
        let mut attributes = bare.split(',');
        let (Some(user), Some(nonce)) = (attributes.next(), attributes.next()) else {
            return Err(malformed());
        };
        let nonce = nonce.strip_prefix("r=").filter(|nonce| !nonce.is_empty()).ok_or_else(malformed)?;
        if !user.starts_with("n=") {
            return Err(malformed());
        }
        let random: [u8; 18] = rand::rng().random();
        let nonce = format!("{nonce}{}", BASE64.encode(random));
        let server_first = format!("r={nonce},s={},i={}", BASE64.encode(&verifier.salt), verifier.iterations);
        Ok(Self { verifier, header: format!("{binding},,"), client_first_bare: bare.to_owned(), server_first, nonce })
    }

    pub(super) fn server_first(&self) -> &str {
        &self.server_first
    }

    /// Takes the client's last message: the server's last one when the proof is right, `None` when it is wrong.
    ///
    /// # Errors
    /// `Protocol` when the message is not one, or does not belong to this exchange.
    pub(super) fn finish(&self, client_final: &str) -> Result<Option<String>> {
        let (without_proof, proof) = client_final.rsplit_once(",p=").ok_or_else(malformed)?;
        let mut attributes = without_proof.split(',');
        let header = attributes.next().and_then(|c| c.strip_prefix("c=")).ok_or_else(malformed)?;
        let nonce = attributes.next().and_then(|r| r.strip_prefix("r=")).ok_or_else(malformed)?;
        if header != BASE64.encode(&self.header) || nonce != self.nonce {
            return Err(malformed());
        }
        let proof = BASE64.decode(proof).map_err(|_| malformed())?;
        let said = format!("{},{},{without_proof}", self.client_first_bare, self.server_first);
        let signature = sign(&self.verifier.stored_key, said.as_bytes());
        if proof.len() != signature.len() {
            return Err(malformed());
        }
        let shown_key: Vec<u8> = proof.iter().zip(&signature).map(|(proof, signature)| proof ^ signature).collect();
        let is_right = verify_slices_are_equal(digest(&SHA256, &shown_key).as_ref(), &self.verifier.stored_key).is_ok();
        if !(is_right & self.verifier.is_real) {
            return Ok(None);
        }
        Ok(Some(format!("v={}", BASE64.encode(sign(&self.verifier.server_key, said.as_bytes())))))
    }
}

fn sign(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), data).as_ref().to_vec()
}

fn malformed() -> Error {
    Error::new(Code::Protocol, "malformed SCRAM message")
}
