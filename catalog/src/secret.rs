//! The key of stored secrets, and sealing values with it: XChaCha20-Poly1305, a random nonce per value, bound to the object's id.
//!
//! A lost or damaged key does not keep the hub from starting; whoever needs a secret is told. A key that others may read does.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind as IoKind, Read, Write};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::error::{Error, ErrorKind, Result};
use crate::model::{ObjectId, SecretValue};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Where the key of stored secrets comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretKeySource {
    /// `secret.key` in the data folder, made at the first start.
    DataDir,
    /// A file of 32 bytes, kept by somebody else. Never made here.
    File(PathBuf),
    Bytes([u8; KEY_BYTES]),
}

impl fmt::Debug for SecretKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretKeySource::DataDir => f.write_str("DataDir"),
            SecretKeySource::File(path) => f.debug_tuple("File").field(path).finish(),
            SecretKeySource::Bytes(_) => f.write_str("Bytes(..)"),
        }
    }
}

impl SecretKeySource {
    /// Reads 64 hexadecimal digits, as environment variables carry a key.
    ///
    /// # Errors
    /// `Corrupt` when the text is anything else; the text itself is in no error.
    pub fn from_hex(text: &str) -> Result<Self> {
        let refused = || Error::new(ErrorKind::Corrupt, "the secret key is not 64 hexadecimal digits");
        let digits: Vec<u8> =
            text.trim().chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>().ok_or_else(refused)?;
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        match <[u8; KEY_BYTES]>::try_from(bytes) {
            Ok(key) if digits.len() == KEY_BYTES * 2 => Ok(SecretKeySource::Bytes(key)),
            _ => Err(refused()),
        }
    }
}

/// The key in use.
pub(crate) enum SecretKey {
    Ready(Box<XChaCha20Poly1305>),
    /// What to answer whoever needs a secret.
    Unusable(Error),
}

/// A value as it lies on disk.
pub(crate) struct Sealed {
    pub(crate) nonce: Vec<u8>,
    pub(crate) text: Vec<u8>,
}

impl SecretKey {
    /// `has_secrets` keeps a new key from being made where an old one is missing.
    pub(crate) fn load(source: &SecretKeySource, dir: &Path, has_secrets: bool) -> Result<Self> {
        let path = match source {
            SecretKeySource::Bytes(bytes) => return Ok(SecretKey::ready(bytes)),
            SecretKeySource::File(path) => path.clone(),
            SecretKeySource::DataDir => dir.join("secret.key"),
        };
        match File::open(&path) {
            Ok(file) => SecretKey::read(file, &path),
            Err(e) if e.kind() == IoKind::NotFound && *source == SecretKeySource::DataDir && !has_secrets => SecretKey::create(&path),
            Err(e) => Ok(SecretKey::Unusable(
                Error::new(ErrorKind::Io, format!("secret key \"{}\" cannot be read", path.display()))
                    .with_hint("Put back the key that the secrets were stored with, or drop the secrets and start again without it.")
                    .with_source(e),
            )),
        }
    }

    /// A key that nothing keeps.
    pub(crate) fn random() -> Result<Self> {
        let mut key = [0; KEY_BYTES];
        fill_random(&mut key)?;
        Ok(SecretKey::ready(&key))
    }

    fn ready(bytes: &[u8; KEY_BYTES]) -> Self {
        SecretKey::Ready(Box::new(XChaCha20Poly1305::new(bytes.into())))
    }

    fn read(file: File, path: &Path) -> Result<Self> {
        refuse_if_shared(&file, path)?;
        let mut bytes = Vec::new();
        file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|e| io_error("secret key cannot be read", path, e))?;
        Ok(match <[u8; KEY_BYTES]>::try_from(bytes) {
            Ok(key) => SecretKey::ready(&key),
            Err(_) => SecretKey::Unusable(
                Error::new(ErrorKind::Corrupt, format!("secret key \"{}\" does not have {KEY_BYTES} bytes", path.display()))
                    .with_hint("Put back the key that the secrets were stored with."),
            ),
        })
    }

    /// Makes the key under another name first, so that a crash never leaves half a key.
    fn create(path: &Path) -> Result<Self> {
        let failed = |e| io_error("secret key cannot be created", path, e);
        let mut key = [0; KEY_BYTES];
        fill_random(&mut key)?;
        let unfinished = path.with_extension("key.new");
        match fs::remove_file(&unfinished) {
            Err(e) if e.kind() != IoKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&unfinished).map_err(failed)?;
        file.write_all(&key).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&unfinished, path).map_err(failed)?;
        if let Some(dir) = path.parent() {
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
        }
        Ok(SecretKey::ready(&key))
    }

    pub(crate) fn seal(&self, id: ObjectId, value: &SecretValue) -> Result<Sealed> {
        let cipher = self.cipher()?;
        let mut nonce = [0; NONCE_BYTES];
        fill_random(&mut nonce)?;
        let payload = Payload { msg: value.0.as_bytes(), aad: &id.0.to_be_bytes() };
        let text = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| Error::internal("a secret could not be encrypted"))?;
        Ok(Sealed { nonce: nonce.to_vec(), text })
    }

    /// None when the key does not fit the value, or the value was damaged: the cipher cannot tell which.
    pub(crate) fn unseal(&self, id: ObjectId, sealed: &Sealed) -> Result<Option<SecretValue>> {
        let cipher = self.cipher()?;
        let Ok(nonce) = <[u8; NONCE_BYTES]>::try_from(sealed.nonce.as_slice()) else { return Ok(None) };
        let payload = Payload { msg: &sealed.text, aad: &id.0.to_be_bytes() };
        let plain = cipher.decrypt(&XNonce::from(nonce), payload).ok();
        Ok(plain.and_then(|bytes| String::from_utf8(bytes).ok()).map(SecretValue))
    }

    fn cipher(&self) -> Result<&XChaCha20Poly1305> {
        match self {
            SecretKey::Ready(cipher) => Ok(cipher),
            SecretKey::Unusable(why) => Err(why.clone()),
        }
    }
}

fn fill_random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|e| Error::new(ErrorKind::Io, "the operating system gives no random numbers").with_source(e))
}

/// A file made with these options can be read by its owner only.
#[cfg(unix)]
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(unix)]
fn refuse_if_shared(file: &File, path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().map_err(|e| io_error("secret key cannot be read", path, e))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Io, format!("secret key \"{}\" can be read by others", path.display()))
        .with_detail(format!("Its mode is {mode:04o}."))
        .with_hint(format!("Run chmod 600 {}; if others may have read it, change the secrets too.", path.display())))
}

#[cfg(not(unix))]
fn refuse_if_shared(_file: &File, _path: &Path) -> Result<()> {
    Ok(())
}

fn io_error(message: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, message).with_detail(format!("The file is \"{}\".", path.display())).with_source(error)
}
