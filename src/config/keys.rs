//! Every key of the configuration, in the order help prints them.

use std::path::PathBuf;

use url::Url;

use super::value::{address, count, duration, number, size_bytes};
use super::{LogFormat, Password, TlsMode};

/// One key: its name in the file, what it means, and how its text is taken in.
pub struct Key {
    /// As written in the file: `pg.listen` is key `listen` of table `[pg]`.
    pub name: &'static str,
    /// None: it stays unset.
    pub default: Option<&'static str>,
    pub doc: &'static str,
    pub(super) set: fn(&mut Partial, &str) -> Result<(), String>,
}

/// What is set so far; the later layer wins.
#[derive(Default)]
pub(super) struct Partial {
    pub data_dir: Option<PathBuf>,
    pub pg_addr: Option<std::net::SocketAddr>,
    pub http_addr: Option<std::net::SocketAddr>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub tls_client_ca: Option<PathBuf>,
    pub tls_mode: Option<TlsMode>,
    pub max_connections: Option<usize>,
    pub reserved_connections: Option<usize>,
    pub lake: Option<String>,
    pub log: Option<LogFormat>,
    pub log_level: Option<String>,
    pub memory_limit: Option<u64>,
    pub query_memory_limit: Option<u64>,
    pub workers: Option<usize>,
    pub keep_events: Option<std::time::Duration>,
    pub drain_timeout: Option<std::time::Duration>,
    pub compaction: Option<bool>,
    pub cleanup: Option<bool>,
    pub admin_password: Option<Password>,
    pub secret_key_file: Option<PathBuf>,
    pub openlineage_file: Option<PathBuf>,
    pub openlineage_url: Option<Url>,
}

pub static KEYS: &[Key] = &[
    Key { name: "data_dir", default: None, doc: "Folder of the hub's state", set: |p, t| path(&mut p.data_dir, t) },
    Key {
        name: "pg.listen",
        default: Some("127.0.0.1:7432"),
        doc: "Address of the PostgreSQL wire",
        set: |p, t| put(&mut p.pg_addr, address(t)),
    },
    Key {
        name: "pg.tls_cert",
        default: None,
        doc: "PEM file of the server's certificate; with it TLS is on",
        set: |p, t| path(&mut p.tls_cert, t),
    },
    Key { name: "pg.tls_key", default: None, doc: "PEM file of the certificate's key", set: |p, t| path(&mut p.tls_key, t) },
    Key {
        name: "pg.tls_client_ca",
        default: None,
        doc: "PEM file of the authorities that sign clients' certificates; with it a client must show one, besides its password",
        set: |p, t| path(&mut p.tls_client_ca, t),
    },
    Key {
        name: "pg.tls_mode",
        default: Some("require"),
        doc: "require: TLS or nothing; prefer: the client chooses; off: plain text only",
        set: |p, t| put(&mut p.tls_mode, choice(t, &[("require", TlsMode::Require), ("prefer", TlsMode::Prefer), ("off", TlsMode::Off)])),
    },
    Key {
        name: "pg.max_connections",
        default: Some("100"),
        doc: "Clients at the same time",
        set: |p, t| put(&mut p.max_connections, count(t)),
    },
    Key {
        name: "pg.reserved_connections",
        default: None,
        doc: "How many of them only superusers get; 3 when unset",
        set: |p, t| put(&mut p.reserved_connections, number(t)),
    },
    Key {
        name: "http.listen",
        default: Some("127.0.0.1:7480"),
        doc: "Address of the HTTP interface",
        set: |p, t| put(&mut p.http_addr, address(t)),
    },
    Key {
        name: "lake",
        default: None,
        doc: "Root of the lake; the folder lake inside data_dir when unset",
        set: |p, t| put(&mut p.lake, filled(t).map(str::to_owned)),
    },
    Key {
        name: "log.format",
        default: Some("human"),
        doc: "human or json",
        set: |p, t| put(&mut p.log, choice(t, &[("human", LogFormat::Human), ("json", LogFormat::Json)])),
    },
    Key {
        name: "log.level",
        default: Some("info"),
        doc: "error, warn, info, debug, trace, or a filter such as warn,weir=debug",
        set: |p, t| put(&mut p.log_level, filled(t).map(str::to_owned)),
    },
    Key {
        name: "memory_limit",
        default: Some("1GiB"),
        doc: "Memory of queries and runs together; beyond it they spill",
        set: |p, t| put(&mut p.memory_limit, size_bytes(t)),
    },
    Key {
        name: "query_memory_limit",
        default: None,
        doc: "Memory of one query or run of it; half of memory_limit when unset",
        set: |p, t| put(&mut p.query_memory_limit, size_bytes(t)),
    },
    Key { name: "workers", default: None, doc: "Working threads; one per core when unset", set: |p, t| put(&mut p.workers, count(t)) },
    Key {
        name: "events.keep",
        default: Some("7d"),
        doc: "How long hub.events remembers; what a trigger has still to see stays longer",
        set: |p, t| put(&mut p.keep_events, duration(t)),
    },
    Key {
        name: "drain_timeout",
        default: Some("30s"),
        doc: "How long a stop waits for statements and runs",
        set: |p, t| put(&mut p.drain_timeout, duration(t)),
    },
    Key {
        name: "maintenance.compaction",
        default: Some("on"),
        doc: "on or off: small files of tables that runs fill are put together",
        set: |p, t| put(&mut p.compaction, choice(t, &[("on", true), ("off", false)])),
    },
    Key {
        name: "maintenance.cleanup",
        default: Some("on"),
        doc: "on or off: files and commits older than a table's retention are removed",
        set: |p, t| put(&mut p.cleanup, choice(t, &[("on", true), ("off", false)])),
    },
    Key {
        name: "admin_password",
        default: None,
        doc: "Password of the role admin at the first start; generated when unset",
        set: |p, t| put(&mut p.admin_password, filled(t).map(Password::new)),
    },
    Key {
        name: "secret_key_file",
        default: None,
        doc: "Key of stored secrets; secret.key inside data_dir when unset",
        set: |p, t| path(&mut p.secret_key_file, t),
    },
    Key {
        name: "openlineage.file",
        default: None,
        doc: "File to which an OpenLineage event is added when a run begins and when it ends, a line each",
        set: |p, t| path(&mut p.openlineage_file, t),
    },
    Key {
        name: "openlineage.url",
        default: None,
        doc: "Address to which the same events are posted: http://host:port/path. No run waits for it; what it misses is in hub.openlineage",
        set: |p, t| put(&mut p.openlineage_url, http_url(t)),
    },
];

fn put<T>(place: &mut Option<T>, value: Result<T, String>) -> Result<(), String> {
    *place = Some(value?);
    Ok(())
}

fn path(place: &mut Option<PathBuf>, text: &str) -> Result<(), String> {
    put(place, filled(text).map(PathBuf::from))
}

fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match (url.scheme(), url.host_str(), url.username(), url.password()) {
        ("http", Some(_), "", None) => Ok(url),
        _ => Err("it must be http://host[:port]/path, without a user".to_owned()),
    }
}

fn filled(text: &str) -> Result<&str, String> {
    if text.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(text) }
}

fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    match choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        Some((_, value)) => Ok(*value),
        None => {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            Err(format!("{text:?} is not one of {}", names.join(", ")))
        }
    }
}
