//! One life of the hub: the binary on a data folder that outlives it.

use std::fs::OpenOptions;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, SimpleQueryRow};

use super::{LIMIT, PIPELINES, Sent};

const PASSWORD: &str = "swordfish";

/// How often a condition is looked at.
const TICK: Duration = Duration::from_millis(20);

/// Looks until the condition holds; false when it did not within the limit.
pub(super) async fn until(limit: Duration, mut holds: impl AsyncFnMut() -> bool) -> bool {
    let watch = async {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            if holds().await {
                return;
            }
        }
    };
    tokio::time::timeout(limit, watch).await.is_ok()
}

/// The folders of one test: what the hub is given, what it keeps, and what the test writes down.
pub(super) struct Place(TempDir);

impl Place {
    pub(super) fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder"));
        for folder in ["data", "inbox/csv", "inbox/ndjson"] {
            std::fs::create_dir_all(place.0.path().join(folder)).expect("a folder");
        }
        place
    }

    /// Another place with the same lake and runs.
    pub(super) fn copy_of(other: &Self) -> Self {
        let place = Self::new();
        copy_folder(&other.lake(), &place.lake());
        std::fs::copy(other.runs(), place.runs()).expect("the runs");
        place
    }

    pub(super) fn inbox(&self) -> String {
        self.0.path().join("inbox").display().to_string()
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.0.path().join("ledger.db")
    }

    pub(super) fn lake(&self) -> PathBuf {
        self.0.path().join("data/lake")
    }

    /// Where files lie that clients sent.
    pub(super) fn uploads(&self) -> PathBuf {
        self.0.path().join("data/uploads")
    }

    pub(super) fn runs(&self) -> PathBuf {
        self.0.path().join("runs.json")
    }

    /// How often a hub found a run that an earlier one had left unfinished.
    pub(super) fn taken_up(&self) -> usize {
        let text = std::fs::read_to_string(self.0.path().join("hub.log")).unwrap_or_default();
        text.matches("unfinished run is taken up").count()
    }

    /// The end of what all lives of the hub logged.
    pub(super) fn log(&self) -> String {
        let text = std::fs::read_to_string(self.0.path().join("hub.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Leaves the folders where they are, to look at.
    pub(super) fn keep(self) -> String {
        self.0.keep().display().to_string()
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}

/// Killed when dropped.
pub(super) struct Hub {
    process: Child,
    port: u16,
    log: String,
}

impl Hub {
    pub(super) fn start(place: &Place, fail_points: Option<&str>) -> Self {
        let log = place.0.path().join("hub.log");
        let stderr = OpenOptions::new().create(true).append(true).open(&log).expect("a log file");
        let (port, http) = (free_port(), free_port());
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.arg("serve").arg("--data-dir").arg(place.0.path().join("data"));
        command.arg("--pg").arg(format!("127.0.0.1:{port}")).arg("--http").arg(format!("127.0.0.1:{http}"));
        command
            .env("WEIR_ADMIN_PASSWORD", PASSWORD)
            .env_remove("FAILPOINTS")
            .env_remove("WEIR_CRASH_KILLS")
            .env_remove("WEIR_CRASH_SEED")
            .stdout(stderr.try_clone().expect("a log file"))
            .stderr(stderr);
        if let Some(points) = fail_points {
            command.env("FAILPOINTS", points);
        }
        Self { process: command.spawn().expect("the weir binary"), port, log: log.display().to_string() }
    }

    /// Whether it has ended by itself.
    pub(super) fn died(&mut self) -> bool {
        self.process.try_wait().expect("the state of the hub").is_some()
    }

    /// The code it ended with by itself.
    pub(super) async fn ended(mut self) -> Option<i32> {
        assert!(until(LIMIT, async || self.died()).await, "the hub did not end; see {}", self.log_text());
        self.process.wait().expect("an exit code").code()
    }

    pub(super) fn kill(mut self) {
        self.process.kill().expect("a hub to kill");
        self.process.wait().expect("a dead hub");
    }

    /// Waits until it answers.
    pub(super) async fn ready(&mut self) {
        let answers = until(LIMIT, async || self.died() || self.connect().await.is_ok()).await;
        assert!(answers && !self.died(), "the hub did not start; see {}", self.log_text());
    }

    pub(super) async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user("admin").password(PASSWORD).dbname("weir").connect_timeout(Duration::from_secs(5));
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    pub(super) async fn run(&self, script: &str) {
        self.try_run(script).await.unwrap_or_else(|error| panic!("{error:?}"));
    }

    pub(super) async fn try_run(&self, script: &str) -> Result<(), tokio_postgres::Error> {
        self.connect().await.expect("a connection").batch_execute(script).await
    }

    /// Sends a statement and waits for nothing.
    pub(super) async fn begin(&self, statement: &str) -> tokio::task::JoinHandle<()> {
        let (client, statement) = (self.connect().await.expect("a connection"), statement.to_owned());
        tokio::spawn(async move { drop(client.batch_execute(&statement).await) })
    }

    /// Ends it, if it has not ended by itself.
    pub(super) fn end(mut self) {
        let _ = self.process.kill();
        self.process.wait().expect("a dead hub");
    }

    /// Waits until a query answers with that value.
    pub(super) async fn until(&self, query: &str, value: &str) {
        assert!(until(LIMIT, async || self.value(query).await == value).await, "{query} was never {value}; see {}", self.log_text());
    }

    /// The only value of the only row.
    pub(super) async fn value(&self, query: &str) -> String {
        let rows = self.rows(query).await;
        rows.first().and_then(|row| row.get(0)).unwrap_or_default().to_owned()
    }

    async fn rows(&self, query: &str) -> Vec<SimpleQueryRow> {
        let client = self.connect().await.expect("a connection");
        let messages = client.simple_query(query).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        rows.collect()
    }

    /// Waits until each pipeline has read what its source was sent. One that reads too much or never enough is left to the checker.
    pub(super) async fn caught_up(&self, sent: &Sent) {
        let read =
            "SELECT pipeline, sum(rows_in) FILTER (WHERE status = 'succeeded'), count(*) FILTER (WHERE status IN ('queued', 'running'))
                    FROM hub.runs GROUP BY pipeline";
        until(LIMIT, async || {
            let rows = self.rows(read).await;
            PIPELINES.iter().all(|(pipeline, source, outputs)| {
                rows.iter().any(|row| {
                    let total: u64 = row.get(1).and_then(|total| total.parse().ok()).unwrap_or_default();
                    row.get(0) == Some(pipeline) && Some(total) >= sent.get(*source).map(|sent| sent * outputs) && row.get(2) == Some("0")
                })
            })
        })
        .await;
    }

    /// Puts the rows of hub.runs down for the checker.
    pub(super) async fn write_runs(&self, path: &Path) {
        let rows = self.rows("SELECT * FROM hub.runs").await;
        let value = |row: &SimpleQueryRow, column: &str| match row.get(column) {
            Some(text) if column.starts_with("rows_") => json!(text.parse::<i64>().expect("a count")),
            Some(text) => json!(text),
            None => Value::Null,
        };
        let runs: Vec<Value> = rows
            .iter()
            .map(|row| row.columns().iter().map(|column| (column.name().to_owned(), value(row, column.name()))).collect())
            .collect();
        std::fs::write(path, Value::from(runs).to_string()).expect("a file of runs");
    }

    /// Asks it to end, as a service manager does.
    pub(super) async fn stop(mut self) {
        let asked = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status().expect("a signal");
        assert!(asked.success(), "the hub was gone");
        assert!(until(LIMIT, async || self.died()).await, "the hub did not stop; see {}", self.log_text());
        let status = self.process.wait().expect("an exit code");
        assert!(status.success(), "the hub stopped with {status}; see {}", self.log_text());
    }

    fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}
