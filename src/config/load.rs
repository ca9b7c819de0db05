//! The layers, lowest first: defaults, the file, the environment, the flags.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};
use weir_sql::nearest;

use super::keys::{KEYS, Key, Partial};
use super::{Config, Maintenance, Tls, TlsMode};
use crate::error::{Code, Error, Result};

/// What was given beside the defaults.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    pub file: Option<PathBuf>,
    /// Name and value; names without the prefix `WEIR_` are left alone.
    pub environment: Vec<(String, String)>,
    /// Key and value.
    pub flags: Vec<(String, String)>,
}

const PREFIX: &str = "WEIR_";

/// As PostgreSQL reserves by default.
const RESERVED_CONNECTIONS: usize = 3;

/// Names that start with the prefix and are not ours to judge: switches of tests, demo and benches, and what a container platform
/// puts into the environment of everybody who runs beside a service called "weir".
const OTHERS: &[&str] = &["WEIR_TEST_", "WEIR_DEMO_", "WEIR_BENCH_", "WEIR_SERVICE_", "WEIR_PORT"];

/// The process's environment. A variable that is not text is left out.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// One variable of the process's environment, for secrets that are declared to live there.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Config {
    /// Puts the layers together.
    ///
    /// # Errors
    /// `InvalidParameter` for an unknown key or a value that is none, with where it stands; `Io` when the file cannot be read.
    pub fn load(layers: &Layers) -> Result<Self> {
        let mut partial = Partial::default();
        for key in KEYS {
            if let Some(text) = key.default {
                set(&mut partial, key, text, "the defaults")?;
            }
        }
        if let Some(file) = &layers.file {
            read_file(&mut partial, file)?;
        }
        for (name, value) in &layers.environment {
            read_variable(&mut partial, name, value)?;
        }
        for (name, value) in &layers.flags {
            let key = key_of(name).ok_or_else(|| unknown(name, "the command line"))?;
            set(&mut partial, key, value, "the command line")?;
        }
        finish(partial)
    }
}

fn finish(partial: Partial) -> Result<Config> {
    let data_dir = partial.data_dir.ok_or_else(|| {
        Error::new(Code::InvalidParameter, "no data folder is given")
            .hint("Say --data-dir DIR, set WEIR_DATA_DIR, or write data_dir into the file.".to_owned())
    })?;
    let lake = match partial.lake {
        Some(lake) => lake,
        None => data_dir.join("lake").to_string_lossy().into_owned(),
    };
    let mode = partial.tls_mode.unwrap_or(TlsMode::Require);
    let client_ca = partial.tls_client_ca;
    if client_ca.is_some() && (mode != TlsMode::Require || partial.tls_cert.is_none()) {
        return Err(Error::new(Code::InvalidParameter, "pg.tls_client_ca needs TLS on every connection")
            .hint("Set pg.tls_cert and pg.tls_key, and leave pg.tls_mode at require.".to_owned()));
    }
    let tls = match (partial.tls_cert, partial.tls_key) {
        (Some(_), Some(_)) if mode == TlsMode::Off => None,
        (None, None) => None,
        (Some(cert), Some(key)) => Some(Tls { cert, key, client_ca, mode }),
        (Some(_), None) => return Err(Error::new(Code::InvalidParameter, "pg.tls_cert is set but pg.tls_key is not")),
        (None, Some(_)) => return Err(Error::new(Code::InvalidParameter, "pg.tls_key is set but pg.tls_cert is not")),
    };
    let max_connections = needed(partial.max_connections, "pg.max_connections")?;
    let reserved_connections = partial.reserved_connections.unwrap_or(RESERVED_CONNECTIONS.min(max_connections.saturating_sub(1)));
    if reserved_connections >= max_connections {
        return Err(Error::new(Code::InvalidParameter, "pg.reserved_connections must be less than pg.max_connections"));
    }
    let memory_limit = needed(partial.memory_limit, "memory_limit")?;
    let query_memory_limit = partial.query_memory_limit.unwrap_or(memory_limit / 2);
    if query_memory_limit > memory_limit {
        return Err(Error::new(Code::InvalidParameter, "query_memory_limit must not be more than memory_limit"));
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Config {
        data_dir,
        pg_addr: needed(partial.pg_addr, "pg.listen")?,
        http_addr: needed(partial.http_addr, "http.listen")?,
        tls,
        max_connections,
        reserved_connections,
        lake,
        log: needed(partial.log, "log.format")?,
        log_level: needed(partial.log_level, "log.level")?,
        memory_limit,
        query_memory_limit,
        workers: partial.workers.unwrap_or(cores),
        keep_events: needed(partial.keep_events, "events.keep")?,
        drain_timeout: needed(partial.drain_timeout, "drain_timeout")?,
        maintenance: Maintenance {
            compaction: needed(partial.compaction, "maintenance.compaction")?,
            cleanup: needed(partial.cleanup, "maintenance.cleanup")?,
        },
        admin_password: partial.admin_password,
        secret_key_file: partial.secret_key_file,
        openlineage_file: partial.openlineage_file,
        openlineage_url: partial.openlineage_url,
    })
}

fn needed<T>(value: Option<T>, name: &str) -> Result<T> {
    value.ok_or_else(|| Error::internal(format!("configuration key {name} has no default")))
}

fn key_of(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

fn set(partial: &mut Partial, key: &Key, text: &str, place: &str) -> Result<()> {
    (key.set)(partial, text).map_err(|reason| {
        // A password must not come back in a message.
        let reason = if key.name == "admin_password" { "it is not a usable password".to_owned() } else { reason };
        Error::new(Code::InvalidParameter, format!("{} in {place} cannot be used: {reason}", key.name)).hint(format!("{}.", key.doc))
    })
}

fn unknown(name: &str, place: &str) -> Error {
    let near = nearest(name, KEYS.iter().map(|key| key.name)).map(|near| format!("Did you mean {near}?"));
    Error::new(Code::InvalidParameter, format!("unknown configuration key {name} in {place}")).hint(near)
}

fn variable_name(key: &Key) -> String {
    format!("{PREFIX}{}", key.name.replace('.', "_").to_ascii_uppercase())
}

fn read_variable(partial: &mut Partial, name: &str, value: &str) -> Result<()> {
    if !name.starts_with(PREFIX) || OTHERS.iter().any(|other| name.starts_with(other)) {
        return Ok(());
    }
    match KEYS.iter().find(|key| variable_name(key) == name) {
        Some(key) => set(partial, key, value, &format!("environment variable {name}")),
        None => {
            let names: Vec<String> = KEYS.iter().map(variable_name).collect();
            let near = nearest(name, names.iter().map(String::as_str)).map(|near| format!("Did you mean {near}?"));
            Err(Error::new(Code::InvalidParameter, format!("unknown environment variable {name}")).hint(near))
        }
    }
}

fn read_file(partial: &mut Partial, file: &Path) -> Result<()> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|e| Error::new(Code::Io, format!("cannot read the configuration file {shown}: {}", e.kind())).caused_by(e))?;
    let table = DeTable::parse(&text).map_err(|e| {
        let line = e.span().map_or(1, |span| line_of(&text, span.start));
        Error::new(Code::InvalidParameter, format!("{shown} line {line} is not TOML: {}", e.message()))
    })?;
    read_table(partial, table.get_ref(), "", &text, file)
}

fn read_table(partial: &mut Partial, table: &DeTable<'_>, prefix: &str, text: &str, file: &Path) -> Result<()> {
    for (name, value) in table {
        let place = format!("{} line {}", file.display(), line_of(text, name.span().start));
        let name = format!("{prefix}{}", name.get_ref());
        let value = match value.get_ref() {
            DeValue::Table(inner) => {
                let prefix = format!("{name}.");
                // A table nobody knows is told by its own name, not by the keys inside it.
                if !KEYS.iter().any(|key| key.name.starts_with(&prefix)) {
                    return Err(unknown(&name, &place));
                }
                read_table(partial, inner, &prefix, text, file)?;
                continue;
            }
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Boolean(yes) => yes.to_string(),
            other => {
                return Err(Error::new(Code::InvalidParameter, format!("{name} in {place} cannot be a {}", other.type_str())));
            }
        };
        let key = key_of(&name).ok_or_else(|| unknown(&name, &place))?;
        set(partial, key, &value, &place)?;
    }
    Ok(())
}

/// The 1-based line of a byte offset.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count().saturating_add(1)
}
