//! The hub as the protocols see it: sessions for sockets, health for HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use datafusion::common::ScalarValue;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use weir_catalog::{AuditEntry, Role, Store};
use weir_sql::Statement;

use super::http::{self, Probe};
use super::postgres::{self, Backend, Door, Limits, Tls};
use crate::engine::Notification;
use crate::error::{Code, Error, Result};
use crate::hub::Hub;
use crate::session::{Description, News, Notice, Outcome, Session, TransactionStatus};
use crate::statements;

/// Kept of the time to drain for statements that have to be cancelled, so that their clients are told.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Serves PostgreSQL clients until `shutdown`; returns when every socket is closed.
pub async fn serve_postgres(hub: Arc<Hub>, listener: TcpListener, tls: Option<Tls>, shutdown: CancellationToken) {
    let config = hub.config();
    let drain_time = config.drain_timeout.saturating_sub(LAST_WORDS).max(config.drain_timeout / 2);
    let limits = Limits { max_connections: config.max_connections, reserved: config.reserved_connections, drain_time };
    postgres::serve(Arc::new(Front(hub, Mutex::default())), listener, tls, limits, shutdown).await;
}

/// Serves HTTP until `shutdown`.
pub async fn serve_http(hub: Arc<Hub>, listener: TcpListener, shutdown: CancellationToken) {
    http::serve(Arc::new(Front(hub, Mutex::default())), listener, shutdown).await;
}

/// Refused log-ins that the audit takes per second, and characters it keeps of a role's name.
const REFUSALS_NOTED: u32 = 20;
const LONGEST_ROLE: usize = 200;

/// The hub, and how many refusals were noted in which second.
struct Front(Arc<Hub>, Mutex<(i64, u32)>);

impl Door for Front {
    fn role(&self, name: &str) -> Result<Option<Role>> {
        Ok(self.0.store().role(name)?)
    }

    fn any_role(&self) -> Result<Option<Role>> {
        // The oldest: roles that come later must not change what the others show.
        Ok(self.0.store().roles()?.into_iter().filter(|role| !role.stored_key.is_empty()).min_by_key(|role| role.id))
    }

    fn password_counts(&self, role: &Role) -> bool {
        role.valid_until.is_none_or(|until| self.0.clock().now() < until)
    }

    fn open(&self, role: &str, database: &str, startup: &[(String, String)], peer: Option<SocketAddr>) -> Result<Arc<dyn Backend>> {
        let session = Session::new(Arc::clone(&self.0), role.to_owned(), database.to_owned(), startup)?;
        session.set_address(peer);
        Ok(Arc::new(session))
    }

    fn refused(&self, role: &str, peer: Option<SocketAddr>, sqlstate: &str) {
        let now = self.0.clock().now();
        {
            let mut noted = self.1.lock();
            let second = now / 1_000_000;
            *noted = if noted.0 == second { (second, noted.1 + 1) } else { (second, 1) };
            // Whoever guesses passwords must not fill the disk: the log has the rest.
            if noted.1 > REFUSALS_NOTED {
                return;
            }
        }
        let entry = AuditEntry {
            at: now,
            role: role.chars().take(LONGEST_ROLE).collect(),
            session_role: String::new(),
            client: peer.map(|peer| peer.to_string()),
            action: "log in".to_owned(),
            object: None,
            statement: None,
            sqlstate: Some(sqlstate.to_owned()),
        };
        if let Err(error) = self.0.store().audit(&[entry]) {
            tracing::warn!(%error, "a refused log-in could not be put into the audit");
        }
    }
}

#[async_trait]
impl Backend for Session {
    fn parse(&self, text: &str) -> Result<Vec<Statement>> {
        statements::parse(self, text)
    }

    async fn describe(&self, statement: &Statement, hints: &[Option<DataType>]) -> Result<Description> {
        statements::describe(self, statement, hints).await
    }

    async fn execute(&self, statement: &Statement, parameters: Vec<ScalarValue>) -> Result<Outcome> {
        statements::execute(self, statement, parameters).await
    }

    fn cursor_columns(&self, name: &str) -> Option<SchemaRef> {
        self.cursor(name).ok().map(|cursor| cursor.schema())
    }

    fn take_notices(&self) -> Vec<Notice> {
        Session::take_notices(self)
    }

    fn transaction_status(&self) -> TransactionStatus {
        Session::transaction_status(self)
    }

    fn parameters(&self) -> Vec<(String, String)> {
        Session::parameters(self)
    }

    fn changed_parameters(&self) -> Vec<(String, String)> {
        Session::changed_parameters(self)
    }

    fn cancel(&self) {
        Session::cancel(self);
    }

    fn fail(&self) {
        Session::fail(self);
    }

    fn note_statement(&self, name: &str, is_there: bool) {
        self.note_protocol_statement(name, is_there);
    }

    fn take_let_go(&self) -> Vec<String> {
        Session::take_let_go(self)
    }

    fn process(&self) -> Option<i32> {
        Some(Session::process(self))
    }

    async fn news(&self) -> News {
        Session::news(self).await
    }

    async fn terminated(&self) {
        Session::terminated(self).await;
    }

    fn take_notifications(&self) -> Vec<Notification> {
        Session::take_notifications(self)
    }

    async fn close(&self) {
        Session::close(self).await;
    }
}

#[async_trait]
impl Probe for Front {
    async fn catalog(&self) -> Result<()> {
        let store: Arc<dyn Store> = Arc::clone(self.0.store());
        tokio::task::spawn_blocking(move || store.roles())
            .await
            .map_err(|error| Error::internal("the catalog's probe ended early").caused_by(error))?
            .map(|_| ())
            .map_err(Error::from)
    }

    async fn lake(&self) -> Result<()> {
        let (schema, name) = crate::pipelines::dead_letters::NAME;
        let found = self.0.store().object(weir_catalog::Kind::Table, schema, name)?;
        let object = found.ok_or_else(|| Error::new(Code::WrongState, "the lake is not prepared"))?;
        self.0.engine().table(&object).await?.version().await.map(|_| ())
    }
}
