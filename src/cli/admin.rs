//! The first role of a hub: `admin`, a superuser, made once.
//!
//! Only what SCRAM-SHA-256 needs is stored. A generated password is on disk before the role exists, so a crash between the two loses nothing:
//! the next start takes the password that lies there.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use weir_catalog::{Role, Store};

use crate::config::Password;
use crate::error::{Code, Error, Result};
use crate::session::{harden, with_password};

const NAME: &str = "admin";
const FILE: &str = "admin.password";
/// Letters and digits that no font confuses.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const LENGTH: usize = 24;

/// What became of the first password.
pub(super) enum FirstPassword {
    /// The role was there already.
    Known,
    /// Taken from the configuration.
    Given,
    Generated {
        password: Password,
        file: PathBuf,
    },
}

/// Makes the role `admin` unless it, or any superuser, exists: it may have been given another name.
///
/// # Errors
/// `Io` when the password cannot be kept; what the store says.
pub(super) fn ensure(store: &dyn Store, data_dir: &Path, wanted: Option<&Password>) -> Result<FirstPassword> {
    harden(store)?;
    if store.roles()?.iter().any(|role| role.superuser || role.name == NAME) {
        return Ok(FirstPassword::Known);
    }
    if let Some(password) = wanted {
        store.put_role(&role(password)?)?;
        return Ok(FirstPassword::Given);
    }
    let file = data_dir.join(FILE);
    let password = match fs::read_to_string(&file) {
        Ok(text) if !text.trim().is_empty() => Password::new(text.trim()),
        Ok(_) => {
            let reason = "an earlier start was cut off while writing it";
            return Err(
                Error::new(Code::Io, format!("{} is empty: {reason}", file.display())).hint("Remove the file and start again.".to_owned())
            );
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let password = generate()?;
            keep(data_dir, &file, &password).map_err(|e| Error::new(Code::Io, format!("cannot write {}", file.display())).caused_by(e))?;
            password
        }
        Err(e) => return Err(Error::new(Code::Io, format!("cannot read {}", file.display())).caused_by(e)),
    };
    store.put_role(&role(&password)?)?;
    Ok(FirstPassword::Generated { password, file })
}

fn role(password: &Password) -> Result<Role> {
    with_password(Role { superuser: true, createrole: true, ..Role::named(NAME) }, password)
}

fn generate() -> Result<Password> {
    let mut bytes = [0_u8; LENGTH];
    rand::fill(&mut bytes).map_err(|e| Error::internal("the system gives no random bytes").caused_by(e))?;
    // 32 letters: five bits of each byte choose one, without bias.
    let text: String = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 31))).map(|byte| char::from(*byte)).collect();
    Ok(Password::new(text))
}

/// Written aside, made durable, then renamed: the file is there whole or not at all.
fn keep(data_dir: &Path, file: &Path, password: &Password) -> std::io::Result<()> {
    let aside = file.with_extension("password.new");
    match fs::remove_file(&aside) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    writeln!(out, "{}", password.reveal())?;
    out.sync_all()?;
    fs::rename(&aside, file)?;
    File::open(data_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_passwords_differ_and_are_long() {
        let (one, two) = (generate().unwrap(), generate().unwrap());
        assert_eq!(one.reveal().len(), LENGTH);
        assert_ne!(one.reveal(), two.reveal());
    }
}
