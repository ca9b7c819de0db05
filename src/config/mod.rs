//! What the hub is told from outside: defaults < file < environment < flags.
//!
//! Every key is one line of `keys::KEYS`; a key nobody knows is refused with its nearest neighbour. Nothing else in the hub reads the
//! environment.

mod keys;
mod load;
#[cfg(test)]
mod tests;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

pub use keys::KEYS;
pub use load::{Layers, environment, variable};
pub use value::Password;

/// Everything `weir serve` can be told. Passed by value; nobody keeps a global copy.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the hub keeps its catalog, buffers and, unless told otherwise, its lake.
    pub data_dir: PathBuf,
    pub pg_addr: SocketAddr,
    pub http_addr: SocketAddr,
    /// None: the wire speaks plain text only.
    pub tls: Option<Tls>,
    pub max_connections: usize,
    /// How many of them only superusers get.
    pub reserved_connections: usize,
    /// Root of the lake: a folder or a URL.
    pub lake: String,
    pub log: LogFormat,
    /// A filter as `tracing-subscriber` reads it: `info`, `warn,weir=debug`.
    pub log_level: String,
    /// What queries and runs may hold in memory together, in bytes. Beyond it they spill to disk.
    pub memory_limit: u64,
    /// What one of them may hold, in bytes.
    pub query_memory_limit: u64,
    /// Threads that do work.
    pub workers: usize,
    /// How long events are kept.
    pub keep_events: Duration,
    /// How long a stop waits for statements and runs.
    pub drain_timeout: Duration,
    pub maintenance: Maintenance,
    /// Password of `admin` at the first start; None: one is generated.
    pub admin_password: Option<Password>,
    /// Key of the stored secrets, kept outside the data folder; None: `secret.key` inside it.
    pub secret_key_file: Option<PathBuf>,
    /// Where events about runs are appended, a line each.
    pub openlineage_file: Option<PathBuf>,
    /// Where they are posted.
    pub openlineage_url: Option<Url>,
}

/// What the hub does for its tables by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maintenance {
    /// Small files are put together.
    pub compaction: bool,
    /// Files and commits behind the retention are removed.
    pub cleanup: bool,
}

/// A certificate for the PostgreSQL wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM, the server's certificate first.
    pub cert: PathBuf,
    /// PEM.
    pub key: PathBuf,
    /// PEM: who may sign the certificates that clients must show. None: clients need none.
    pub client_ca: Option<PathBuf>,
    pub mode: TlsMode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// A client that does not ask for TLS is turned away.
    Require,
    /// The client chooses.
    Prefer,
    /// Plain text only, whatever certificate is named.
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Human,
    Json,
}
