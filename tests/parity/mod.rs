//! The same statements asked of a real PostgreSQL and of a hub: rows as text, names and types of the columns, or the SQLSTATE must agree.
//!
//! A file of this folder holds one statement per line, with the tables of `setup.sql` on both sides. A line before a statement says where
//! the two may differ, and why; the test fails when such a difference is gone:
//!
//! - `-- differs: rows, names, types: REASON`, any of the three words
//! - `-- not yet: SQLSTATE REASON`: the hub refuses, PostgreSQL answers
//!
//! Of a statement with `$1` only the columns and the types of its parameters are asked.

#![expect(clippy::print_stderr, reason = "what was not run")]

use std::path::{Path, PathBuf};

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::hub::Hub;

macro_rules! themes {
    ($($name:ident,)*) => {
        const THEMES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                run(stringify!($name)).await;
            }
        )*
    };
}

themes! {
    aggregates,
    arrays,
    bytea,
    casts,
    dates,
    errors,
    floats,
    jsonb,
    names_and_types,
    numeric,
    parameters,
    patterns,
    queries,
    sets,
    strings,
    text_of_values,
    unknown,
    uuid,
}

#[test]
fn every_theme_is_run() {
    let mut found: Vec<String> = std::fs::read_dir(folder())
        .expect("the folder of themes")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter_map(|name| name.strip_suffix(".sql").map(str::to_owned))
        .filter(|name| name != "setup")
        .collect();
    found.sort();
    assert_eq!(found, THEMES, "themes on disk and themes that are run");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity")
}

/// What is known to differ.
#[derive(Default)]
struct Known {
    differs: Vec<String>,
    not_yet: Option<String>,
}

/// What one side answers.
#[derive(Debug, PartialEq)]
enum Answer {
    Rows { rows: Vec<String>, names: Vec<String>, types: Vec<String> },
    Error(String, String),
}

async fn run(theme: &str) {
    let Ok(url) = std::env::var("WEIR_TEST_POSTGRES") else {
        assert!(std::env::var_os("WEIR_TEST_SERVICES").is_none(), "WEIR_TEST_POSTGRES is not set");
        eprintln!("not run: WEIR_TEST_POSTGRES is not set (make test sets it, or tests/services/up)");
        return;
    };
    let postgres = real(&url, theme).await;
    let hub = Hub::start();
    let (weir, _notices) = hub.connect().await;
    let setup = read("setup");
    for statement in statements(&setup) {
        postgres.batch_execute(&statement).await.unwrap_or_else(|error| panic!("PostgreSQL: {statement}: {error:?}"));
        weir.batch_execute(&statement).await.unwrap_or_else(|error| panic!("the hub: {statement}: {error:?}"));
    }
    let mut wrong = Vec::new();
    let mut asked = 0;
    let mut known = Known::default();
    for line in read(theme).lines() {
        if let Some(rest) = line.strip_prefix("-- differs:") {
            let (words, _reason) = rest.split_once(':').unwrap_or_else(|| panic!("no reason in {line}"));
            known.differs = words.split(',').map(|word| word.trim().to_owned()).collect();
        } else if let Some(rest) = line.strip_prefix("-- not yet:") {
            known.not_yet = rest.split_whitespace().next().map(str::to_owned);
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            asked += 1;
            let (there, here) = (answer(&postgres, line).await, answer(&weir, line).await);
            wrong.extend(compared(line, &std::mem::take(&mut known), &there, &here));
        }
    }
    assert!(asked > 0, "{theme} asks nothing");
    assert!(wrong.is_empty(), "{} of {asked} statements:\n{}", wrong.len(), wrong.join("\n"));
}

/// A connection to PostgreSQL with tables of this theme alone.
async fn real(url: &str, theme: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("PostgreSQL");
    tokio::spawn(connection);
    let schema = format!("parity_{theme}");
    let prepare = format!(
        "SET client_min_messages = error; DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; SET search_path = {schema}, public; SET TimeZone = 'UTC'; \
         SELECT pg_advisory_lock(1); CREATE EXTENSION IF NOT EXISTS pgcrypto SCHEMA public; SELECT pg_advisory_unlock(1)"
    );
    client.batch_execute(&prepare).await.expect("a schema of its own");
    client
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{name}.sql"))).expect("a file of statements")
}

/// Statements that end with a semicolon at the end of a line.
fn statements(text: &str) -> Vec<String> {
    text.split(";\n").map(|statement| statement.trim().to_owned()).filter(|statement| !statement.is_empty()).collect()
}

async fn answer(client: &Client, statement: &str) -> Answer {
    match asked(client, statement).await {
        Ok(answer) => answer,
        Err(error) => match error.as_db_error() {
            Some(db) => Answer::Error(db.code().code().to_owned(), db.message().to_owned()),
            None => Answer::Error("-----".to_owned(), error.to_string()),
        },
    }
}

async fn asked(client: &Client, statement: &str) -> Result<Answer, tokio_postgres::Error> {
    let mut rows = Vec::new();
    if statement.contains("$1") {
        // Without values: the types that are announced for its parameters are its rows.
        let prepared = client.prepare(statement).await?;
        rows.extend(prepared.params().iter().map(|parameter| parameter.name().to_owned()));
        let names = prepared.columns().iter().map(|column| column.name().to_owned()).collect();
        let types = prepared.columns().iter().map(|column| column.type_().name().to_owned()).collect();
        return Ok(Answer::Rows { rows, names, types });
    }
    for message in client.simple_query(statement).await? {
        if let SimpleQueryMessage::Row(row) = message {
            let cells: Vec<&str> = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect();
            rows.push(cells.join(" | "));
        }
    }
    let prepared = client.prepare(statement).await?;
    let names = prepared.columns().iter().map(|column| column.name().to_owned()).collect();
    let types = prepared.columns().iter().map(|column| column.type_().name().to_owned()).collect();
    Ok(Answer::Rows { rows, names, types })
}

/// What is not as it should be, a line for each.
fn compared(statement: &str, known: &Known, there: &Answer, here: &Answer) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(code) = &known.not_yet {
        match here {
            Answer::Error(own, _) if own == code && !matches!(there, Answer::Error(theirs, _) if theirs == own) => {}
            _ => wrong.push(format!("{statement}\n    listed as not yet {code}, but: {here:?}")),
        }
        return wrong;
    }
    let (Answer::Rows { rows, names, types }, Answer::Rows { rows: own_rows, names: own_names, types: own_types }) = (there, here) else {
        let same = matches!((there, here), (Answer::Error(theirs, _), Answer::Error(own, _)) if theirs == own);
        match (same, known.differs.iter().any(|word| word == "error")) {
            (false, false) => wrong.push(format!("{statement}\n    PostgreSQL {}\n    hub        {}", shown(there), shown(here))),
            (true, true) => wrong.push(format!("{statement}\n    listed as different in error, but is the same")),
            _ => {}
        }
        return wrong;
    };
    for (word, theirs, own) in [("rows", rows, own_rows), ("names", names, own_names), ("types", types, own_types)] {
        let listed = known.differs.iter().any(|known| known == word);
        match (theirs == own, listed) {
            (false, false) => wrong.push(format!("{statement}\n    {word}: PostgreSQL {theirs:?}\n    {word}: hub        {own:?}")),
            (true, true) => wrong.push(format!("{statement}\n    listed as different in {word}, but is the same")),
            _ => {}
        }
    }
    wrong
}

fn shown(answer: &Answer) -> String {
    match answer {
        Answer::Rows { rows, .. } => format!("answers {rows:?}"),
        Answer::Error(code, message) => format!("fails with {code} {message}"),
    }
}
