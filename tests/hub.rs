//! A real hub: the binary itself, on a data folder and ports of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

pub const PASSWORD: &str = "swordfish";

/// Longest wait for a hub to be ready: two cores are shared by many tests.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Waits for a state by looking again and again, as a client would.
pub async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let watch = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while !holds().await {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), watch).await.expect("it becomes true in time");
}

/// Stopped and removed when dropped.
pub struct Hub {
    process: Child,
    address: SocketAddr,
    folder: TempDir,
    settings: Vec<String>,
}

impl Hub {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With settings, each `key=value`.
    pub fn start_with(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("files")).expect("a folder for files");
        let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let (process, address) = serve(folder.path(), &settings);
        Self { process, address, folder, settings }
    }

    /// On a data folder that is put there first.
    pub fn start_on(put: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        put(folder.path());
        let (process, address) = serve(folder.path(), &[]);
        Self { process, address, folder, settings: Vec::new() }
    }

    /// Ends the hub as a power cut does, and starts it again on the same data.
    pub fn kill_and_start(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        (self.process, self.address) = serve(self.folder.path(), &self.settings);
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a test puts the files its sources read.
    pub fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Bytes of memory that the process has now.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("the status of the process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// What the process has computed so far, in hundredths of a second.
    pub fn computed(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("the state of the process");
        let (_, fields) = stat.rsplit_once(')').expect("its name");
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum()
    }

    /// Until it has computed that much more, in hundredths of a second.
    pub async fn has_computed(&self, more: u64) {
        let from = self.computed();
        until(async || self.computed() >= from + more).await;
    }

    /// Until it computes nothing any more: it waits for somebody.
    pub async fn rests(&self) {
        let (mut last, mut same) = (self.computed(), 0);
        until(async || {
            let now = self.computed();
            same = if now == last { same + 1 } else { 0 };
            last = now;
            same == 25
        })
        .await;
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// As another role.
    pub async fn connect_as(&self, role: &str, password: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        self.connect_with(role, password, "").await
    }

    /// The same, with options of the session.
    pub async fn connect_with(&self, role: &str, password: &str, options: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        Ok(self.connect_and_listen(role, password, options).await?.0)
    }

    pub async fn connect(&self) -> (tokio_postgres::Client, Notices) {
        self.connect_and_listen("admin", PASSWORD, "").await.expect("a connection")
    }

    pub async fn connect_and_listen(
        &self,
        role: &str,
        password: &str,
        options: &str,
    ) -> Result<(tokio_postgres::Client, Notices), tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config.host(self.address.ip().to_string()).port(self.address.port()).user(role).password(password).dbname("weir").options(options);
        let (client, mut connection) = config.connect(tokio_postgres::NoTls).await?;
        let notices = Notices::default();
        let sink = notices.clone();
        tokio::spawn(async move {
            while let Some(message) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                match message {
                    Ok(tokio_postgres::AsyncMessage::Notice(notice)) => sink.push(&notice),
                    Ok(tokio_postgres::AsyncMessage::Notification(sent)) => sink.heard(sent.channel(), sent.payload()),
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        Ok((client, notices))
    }
}

fn serve(folder: &Path, settings: &[String]) -> (Child, SocketAddr) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["serve", "--pg", "127.0.0.1:0", "--http", "127.0.0.1:0", "--set", "log.format=json"])
        .args(settings.iter().flat_map(|setting| ["--set", setting]))
        .arg("--data-dir")
        .arg(folder.join("data"))
        .env("WEIR_ADMIN_PASSWORD", PASSWORD)
        .env("WEIR_TEST_SECRET", "from the environment")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the weir binary");
    let stderr = process.stderr.take().expect("its log");
    let (ready, wait) = mpsc::channel();
    // Reads to the end, so that a full pipe never blocks the hub.
    std::thread::spawn(move || {
        let mut log = String::new();
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Some(address) = ready_at(&line) {
                let _ = ready.send(Ok(address));
            }
            log.push_str(&line);
            log.push('\n');
        }
        let _ = ready.send(Err(log));
    });
    let address = match wait.recv_timeout(START_LIMIT) {
        Ok(Ok(address)) => address,
        Ok(Err(log)) => panic!("the hub ended before it was ready:\n{log}"),
        Err(_) => panic!("the hub was not ready in time"),
    };
    (process, address)
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The notices and notifications of one connection since they were last taken.
#[derive(Clone, Default)]
pub struct Notices(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl Notices {
    fn push(&self, notice: &tokio_postgres::error::DbError) {
        let detail = notice.detail().map(|detail| format!("; {detail}")).unwrap_or_default();
        self.0.lock().expect("no panic before").push(format!("{}: {}{detail}", notice.severity(), notice.message()));
    }

    fn heard(&self, channel: &str, payload: &str) {
        self.0.lock().expect("no panic before").push(format!("{channel}: {payload}"));
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic before"))
    }
}

/// The address that the log line of a hub that is ready names.
fn ready_at(line: &str) -> Option<SocketAddr> {
    let entry: serde_json::Value = serde_json::from_str(line).ok()?;
    if entry["message"] != "ready" {
        return None;
    }
    entry["pg"].as_str()?.parse().ok()
}

/// The folder of the test's own fixed files.
pub fn test_data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}
