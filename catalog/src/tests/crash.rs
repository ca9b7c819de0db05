//! The folder under attack: killed processes, second hubs, files of other programs.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use serde_json::json;
use tempfile::TempDir;

use super::fixture::{Fixture, NOW, create, end_of, new, refused, run_of};
use crate::*;

const CHILD_DIR: &str = "WEIR_CATALOG_TEST_CHILD_DIR";

/// Not a test of its own: what the killed process does. Tells each step only after it returned.
#[test]
fn child_that_writes_until_killed() {
    let Some(dir) = env::var_os(CHILD_DIR) else { return };
    let store = open(Path::new(&dir), SecretKeySource::DataDir).unwrap();
    let pipeline = store.object(Kind::Pipeline, "shop", "p").unwrap().unwrap().id;
    let mut out = std::io::stdout().lock();
    loop {
        let view = new(&*store, Kind::View, "v");
        let view = Object { name: format!("v{}", view.id.0), ..view };
        store.apply(&[create(&view)], "admin", NOW).unwrap();
        writeln!(out, "view {}", view.id.0).unwrap();
        let run = match store.runs(&RunFilter { unfinished: true, ..RunFilter::default() }).unwrap().pop() {
            Some(run) => run,
            None => store.freeze_run(&run_of(pipeline)).unwrap(),
        };
        writeln!(out, "frozen {}", run.batch).unwrap();
        let end = RunEnd {
            offsets: vec![(pipeline, json!(run.batch))],
            changes: vec![Change::Drop { id: view.id }],
            ..end_of(&run, RunStatus::Succeeded, NOW)
        };
        store.end_run(&end).unwrap();
        writeln!(out, "ended {}", run.batch).unwrap();
        out.flush().unwrap();
    }
}

/// Runs the child until it has told `lines` lines, kills it, and gives the highest number told of each word.
fn kill_after(dir: &Path, lines: usize) -> [i64; 3] {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["tests::crash::child_that_writes_until_killed", "--exact", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = [0; 3];
    let mut seen = 0;
    let mut note = |line: &str| {
        // The first line shares its row with the test harness's own.
        for (place, word) in ["view ", "frozen ", "ended "].iter().enumerate() {
            if let Some((_, number)) = line.split_once(word)
                && let Ok(number) = number.parse::<i64>()
            {
                told[place] = told[place].max(number);
                return 1;
            }
        }
        0
    };
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    while seen < lines {
        seen += note(&output.next().expect("the child ended by itself").unwrap());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had told before it died counts too; a torn last line does not.
    let rest: Vec<String> = output.map_while(std::result::Result::ok).collect();
    for line in rest.iter().take(rest.len().saturating_sub(1)) {
        note(line);
    }
    told
}

#[test]
fn what_was_told_survives_a_kill() {
    let f = Fixture::new();
    let pipeline = f.make(Kind::Pipeline, "p", &[]).id;
    let Fixture { store, dir } = f;
    drop(store);
    for lines in [1, 2, 3, 4, 5, 8, 13, 40] {
        let [view, frozen, ended] = kill_after(dir.path(), lines);
        let store = open(dir.path(), SecretKeySource::DataDir).unwrap();
        assert!(store.next_id().unwrap().0 > view);
        let runs = store.runs(&RunFilter { pipeline_id: Some(pipeline), ..RunFilter::default() }).unwrap();
        let newest = runs.first().map_or(0, |run| run.batch);
        assert!(newest >= frozen, "run {frozen} was told, {newest} is stored");
        assert_eq!(runs.len() as i64, newest, "no number was lost or given twice");
        let over = runs.iter().filter(|run| run.status.is_over()).map(|run| run.batch).max().unwrap_or(0);
        assert!(over >= ended && newest - over <= 1);
        // A run's end is there whole or not at all: the offset moves with it.
        let offset = store.offset(pipeline, pipeline).unwrap().and_then(|position| position.as_i64()).unwrap_or(0);
        assert_eq!(offset, over);
        // So are its events: one for each start and each end, none of what was rolled back.
        let events = store.events(&EventFilter::default()).unwrap();
        let logged = |kind: &str| events.iter().filter(|event| event.kind == kind).count() as i64;
        assert_eq!((logged("hub.run.started"), logged("hub.run.completed")), (newest, over));
        // Each kill leaves at most the view of the round it broke.
        assert!(store.objects(Some(Kind::View), None).unwrap().len() <= 8);
    }
}

#[test]
fn a_folder_has_one_hub() {
    let f = Fixture::new();
    let error = open(f.dir.path(), SecretKeySource::DataDir).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert_eq!(error.message(), format!("data folder \"{}\" is in use by another hub", f.dir.path().display()));
    assert_eq!(error.detail(), Some(format!("It is held by process {}.", std::process::id()).as_str()));
    let f = f.reopen();
    f.make(Kind::View, "v", &[]);
}

#[test]
fn a_missing_folder_and_a_foreign_file_are_refused() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("missing");
    let message = format!("data folder \"{}\" cannot be used", missing.display());
    refused(open(&missing, SecretKeySource::DataDir).map(|_| ()), ErrorKind::Io, &message);
    let path = dir.path().join("catalog.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("CREATE TABLE notes (t TEXT)").unwrap();
    drop(db);
    let before = fs::read(&path).unwrap();
    let message = "catalog.db is not the catalog of a hub";
    refused(open(dir.path(), SecretKeySource::DataDir).map(|_| ()), ErrorKind::Corrupt, message);
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::write(&path, b"this is no database, but it is long enough to look like one to a careless reader of files").unwrap();
    refused(open(dir.path(), SecretKeySource::DataDir).map(|_| ()), ErrorKind::Corrupt, "the catalog is damaged");
}

#[test]
fn a_newer_catalog_is_refused_and_untouched() {
    let f = Fixture::new();
    let Fixture { store, dir } = f;
    drop(store);
    let path = dir.path().join("catalog.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 1000).unwrap();
    drop(db);
    let before = fs::read(&path).unwrap();
    let result = open(dir.path(), SecretKeySource::DataDir).map(|_| ());
    let error = refused(result, ErrorKind::TooNew, "the data folder was written by a newer version of the hub");
    assert!(error.detail().unwrap().starts_with("Its catalog has version 1000;"));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn readers_and_writers_of_one_store_do_not_disturb_each_other() {
    let f = Fixture::new();
    let store = &f.store;
    thread::scope(|scope| {
        for writer in 0..3 {
            scope.spawn(move || {
                for n in 0..20 {
                    let view = Object { name: format!("v{writer}_{n}"), ..new(&**store, Kind::View, "v") };
                    store.apply(&[create(&view)], "admin", NOW).unwrap();
                }
            });
        }
        for _ in 0..6 {
            scope.spawn(|| {
                let mut seen = 0;
                while seen < 60 {
                    let now = store.objects(Some(Kind::View), None).unwrap().len();
                    assert!(now >= seen);
                    seen = now;
                }
            });
        }
    });
    assert_eq!(Arc::strong_count(&f.store), 1);
}
