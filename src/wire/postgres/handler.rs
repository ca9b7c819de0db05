//! The conversation of one client that is in: simple and extended protocol.
//!
//! Guarantees: one statement at a time; rows go out as they come, at most one buffer of them is held; after an error in the
//! extended protocol everything up to Sync is skipped; a client that is gone cancels what it started.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{BindComplete, CloseComplete, ParseComplete, PortalSuspended};
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse, NotificationResponse, ReadyForQuery, TransactionStatus as PgStatus};
use pgwire::messages::startup::ParameterStatus;
use tokio::task::unconstrained;
use tokio_util::sync::CancellationToken;
use weir_sql::Statement;

use super::backend::Backend;
use super::connection::Connection;
use super::encode::{Rows, Zone};
use super::error::{Fault, error_message, notice_message};
use super::frontend::{Bind, Message, Target, decode, max_body_bytes};
use super::params;
use super::portal::{Names, Portal, Prepared, RowSource, State};
use super::types::{PgType, columns, row_description};
use crate::engine::{Engine, Notification};
use crate::error::{Code, Error, Result};
use crate::session::{Description, News, Outcome, TransactionStatus};

/// What a cancelled statement gets to let go before it is dropped.
const CANCEL_TIME: Duration = Duration::from_secs(5);

/// `Err` ends the connection; the inner error is the statement's.
pub(super) type Step<T = ()> = Result<Result<T>, Fault>;

/// Returns a statement's error from a function that gives a `Step`.
macro_rules! check {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        }
    };
}

pub(super) struct Handler {
    line: Line,
    names: Names,
    /// After an error in the extended protocol, until Sync.
    is_skipping: bool,
}

impl Handler {
    pub(super) fn new(connection: Connection, backend: Arc<dyn Backend>, shutdown: CancellationToken) -> Self {
        let mut line = Line { connection, backend, shutdown, zone: Zone::UTC };
        for (name, value) in line.backend.parameters() {
            line.note_parameter(&name, &value);
        }
        Self { line, names: Names::default(), is_skipping: false }
    }

    pub(super) fn into_parts(self) -> (Connection, Arc<dyn Backend>) {
        (self.line.connection, self.line.backend)
    }

    /// Serves until the connection ends, and says why it did.
    pub(super) async fn run(&mut self) -> Fault {
        if let Err(fault) = self.line.ready().await {
            return fault;
        }
        loop {
            if let Err(fault) = self.step().await {
                return fault;
            }
        }
    }

    async fn step(&mut self) -> Result<(), Fault> {
        let shutdown = self.line.shutdown.clone();
        let backend = Arc::clone(&self.line.backend);
        let (kind, body) = loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Err(Fault::shutting_down()),
                frame = self.line.connection.frame(max_body_bytes) => break frame?,
                news = backend.news() => match news {
                    News::Notified => {
                        self.line.notifications()?;
                        self.line.flush().await?;
                    }
                    News::Ended { sqlstate, message } => return Err(Fault::fatal(sqlstate, message)),
                },
            }
        };
        if self.is_skipping && !matches!(kind, b'S' | b'X') {
            return Ok(());
        }
        match decode(kind, body) {
            Ok(message) => self.message(message).await,
            Err(error) => self.failed(&error, !matches!(kind, b'Q' | b'F')).await,
        }
    }

    /// Reports a statement's error. In the simple protocol the client may go on at once, otherwise after Sync.
    async fn failed(&mut self, error: &Error, is_extended: bool) -> Result<(), Fault> {
        self.line.backend.fail();
        self.line.notices()?;
        self.line.connection.put(&error_message(error))?;
        self.is_skipping = is_extended;
        if is_extended {
            return self.line.flush().await;
        }
        self.line.ready().await
    }

    async fn message(&mut self, message: Message) -> Result<(), Fault> {
        let done = match message {
            Message::Query(text) => {
                self.names.drop_unnamed();
                return match self.query(&text).await? {
                    Ok(()) => self.ready().await,
                    Err(error) => self.failed(&error, false).await,
                };
            }
            Message::FunctionCall => {
                let error = Error::new(Code::NotSupported, "function calls by message are not supported");
                return self.failed(&error, false).await;
            }
            Message::Sync => {
                self.is_skipping = false;
                return self.ready().await;
            }
            Message::Terminate => return Err(Fault::Closed),
            Message::Flush => return self.line.flush().await,
            Message::Copy => return Ok(()),
            Message::Parse { name, text, oids } => self.parse(name, &text, &oids).await?,
            Message::Bind(bind) => self.bind(bind)?,
            Message::Describe(target) => self.describe(&target)?,
            Message::Execute { portal, max_rows } => self.execute(&portal, max_rows).await?,
            Message::Close(target) => {
                match &target {
                    Target::Statement(name) => {
                        self.names.drop_statement(name);
                        self.line.backend.note_statement(name, false);
                    }
                    Target::Portal(name) => self.names.drop_portal(name),
                }
                Ok(self.line.connection.put(&PgWireBackendMessage::CloseComplete(CloseComplete::new()))?)
            }
        };
        match done {
            Ok(()) => Ok(()),
            Err(error) => self.failed(&error, true).await,
        }
    }

    async fn ready(&mut self) -> Result<(), Fault> {
        if self.line.backend.transaction_status() == TransactionStatus::Idle {
            self.names.drop_portals();
        }
        self.drop_let_go();
        self.line.ready().await
    }

    /// Forgets what DEALLOCATE or DISCARD let go.
    fn drop_let_go(&mut self) {
        for name in self.line.backend.take_let_go() {
            self.names.drop_statement(&name);
        }
    }

    /// The simple protocol: each statement in turn, up to the first error.
    async fn query(&mut self, text: &str) -> Step {
        let statements = check!(self.line.backend.parse(text));
        if statements.is_empty() {
            self.line.connection.put(&PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new()))?;
        }
        for statement in &statements {
            let outcome = check!(self.line.execute(statement, Vec::new()).await?);
            check!(self.line.answer(outcome).await?);
        }
        Ok(Ok(()))
    }

    async fn parse(&mut self, name: String, text: &str, oids: &[u32]) -> Step {
        self.drop_let_go();
        check!(self.names.check_statement_is_new(&name));
        let mut statements = check!(self.line.backend.parse(text)).into_iter();
        let statement = statements.next();
        if statements.next().is_some() {
            return Ok(Err(Error::new(Code::Syntax, "cannot insert multiple commands into a prepared statement")));
        }
        let hints: Vec<_> = oids.iter().map(|oid| PgType::of_oid(*oid).map(PgType::arrow)).collect();
        let description = match &statement {
            Some(statement) => check!(self.line.describe(statement, &hints).await?),
            None => Description::default(),
        };
        let parameters = check!(params::types(&description, oids));
        let announced = params::announced(&parameters, oids);
        if !name.is_empty() {
            self.line.backend.note_statement(&name, true);
        }
        self.names.put_statement(name, Prepared { statement, parameters, announced, description });
        Ok(Ok(self.line.connection.put(&PgWireBackendMessage::ParseComplete(ParseComplete::new()))?))
    }

    fn bind(&mut self, bind: Bind) -> Step {
        let prepared = Arc::clone(check!(self.names.statement(&bind.statement)));
        let values = check!(params::decode(&prepared, &bind, &self.line.zone));
        let portal = Portal { prepared, formats: bind.result_formats, state: State::Bound(values) };
        check!(self.names.put_portal(bind.portal, portal));
        Ok(Ok(self.line.connection.put(&PgWireBackendMessage::BindComplete(BindComplete::new()))?))
    }

    fn describe(&mut self, target: &Target) -> Step {
        let cursor = match target {
            Target::Portal(name) if self.names.portal(name).is_err() => self.line.backend.cursor_columns(name),
            _ => None,
        };
        let connection = &mut self.line.connection;
        if let Some(schema) = cursor {
            let columns = check!(columns(schema.fields(), &[]));
            return Ok(Ok(connection.put(&PgWireBackendMessage::RowDescription(row_description(schema.fields(), &columns)))?));
        }
        let (prepared, formats) = match target {
            Target::Statement(name) => {
                let prepared = check!(self.names.statement(name));
                let announced = ParameterDescription::new(prepared.announced.clone());
                connection.put(&PgWireBackendMessage::ParameterDescription(announced))?;
                (prepared, [].as_slice())
            }
            Target::Portal(name) => {
                let portal = check!(self.names.portal(name));
                (&portal.prepared, portal.formats.as_slice())
            }
        };
        let Some(schema) = &prepared.description.columns else {
            return Ok(Ok(connection.put(&PgWireBackendMessage::NoData(NoData::new()))?));
        };
        let columns = check!(columns(schema.fields(), formats));
        Ok(Ok(connection.put(&PgWireBackendMessage::RowDescription(row_description(schema.fields(), &columns)))?))
    }

    async fn execute(&mut self, name: &str, max_rows: i32) -> Step {
        let line = &mut self.line;
        let portal = check!(self.names.portal_mut(name));
        let limit = u64::try_from(max_rows).ok().filter(|limit| *limit > 0);
        let prepared = Arc::clone(&portal.prepared);
        let Some(statement) = &prepared.statement else {
            return Ok(Ok(line.connection.put(&PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new()))?));
        };
        // Whatever fails below leaves a portal that cannot run again.
        let mut source = match std::mem::replace(&mut portal.state, State::Over) {
            State::Bound(values) => match check!(line.execute(statement, values).await?) {
                Outcome::Rows { schema, rows, tag } => {
                    let promised = prepared.description.columns.as_ref();
                    check!(RowSource::new(&schema, rows, tag, &portal.formats, promised))
                }
                outcome => return line.answer(outcome).await,
            },
            State::Rows(source) => source,
            State::Exhausted { tag } => {
                portal.state = State::Exhausted { tag };
                return line.complete(row_tag(tag, 0)).map(Ok);
            }
            State::Over => return Ok(Err(Error::new(Code::WrongState, format!("portal \"{name}\" cannot be run")))),
        };
        match check!(line.rows(&mut source, limit).await?) {
            (count, Sent::All) => {
                portal.state = State::Exhausted { tag: source.tag };
                line.complete(row_tag(source.tag, count)).map(Ok)
            }
            (_, Sent::UpToLimit) => {
                portal.state = State::Rows(source);
                Ok(Ok(line.connection.put(&PgWireBackendMessage::PortalSuspended(PortalSuspended::new()))?))
            }
        }
    }
}

/// Whether an answer is over.
enum Sent {
    All,
    UpToLimit,
}

/// The connection with its session: what both protocols do.
pub(super) struct Line {
    pub(super) connection: Connection,
    pub(super) backend: Arc<dyn Backend>,
    shutdown: CancellationToken,
    /// The session's setting `TimeZone`.
    pub(super) zone: Zone,
}

impl Line {
    async fn execute(&mut self, statement: &Statement, values: Vec<datafusion::common::ScalarValue>) -> Step<Outcome> {
        let backend = Arc::clone(&self.backend);
        let work = AssertUnwindSafe(async { backend.execute(statement, values).await }).catch_unwind();
        let done = self.watched(work).await?;
        Ok(done.unwrap_or_else(|_| Err(Error::internal("a statement ended by a panic"))))
    }

    async fn describe(&mut self, statement: &Statement, hints: &[Option<arrow::datatypes::DataType>]) -> Step<Description> {
        let backend = Arc::clone(&self.backend);
        let work = AssertUnwindSafe(async { backend.describe(statement, hints).await }).catch_unwind();
        let done = self.watched(work).await?;
        Ok(done.unwrap_or_else(|_| Err(Error::internal("a statement ended by a panic"))))
    }

    /// Works while watching the client: one that is gone cancels the statement.
    pub(super) async fn watched<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Fault> {
        let mut work = std::pin::pin!(work);
        let backend = Arc::clone(&self.backend);
        let fault = tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            // A query that computes uses up the task's budget at every turn; the socket would never be asked.
            fault = unconstrained(self.connection.closed()) => fault,
            () = unconstrained(backend.terminated()) => Fault::shutting_down(),
        };
        self.backend.cancel();
        if tokio::time::timeout(CANCEL_TIME, work).await.is_err() {
            tracing::warn!("a statement whose client is gone did not end in time");
        }
        Err(fault)
    }

    /// Sends what waits. A client that takes nothing can still be ended.
    pub(super) async fn flush(&mut self) -> Result<(), Fault> {
        let backend = Arc::clone(&self.backend);
        tokio::select! {
            biased;
            sent = self.connection.flush() => sent,
            () = backend.terminated() => Err(Fault::shutting_down()),
        }
    }

    /// Sends an answer of the simple protocol, or one without rows.
    async fn answer(&mut self, outcome: Outcome) -> Step {
        match outcome {
            Outcome::Rows { schema, rows, tag } => {
                let mut source = check!(RowSource::new(&schema, rows, tag, &[], None));
                let description = row_description(schema.fields(), &source.columns);
                self.connection.put(&PgWireBackendMessage::RowDescription(description))?;
                let (count, _) = check!(self.rows(&mut source, None).await?);
                self.complete(row_tag(tag, count)).map(Ok)
            }
            Outcome::CopyOut { schema, rows, style } => self.copy_out(&schema, rows, style).await,
            Outcome::CopyIn(copy) => self.copy_in(copy).await,
            Outcome::CopyFile(copy) => self.copy_file(copy).await,
            Outcome::Done { tag } => self.complete(tag).map(Ok),
        }
    }

    /// Sends rows up to the end or the limit; a limit is only counted, it never sizes anything.
    async fn rows(&mut self, source: &mut RowSource, limit: Option<u64>) -> Step<(u64, Sent)> {
        let mut count = 0;
        loop {
            if let Some((batch, next)) = &mut source.batch {
                while *next < batch.len() {
                    if limit == Some(count) {
                        return Ok(Ok((count, Sent::UpToLimit)));
                    }
                    check!(batch.put(*next, &mut self.connection.out));
                    *next += 1;
                    count += 1;
                    if self.connection.is_full() {
                        self.flush().await?;
                    }
                }
            }
            let work = AssertUnwindSafe(source.rows.next()).catch_unwind();
            let batch = match self.watched(work).await? {
                Ok(Some(Ok(batch))) => batch,
                Ok(Some(Err(error))) => return Ok(Err(Engine::error(error))),
                Ok(None) => return Ok(Ok((count, Sent::All))),
                Err(_) => return Ok(Err(Error::internal("a query ended by a panic"))),
            };
            source.batch = Some((check!(Rows::new(&batch, &source.columns, &self.zone)), 0));
        }
    }

    pub(super) fn complete(&mut self, tag: String) -> Result<(), Fault> {
        self.notices()?;
        self.connection.put(&PgWireBackendMessage::CommandComplete(CommandComplete::new(tag)))?;
        self.parameters()
    }

    fn notices(&mut self) -> Result<(), Fault> {
        self.backend.take_notices().iter().try_for_each(|notice| self.connection.put(&notice_message(notice)))
    }

    /// Appends what other sessions sent to this one.
    fn notifications(&mut self) -> Result<(), Fault> {
        for Notification { process, channel, payload, about: _ } in self.backend.take_notifications() {
            let message = NotificationResponse::new(process, channel, payload);
            self.connection.put(&PgWireBackendMessage::NotificationResponse(message))?;
        }
        Ok(())
    }

    fn parameters(&mut self) -> Result<(), Fault> {
        for (name, value) in self.backend.changed_parameters() {
            self.note_parameter(&name, &value);
            self.connection.put(&PgWireBackendMessage::ParameterStatus(ParameterStatus::new(name, value)))?;
        }
        Ok(())
    }

    fn note_parameter(&mut self, name: &str, value: &str) {
        if name.eq_ignore_ascii_case("TimeZone") {
            self.zone = Zone::parse(value);
        }
    }

    async fn ready(&mut self) -> Result<(), Fault> {
        self.notices()?;
        self.parameters()?;
        let status = match self.backend.transaction_status() {
            TransactionStatus::Idle => PgStatus::Idle,
            TransactionStatus::InBlock => PgStatus::Transaction,
            TransactionStatus::Failed => PgStatus::Error,
        };
        self.notifications()?;
        self.connection.put(&PgWireBackendMessage::ReadyForQuery(ReadyForQuery::new(status)))?;
        self.flush().await
    }
}

/// PostgreSQL counts the rows of a query and of a cursor, not those of a report.
fn row_tag(tag: &str, count: u64) -> String {
    match tag {
        "SHOW" | "EXPLAIN" => tag.to_owned(),
        counted => format!("{counted} {count}"),
    }
}
