//! Sends what runs do to others, as OpenLineage events: into a file, a line each, and to an address over HTTP.
//!
//! A run only says that it has come to a state; everything else happens here, behind a queue that is never waited for. When the queue is full, or an
//! address does not answer, events are left out and the log says how many: `hub.openlineage` has all of them. Not here: what an event says.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;
use uuid::Uuid;
use weir_catalog::RunFilter;

use crate::clock::Clock;
use crate::engine::{Engine, RunEvent, Teller, catalog_error};
use crate::error::{Code, Error, Result};

/// Where events go.
#[derive(Debug, Clone, Default)]
pub struct ExportTo {
    pub file: Option<PathBuf>,
    /// `http://host[:port]/path`.
    pub url: Option<Url>,
}

/// States that wait to be told.
const WAITING: usize = 10_000;
/// Times an address is tried for one event, and how long one try may take.
const TRIES: u32 = 5;
const TRY_LIMIT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Takes in the states of runs.
#[derive(Default)]
pub(super) struct Exporter {
    queues: Vec<mpsc::Sender<(Uuid, bool)>>,
    left_out: Arc<AtomicU64>,
}

enum Target {
    File(PathBuf),
    Http(Url),
}

impl Exporter {
    /// A task for each place that events go to; they end with `closing`.
    pub(super) fn start(to: &ExportTo, engine: &Arc<Engine>, clock: &Clock, tasks: &TaskTracker, closing: &CancellationToken) -> Self {
        let targets = to.file.clone().map(Target::File).into_iter().chain(to.url.clone().map(Target::Http));
        let mut exporter = Self::default();
        for target in targets {
            let (sender, receiver) = mpsc::channel(WAITING);
            exporter.queues.push(sender);
            let worker = Worker { engine: Arc::clone(engine), clock: clock.clone(), target, closing: closing.clone() };
            tasks.spawn(worker.run(receiver));
        }
        exporter
    }

    /// Says that a run has begun, or is over. Never waits.
    pub(super) fn tell(&self, run_id: Uuid, is_over: bool) {
        for queue in &self.queues {
            if queue.try_send((run_id, is_over)).is_err() {
                let count = self.left_out.fetch_add(1, Ordering::Relaxed) + 1;
                if count.is_power_of_two() {
                    tracing::warn!(count, "lineage events are left out: they come faster than they can be sent");
                }
            }
        }
    }
}

struct Worker {
    engine: Arc<Engine>,
    clock: Clock,
    target: Target,
    closing: CancellationToken,
}

impl Worker {
    async fn run(self, mut receiver: mpsc::Receiver<(Uuid, bool)>) {
        loop {
            let next = tokio::select! {
                biased;
                next = receiver.recv() => next,
                () = self.closing.cancelled() => return,
            };
            let Some((run_id, is_over)) = next else { return };
            match self.event(run_id, is_over) {
                Ok(Some(event)) => self.send(&event).await,
                Ok(None) => {}
                Err(error) => tracing::warn!(run = %run_id, error = %error.chain(), "a lineage event could not be made"),
            }
        }
    }

    /// The first event of the run, or its last.
    fn event(&self, run_id: Uuid, is_over: bool) -> Result<Option<RunEvent>> {
        let store = self.engine.store();
        let filter = RunFilter { run_id: Some(run_id), ..RunFilter::default() };
        let Some(run) = store.runs(&filter).map_err(catalog_error)?.into_iter().next() else { return Ok(None) };
        let events = Teller::new(store.as_ref())?.events(&run)?;
        Ok(if is_over { events.into_iter().next_back() } else { events.into_iter().next() })
    }

    async fn send(&self, event: &RunEvent) {
        let text = event.json.to_string();
        match &self.target {
            Target::File(path) => {
                if let Err(error) = append(path, &text) {
                    tracing::warn!(file = %path.display(), %error, "a lineage event could not be written");
                }
            }
            Target::Http(url) => self.post(url, &text).await,
        }
    }

    /// Tries a few times, then lets the event go.
    async fn post(&self, url: &Url, body: &str) {
        let mut pause = FIRST_PAUSE;
        for left in (0..TRIES).rev() {
            let outcome = tokio::time::timeout(TRY_LIMIT, post(url, body)).await;
            let error = match outcome {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(_) => Error::new(Code::SourceUnavailable, "no answer in time"),
            };
            if left == 0 {
                tracing::warn!(address = %url.host_str().unwrap_or_default(), error = %error.chain(), "a lineage event could not be sent");
                return;
            }
            tokio::select! {
                () = self.clock.sleep(pause) => {}
                () = self.closing.cancelled() => return,
            }
            pause = pause.saturating_mul(2);
        }
    }
}

fn append(path: &PathBuf, line: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    // One write, so that lines of several processes do not mix.
    file.write_all(format!("{line}\n").as_bytes())
}

/// One POST over plain HTTP/1.1.
async fn post(url: &Url, body: &str) -> Result<()> {
    let unreachable = |error: std::io::Error| Error::new(Code::SourceUnavailable, "the address cannot be reached").caused_by(error);
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(80);
    let mut socket = TcpStream::connect((host.trim_matches(['[', ']']), port)).await.map_err(unreachable)?;
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.map_err(unreachable)?;
    socket.write_all(body.as_bytes()).await.map_err(unreachable)?;
    let mut answer = [0; 64];
    let mut known = 0;
    // The first line says it all: `HTTP/1.1 201 Created`.
    while known < 12 {
        let rest = answer.get_mut(known..).unwrap_or_default();
        match socket.read(rest).await.map_err(unreachable)? {
            0 => break,
            more => known += more,
        }
    }
    let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse::<u16>().ok());
    match status {
        Some(200..=299) => Ok(()),
        Some(status) => Err(Error::new(Code::SourceRefused, format!("the address answers {status}"))),
        None => Err(Error::new(Code::SourceUnavailable, "the address does not speak HTTP")),
    }
}
