//! The binary as an operator meets it: first start, stop, refusals, `check`, and the whole tour of `demo`.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

fn weir() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.env_remove("WEIR_ADMIN_PASSWORD").stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().expect("the weir binary");
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// A running `weir serve` with a JSON log, its ports, and what it said before it was ready.
struct Served {
    process: Child,
    log: BufReader<std::process::ChildStderr>,
    pg: String,
    said: String,
}

impl Served {
    fn start(data: &Path) -> Self {
        let mut process = weir()
            .args(["serve", "--pg", "127.0.0.1:0", "--http", "127.0.0.1:0", "--set", "log.format=json", "--data-dir"])
            .arg(data)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the weir binary");
        let mut log = BufReader::new(process.stderr.take().expect("its log"));
        let mut said = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).expect("its log"), 0, "ended before it was ready:\n{said}");
            said.push_str(&line);
            if let Ok(entry) = serde_json::from_str::<serde_json::Value>(&line)
                && entry["message"] == "ready"
            {
                let pg = entry["pg"].as_str().expect("an address").to_owned();
                return Self { process, log, pg, said };
            }
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.process.id())).status().expect("sh");
        assert!(sent.success());
    }

    /// Its exit code after SIGTERM, and the rest of its log.
    fn stop(mut self) -> (Option<i32>, String) {
        self.signal("TERM");
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).expect("its log");
        (self.process.wait().expect("an exit code").code(), rest)
    }

    async fn connect(&self, password: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let (host, port) = self.pg.split_once(':').expect("an address");
        let text = format!("host={host} port={port} user=admin dbname=weir password={password}");
        let (client, connection) = tokio_postgres::connect(&text, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_makes_a_password_and_the_second_keeps_it() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let served = Served::start(&data);
    let password = fs::read_to_string(data.join("admin.password")).expect("a kept password").trim().to_owned();
    assert!(password.len() >= 20);
    assert!(served.said.contains(&password), "it is printed once");
    assert_eq!(fs::metadata(data.join("admin.password")).expect("the file").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&data).expect("the folder").permissions().mode() & 0o777, 0o700);
    let client = served.connect(&password).await.expect("the right password");
    assert_eq!(client.query_one("SELECT 1 + 1", &[]).await.expect("an answer").len(), 1);
    let refused = served.connect("wrong").await.expect_err("a refusal");
    assert_eq!(refused.code().map(|code| code.code()), Some("28P01"));
    drop(client);
    let (code, rest) = served.stop();
    assert_eq!(code, Some(0), "{rest}");
    assert!(!rest.contains(&password), "never in the log");

    let again = Served::start(&data);
    assert!(!again.said.contains(&password), "only the first start prints it");
    again.connect(&password).await.expect("the same password");
    assert_eq!(again.stop().0, Some(0));
}

#[test]
fn what_cannot_be_served_is_said_and_ends_with_one() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let (code, text) = run(weir().args(["serve", "--http", "127.0.0.1:0", "--pg", &address, "--data-dir"]).arg(&data));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&format!("cannot listen on {address}: another program listens there")), "{text}");

    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let (code, text) = run(weir().args(["serve", "--data-dir"]).arg(&file));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("is not a folder"), "{text}");

    let (code, text) = run(weir().args(["serve", "--set", "pg.lisen=x", "--data-dir"]).arg(&data));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("unknown configuration key pg.lisen") && text.contains("Did you mean pg.listen?"), "{text}");

    let (code, text) = run(weir().args(["serve"]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("--data-dir"), "{text}");

    let served = Served::start(&data);
    let (code, text) = run(weir().args(["serve", "--pg", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data-dir"]).arg(&data));
    assert_eq!(code, Some(1), "a second hub on one folder: {text}");
    assert_eq!(served.stop().0, Some(0));
}

#[test]
fn check_tells_every_error_with_its_place() {
    let folder = TempDir::new().expect("a folder");
    let script = folder.path().join("script.sql");
    let text = "CREATE SCHEMA a;\nCREATE TABLE a.t (x int, y text);\nSELECT x, z FROM a.t;\nCREATE SCHEMAA b;\nSELECT y\n  FROM a.tt;\nSELECT x FROM a.t;\n";
    fs::write(&script, text).expect("a script");
    let (code, text) = run(weir().arg("check").arg(&script));
    assert_eq!(code, Some(1), "{text}");
    let name = script.display();
    assert!(text.contains(&format!("{name}:3:11: error: ")), "{text}");
    assert!(text.contains(&format!("{name}:4:8: error: syntax error")), "{text}");
    assert!(text.contains(&format!("{name}:6:8: error: ")), "{text}");
    assert_eq!(text.matches(": error: ").count(), 3, "{text}");

    fs::write(&script, "CREATE SCHEMA a;\nCREATE TABLE a.t (x int);\nSELECT x FROM a.t;\n").expect("a script");
    let (code, text) = run(weir().arg("check").arg(&script));
    assert_eq!((code, text.contains("3 statements, no errors")), (Some(0), true), "{text}");
}

#[test]
fn the_tour_of_the_demo_comes_out_as_its_script_says() {
    let (code, text) = run(weir().arg("demo").env("WEIR_DEMO_EXIT", "1"));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("Every step came out as expected."), "{text}");
}
