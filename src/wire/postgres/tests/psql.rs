//! The real psql.

use std::process::{Command, Output, Stdio};

use super::super::tls::load_tls;
use super::{PASSWORD, TestServer};
use crate::config::{self, TlsMode};

/// Runs psql with these arguments; `None` when it is not installed.
async fn psql(server: &TestServer, arguments: &[&str]) -> Option<Output> {
    let port = server.address.port().to_string();
    let mut command = Command::new("psql");
    command.args(["-h", "127.0.0.1", "-p", &port, "-U", "admin", "-d", "weir", "-X", "-w"]).args(arguments);
    command.env("PGPASSWORD", PASSWORD).env_remove("PGOPTIONS").stdin(Stdio::null());
    match tokio::task::spawn_blocking(move || command.output()).await.unwrap() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("psql is not installed, not tested: {error}");
            None
        }
    }
}

#[tokio::test]
async fn psql_logs_in_and_reads_rows() {
    let server = TestServer::start().await;
    let Some(output) = psql(&server, &["-At", "-c", "SELECT 1 AS a, 'b' AS b, NULL", "-c", "SELECT 2"]).await else { return };
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1|b|\n2\n");
    server.stop().await;
}

/// The caret stands under the character that is wrong, also in the second line.
#[tokio::test]
async fn psql_points_at_the_mistake() {
    let server = TestServer::start().await;
    let Some(output) = psql(&server, &["-c", "SELECT 1 AS \"ä\",\n  2 ) FROM t"]).await else { return };
    let stderr = String::from_utf8_lossy(&output.stderr);
    let mut lines = stderr.lines();
    let (message, line, caret) = (lines.next().unwrap(), lines.next().unwrap(), lines.next().unwrap());
    assert!(message.starts_with("ERROR:  syntax error"), "{stderr}");
    assert_eq!(line, "LINE 2:   2 ) FROM t");
    assert_eq!(caret.find('^'), Some("LINE 2:   2 ".len()), "{stderr}");
    server.stop().await;
}

/// With the certificate checked, the connection is encrypted; psql says so itself.
#[tokio::test]
async fn psql_speaks_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = super::certificate(folder.path());
    let tls = load_tls(&config::Tls { cert: cert.clone(), key, client_ca: None, mode: TlsMode::Require }).unwrap();
    let server = TestServer::with(10, Some(tls)).await;
    let url = format!(
        "host=127.0.0.1 port={} user=admin dbname=weir password='{PASSWORD}' sslmode=verify-full sslrootcert={}",
        server.address.port(),
        cert.display()
    );
    let mut command = Command::new("psql");
    command.args(["-X", "-w", "-At", "-c", "\\conninfo", "-c", "SELECT 1", &url]);
    let Ok(output) = tokio::task::spawn_blocking(move || command.output()).await.unwrap() else { return };
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("SSL connection (protocol: TLSv1.3") && stdout.ends_with("\n1\n"), "{stdout}{stderr}");
    server.stop().await;
}

/// Where clients must show a certificate, the right password alone gets nobody in, and a certificate that somebody else signed neither.
#[tokio::test]
async fn psql_must_show_its_certificate() {
    let (folder, stranger) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (cert, key) = super::certificate(folder.path());
    let (other_cert, other_key) = super::certificate(stranger.path());
    let tls = config::Tls { cert: cert.clone(), key: key.clone(), client_ca: Some(cert.clone()), mode: TlsMode::Require };
    let server = TestServer::with(10, Some(load_tls(&tls).unwrap())).await;
    let missing = config::Tls { client_ca: Some(folder.path().join("none.crt")), ..tls };
    assert!(load_tls(&missing).is_err());
    let url = format!(
        "host=127.0.0.1 port={} user=admin dbname=weir password='{PASSWORD}' sslmode=verify-full sslrootcert={}",
        server.address.port(),
        cert.display()
    );
    let with = |cert: &std::path::Path, key: &std::path::Path| format!("{url} sslcert={} sslkey={}", cert.display(), key.display());
    for (url, expected) in [(with(&cert, &key), true), (format!("{url} sslcert=/none"), false), (with(&other_cert, &other_key), false)] {
        let mut command = Command::new("psql");
        command.args(["-X", "-w", "-At", "-c", "SELECT 1", &url]);
        let Ok(output) = tokio::task::spawn_blocking(move || command.output()).await.unwrap() else { return };
        assert_eq!(output.status.success(), expected, "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(server.executed(), 1);
    server.stop().await;
}

#[tokio::test]
async fn psql_is_told_that_the_password_is_wrong() {
    let server = TestServer::start().await;
    let url = format!("postgres://admin:wrong@127.0.0.1:{}/weir", server.address.port());
    let mut command = Command::new("psql");
    command.args(["-X", "-w", "-c", "SELECT 1", &url]).env_remove("PGPASSWORD");
    let Ok(output) = tokio::task::spawn_blocking(move || command.output()).await.unwrap() else { return };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("FATAL:  password authentication failed for user \"admin\""), "{stderr}");
    assert_eq!(server.executed(), 0);
    server.stop().await;
}
