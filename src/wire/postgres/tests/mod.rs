//! The protocol over real sockets, with real clients; the session behind it is DataFusion and nothing else.

mod auth;
mod hostile;
mod protocol;
mod psql;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use aws_lc_rs::pbkdf2;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as DfStatement;
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use weir_catalog::{ObjectId, Role};
use weir_sql::statements::set_variable::VariableValue;
use weir_sql::statements::transaction::Transaction;
use weir_sql::{Statement, StatementKind};

use super::backend::{Backend, Door};
use super::listen::{Limits, serve};
use super::tls::Tls;
use crate::error::{Code, Error, Result};
use crate::session::{Description, Notice, Outcome, TransactionStatus};

const PASSWORD: &str = "correct horse";

fn role(name: &str) -> Role {
    let salt = b"sixteen byte sal".to_vec();
    let mut salted = [0; 32];
    let iterations = std::num::NonZeroU32::new(4096).unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, PASSWORD.as_bytes(), &mut salted);
    let (stored_key, server_key) = crate::session::keys(&salted);
    Role { id: ObjectId(10), superuser: true, salt, iterations: 4096, stored_key, server_key, ..Role::named(name) }
}

/// What the tests see of the sessions behind the protocol.
#[derive(Default)]
struct Seen {
    executed: AtomicUsize,
    cancelled: AtomicUsize,
    /// Streams that were dropped before their end.
    running: AtomicUsize,
}

struct TestDoor {
    seen: Arc<Seen>,
}

impl Door for TestDoor {
    fn role(&self, name: &str) -> Result<Option<Role>> {
        Ok((name == "admin").then(|| role(name)))
    }

    fn any_role(&self) -> Result<Option<Role>> {
        Ok(Some(role("admin")))
    }

    fn password_counts(&self, _: &Role) -> bool {
        true
    }

    fn refused(&self, _: &str, _: Option<std::net::SocketAddr>, _: &str) {}

    fn open(&self, _: &str, _: &str, _: &[(String, String)], _: Option<std::net::SocketAddr>) -> Result<Arc<dyn Backend>> {
        let config = SessionConfig::new().with_target_partitions(1);
        Ok(Arc::new(TestBackend {
            context: SessionContext::new_with_config(config),
            seen: Arc::clone(&self.seen),
            cancel: Mutex::default(),
            notices: Mutex::default(),
            changed: Mutex::default(),
            in_block: AtomicBool::new(false),
        }))
    }
}

struct TestBackend {
    context: SessionContext,
    seen: Arc<Seen>,
    cancel: Mutex<CancellationToken>,
    notices: Mutex<Vec<Notice>>,
    changed: Mutex<Vec<(String, String)>>,
    in_block: AtomicBool,
}

impl TestBackend {
    async fn plan(&self, statement: &Statement) -> Result<LogicalPlan> {
        let StatementKind::Query(query) = &statement.kind else {
            return Err(Error::new(Code::NotSupported, "not in this test"));
        };
        let statement = sqlparser::ast::Statement::Query(query.ast.clone());
        let plan = self.context.state().statement_to_plan(DfStatement::Statement(Box::new(statement))).await;
        plan.map_err(|error| Error::new(Code::UndefinedTable, "cannot be planned").detail(error.to_string()).at(1))
    }
}

#[async_trait]
impl Backend for TestBackend {
    fn parse(&self, text: &str) -> Result<Vec<Statement>> {
        weir_sql::parse(text).map_err(|error| Error::new(Code::Syntax, error.message).at(error.position).hint(error.hint))
    }

    async fn describe(&self, statement: &Statement, hints: &[Option<DataType>]) -> Result<Description> {
        if !matches!(statement.kind, StatementKind::Query(_)) {
            return Ok(Description::default());
        }
        let plan = self.plan(statement).await?;
        let types = plan.get_parameter_types().map_err(|error| Error::internal("no types").caused_by(error))?;
        let parameters = (1..=types.len()).map(|index| {
            let hint = hints.get(index - 1).cloned().flatten();
            hint.or_else(|| types.get(&format!("${index}")).cloned().flatten()).unwrap_or(DataType::Utf8)
        });
        let parameters = parameters.collect();
        Ok(Description { parameters, columns: Some(Arc::new(plan.schema().as_arrow().clone())), ..Description::default() })
    }

    async fn execute(&self, statement: &Statement, parameters: Vec<ScalarValue>) -> Result<Outcome> {
        self.seen.executed.fetch_add(1, Ordering::SeqCst);
        let token = CancellationToken::new();
        *self.cancel.lock() = token.clone();
        match &statement.kind {
            StatementKind::SetVariable(set) => {
                if let VariableValue::Values(values) = &set.value {
                    self.changed.lock().push(("TimeZone".to_owned(), values.join(",")));
                }
                return Ok(Outcome::Done { tag: "SET".to_owned() });
            }
            StatementKind::Transaction(transaction) => {
                let is_begin = matches!(transaction, Transaction::Begin(_));
                self.in_block.store(is_begin, Ordering::SeqCst);
                return Ok(Outcome::Done { tag: if is_begin { "BEGIN" } else { "COMMIT" }.to_owned() });
            }
            StatementKind::Discard(_) => {
                let message = "nothing to discard".to_owned();
                self.notices.lock().push(Notice { severity: "NOTICE", sqlstate: "00000", message, detail: None, hint: None });
                return Ok(Outcome::Done { tag: "DISCARD ALL".to_owned() });
            }
            _ => {}
        }
        let plan = self.plan(statement).await?;
        let plan = if parameters.is_empty() {
            plan
        } else {
            let values = parameters.into_iter().map(Into::into).collect();
            plan.with_param_values(ParamValues::List(values)).map_err(|error| Error::internal("no values").caused_by(error))?
        };
        let internal = |error: DataFusionError| Error::internal("cannot run").caused_by(error);
        let physical = self.context.state().create_physical_plan(&plan).await.map_err(internal)?;
        let rows = datafusion::physical_plan::execute_stream(physical, self.context.task_ctx()).map_err(internal)?;
        let schema = rows.schema();
        Ok(Outcome::Rows { schema, rows: guarded(rows, token, Arc::clone(&self.seen)), tag: "SELECT" })
    }

    fn cursor_columns(&self, name: &str) -> Option<SchemaRef> {
        (name == "cursor").then(|| Arc::new(Schema::new(vec![Field::new("c", DataType::Int32, true)])))
    }

    fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.notices.lock())
    }

    fn transaction_status(&self) -> TransactionStatus {
        if self.in_block.load(Ordering::SeqCst) { TransactionStatus::InBlock } else { TransactionStatus::Idle }
    }

    fn parameters(&self) -> Vec<(String, String)> {
        [
            ("server_version", "16.4"),
            ("client_encoding", "UTF8"),
            ("TimeZone", "UTC"),
            ("DateStyle", "ISO, MDY"),
            ("integer_datetimes", "on"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    fn changed_parameters(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.changed.lock())
    }

    fn fail(&self) {}

    async fn close(&self) {
        self.cancel.lock().cancel();
    }

    fn cancel(&self) {
        self.seen.cancelled.fetch_add(1, Ordering::SeqCst);
        self.cancel.lock().cancel();
    }
}

struct Alive(Arc<Seen>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn guarded(rows: SendableRecordBatchStream, token: CancellationToken, seen: Arc<Seen>) -> SendableRecordBatchStream {
    let schema = rows.schema();
    seen.running.fetch_add(1, Ordering::SeqCst);
    let state = Some((rows, token, Alive(seen)));
    let rows = futures::stream::unfold(state, |state| async move {
        let (mut rows, token, alive) = state?;
        tokio::select! {
            () = token.cancelled() => {
                let error = Error::new(Code::Cancelled, "canceling statement due to user request");
                Some((Err(DataFusionError::External(Box::new(error))), None))
            }
            batch = rows.next() => Some((batch?, Some((rows, token, alive)))),
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

/// A listener on a free port. Dropped, it stops.
struct TestServer {
    address: SocketAddr,
    seen: Arc<Seen>,
    shutdown: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl TestServer {
    async fn start() -> Self {
        Self::with(10, None).await
    }

    async fn with(max_connections: usize, tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, shutdown) = (Arc::new(Seen::default()), CancellationToken::new());
        let door = Arc::new(TestDoor { seen: Arc::clone(&seen) });
        let limits = Limits { max_connections, reserved: 0, drain_time: Duration::from_millis(500) };
        let task = tokio::spawn(serve(door, listener, tls, limits, shutdown.clone()));
        Self { address, seen, shutdown, task: Some(task) }
    }

    async fn stop(mut self) {
        self.shutdown.cancel();
        timeout(Duration::from_secs(10), self.task.take().unwrap()).await.expect("the listener stops").unwrap();
    }

    async fn client(&self) -> tokio_postgres::Client {
        self.try_client(PASSWORD).await.unwrap()
    }

    async fn try_client(&self, password: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.address.port()).user("admin").dbname("weir").password(password);
        let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    async fn raw(&self) -> Raw {
        Raw { stream: TcpStream::connect(self.address).await.unwrap() }
    }

    /// A socket with a proven password, all of the greeting read.
    async fn raw_session(&self) -> Raw {
        let mut raw = self.raw().await;
        raw.log_in("admin", PASSWORD).await;
        while raw.message().await.expect("a greeting").0 != b'Z' {}
        raw
    }

    fn executed(&self) -> usize {
        self.seen.executed.load(Ordering::SeqCst)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A client of bytes.
struct Raw {
    stream: TcpStream,
}

impl Raw {
    async fn send(&mut self, bytes: &[u8]) {
        // The server may have hung up already: what matters is what it answers.
        drop(self.stream.write_all(bytes).await);
    }

    async fn startup(&mut self, pairs: &[(&str, &str)]) {
        let mut body = 196_608_i32.to_be_bytes().to_vec();
        for (name, value) in pairs {
            body.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
        }
        body.push(0);
        self.send(&[&i32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], &body].concat()).await;
    }

    async fn put(&mut self, kind: u8, body: &[u8]) {
        self.send(&frame(kind, body)).await;
    }

    /// The next message of the server; `None` when it hung up.
    async fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        let read = async {
            let kind = self.stream.read_u8().await.ok()?;
            let length = self.stream.read_i32().await.ok()?;
            let mut body = vec![0; usize::try_from(length).unwrap() - 4];
            self.stream.read_exact(&mut body).await.ok()?;
            Some((kind, body))
        };
        timeout(Duration::from_secs(30), read).await.expect("an answer or the end")
    }

    /// Types of all messages up to ReadyForQuery or the end.
    async fn kinds(&mut self) -> String {
        let mut kinds = String::new();
        while let Some((kind, _)) = self.message().await {
            kinds.push(kind.into());
            if kind == b'Z' {
                break;
            }
        }
        kinds
    }

    /// Field `C` of the next ErrorResponse; messages before it are skipped.
    async fn error_code(&mut self) -> Option<String> {
        loop {
            let (kind, body) = self.message().await?;
            if kind == b'E' {
                let field = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&b'C'))?;
                return Some(String::from_utf8_lossy(&field[1..]).into_owned());
            }
        }
    }

    /// Goes through the whole exchange; the server's last answer is left unread.
    async fn log_in(&mut self, user: &str, password: &str) {
        self.startup(&[("user", user), ("database", "weir")]).await;
        let (kind, _) = self.message().await.expect("a request for a password");
        assert_eq!(kind, b'R');
        let mut scram = Scram::new(password);
        let first = scram.client_first();
        let body = [b"SCRAM-SHA-256\0", &i32::try_from(first.len()).unwrap().to_be_bytes()[..], first.as_bytes()].concat();
        self.put(b'p', &body).await;
        let (kind, answer) = self.message().await.expect("the server's first");
        assert_eq!(kind, b'R');
        let last = scram.client_final(std::str::from_utf8(&answer[4..]).unwrap());
        self.put(b'p', last.as_bytes()).await;
    }
}

/// SCRAM as a client sees it.
struct Scram {
    password: String,
    bare: String,
}

impl Scram {
    fn new(password: &str) -> Self {
        Self { password: password.to_owned(), bare: "n=,r=clientnonce".to_owned() }
    }

    fn client_first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    fn client_final(&mut self, server_first: &str) -> String {
        use aws_lc_rs::{digest, hmac};
        use base64::Engine as _;
        let base64 = base64::engine::general_purpose::STANDARD;
        let part = |name: &str| server_first.split(',').find_map(|part| part.strip_prefix(name)).unwrap().to_owned();
        let (nonce, salt, iterations) = (part("r="), base64.decode(part("s=")).unwrap(), part("i=").parse().unwrap());
        let mut salted = [0; 32];
        let iterations = std::num::NonZeroU32::new(iterations).unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, self.password.as_bytes(), &mut salted);
        let sign = |key: &[u8], data: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec();
        let client_key = sign(&salted, b"Client Key");
        let stored = digest::digest(&digest::SHA256, &client_key);
        let without_proof = format!("c=biws,r={nonce}");
        let signature = sign(stored.as_ref(), format!("{},{server_first},{without_proof}", self.bare).as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, byte)| key ^ byte).collect();
        format!("{without_proof},p={}", base64.encode(proof))
    }
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &i32::try_from(body.len() + 4).unwrap().to_be_bytes(), body].concat()
}

/// Waits until it is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("never {what}"));
}

/// A self-signed certificate and its key, made by openssl.
fn certificate(folder: &std::path::Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("server.crt"), folder.join("server.key"));
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
        .args([std::ffi::OsStr::new("-keyout"), key.as_os_str(), "-out".as_ref(), certificate.as_os_str()])
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}
