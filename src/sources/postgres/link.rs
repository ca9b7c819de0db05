//! Where a server is and how to get in, and one session on it.
//!
//! A session is read-only and has the same settings whatever the server's own are, so that a value's text is always the same. A session that
//! is dropped while the server works for it asks the server to stop.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, SimpleQueryMessage};

use super::refusal;
use super::tls::{Identity, MakeTls};
use crate::error::{Code, Error, Result};
use crate::spec::Options;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// How long to try to tell a server that nobody waits for its answer any more.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

const SETTINGS: &str = "SET default_transaction_read_only TO on; SET DateStyle TO 'ISO, YMD'; SET TimeZone TO 'UTC'; \
    SET IntervalStyle TO 'postgres'; SET extra_float_digits TO 3; SET bytea_output TO 'hex'; \
    SET synchronize_seqscans TO off; SHOW server_encoding";

/// What a connection's options say.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    pub(super) user: String,
    password: Option<String>,
    pub(super) sslmode: String,
    root: Option<String>,
    application_name: String,
    pub(super) timeout: Duration,
}

impl Target {
    /// # Errors
    /// `InvalidOption` for a value that cannot be meant.
    pub(super) fn new(options: &Options) -> Result<Self> {
        let text = |key: &str| options.text(key).unwrap_or_default().to_owned();
        let host = text("host");
        if host.is_empty() || host.starts_with('/') || host.contains(',') {
            return Err(Error::new(Code::InvalidOption, "option \"host\" must be one host name or address")
                .hint("Sockets of the hub's own machine and lists of hosts are not used.".to_owned()));
        }
        let port = options.integer("port").and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        let user = text("user");
        Ok(Self {
            host,
            port: port.ok_or_else(|| Error::new(Code::InvalidOption, "option \"port\" must lie between 1 and 65535"))?,
            database: options.text("database").map_or_else(|| user.clone(), str::to_owned),
            user,
            password: options.revealed("password").map(str::to_owned),
            sslmode: options.text("sslmode").unwrap_or("require").to_owned(),
            root: options.text("sslrootcert").map(str::to_owned),
            application_name: options.text("application_name").unwrap_or("weir").to_owned(),
            timeout: options.duration("connect_timeout").filter(|time| !time.is_zero()).unwrap_or(DEFAULT_TIMEOUT),
        })
    }

    /// `host:port`, for messages.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .dbname(&self.database)
            .user(&self.user)
            .application_name(&self.application_name)
            .connect_timeout(self.timeout)
            .tcp_user_timeout(KEEPALIVE_IDLE * 2)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_IDLE / 3)
            .keepalives_retries(3)
            .ssl_mode(match self.sslmode.as_str() {
                "disable" => SslMode::Disable,
                "prefer" => SslMode::Prefer,
                _ => SslMode::Require,
            });
        if let Some(password) = &self.password {
            config.password(password);
        }
        config
    }

    fn make_tls(&self) -> Result<MakeTls> {
        let identity = match (self.sslmode.as_str(), &self.root) {
            ("verify-full", _) => Identity::SignedAndNamed,
            ("verify-ca", _) | ("require", Some(_)) => Identity::Signed,
            _ => Identity::Any,
        };
        let root =
            match &self.root {
                Some(text) if !text.trim_start().starts_with("-----BEGIN") => Some(std::fs::read_to_string(text).map_err(|error| {
                    Error::new(Code::InvalidOption, "the file of option \"sslrootcert\" cannot be read").caused_by(error)
                })?),
                inline => inline.clone(),
            };
        MakeTls::new(identity, root.as_deref())
    }

    /// Opens a session.
    ///
    /// # Errors
    /// `SourceUnavailable` when nobody answers, `SourceRefused` when the server does not let us in.
    pub(super) async fn dial(&self) -> Result<Link> {
        let tls = self.make_tls()?;
        let config = self.config();
        let (client, connection) = match timeout(self.timeout, config.connect(tls.clone())).await {
            Ok(connected) => connected.map_err(|error| refusal::dialling(self, error))?,
            Err(_) => return Err(refusal::silent(self)),
        };
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to a PostgreSQL source ended");
            }
        });
        let mut link = Link { client, tls, task, is_busy: false, is_utf8: false };
        let answer = link.client.simple_query(SETTINGS).await.map_err(|error| refusal::dialling(self, error))?;
        link.is_utf8 = answer.iter().any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("UTF8")));
        Ok(link)
    }
}

/// A session.
pub(super) struct Link {
    pub(super) client: Client,
    tls: MakeTls,
    task: JoinHandle<()>,
    /// The server works on a statement whose answer has not been read to its end.
    pub(super) is_busy: bool,
    /// The database keeps every text that we can send.
    pub(super) is_utf8: bool,
}

impl Drop for Link {
    fn drop(&mut self) {
        if !self.is_busy {
            // The client says good-bye when it is dropped, and the task ends with that.
            return;
        }
        let (token, tls, task) = (self.client.cancel_token(), self.tls.clone(), self.task.abort_handle());
        match tokio::runtime::Handle::try_current() {
            // The socket stays open until the server was asked: a closed one would be noticed only at the server's next row.
            Ok(runtime) => drop(runtime.spawn(async move {
                let asked = timeout(CANCEL_TIMEOUT, token.cancel_query(tls)).await;
                if !matches!(asked, Ok(Ok(()))) {
                    tracing::debug!("a PostgreSQL source could not be asked to stop a query");
                }
                task.abort();
            })),
            Err(_) => task.abort(),
        }
    }
}
