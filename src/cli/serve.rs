//! `weir serve`: configuration, hub, listeners, signals, drain.
//!
//! The first SIGTERM or SIGINT drains and ends with exit code 0; the second ends at once.

use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::admin::FirstPassword;
use super::args::{ServeArgs, print};
use super::descriptors;
use super::serving::Serving;
use crate::clock::Clock;
use crate::config::{self, Config, KEYS};
use crate::error::{Code, Error, Result};
use crate::observe;

/// Planning walks trees as deep as the language allows, a thousand operators in a row, with large frames. Memory is only taken as far as
/// it is used.
const STACK_BYTES: usize = 128 << 20;

pub(super) fn serve(args: ServeArgs) -> Result<ExitCode> {
    if args.wants_settings() {
        print(&settings_text())?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::load(&args.layers(config::environment())?)?;
    observe::init(&config)?;
    descriptors::raise_limit(config.max_connections);
    let runtime = runtime(config.workers)?;
    let done = runtime.block_on(run(config));
    // Whatever still computes has been told to stop; nobody waits for it.
    runtime.shutdown_timeout(Duration::from_millis(200));
    done
}

/// The threads of one hub.
pub(super) fn runtime(workers: usize) -> Result<Runtime> {
    threads(workers, "weir")
}

pub(super) fn threads(workers: usize, name: &str) -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_stack_size(STACK_BYTES)
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(|e| Error::new(Code::Io, "cannot start working threads").caused_by(e))
}

async fn run(config: Config) -> Result<ExitCode> {
    let mut stop = Stop::new()?;
    let serving = tokio::select! {
        serving = Serving::start(config, Clock::real()) => serving?,
        () = stop.asked() => return Ok(ExitCode::SUCCESS),
    };
    announce(&serving);
    stop.asked().await;
    tracing::info!("stopping: no new work; press Ctrl-C again to stop at once");
    tokio::select! {
        () = serving.drain() => {
            tracing::info!("stopped");
            Ok(ExitCode::SUCCESS)
        }
        () = stop.asked() => {
            tracing::warn!("stopped at once; unfinished runs are taken up at the next start");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn announce(serving: &Serving) {
    if let FirstPassword::Generated { password, file } = serving.first_password() {
        // Straight to the terminal, not to the log: logs are kept and shipped.
        let text = format!("password of role admin: {}   (kept in {})\n", password.reveal(), file.display());
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    }
    let pg = serving.pg_addr();
    tracing::info!(pg = %pg, http = %serving.http_addr(), connect = serving.psql(), "ready");
}

fn settings_text() -> String {
    let mut text = String::from("Settings of weir serve: key of the file, environment variable, default, meaning\n\n");
    for key in KEYS {
        let variable = format!("WEIR_{}", key.name.replace('.', "_").to_ascii_uppercase());
        text.push_str(&format!("{:<20} {:<26} {:<16} {}\n", key.name, variable, key.default.unwrap_or("-"), key.doc));
    }
    text
}

/// SIGTERM and SIGINT, as one thing that can be asked for.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(super) fn new() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(|e| Error::new(Code::Io, "cannot listen for signals").caused_by(e));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
