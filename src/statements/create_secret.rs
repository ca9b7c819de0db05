//! `CREATE [OR REPLACE] SECRET [IF NOT EXISTS] name { AS 'value' | FROM provider 'reference' [WITH (..)] }`
//!
//! The value goes sealed into the store and nowhere else: the kept text is redacted. A reference is looked up when it is used, never here.

use weir_catalog::{Change, Definitions, Kind, ObjectId, SecretValue as Sealed};
use weir_sql::statements::create_secret::{CreateSecret, SecretProvider, SecretValue};

use super::definition::{self, New};
use super::names::{self, Existing, Wanted};
use super::redact;
use crate::engine::privileges;
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};
use crate::spec::Spec;

/// Options of a reference: none for those that are built.
const REFERENCE: Spec = Spec { name: "secret", summary: "A credential that another system keeps.", options: &[] };

pub(super) fn execute(session: &Session, statement: &CreateSecret, text: &str) -> Result<Outcome> {
    let CreateSecret { name, or_replace, if_not_exists, value } = statement;
    check(value, name.position())?;
    let definitions = session.definitions();
    refuse_server(session, &*definitions, value)?;
    let place = names::place(session, &*definitions, name)?;
    let occupant = names::occupant(&*definitions, Kind::Secret, &place)?;
    let wanted = Wanted { kind: Kind::Secret, or_replace: *or_replace, if_not_exists: *if_not_exists, position: name.position() };
    let old = match names::existing(session, occupant, &wanted)? {
        Existing::Skip => return Ok(Outcome::done("CREATE SECRET")),
        Existing::Free => None,
        Existing::Replace(old) => Some(*old),
    };
    let kept = redact::create_secret(statement, text);
    let new = New { kind: Kind::Secret, place, definition: &kept, body: serde_json::Value::Null, comment: None, depends_on: Vec::new() };
    let (id, change) = definition::put(session, &*definitions, new, old)?;
    session.stage(&[change, sealed(id, value)])?;
    Ok(Outcome::done("CREATE SECRET"))
}

/// The environment and the files of the server are not everybody's to read.
///
/// # Errors
/// `NoPrivilege`.
pub(super) fn refuse_server(session: &Session, definitions: &dyn Definitions, value: &SecretValue) -> Result<()> {
    match value {
        SecretValue::Reference { provider: SecretProvider::Env | SecretProvider::File, .. } => {
            privileges::require_server_files(definitions, &session.role(), "keep a secret in the server's files or environment")
        }
        _ => Ok(()),
    }
}

/// The change that stores the value, or forgets an earlier one where only a reference is kept.
pub(super) fn sealed(id: ObjectId, value: &SecretValue) -> Change {
    let value = match value {
        SecretValue::Value(value) => Some(Sealed(value.clone())),
        SecretValue::Reference { .. } => None,
    };
    Change::PutSecret { id, value }
}

/// # Errors
/// `NotSupported` for a provider that is not built, `InvalidOption`.
pub(super) fn check(value: &SecretValue, position: usize) -> Result<()> {
    let SecretValue::Reference { provider, reference: _, options } = value else { return Ok(()) };
    let missing = match provider {
        SecretProvider::Env | SecretProvider::File => None,
        SecretProvider::Vault => Some("VAULT"),
        SecretProvider::Aws => Some("AWS"),
        SecretProvider::Azure => Some("AZURE"),
        SecretProvider::Gcp => Some("GCP"),
    };
    match missing {
        Some(provider) => Err(Error::new(Code::NotSupported, format!("secrets FROM {provider} are not supported yet"))
            .hint("Use AS 'value', FROM ENV or FROM FILE.".to_owned())
            .at(position)),
        None => REFERENCE.read(options).map(|_| ()),
    }
}
