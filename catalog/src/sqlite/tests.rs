//! What cannot be reached through `Store`: a full disk, a failed step of a migration, readers beside an open write.

use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;
use tempfile::TempDir;

use super::database::Database;
use super::{SqliteStore, migrations};
use crate::{Error, ErrorKind, SecretKeySource, Store};

#[test]
fn on_a_full_disk_a_statement_fails_and_the_store_goes_on() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path(), SecretKeySource::DataDir).unwrap();
    store.set_setting("a", "1").unwrap();
    // SQLite answers a full disk and this limit in the same way.
    let pages: i64 = store.database().writer().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let limit = |pages: i64| {
        store.database().writer().pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0)).unwrap();
    };
    limit(pages);
    let error = store.set_setting("big", &"x".repeat(1 << 20)).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Io, "the disk of the catalog is full"));
    assert_eq!(store.setting("big").unwrap(), None);
    store.set_setting("a", "2").unwrap();
    limit(1 << 20);
    store.set_setting("big", "fits").unwrap();
    assert_eq!(store.setting("a").unwrap().as_deref(), Some("2"));
}

#[test]
fn a_migration_step_that_fails_leaves_the_version_before_it() {
    let mut db = Connection::open_in_memory().unwrap();
    let steps = ["CREATE TABLE one (a)", "CREATE TABLE two (a); INSERT INTO missing VALUES (1)"];
    assert!(migrations::migrate(&mut db, &steps).is_err());
    let state = |db: &Connection| -> (i64, i64) {
        let tables = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        (db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap(), tables)
    };
    assert_eq!(state(&db), (1, 1));
    let steps = ["this is not run again", "CREATE TABLE two (a)"];
    migrations::migrate(&mut db, &steps).unwrap();
    assert_eq!(state(&db), (2, 2));
    migrations::migrate(&mut db, &steps).unwrap();
}

#[test]
fn commits_are_synchronous_and_foreign_keys_are_on() {
    let dir = TempDir::new().unwrap();
    let database = Database::open(dir.path()).unwrap();
    let writer = database.writer();
    let pragma = |name: &str| writer.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((pragma("synchronous"), pragma("foreign_keys")), (2, 1));
}

#[test]
fn a_reader_does_not_wait_for_an_open_write_and_cannot_write() {
    let dir = TempDir::new().unwrap();
    let database = Database::open(dir.path()).unwrap();
    let count = |database: &Database| {
        database.read(|db| Ok(db.query_row("SELECT count(*) FROM settings", [], |row| row.get::<_, i64>(0))?)).unwrap()
    };
    let outcome: Result<(), Error> = database.write(|db| {
        db.execute("INSERT INTO settings VALUES ('k', 'v')", [])?;
        assert_eq!(count(&database), 0);
        Err(Error::new(ErrorKind::Internal, "changed my mind"))
    });
    assert_eq!(outcome.unwrap_err().message(), "changed my mind");
    assert_eq!(count(&database), 0);
    database.write(|db| Ok(db.execute("INSERT INTO settings VALUES ('k', 'v')", [])?)).unwrap();
    assert_eq!(count(&database), 1);
    let written = database.read(|db| Ok(db.execute("DELETE FROM settings", [])?));
    assert_eq!(written.unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn after_a_failed_fsync_nothing_more_is_written() {
    let dir = TempDir::new().unwrap();
    static TOLD: AtomicUsize = AtomicUsize::new(0);
    let database = Database::open(dir.path()).unwrap().when_sync_fails(|_| {
        TOLD.fetch_add(1, Ordering::Relaxed);
    });
    let failure = |code| rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
    // Another failure of the disk takes only its own statement along.
    assert_eq!(database.noticing_fsync(failure(rusqlite::ffi::SQLITE_IOERR_WRITE)).kind(), ErrorKind::Io);
    database.write(|_| Ok(())).unwrap();
    assert_eq!(TOLD.load(Ordering::Relaxed), 0);
    for _ in 0..2 {
        assert_eq!(database.noticing_fsync(failure(rusqlite::ffi::SQLITE_IOERR_FSYNC)).kind(), ErrorKind::Io);
    }
    assert_eq!(TOLD.load(Ordering::Relaxed), 1, "the owner ends at the first");
    let error = database.write(|_| Ok(())).unwrap_err();
    assert_eq!(error.message(), "the catalog takes no more writes because the disk failed to store one");
    database.read(|_| Ok(())).unwrap();
}

#[test]
fn a_panic_inside_a_write_takes_it_back() {
    let dir = TempDir::new().unwrap();
    let database = Database::open(dir.path()).unwrap();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _: Result<(), Error> = database.write(|db| {
            db.execute("INSERT INTO settings VALUES ('k', 'v')", [])?;
            panic!("as a defect would");
        });
    }));
    assert!(outcome.is_err());
    database.write(|db| Ok(db.execute("INSERT INTO settings VALUES ('k', 'w')", [])?)).unwrap();
}
