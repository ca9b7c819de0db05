//! The file under attack: second hubs, files of other programs, newer versions.

use std::fs;
use std::time::{Duration, Instant};

use super::fixture::*;
use crate::*;

#[test]
fn a_log_is_open_once() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        let path = folder.path().join("7.db");
        let message = format!("event log \"{}\" is in use", path.display());
        let error = refused(Log::open(folder.path(), SOURCE, options()).await.map(drop), ErrorKind::InUse, &message);
        assert_eq!(error.detail(), Some(format!("It is held by process {}.", std::process::id()).as_str()));
        refused(delete(folder.path(), SOURCE), ErrorKind::InUse, &message);
        Log::open(folder.path(), SourceNumber(8), options()).await.unwrap();
        log.append(vec![event("x")]).await.unwrap();
        log.close().await;
        assert_eq!(open(&folder).await.latest(), Sequence(1));
    });
}

#[test]
fn a_missing_folder_and_foreign_files_are_refused() {
    run(async {
        let folder = folder();
        let missing = folder.path().join("missing");
        let message = format!("event log \"{}\" cannot be used", missing.join("7.db").display());
        refused(Log::open(&missing, SOURCE, options()).await.map(drop), ErrorKind::Io, &message);
        let path = folder.path().join("7.db");
        let db = rusqlite::Connection::open(&path).unwrap();
        db.execute_batch("CREATE TABLE notes (t TEXT)").unwrap();
        drop(db);
        let before = fs::read(&path).unwrap();
        refused(Log::open(folder.path(), SOURCE, options()).await.map(drop), ErrorKind::Corrupt, "the file is not an event log");
        assert_eq!(fs::read(&path).unwrap(), before);
        fs::write(&path, b"this is no database, but it is long enough to look like one to a careless reader of files").unwrap();
        refused(Log::open(folder.path(), SOURCE, options()).await.map(drop), ErrorKind::Corrupt, "the event log is damaged");
    });
}

#[test]
fn a_newer_log_is_refused_and_untouched() {
    run(async {
        let folder = folder();
        open(&folder).await.close().await;
        let path = folder.path().join("7.db");
        rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 1000).unwrap();
        let before = fs::read(&path).unwrap();
        let result = Log::open(folder.path(), SOURCE, options()).await.map(drop);
        let error = refused(result, ErrorKind::TooNew, "the event log was written by a newer version of the hub");
        assert_eq!(error.detail(), Some("It has version 1000; this hub knows versions up to 1. Nothing was changed."));
        assert_eq!(fs::read(&path).unwrap(), before);
    });
}

#[test]
fn a_deleted_log_is_gone() {
    run(async {
        let folder = folder();
        delete(folder.path(), SOURCE).unwrap();
        let log = open(&folder).await;
        log.append(vec![delivery("a")]).await.unwrap();
        log.close().await;
        delete(folder.path(), SOURCE).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(open(&folder).await.append(vec![delivery("a")]).await.unwrap(), stored([1]));
    });
}

/// An acknowledgement means nothing without this, and no kill of a process would show it.
#[test]
fn commits_of_appends_are_synced() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        let [durable, relaxed] = log.synchronous().await.unwrap();
        assert_eq!((durable, relaxed), (2, 1), "2 is FULL: the write-ahead log is synced by each commit");
    });
}

#[test]
fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        log.append(vec![event("x")]).await.unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        }
    });
}

/// 64 MB here; a gigabyte takes the same time.
#[test]
fn what_a_log_holds_does_not_matter_for_opening_it() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        for _ in 0..16 {
            log.append(vec![of_size(4096); 1024]).await.unwrap();
        }
        log.close().await;
        let begun = Instant::now();
        let log = open(&folder).await;
        let backlog = log.backlog(Sequence(1000)).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        assert_eq!(backlog.events, 16 * 1024 - 1000);
    });
}
