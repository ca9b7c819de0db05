//! Message digests, how they are written, and comparing without telling how much was right.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// The hash inside an HMAC (RFC 2104). SHA-1 is here because others still sign with it; HMAC-SHA-1 is not broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

/// How a digest is written. Each has exactly one text per digest: no second spelling of a signature passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Lower-case digits, as everybody writes them.
    Hex,
    /// Upper-case digits.
    HexUpper,
    /// RFC 4648 section 4, padded.
    Base64,
    /// RFC 4648 section 5, not padded.
    Base64Url,
}

impl Algorithm {
    pub(crate) fn size_bytes(self) -> usize {
        match self {
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    }

    /// The code of the parts, one after the other.
    pub(crate) fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Algorithm::Sha1 => code::<Hmac<Sha1>>(key, parts),
            Algorithm::Sha256 => code::<Hmac<Sha256>>(key, parts),
            Algorithm::Sha512 => code::<Hmac<Sha512>>(key, parts),
        }
    }
}

impl Encoding {
    /// None when the text is not the one spelling of some bytes.
    pub(crate) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Encoding::Hex => from_hex(text, b'a'),
            Encoding::HexUpper => from_hex(text, b'A'),
            // Both engines refuse padding that is missing or too much, and bits behind the last byte that are not zero.
            Encoding::Base64 => STANDARD.decode(text).ok(),
            Encoding::Base64Url => URL_SAFE_NO_PAD.decode(text).ok(),
        }
    }
}

/// Plain SHA-256 of the parts, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().to_vec()
}

/// Whether two digests are the same. Their length is no secret.
pub(crate) fn same_digest(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// Whether two texts of any length are the same, in a time that depends on neither's content nor on where they differ.
///
/// Both are hashed first, so that also the length of the secret one stays unknown. This is SQL's `secure_compare`.
pub fn secure_compare(one: &[u8], other: &[u8]) -> bool {
    same_digest(&sha256(&[one]), &sha256(&[other]))
}

fn code<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // HMAC takes keys of every length; an empty code would fit no signature.
    let Ok(mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
    parts.iter().fold(mac, |mac, part| mac.chain_update(part)).finalize().into_bytes().to_vec()
}

fn from_hex(text: &str, first_letter: u8) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        letter if (first_letter..first_letter + 6).contains(&letter) => Some(letter - first_letter + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    match rest {
        [] => pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect(),
        _ => None,
    }
}
