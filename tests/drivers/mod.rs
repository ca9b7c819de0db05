//! Real clients, unmodified, against a real hub: they connect, list, describe, read and write, and see the right things.
//!
//! Each client is one script of this folder that ends with an error when anything is not as it must be; `ok ..` is a line for each thing that
//! is. `shop.sql` is what they look at.

#![expect(clippy::print_stderr, reason = "what was not run, and what a client said")]

use std::path::{Path, PathBuf};
use std::process::Command;

use super::hub::{Hub, PASSWORD};

/// What a service of `tests/services` says of itself. Without it the test says so in one line; where services are required that is a failure.
fn service(name: &str) -> Option<String> {
    match std::env::var(name) {
        Ok(value) => Some(value),
        Err(_) if std::env::var_os("WEIR_TEST_SERVICES").is_some() => panic!("{name} is not set"),
        Err(_) => {
            eprintln!("not run: {name} is not set (make test sets it, or tests/services/up)");
            None
        }
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/drivers")
}

/// A hub with a file to read.
fn hub() -> Hub {
    let hub = Hub::start();
    std::fs::write(hub.files().join("people.csv"), "id,name\n1,Ann\n2,Bob\n").expect("a file to read");
    hub
}

/// Runs a client's script; `what` is its name in messages.
fn run(what: &str, hub: &Hub, command: &mut Command) {
    let output = command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("WEIR_DRIVERS", folder())
        .env("WEIR_PORT", hub.port().to_string())
        .env("WEIR_PASSWORD", PASSWORD)
        .env("WEIR_FILES", hub.files())
        .output()
        .expect("the client starts");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what} failed:\n{said}");
    let checks = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(checks > 0, "{what} checked nothing:\n{said}");
}

fn python(script: &str) {
    let Some(python) = service("WEIR_TEST_PYTHON") else { return };
    run(script, &hub(), Command::new(python).arg(folder().join(script)));
}

#[test]
fn psql_describes_everything() {
    python("psql.py");
}

#[test]
fn psycopg_2_and_3_read_and_write_every_type() {
    python("psycopg_types.py");
}

#[test]
fn asyncpg_introspects_and_resets_its_pool() {
    python("asyncpg_pool.py");
}

#[test]
fn sqlalchemy_reflects_with_both_drivers() {
    python("sqlalchemy_reflection.py");
}

#[test]
fn pandas_reads_frames() {
    python("pandas_frames.py");
}

#[test]
fn psycopg_2_and_3_have_cursors_pipelines_and_copy() {
    python("psycopg_cursors.py");
}

#[test]
fn asyncpg_copies_and_listens() {
    python("asyncpg_copies.py");
}

#[test]
fn adbc_reads_and_writes_arrow() {
    python("adbc.py");
}

#[test]
fn psqlodbc_describes_reads_and_writes() {
    if service("WEIR_TEST_PSQLODBC").is_some() {
        python("odbc.py");
    }
}

#[test]
fn a_postgresql_reads_and_writes_foreign_tables() {
    if service("WEIR_TEST_POSTGRES").is_some() {
        python("postgres_fdw.py");
    }
}

#[test]
fn node_postgres_reads_writes_and_listens() {
    let Some(node) = service("WEIR_TEST_NODE") else { return };
    run("node.js", &hub(), Command::new(node).arg(folder().join("node.js")));
}

#[test]
fn pgjdbc_describes_reads_and_writes() {
    let (Some(java), Some(driver)) = (service("WEIR_TEST_JAVA"), service("WEIR_TEST_PGJDBC")) else { return };
    let classes = tempfile::tempdir().expect("a folder for classes");
    let compiler = Path::new(&java).with_file_name("javac");
    let sources = ["Hub.java", "JdbcMetadata.java", "JdbcStatements.java"].map(|name| folder().join(name));
    let compiled = Command::new(compiler).args(["-cp", &driver, "-d"]).arg(classes.path()).args(sources).status().expect("javac");
    assert!(compiled.success(), "the scripts do not compile");
    let path = format!("{driver}:{}", classes.path().display());
    let hub = hub();
    for script in ["JdbcMetadata", "JdbcStatements"] {
        run(script, &hub, Command::new(&java).args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", &path, script]));
    }
}
