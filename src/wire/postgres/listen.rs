//! Accepts sockets, opens sessions, carries cancel requests to them, and lets them go when the hub stops.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::startup::{Authentication, BackendKeyData, ParameterStatus, SecretKey};
use rand::Rng;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::backend::{Backend, Door};
use super::connection::Connection;
use super::error::{Fault, fatal_message};
use super::handler::Handler;
use super::starting::{Place, Starting};
use super::startup::{self, Hello, Opening, Proven};
use super::tls::Tls;

const AUTHENTICATION_TIME: Duration = Duration::from_secs(10);
/// What a client has to take its last message.
const FAREWELL_TIME: Duration = Duration::from_secs(2);
/// After an accept that failed, as it does when the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A client whose machine is gone without a word is noticed two minutes after its last one.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 6;

/// Bounds of a listener.
#[derive(Debug, Clone)]
pub struct Limits {
    pub max_connections: usize,
    /// How many of them only superusers get, so that one of them can always come and look.
    pub reserved: usize,
    /// What running statements get to end once the hub stops.
    pub drain_time: Duration,
}

struct Server {
    door: Arc<dyn Door>,
    tls: Option<Tls>,
    slots: Slots,
    starting: Starting,
    running: Mutex<HashMap<i32, Running>>,
    shutdown: CancellationToken,
}

/// How a cancel request finds a session.
struct Running {
    secret: i32,
    backend: Arc<dyn Backend>,
}

/// Serves until `shutdown`; returns when every socket is closed.
pub async fn serve(door: Arc<dyn Door>, listener: TcpListener, tls: Option<Tls>, limits: Limits, shutdown: CancellationToken) {
    let slots = Slots { free: AtomicUsize::new(limits.max_connections), reserved: limits.reserved };
    let starting = Starting::default();
    let server = Arc::new(Server { door, tls, slots, starting, running: Mutex::default(), shutdown: shutdown.clone() });
    let mut sockets = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(_) = sockets.join_next(), if !sockets.is_empty() => continue,
            accepted = accept(&listener) => accepted,
        };
        if let Some(socket) = accepted {
            let place = server.starting.enter();
            sockets.spawn(Arc::clone(&server).socket(socket, place));
        }
    }
    drop(listener);
    let drained = async { while sockets.join_next().await.is_some() {} };
    if timeout(limits.drain_time, drained).await.is_err() {
        tracing::warn!(open = sockets.len(), "statements still run at the end of the drain time: cancelling them");
        server.running.lock().values().for_each(|running| running.backend.cancel());
        let drained = async { while sockets.join_next().await.is_some() {} };
        if timeout(FAREWELL_TIME, drained).await.is_err() {
            sockets.shutdown().await;
        }
    }
}

async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((socket, _)) => Some(socket),
        Err(error) => {
            tracing::warn!(%error, "could not accept a connection");
            crate::clock::Clock::real().sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

impl Server {
    async fn socket(self: Arc<Self>, socket: TcpStream, place: Place) {
        let peer = socket.peer_addr().ok();
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_RETRIES);
        if let Err(error) = socket.set_nodelay(true).and_then(|()| SockRef::from(&socket).set_tcp_keepalive(&keepalive)) {
            tracing::debug!(%error, "could not set the options of a socket");
        }
        // A panic of one connection must not be the end of the others.
        if AssertUnwindSafe(self.serve_socket(Connection::new(socket), place, peer)).catch_unwind().await.is_err() {
            tracing::error!(?peer, "a connection ended by a panic");
        }
    }

    async fn serve_socket(&self, connection: Connection, place: Place, peer: Option<SocketAddr>) {
        let start = timeout(AUTHENTICATION_TIME, self.start(connection, &place, peer));
        let started = tokio::select! {
            started = start => started,
            () = place.given_away() => return,
            () = self.shutdown.cancelled() => return,
        };
        drop(place);
        let (mut connection, fault) = match started {
            // It had its time to say who it is. There may be nobody who listens.
            Err(_) => return,
            Ok(Ok(None)) => return,
            Ok(Ok(Some((connection, hello, proven)))) => self.session(connection, hello, proven, peer).await,
            Ok(Err((None, _))) => return,
            Ok(Err((Some(connection), fault))) => (connection, fault),
        };
        let farewell = async {
            if let Fault::Fatal(fatal) = &fault {
                connection.put(&fatal_message(fatal))?;
                connection.flush().await?;
            }
            connection.close().await
        };
        if !matches!(timeout(FAREWELL_TIME, farewell).await, Ok(Ok(()))) {
            tracing::debug!("a client did not take its last message");
        }
    }

    /// Returns a connection whose role is proven, or nothing after a cancel request.
    async fn start(
        &self,
        connection: Connection,
        place: &Place,
        peer: Option<SocketAddr>,
    ) -> Result<Option<(Connection, Hello, Proven)>, (Option<Connection>, Fault)> {
        let (mut connection, hello) = match startup::open(connection, self.tls.as_ref()).await? {
            Opening::Session { connection, hello } => (connection, hello),
            Opening::Cancel { process, secret } => {
                self.cancel(process, secret);
                return Ok(None);
            }
        };
        place.has_spoken();
        match startup::authenticate(&mut connection, self.door.as_ref(), &hello.role, peer).await {
            Ok(proven) => Ok(Some((connection, hello, proven))),
            Err(fault) => Err((Some(connection), fault)),
        }
    }

    fn cancel(&self, process: i32, secret: i32) {
        let backend = self.running.lock().get(&process).filter(|running| running.secret == secret).map(|found| Arc::clone(&found.backend));
        match backend {
            Some(backend) => backend.cancel(),
            None => tracing::debug!(process, "a cancel request matches no session"),
        }
    }

    async fn session(&self, mut connection: Connection, hello: Hello, proven: Proven, peer: Option<SocketAddr>) -> (Connection, Fault) {
        let _slot = match self.slots.take(proven) {
            Ok(slot) => slot,
            Err(fault) => return (connection, fault),
        };
        let backend = match self.door.open(&hello.role, &hello.database, &hello.settings, peer) {
            Ok(backend) => backend,
            Err(error) => {
                self.door.refused(&hello.role, peer, error.code().sqlstate());
                return (connection, error.into());
            }
        };
        let entry = Entry::new(&self.running, Arc::clone(&backend));
        if let Err(fault) = welcome(&mut connection, backend.as_ref(), &entry) {
            return (connection, fault);
        }
        let mut handler = Handler::new(connection, backend, self.shutdown.clone());
        let fault = handler.run().await;
        let (connection, backend) = handler.into_parts();
        backend.close().await;
        (connection, fault)
    }
}

fn welcome(connection: &mut Connection, backend: &dyn Backend, entry: &Entry<'_>) -> Result<(), Fault> {
    connection.put(&PgWireBackendMessage::Authentication(Authentication::Ok))?;
    for (name, value) in backend.parameters() {
        connection.put(&PgWireBackendMessage::ParameterStatus(ParameterStatus::new(name, value)))?;
    }
    connection.put(&PgWireBackendMessage::BackendKeyData(BackendKeyData::new(entry.process, SecretKey::I32(entry.secret))))
}

/// The connections that may still be opened.
struct Slots {
    free: AtomicUsize,
    reserved: usize,
}

impl Slots {
    fn take(&self, proven: Proven) -> Result<Slot<'_>, Fault> {
        let left_to_others = if proven.is_superuser { 0 } else { self.reserved };
        let taken = self
            .free
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| if free > left_to_others { free.checked_sub(1) } else { None });
        match taken {
            Ok(_) => Ok(Slot(&self.free)),
            Err(0) => Err(Fault::fatal("53300", "sorry, too many clients already")),
            Err(_) => Err(Fault::fatal("53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute")),
        }
    }
}

/// One of the connections, given back when dropped.
struct Slot<'a>(&'a AtomicUsize);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// A session's place among those that can be cancelled, given up when dropped.
struct Entry<'a> {
    running: &'a Mutex<HashMap<i32, Running>>,
    process: i32,
    secret: i32,
}

impl<'a> Entry<'a> {
    fn new(running: &'a Mutex<HashMap<i32, Running>>, backend: Arc<dyn Backend>) -> Self {
        let mut sessions = running.lock();
        let secret = rand::rng().random();
        let process = backend.process().unwrap_or_else(|| {
            loop {
                let process = rand::rng().random_range(1..i32::MAX);
                if !sessions.contains_key(&process) {
                    break process;
                }
            }
        });
        sessions.insert(process, Running { secret, backend });
        Self { running, process, secret }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.running.lock().remove(&self.process);
    }
}
