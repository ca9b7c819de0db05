//! What becomes of a source whose data is no longer what it was: every change under every policy, for files and for a server.
//!
//! A cell runs a pipeline over data of the first shape, then over data of the second. It says which rows are in the table, what was quarantined
//! by which rule, what `hub.schema_changes` has, and why the second run failed if it did. In each the records add up: what was handed in is in
//! the table or among the dead letters, or the run failed and took nothing.

mod decisions;
mod files;
mod server;

use std::fmt::Write as _;
use std::path::Path;

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::hub::Hub;

const POLICIES: [&str; 4] = ["EVOLVE", "RESCUE", "IGNORE", "FAIL"];

/// One change, and what comes of it under each of `POLICIES`.
struct Change {
    name: &'static str,
    columns: &'static str,
    first: &'static str,
    second: &'static str,
    outcome: [&'static str; 4],
}

/// Rows of a statement, columns joined with a bar; the names of the columns first if they are wanted.
async fn rows(client: &Client, sql: &str, with_names: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for message in client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")) {
        match message {
            SimpleQueryMessage::RowDescription(columns) if with_names => {
                lines.push(columns.iter().map(|column| column.name().to_owned()).collect::<Vec<_>>().join("|"));
            }
            SimpleQueryMessage::Row(row) => {
                let cells: Vec<&str> = (0..row.len()).map(|at| row.get(at).unwrap_or("∅")).collect();
                lines.push(cells.join("|"));
            }
            _ => {}
        }
    }
    lines
}

async fn number(client: &Client, sql: &str) -> i64 {
    rows(client, sql, false).await.first().and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("{sql} gives a number"))
}

/// Runs the pipeline; its SQLSTATE and message when it fails.
async fn run(client: &Client, pipeline: &str) -> Option<String> {
    let error = client.batch_execute(&format!("RUN PIPELINE {pipeline}")).await.err()?;
    let error = error.as_db_error().expect("an answer of the hub");
    Some(format!("{} {}", error.code().code(), error.message()))
}

const CHANGES: &str = "SELECT c.kind || ' ' || c.column_name || ': ' || coalesce(c.proposal->>'from', '-') || ' -> ' || (c.proposal->>'to') || ', ' || c.status \
    FROM hub.schema_changes c";

/// What a cell came to: the table, the dead letters, the changes, the failure.
async fn outcome(client: &Client, name: &str, failure: Option<String>) -> String {
    let mut text = String::new();
    for line in rows(client, &format!("SELECT * FROM m.{name} ORDER BY 1 NULLS LAST"), true).await {
        let _ = writeln!(text, "{line}");
    }
    let letters = format!(
        "SELECT 'quarantined ' || rule || ' x' || count(*) FROM hub.dead_letters WHERE pipeline = 'm.p_{name}' GROUP BY rule ORDER BY 1"
    );
    for line in rows(client, &letters, false).await {
        let _ = writeln!(text, "{line}");
    }
    for line in rows(client, &format!("{CHANGES} WHERE c.relation = 'm.s_{name}' ORDER BY c.id"), false).await {
        let _ = writeln!(text, "{line}");
    }
    if let Some(failure) = failure {
        let _ = writeln!(text, "failed {failure}");
    }
    text
}

/// What was handed in is in the table or among the letters; each run that landed adds up in itself.
async fn adds_up(client: &Client, name: &str, handed_in: i64) {
    let landed = number(client, &format!("SELECT count(*) FROM m.{name}")).await;
    let letters =
        number(client, &format!("SELECT count(*) FROM hub.dead_letters WHERE pipeline = 'm.p_{name}' AND status <> 'void'")).await;
    assert_eq!(landed + letters, handed_in, "{name}: records that are neither in the table nor among the dead letters, or in both");
    let odd = format!(
        "SELECT count(*) FROM hub.runs WHERE pipeline = 'm.p_{name}' AND status = 'succeeded' \
         AND rows_in <> rows_out + rows_quarantined + rows_dropped + rows_duplicate + rows_filtered"
    );
    assert_eq!(number(client, &odd).await, 0, "{name}: a run does not add up");
}

fn tidy(expected: &str) -> String {
    expected.trim().lines().fold(String::new(), |text, line| text + line.trim() + "\n")
}

/// Cells that came out otherwise, to be told all at once.
#[derive(Default)]
struct Wrong(String);

impl Wrong {
    fn compare(&mut self, cell: &str, expected: &str, came: &str) {
        let expected = tidy(expected);
        if expected != came {
            let _ = write!(self.0, "\n{cell}\nexpected:\n{expected}came:\n{came}");
        }
    }
}

impl Drop for Wrong {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "{}", self.0);
        }
    }
}

struct Files<'a> {
    client: &'a Client,
    folder: &'a Path,
    format: &'a str,
}

impl Files<'_> {
    fn write(&self, name: &str, number: u32, content: &str) {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{number}.txt")), content).expect("a file");
    }

    async fn make(&self, name: &str, columns: &str, policy: &str) {
        let format = self.format;
        let sql = format!(
            "CREATE SOURCE m.s_{name} {columns} FROM CONNECTION m.files FORMAT {format} ON SCHEMA CHANGE {policy} \
             WITH (path = '{name}/*.txt', settle = '0 s'); \
             CREATE PIPELINE m.p_{name} WITH (lineage_columns = false) INTO m.{name} APPEND AS SELECT * FROM STREAM(m.s_{name})"
        );
        self.client.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }

    async fn cell(&self, change: &Change, policy: &str) -> (String, String) {
        let name = format!("{}_{}", change.name, policy.to_lowercase());
        self.write(&name, 1, change.first);
        self.make(&name, change.columns, policy).await;
        assert_eq!(run(self.client, &format!("m.p_{name}")).await, None, "{name}: the first run");
        self.write(&name, 2, change.second);
        let failure = run(self.client, &format!("m.p_{name}")).await;
        let records = |content: &str| i64::try_from(content.lines().count()).expect("few") - i64::from(self.format == "csv");
        let second = if failure.is_some() { 0 } else { records(change.second) };
        adds_up(self.client, &name, records(change.first) + second).await;
        (name.clone(), outcome(self.client, &name, failure).await)
    }
}

async fn files_hub() -> (Hub, Client) {
    let hub = Hub::start();
    let (client, _) = hub.connect().await;
    let root = hub.files().display().to_string();
    client
        .batch_execute(&format!("CREATE SCHEMA m; CREATE CONNECTION m.files TYPE local WITH (root = '{root}')"))
        .await
        .expect("a connection");
    (hub, client)
}

async fn every_cell(format: &str, changes: &[Change]) {
    let (hub, client) = files_hub().await;
    let folder = hub.files();
    let files = Files { client: &client, folder: &folder, format };
    let mut wrong = Wrong::default();
    for change in changes {
        for (policy, expected) in POLICIES.iter().zip(change.outcome) {
            let (name, came) = files.cell(change, policy).await;
            wrong.compare(&name, expected, &came);
        }
    }
}
