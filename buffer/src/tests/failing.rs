//! Disks that are full or broken: nothing is acknowledged that is not stored.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::ffi;
use tempfile::TempDir;

use super::fixture::*;
use crate::*;

const CHILD_DIR: &str = "WEIR_BUFFER_TEST_SMALL_DIR";

static TOLD: AtomicUsize = AtomicUsize::new(0);

#[test]
fn nothing_is_acknowledged_after_a_failed_sync() {
    run(async {
        let folder = folder();
        let options = Options { when_failed: |_| _ = TOLD.fetch_add(1, Ordering::SeqCst), ..options() };
        let log = Log::open(folder.path(), SOURCE, options).await.unwrap();
        log.append(vec![event("a")]).await.unwrap();
        log.register(ConsumerId(1), Start::Earliest).await.unwrap();
        let waiting = tokio::spawn({
            let log = log.clone();
            async move { log.wait_beyond(Sequence(1)).await }
        });
        log.shared().faults.fail_commit(ffi::SQLITE_IOERR_FSYNC);
        refused(log.append(vec![event("b")]).await, ErrorKind::Failed, "the disk failed to store an event");
        assert_eq!(TOLD.load(Ordering::SeqCst), 1);
        // The disk works again. That proves nothing.
        refused(log.append(vec![event("c")]).await, ErrorKind::Failed, "the disk failed to store an event");
        refused(log.advance(ConsumerId(1), Sequence(1)).await, ErrorKind::Failed, "the disk failed to store an event");
        refused(log.remove(Removal::at(HOUR)).await, ErrorKind::Failed, "the disk failed to store an event");
        assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Failed);
        assert_eq!(log.ended().await.kind(), ErrorKind::Failed);
        assert!(matches!(log.state(), State::Failed(_)));
        assert_eq!(TOLD.load(Ordering::SeqCst), 1);
        assert_eq!(all(&log).await.len(), 1, "what is on disk can be read");
        log.close().await;
        assert_eq!(open(&folder).await.append(vec![event("d")]).await.unwrap(), stored([2]));
    });
}

/// All of a group are told, and those that queued behind it.
#[test]
fn a_failed_commit_fails_all_that_wait() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        let places = log.free_places();
        log.shared().faults.shut_gate();
        log.shared().faults.fail_commit(ffi::SQLITE_IOERR_WRITE);
        let mut appends = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let log = log.clone();
            appends.spawn(async move { log.append(vec![event("x")]).await });
        }
        while log.free_places() > places - 20 {
            tokio::task::yield_now().await;
        }
        log.shared().faults.open_gate();
        for result in appends.join_all().await {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Failed);
        }
        assert_eq!((log.latest(), log.stats()), (Sequence(0), Stats::default()));
        log.close().await;
        assert_eq!(open(&folder).await.latest(), Sequence(0));
    });
}

#[test]
fn a_full_disk_refuses_and_heals() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        log.append(vec![delivery("a")]).await.unwrap();
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_SHMSIZE] {
            log.shared().faults.fail_commit(code);
            refused(log.append(vec![delivery("b")]).await, ErrorKind::Full, "the disk is full");
            assert_eq!(log.latest(), Sequence(1));
        }
        log.shared().faults.fail_commit(ffi::SQLITE_BUSY);
        refused(log.append(vec![delivery("b")]).await, ErrorKind::Busy, "the event log is busy");
        assert_eq!(log.append(vec![delivery("b")]).await.unwrap(), stored([2]), "its id was not remembered");
        assert_eq!(log.stats().refused, 2);
    });
}

/// The reserve is what the disk of this machine has; nothing fits beside it.
#[test]
fn the_reserve_of_the_disk_is_not_touched() {
    run(async {
        let folder = folder();
        let log = Log::open(folder.path(), SOURCE, Options { free_bytes_kept: u64::MAX, ..options() }).await.unwrap();
        refused(log.append(vec![event("a")]).await, ErrorKind::Full, "the disk is full");
        assert!(matches!(log.state(), State::Full(_)));
        log.register(ConsumerId(1), Start::Latest).await.unwrap();
        log.remove(Removal::at(HOUR)).await.unwrap();
        assert_eq!((log.latest(), log.stats().refused), (Sequence(0), 1));
    });
}

#[test]
fn a_log_at_its_limit_refuses_and_recovers() {
    run(async {
        let folder = folder();
        let size = delivery("a").size_bytes();
        let log = Log::open(folder.path(), SOURCE, Options { most_bytes: 3 * size, ..options() }).await.unwrap();
        log.append(vec![delivery("a"), delivery("b")]).await.unwrap();
        refused(log.append(vec![delivery("c"), delivery("d")]).await, ErrorKind::Full, "the event log is full");
        assert_eq!(log.append(vec![delivery("c")]).await.unwrap(), stored([3]), "a smaller one fits");
        assert!(matches!(log.state(), State::Full(_)));
        assert_eq!(log.append(vec![delivery("b")]).await.unwrap(), [Receipt::Duplicate(Sequence(2))], "a duplicate needs no room");
        refused(log.append(vec![delivery("d")]).await, ErrorKind::Full, "the event log is full");
        log.register(ConsumerId(1), Start::After(Sequence(1))).await.unwrap();
        log.remove(Removal { keep_for: 0, ..Removal::at(HOUR) }).await.unwrap();
        assert!(matches!(log.state(), State::Open));
        assert_eq!(log.append(vec![delivery("d")]).await.unwrap(), stored([4]));
    });
}

/// Not a test of its own: appends on the small disk that it is given, or up to the largest file that it may write.
#[test]
fn child_that_fills_its_disk() {
    let Some(dir) = env::var_os(CHILD_DIR) else { return };
    let dir = Path::new(&dir);
    run(async {
        let foreign = dir.join("somebody else's");
        fs::write(&foreign, vec![0; 4 << 20]).unwrap_or_default();
        let log = Log::open(dir, SOURCE, options()).await.unwrap();
        let (error, acknowledged) = until_refused(&log).await;
        println!("refused {:?} after {acknowledged}", error.kind());
        if error.kind() != ErrorKind::Full {
            return;
        }
        assert_eq!(all(&log).await.len() as u64, acknowledged, "reads go on");
        log.close().await;
        let log = Log::open(dir, SOURCE, options()).await.expect("it opens on a full disk, too");
        assert_eq!(all(&log).await.len() as u64, acknowledged);
        fs::remove_file(foreign).unwrap();
        let (_, more) = until_refused(&log).await;
        assert!(more > 50, "{more} after there was room again");
        assert_eq!(all(&log).await.len() as u64, acknowledged + more);
        println!("healed");
    });
}

async fn until_refused(log: &Log) -> (Error, u64) {
    let mut acknowledged = 0;
    loop {
        match log.append(vec![of_size(5000)]).await {
            Ok(_) => acknowledged += 1,
            Err(error) => return (error, acknowledged),
        }
    }
}

/// The shell's words run around the child, then what the child said.
fn child(words: &str, dir: &Path) -> Option<String> {
    let script = format!("{words} exec \"$0\" tests::failing::child_that_fills_its_disk --exact --nocapture");
    let output = Command::new("sh").args(["-c", &script]).arg(env::current_exe().unwrap()).env(CHILD_DIR, dir).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success() && said.contains("refused")).then_some(said)
}

/// The system refuses to write: not a full disk, so nothing can be trusted.
#[test]
fn a_write_that_the_system_refuses_is_never_acknowledged() {
    let dir = TempDir::new().unwrap();
    let said = child("trap '' XFSZ; ulimit -f 4000;", dir.path()).expect("the child runs to its end");
    assert!(said.contains("refused Failed after "), "{said}");
    let acknowledged: u64 =
        said.split("refused Failed after ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap().parse().unwrap();
    run(async {
        let log = open(&dir).await;
        assert!(acknowledged > 10 && log.latest().0 >= acknowledged, "{acknowledged} were acknowledged, {:?} are there", log.latest());
        assert_eq!(all(&log).await.len() as u64, log.latest().0);
    });
}

/// A real disk of 16 MB, where the system lets a user have one.
#[cfg(target_os = "linux")]
#[test]
fn a_really_full_disk_refuses_reads_and_heals() {
    let dir = TempDir::new().unwrap();
    let small = format!("mount -t tmpfs -o size=16m none '{}' &&", dir.path().display());
    let may =
        Command::new("unshare").args(["-rm", "sh", "-c", &format!("{small} true")]).output().is_ok_and(|output| output.status.success());
    if !may {
        println!("skipped: this system lets no user mount a tmpfs");
        return;
    }
    let inner = format!("{small} exec \"$0\" tests::failing::child_that_fills_its_disk --exact --nocapture");
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &inner]).arg(env::current_exe().unwrap()).env(CHILD_DIR, dir.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("refused Full") && said.contains("healed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
