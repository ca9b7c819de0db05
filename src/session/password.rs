//! What is kept of a password: what SCRAM-SHA-256 needs to check a proof of it. With what is kept nobody can log in.

use std::num::NonZeroU32;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::{pbkdf2, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use weir_catalog::{Role, Store};

use crate::config::Password;
use crate::error::{Error, Result};

/// PostgreSQL's own number: every client computes it at each connect.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);
const MECHANISM: &str = "SCRAM-SHA-256";
const KEY_BYTES: usize = 32;

/// The role with that password: in words, or as PostgreSQL writes what it keeps of one.
///
/// # Errors
/// `Internal` when the system gives no random bytes.
pub fn with_password(role: Role, password: &Password) -> Result<Role> {
    if let Some(kept) = Kept::read(password.reveal()) {
        return Ok(Role { salt: kept.salt, iterations: kept.iterations, stored_key: kept.stored_key, server_key: kept.server_key, ..role });
    }
    let mut salt = [0_u8; 16];
    rand::fill(&mut salt).map_err(|e| Error::internal("the system gives no random bytes").caused_by(e))?;
    // As PostgreSQL and its clients do: a password that is no valid SASL text is used as it is.
    let prepared = stringprep::saslprep(password.reveal()).unwrap_or(password.reveal().into());
    let mut salted = [0_u8; KEY_BYTES];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, prepared.as_bytes(), &mut salted);
    let (stored_key, server_key) = keys(&salted);
    Ok(Role { salt: salt.to_vec(), iterations: ITERATIONS.get(), stored_key, server_key, ..role })
}

/// StoredKey and ServerKey of a salted password.
pub fn keys(salted: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let key = hmac::Key::new(HMAC_SHA256, salted);
    let client_key = hmac::sign(&key, b"Client Key");
    (digest(&SHA256, client_key.as_ref()).as_ref().to_vec(), hmac::sign(&key, b"Server Key").as_ref().to_vec())
}

/// Gives roles of an older hub, which kept the salted password itself, the two keys in its place.
///
/// # Errors
/// What the store says.
pub fn harden(store: &dyn Store) -> Result<()> {
    for role in store.roles()? {
        if !role.stored_key.is_empty() && role.server_key.is_empty() {
            let (stored_key, server_key) = keys(&role.stored_key);
            store.put_role(&Role { stored_key, server_key, ..role })?;
        }
    }
    Ok(())
}

/// Whether PostgreSQL would take it as the MD5 of a password.
pub fn is_md5(password: &str) -> bool {
    password.strip_prefix("md5").is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`, as it stands in PostgreSQL's pg_authid.
struct Kept {
    salt: Vec<u8>,
    iterations: u32,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl Kept {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('$');
        let (MECHANISM, head, keys, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
        let (iterations, salt) = head.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let key = |text: &str| BASE64.decode(text).ok().filter(|key| key.len() == KEY_BYTES);
        let iterations = iterations.parse().ok().filter(|iterations| *iterations > 0)?;
        Some(Self { salt: BASE64.decode(salt).ok()?, iterations, stored_key: key(stored_key)?, server_key: key(server_key)? })
    }
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

    #[test]
    fn what_postgres_keeps_of_a_password_is_taken_as_it_is() {
        let (stored_key, server_key) = keys(&[7; 32]);
        let text =
            format!("SCRAM-SHA-256$5000:{}$", BASE64.encode(b"salt")) + &BASE64.encode(&stored_key) + ":" + &BASE64.encode(&server_key);
        let role = with_password(Role::named("ana"), &Password::new(&text)).unwrap();
        assert_eq!((role.salt.as_slice(), role.iterations), (&b"salt"[..], 5000));
        assert_eq!((role.stored_key, role.server_key), (stored_key, server_key));
        // Anything else is a password like others.
        for password in ["SCRAM-SHA-256$", "SCRAM-SHA-256$0:c2FsdA==$YQ==:YQ==", "SCRAM-SHA-256$x", "md5"] {
            assert_eq!(with_password(Role::named("ana"), &Password::new(password)).unwrap().iterations, ITERATIONS.get(), "{password}");
        }
    }

    #[test]
    fn a_salted_password_of_an_older_hub_becomes_its_keys() {
        let store = weir_catalog::open_in_memory().unwrap();
        store.put_role(&Role { salt: vec![1], iterations: 4096, stored_key: vec![5; 32], ..Role::named("old") }).unwrap();
        store.put_role(&Role::named("none")).unwrap();
        harden(store.as_ref()).unwrap();
        harden(store.as_ref()).unwrap();
        let old = store.role("old").unwrap().unwrap();
        assert_eq!((old.stored_key, old.server_key), keys(&[5; 32]));
        assert!(store.role("none").unwrap().unwrap().stored_key.is_empty());
    }
}
