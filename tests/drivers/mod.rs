//! Real clients, unmodified, against a real hub: they connect, list, describe, read and write, and see the right things.
//!
//! Each client is one Python script of this folder that ends with an error when anything is not as it must be. `shop.sql` is what they look at.

#![expect(clippy::print_stderr, reason = "what was not run, and what a client said")]

use std::path::PathBuf;
use std::process::Command;

use super::hub::{Hub, PASSWORD};

/// Runs the script of one client. Without a Python for it the test says so in one line; where services are required that is a failure.
fn driver(script: &str) {
    let python = match std::env::var("WEIR_TEST_PYTHON") {
        Ok(python) => python,
        Err(_) if std::env::var_os("WEIR_TEST_SERVICES").is_some() => panic!("WEIR_TEST_PYTHON is not set"),
        Err(_) => {
            eprintln!("not run: WEIR_TEST_PYTHON is not set (make test sets it, or tests/services/up)");
            return;
        }
    };
    let hub = Hub::start();
    std::fs::write(hub.files().join("people.csv"), "id,name\n1,Ann\n2,Bob\n").expect("a file to read");
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/drivers");
    let output = Command::new(python)
        .arg(folder.join(script))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("WEIR_PORT", hub.port().to_string())
        .env("WEIR_PASSWORD", PASSWORD)
        .env("WEIR_FILES", hub.files())
        .output()
        .expect("python");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script} failed:\n{said}");
    let checks = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(checks > 0, "{script} checked nothing:\n{said}");
}

#[test]
fn psql_describes_everything() {
    driver("psql.py");
}

#[test]
fn psycopg_2_and_3_read_and_write_every_type() {
    driver("psycopg_types.py");
}

#[test]
fn asyncpg_introspects_and_resets_its_pool() {
    driver("asyncpg_pool.py");
}

#[test]
fn sqlalchemy_reflects_with_both_drivers() {
    driver("sqlalchemy_reflection.py");
}

#[test]
fn pandas_reads_frames() {
    driver("pandas_frames.py");
}
