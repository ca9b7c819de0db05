//! A hub with its listeners: started as one thing, drained as one thing.
//!
//! Addresses are bound before the hub opens, so a taken port is told at once; nobody is answered before the hub is ready. The data folder's
//! lock is the catalog's.
//!
//! Sockets have threads of their own: however much is computed, a client is let in, told and stopped in time.

use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::admin::{self, FirstPassword};
use super::shipped;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::hub::Hub;
use crate::wire;

pub(super) struct Serving {
    hub: Arc<Hub>,
    pg_addr: SocketAddr,
    http_addr: SocketAddr,
    first_password: FirstPassword,
    drain_timeout: Duration,
    stop: CancellationToken,
    listeners: JoinSet<()>,
    _sockets: Sockets,
}

/// The threads of the sockets. They end without being waited for, as that is not possible among tasks.
struct Sockets(Option<Runtime>);

impl Sockets {
    fn start(workers: usize) -> Result<Self> {
        Ok(Self(Some(super::serve::threads(workers.max(LEAST_SOCKET_THREADS), "weir-sockets")?)))
    }

    fn handle(&self) -> Result<&Handle> {
        self.0.as_ref().map(Runtime::handle).ok_or_else(|| Error::internal("the threads of the sockets have ended"))
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

const LEAST_SOCKET_THREADS: usize = 2;

impl Serving {
    /// # Errors
    /// `Io` when the folder cannot be used or an address is taken; what `Hub::open` says.
    pub(super) async fn start(config: Config, clock: Clock) -> Result<Self> {
        prepare_folder(&config.data_dir)?;
        let sockets = Sockets::start(config.workers)?;
        // A socket belongs to the threads that opened it.
        let (pg_addr, http_addr) = (config.pg_addr, config.http_addr);
        let bound = sockets.handle()?.spawn(async move {
            let pg = bind(pg_addr, "pg.listen").await?;
            Ok::<_, Error>((pg, bind(http_addr, "http.listen").await?))
        });
        let (pg, http) = bound.await.map_err(|e| Error::internal("the listeners could not be opened").caused_by(e))??;
        let (pg_addr, http_addr) = (local(&pg)?, local(&http)?);
        let tls = config.tls.as_ref().map(wire::load_tls).transpose()?;
        let drain_timeout = config.drain_timeout;
        let (data_dir, wanted) = (config.data_dir.clone(), config.admin_password.clone());

        let hub = Hub::open(config, clock).await?;
        let first_password = admin::ensure(hub.store().as_ref(), &data_dir, wanted.as_ref())?;
        // A hub without them is a hub nevertheless: the next start tries again.
        if let Err(error) = shipped::ensure(&hub).await {
            tracing::warn!(error = %error.chain(), "the templates that come with the hub are missing");
        }
        let stop = CancellationToken::new();
        let mut listeners = JoinSet::new();
        listeners.spawn_on(wire::serve_postgres(Arc::clone(&hub), pg, tls, stop.clone()), sockets.handle()?);
        listeners.spawn_on(wire::serve_http(Arc::clone(&hub), http, stop.clone()), sockets.handle()?);
        Ok(Self { hub, pg_addr, http_addr, first_password, drain_timeout, stop, listeners, _sockets: sockets })
    }

    /// Takes no new work, lets what runs end or stop at a safe point, and closes the hub. Waits no longer than `drain_timeout`.
    pub(super) async fn drain(mut self) {
        self.stop.cancel();
        let listeners = async { while self.listeners.join_next().await.is_some() {} };
        if tokio::time::timeout(self.drain_timeout, listeners).await.is_err() {
            tracing::warn!(timeout_ms = self.drain_timeout.as_millis(), "clients were still busy; their statements are stopped");
        }
        self.listeners.shutdown().await;
        if tokio::time::timeout(self.drain_timeout, self.hub.close()).await.is_err() {
            tracing::warn!("runs were still busy; they are taken up at the next start");
        }
    }

    pub(super) fn pg_addr(&self) -> SocketAddr {
        self.pg_addr
    }

    pub(super) fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    pub(super) fn first_password(&self) -> &FirstPassword {
        &self.first_password
    }

    /// The line to type.
    pub(super) fn psql(&self) -> String {
        let host = match self.pg_addr.ip() {
            ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
            ip => ip.to_string(),
        };
        format!("psql \"host={host} port={} user=admin dbname=weir\"", self.pg_addr.port())
    }
}

async fn bind(address: SocketAddr, key: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|e| {
        let reason = match e.kind() {
            std::io::ErrorKind::AddrInUse => "another program listens there",
            std::io::ErrorKind::PermissionDenied => "ports below 1024 need a right of their own",
            std::io::ErrorKind::AddrNotAvailable => "this machine has no such address",
            _ => "the system refuses",
        };
        Error::new(Code::Io, format!("cannot listen on {address}: {reason}"))
            .hint(format!("Choose another address with {key}."))
            .caused_by(e)
    })
}

fn local(listener: &TcpListener) -> Result<SocketAddr> {
    listener.local_addr().map_err(|e| Error::new(Code::Io, "a listener has no address").caused_by(e))
}

/// Makes the folder for its owner only, or checks that it can be used.
fn prepare_folder(folder: &Path) -> Result<()> {
    let shown = folder.display();
    let refuse = |what: &str, e: std::io::Error| Error::new(Code::Io, format!("cannot {what} the data folder {shown}")).caused_by(e);
    match fs::metadata(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| refuse("make", e));
        }
        Err(e) => return Err(refuse("use", e)),
        Ok(found) if !found.is_dir() => return Err(Error::new(Code::Io, format!("the data folder {shown} is not a folder"))),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            tracing::warn!(folder = %shown, "others may look into the data folder; chmod 700 keeps them out");
        }
        Ok(_) => {}
    }
    fs::read_dir(folder).map_err(|e| refuse("read", e))?;
    tempfile_in(folder).map_err(|e| refuse("write into", e))
}

/// Proves that files can be made here, before anything depends on it.
fn tempfile_in(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    fs::write(&probe, b"")?;
    fs::remove_file(&probe)
}
