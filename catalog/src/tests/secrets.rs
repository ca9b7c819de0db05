//! Secrets: sealed on disk, readable with the right key only, and in no text.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::fixture::{Fixture, NOW, make, refused};
use crate::*;

const VALUE: &str = "correct-horse-battery-staple-0451";

fn put(store: &dyn Store, id: ObjectId, value: &str) -> Result<()> {
    store.apply(&[Change::PutSecret { id, value: Some(SecretValue(value.into())) }], "admin", NOW)
}

fn value(store: &dyn Store, id: ObjectId) -> Result<Option<String>> {
    Ok(store.secret(id)?.map(|value| value.0))
}

fn assert_nowhere(dir: &Path, what: &[u8]) {
    let mut files = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(what.len()).any(|window| window == what), "found in {}", path.display());
        files += 1;
    }
    assert!(files >= 3, "catalog, key and lock");
}

#[test]
fn a_secret_is_read_back_and_is_found_in_no_file() {
    let f = Fixture::new();
    let secret = f.make(Kind::Secret, "pw", &[]);
    put(&*f.store, secret.id, VALUE).unwrap();
    // While the write-ahead log still holds it, and after it was folded into the file.
    assert!(f.dir.path().join("catalog.db-wal").exists());
    assert_nowhere(f.dir.path(), VALUE.as_bytes());
    assert_eq!(value(&*f.store, secret.id).unwrap().as_deref(), Some(VALUE));
    let f = f.reopen();
    assert_nowhere(f.dir.path(), VALUE.as_bytes());
    assert_eq!(value(&*f.store, secret.id).unwrap().as_deref(), Some(VALUE));
    put(&*f.store, secret.id, "rotated").unwrap();
    assert_eq!(value(&*f.store, secret.id).unwrap().as_deref(), Some("rotated"));
    f.store.apply(&[Change::PutSecret { id: secret.id, value: None }], "admin", NOW).unwrap();
    assert_eq!(value(&*f.store, secret.id).unwrap(), None);
    let view = f.make(Kind::View, "v", &[]);
    refused(put(&*f.store, view.id, VALUE), ErrorKind::Internal, "view \"shop.v\" is not a secret");
}

#[test]
fn no_debug_output_shows_a_value() {
    let change = Change::PutSecret { id: ObjectId(1), value: Some(SecretValue(VALUE.into())) };
    assert!(!format!("{change:?}").contains(VALUE));
    let shown = format!("{:?}", SecretKeySource::Bytes([0x61; 32]));
    assert_eq!(shown, "Bytes(..)");
    let error = SecretKeySource::from_hex("correct horse").unwrap_err();
    assert!(!format!("{error:?}").contains("horse"));
    assert_eq!(SecretKeySource::from_hex(&format!(" {}\n", "0f".repeat(32))).unwrap(), SecretKeySource::Bytes([15; 32]));
    for wrong in ["0f".repeat(31), "0f".repeat(33), format!("{}f", "0f".repeat(32)), "zz".repeat(32), String::new()] {
        assert_eq!(SecretKeySource::from_hex(&wrong).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn dropping_a_secret_drops_its_value_and_a_user_keeps_it() {
    let f = Fixture::new();
    let secret = f.make(Kind::Secret, "pw", &[]);
    put(&*f.store, secret.id, VALUE).unwrap();
    let connection = f.make(Kind::Connection, "c", &[secret.id]);
    let error = f.store.apply(&[Change::Drop { id: secret.id }], "admin", NOW).unwrap_err();
    assert_eq!((error.kind(), error.hint()), (ErrorKind::InUse, Some("Drop or change the dependent objects first.")));
    f.store.apply(&[Change::Drop { id: connection.id }, Change::Drop { id: secret.id }], "admin", NOW).unwrap();
    assert_eq!(value(&*f.store, secret.id).unwrap(), None);
}

#[test]
fn the_key_is_made_once_and_only_for_its_owner() {
    let f = Fixture::new();
    let path = f.dir.path().join("secret.key");
    let key = fs::read(&path).unwrap();
    assert_eq!(key.len(), 32);
    // The catalog holds salted passwords: the same goes for it.
    for file in ["secret.key", "catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let mode = fs::metadata(f.dir.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let f = f.reopen();
    assert_eq!(fs::read(&path).unwrap(), key);
    let Fixture { store, dir } = f;
    drop(store);
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = open(dir.path(), SecretKeySource::DataDir).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.message().ends_with("can be read by others"), "{error}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    open(dir.path(), SecretKeySource::DataDir).unwrap();
}

#[test]
fn a_lost_key_is_told_when_a_secret_is_needed() {
    let f = Fixture::new();
    let secret = f.make(Kind::Secret, "pw", &[]);
    put(&*f.store, secret.id, VALUE).unwrap();
    let path = f.dir.path().join("secret.key");
    let key = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let f = f.reopen();
    assert!(!path.exists(), "no new key is made where an old one is missing");
    for error in [value(&*f.store, secret.id).unwrap_err(), put(&*f.store, secret.id, "new").unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.message().ends_with("cannot be read") && error.hint().is_some(), "{error}");
    }
    f.make(Kind::View, "the_rest_works", &[]);
    fs::write(&path, b"short").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let f = f.reopen();
    assert_eq!(value(&*f.store, secret.id).unwrap_err().kind(), ErrorKind::Corrupt);
    fs::write(&path, [7; 32]).unwrap();
    let f = f.reopen();
    refused(value(&*f.store, secret.id), ErrorKind::Corrupt, "secret \"shop.pw\" cannot be decrypted");
    fs::write(&path, key).unwrap();
    assert_eq!(value(&*f.reopen().store, secret.id).unwrap().as_deref(), Some(VALUE));
}

#[test]
fn a_key_can_be_given_as_bytes_or_as_a_file_elsewhere() {
    let (dir, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let file = elsewhere.path().join("key");
    let store = open(dir.path(), SecretKeySource::File(file.clone())).unwrap();
    assert!(!file.exists(), "a key that others keep is never made here");
    drop(store);
    let open_with = |key| -> Arc<dyn Store> { open(dir.path(), key).unwrap() };
    let store = open_with(SecretKeySource::Bytes([3; 32]));
    make(&*store, Kind::Schema, "shop", &[]);
    let secret = make(&*store, Kind::Secret, "pw", &[]);
    put(&*store, secret.id, VALUE).unwrap();
    drop(store);
    fs::write(&file, [3; 32]).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
    let store = open_with(SecretKeySource::File(file));
    assert_eq!(value(&*store, secret.id).unwrap().as_deref(), Some(VALUE));
    assert!(!dir.path().join("secret.key").exists());
}

#[test]
fn a_sealed_value_does_not_open_under_another_name() {
    let f = Fixture::new();
    let (a, b) = (f.make(Kind::Secret, "a", &[]), f.make(Kind::Secret, "b", &[]));
    put(&*f.store, a.id, VALUE).unwrap();
    put(&*f.store, b.id, "other").unwrap();
    let Fixture { store, dir } = f;
    drop(store);
    let db = rusqlite::Connection::open(dir.path().join("catalog.db")).unwrap();
    let swap = "UPDATE secrets SET (nonce, sealed) = (SELECT nonce, sealed FROM secrets WHERE id = ?1) WHERE id = ?2";
    db.execute(swap, [a.id.0, b.id.0]).unwrap();
    drop(db);
    let store = open(dir.path(), SecretKeySource::DataDir).unwrap();
    assert_eq!(value(&*store, a.id).unwrap().as_deref(), Some(VALUE));
    refused(value(&*store, b.id), ErrorKind::Corrupt, "secret \"shop.b\" cannot be decrypted");
}
