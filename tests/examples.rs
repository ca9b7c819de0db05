//! The projects of `sql/examples`, played with psql as their pages say; what psql shows is compared with the `.out` file beside each script.
//!
//! WEIR_TEST_WRITE_EXAMPLES=1 writes the `.out` files anew; read the difference before it is committed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::hub::{Hub, PASSWORD};

/// Longest wait for what the triggers make of a day's files; the machine may be busy.
const LIMIT: Duration = Duration::from_secs(120);

/// How often the same question is asked while triggers work.
const TICK: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wholesaler() {
    if !psql_is_here() {
        return;
    }
    let example = Example::start("wholesaler");
    example.arrives("day1");
    example.run("1-sources.sql");
    example.run("2-pipelines.sql");
    example.shows("3-first-day.sql");
    example.shows("4-repair.sql");
    example.run("5-by-itself.sql");
    example.arrives("day2");
    example.comes_to("6-second-day.sql").await;
    example.shows("7-history.sql");
}

fn psql_is_here() -> bool {
    let found = Command::new("psql").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(found || std::env::var_os("WEIR_TEST_SERVICES").is_none(), "psql is not installed");
    found
}

struct Example {
    folder: PathBuf,
    hub: Hub,
    inbox: TempDir,
}

impl Example {
    fn start(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/examples").join(name);
        Self { folder, hub: Hub::start(), inbox: tempfile::tempdir().expect("an inbox") }
    }

    /// What psql shows of a script, the statements with it.
    fn psql(&self, script: &str) -> String {
        let output = Command::new("psql")
            .args(["-X", "-q", "-a", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "admin", "-d", "weir"])
            .arg(format!("--port={}", self.hub.port()))
            .arg(format!("--set=inbox={}", self.inbox.path().display()))
            .arg("-f")
            .arg(self.folder.join(script))
            .env("PGPASSWORD", PASSWORD)
            .env("PGTZ", "UTC")
            .output()
            .expect("psql starts");
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{script}:\n{shown}{}", String::from_utf8_lossy(&output.stderr));
        shown
    }

    /// A script that only makes things.
    fn run(&self, script: &str) {
        self.psql(script);
    }

    fn shows(&self, script: &str) {
        let shown = self.psql(script);
        let expected = self.expected(script, &shown);
        assert_eq!(shown, expected, "{script} shows something else (left: shown, right: expected):\n{shown}");
    }

    /// A script that only asks, until it shows what it should: the triggers take their time.
    async fn comes_to(&self, script: &str) {
        let mut shown = String::new();
        let wait = async {
            let mut ticks = tokio::time::interval(TICK);
            loop {
                ticks.tick().await;
                shown = self.psql(script);
                if shown == self.expected(script, "") {
                    return;
                }
            }
        };
        let came = tokio::time::timeout(LIMIT, wait).await.is_ok();
        if !came && writes() {
            self.expected(script, &shown);
            return;
        }
        assert!(came, "{script} never shows what it should, but:\n{shown}");
    }

    /// Of the file beside the script, which is first written when it is asked for.
    fn expected(&self, script: &str, shown: &str) -> String {
        let path = self.folder.join(script).with_extension("out");
        if writes() && !shown.is_empty() {
            std::fs::write(&path, shown).expect("the file is written");
        }
        std::fs::read_to_string(&path).unwrap_or_default()
    }

    /// The files of a day, each put in its place by a rename, so that no half of one is ever seen.
    fn arrives(&self, day: &str) {
        for entry in walkdir(&self.folder.join(day)) {
            let place = self.inbox.path().join(entry.strip_prefix(self.folder.join(day)).expect("a path below it"));
            std::fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
            let waiting = self.inbox.path().join("arriving");
            std::fs::copy(&entry, &waiting).expect("a copy");
            std::fs::rename(&waiting, &place).expect("a rename");
        }
    }
}

fn writes() -> bool {
    std::env::var_os("WEIR_TEST_WRITE_EXAMPLES").is_some()
}

fn walkdir(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of the example") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(walkdir(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}
