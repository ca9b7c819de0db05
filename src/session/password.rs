//! What is kept of a password: what SCRAM-SHA-256 needs to check a proof of it, and nothing more.

use std::num::NonZeroU32;

use aws_lc_rs::{pbkdf2, rand};
use weir_catalog::Role;

use crate::config::Password;
use crate::error::{Error, Result};

/// PostgreSQL's own number: every client computes it at each connect.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);

/// The role with that password.
///
/// # Errors
/// `Internal` when the system gives no random bytes.
pub fn with_password(role: Role, password: &Password) -> Result<Role> {
    let mut salt = [0_u8; 16];
    rand::fill(&mut salt).map_err(|e| Error::internal("the system gives no random bytes").caused_by(e))?;
    // As PostgreSQL and its clients do: a password that is no valid SASL text is used as it is.
    let prepared = stringprep::saslprep(password.reveal()).unwrap_or(password.reveal().into());
    let mut salted_password = vec![0_u8; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, prepared.as_bytes(), &mut salted_password);
    Ok(Role { salt: salt.to_vec(), iterations: ITERATIONS.get(), salted_password, ..role })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of RFC 7677 section 3.
    #[test]
    fn salted_password_is_scram_sha_256() {
        let salt = [0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81];
        let mut salted = [0_u8; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, b"pencil", &mut salted);
        let hex: String = salted.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d");
    }
}
