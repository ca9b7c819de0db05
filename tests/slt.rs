//! Runs every script of `tests/slt`, each against a hub of its own, over the wire.
//!
//! In a script, `$DATA` is the folder of fixed test files and `$FILES` an empty folder of this run. Seven words are the runner's own: `\cancel PIPELINE` cancels the run of it that is under way, `\as ROLE [PASSWORD]`
//! goes on as that role, each in a connection of its own, `\write PATH`
//! with the content on the lines below it makes a file under `$FILES`, `\remove PATH` takes it away, `\notices` answers the notices since it was
//! last asked, `\secrets`
//! answers whether the word on its line stands anywhere in the hub's data folder, and `\run NAME ..` is RUN PIPELINE without the parts of its
//! answer that differ from run to run: it answers the status and the rows in, out, quarantined, dropped and duplicate. An error reads
//! `SQLSTATE message`, then `DETAIL`, `HINT` and `POSITION` on lines of their own.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use tokio_postgres::SimpleQueryMessage;

use crate::hub::{Hub, Notices, test_data};

/// One test per script, so that each can be run alone; `every_script_is_run` finds a forgotten one.
macro_rules! scripts {
    ($($name:ident: $path:literal,)*) => {
        const SCRIPTS: &[&str] = &[$($path),*];
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                run($path).await;
            }
        )*
    };
}

scripts! {
    connections: "ddl/connections.slt",
    dependencies: "ddl/dependencies.slt",
    schemas: "ddl/schemas.slt",
    secrets: "ddl/secrets.slt",
    sources: "ddl/sources.slt",
    tables: "ddl/tables.slt",
    views: "ddl/views.slt",
    not_built: "errors/not_built.slt",
    positions: "errors/positions.slt",
    history: "history/history.slt",
    spellings: "history/spellings.slt",
    upkeep: "history/upkeep.slt",
    backfill: "pipelines/backfill.slt",
    dead_letters: "pipelines/dead_letters.slt",
    alerts: "pipelines/alerts.slt",
    chains: "pipelines/chains.slt",
    definitions: "pipelines/definitions.slt",
    deletions: "pipelines/deletions.slt",
    dry_run: "pipelines/dry_run.slt",
    event_streams: "pipelines/event_streams.slt",
    float_keys: "pipelines/float_keys.slt",
    impact: "pipelines/impact.slt",
    isolation: "pipelines/isolation.slt",
    lifecycle: "pipelines/lifecycle.slt",
    limits: "pipelines/limits.slt",
    lineage: "pipelines/lineage.slt",
    mirrors: "pipelines/mirrors.slt",
    modes: "pipelines/modes.slt",
    openlineage: "pipelines/openlineage.slt",
    outputs: "pipelines/outputs.slt",
    refresh: "pipelines/refresh.slt",
    replace: "pipelines/replace.slt",
    rules: "pipelines/rules.slt",
    rule_queries: "pipelines/rule_queries.slt",
    runs: "pipelines/runs.slt",
    scd2: "pipelines/scd2.slt",
    scd2_runs: "pipelines/scd2_runs.slt",
    scd2_targets: "pipelines/scd2_targets.slt",
    sequence: "pipelines/sequence.slt",
    steps: "pipelines/steps.slt",
    schema_change: "pipelines/schema_change.slt",
    streams: "pipelines/streams.slt",
    templates: "pipelines/templates.slt",
    trace: "pipelines/trace.slt",
    triggers: "pipelines/triggers.slt",
    arithmetic: "rows/arithmetic.slt",
    dml: "rows/dml.slt",
    output_names: "rows/output_names.slt",
    postgres_functions: "rows/postgres_functions.slt",
    joins: "rows/joins.slt",
    queries: "rows/queries.slt",
    names: "rows/names.slt",
    bytea: "rows/bytea.slt",
    while_running: "errors/while_running.slt",
    default_rights: "roles/default_rights.slt",
    grants: "roles/grants.slt",
    role_definitions: "roles/roles.slt",
    files: "sources/files.slt",
    source_schema_change: "sources/schema_change.slt",
    cursors: "session/cursors.slt",
    prepared: "session/prepared.slt",
    functions: "session/functions.slt",
    events: "session/events.slt",
    notify: "session/notify.slt",
    rows_in_transactions: "session/rows_in_transactions.slt",
    temporary: "session/temporary.slt",
    transactions: "session/transactions.slt",
    variables: "session/variables.slt",
}

async fn run(script: &str) {
    let hub = Arc::new(Hub::start());
    let mut runner = Runner::new(|| async { Ok(Wire::new(hub.clone()).await) });
    let path = folder().join(script);
    if let Err(error) = runner.run_file_async(&path).await {
        panic!("{}", error.display(false));
    }
    runner.shutdown_async().await;
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt")
}

#[test]
fn every_script_is_run() {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder of scripts") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "slt") {
                let relative = path.strip_prefix(folder()).expect("a path below the folder").to_string_lossy().into_owned();
                found.insert(relative);
            }
        }
    }
    let listed: BTreeSet<String> = SCRIPTS.iter().map(|script| (*script).to_owned()).collect();
    assert_eq!(found, listed, "scripts on disk and scripts that are run");
}

/// One connection.
struct Wire {
    hub: Arc<Hub>,
    client: Arc<tokio_postgres::Client>,
    notices: Notices,
    /// One connection per role that the script has been.
    clients: HashMap<String, (Arc<tokio_postgres::Client>, Notices)>,
}

impl Wire {
    async fn new(hub: Arc<Hub>) -> Self {
        let (client, notices) = hub.connect().await;
        let client = Arc::new(client);
        let clients = HashMap::from([("admin".to_owned(), (Arc::clone(&client), notices.clone()))]);
        Self { hub, client, notices, clients }
    }

    /// Goes on as another role, in the connection it had before if it had one.
    async fn become_role(&mut self, role: &str, password: &str) -> Result<(), Failure> {
        if !self.clients.contains_key(role) {
            let (client, notices) = self.hub.connect_and_listen(role, password, "").await?;
            self.clients.insert(role.to_owned(), (Arc::new(client), notices));
        }
        (self.client, self.notices) = self.clients[role].clone();
        Ok(())
    }

    /// The runner's own words.
    fn own(&self, text: &str) -> Option<DBOutput<DefaultColumnType>> {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let (word, argument) = first.split_once(' ').unwrap_or((first, ""));
        match word {
            "\\write" => {
                let path = self.hub.files().join(argument.trim());
                std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for the file");
                // A zero byte cannot stand in a script.
                std::fs::write(path, rest.replace("\\0", "\0")).expect("the file is written");
                Some(DBOutput::StatementComplete(0))
            }
            "\\remove" => {
                std::fs::remove_file(self.hub.files().join(argument.trim())).expect("the file is removed");
                Some(DBOutput::StatementComplete(0))
            }
            "\\notices" => {
                let rows = self.notices.take().into_iter().map(|notice| vec![notice]).collect();
                Some(DBOutput::Rows { types: vec![DefaultColumnType::Any], rows })
            }
            "\\secrets" => {
                let found = holds(&self.hub.data(), argument.trim().as_bytes());
                Some(DBOutput::Rows { types: vec![DefaultColumnType::Any], rows: vec![vec![found.to_string()]] })
            }
            _ => None,
        }
    }
}

/// Whether any file below holds the bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        let content = std::fs::read(&path).expect("a readable file");
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[async_trait]
impl AsyncDB for Wire {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failure> {
        let sql = sql.replace("$DATA", &test_data().to_string_lossy()).replace("$FILES", &self.hub.files().to_string_lossy());
        if sql.starts_with("\\notices") {
            // Notices come on the connection's own task: an answer after them says that it has seen them.
            self.client.simple_query("SELECT 1").await.expect("an answer");
        }
        if let Some(role) = sql.strip_prefix("\\as ") {
            let (role, password) = role.trim().split_once(' ').unwrap_or((role.trim(), role.trim()));
            self.become_role(role, password).await?;
            return Ok(DBOutput::StatementComplete(0));
        }
        if let Some(output) = self.own(&sql) {
            return Ok(output);
        }
        if let Some(pipeline) = sql.strip_prefix("\\cancel ") {
            let running = "SELECT run_id::text FROM hub.runs WHERE status = 'running' AND pipeline = $1";
            let run: String = self.client.query_one(running, &[&pipeline.trim()]).await?.get(0);
            self.client.batch_execute(&format!("CANCEL RUN '{run}'")).await?;
            return Ok(DBOutput::StatementComplete(0));
        }
        let (sql, shown) = match sql.strip_prefix("\\run ") {
            Some(rest) => (format!("RUN PIPELINE {rest}"), 1..7),
            None => (sql, 0..usize::MAX),
        };
        let mut columns = None;
        let mut rows = Vec::new();
        let mut count = 0;
        for message in self.client.simple_query(&sql).await? {
            match message {
                SimpleQueryMessage::RowDescription(description) => columns = Some(description.len().min(shown.len())),
                SimpleQueryMessage::Row(row) => {
                    columns = Some(row.len().min(shown.len()));
                    rows.push((0..row.len()).filter(|index| shown.contains(index)).map(|index| show(row.get(index))).collect());
                }
                SimpleQueryMessage::CommandComplete(rows) => count = rows,
                _ => {}
            }
        }
        Ok(match columns {
            Some(columns) => DBOutput::Rows { types: vec![DefaultColumnType::Any; columns], rows },
            None => DBOutput::StatementComplete(count),
        })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "weir"
    }
}

fn show(value: Option<&str>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(text) => text.to_owned(),
    }
}

/// An error as scripts match it.
#[derive(Debug)]
struct Failure(String);

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else { return Self(error.to_string()) };
        let mut text = format!("{} {}", db.code().code(), db.message());
        if let Some(detail) = db.detail() {
            text.push_str(&format!("\nDETAIL: {detail}"));
        }
        if let Some(hint) = db.hint() {
            text.push_str(&format!("\nHINT: {hint}"));
        }
        if let Some(tokio_postgres::error::ErrorPosition::Original(position)) = db.position() {
            text.push_str(&format!("\nPOSITION: {position}"));
        }
        Self(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
