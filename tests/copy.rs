//! COPY by a client of its own protocol and by psql.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio_postgres::Client;

use crate::hub::{Hub, PASSWORD};

async fn copy_in(client: &Client, statement: &str, pieces: &[&str]) -> Result<u64, tokio_postgres::Error> {
    let sink = client.copy_in::<_, Bytes>(statement).await?;
    futures::pin_mut!(sink);
    for piece in pieces {
        sink.send(Bytes::copy_from_slice(piece.as_bytes())).await?;
    }
    sink.finish().await
}

async fn copy_out(client: &Client, statement: &str) -> Vec<u8> {
    let stream = client.copy_out(statement).await.expect("rows");
    futures::pin_mut!(stream);
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece.expect("a piece"));
    }
    bytes
}

async fn text_out(client: &Client, statement: &str) -> String {
    String::from_utf8(copy_out(client, statement).await).expect("text")
}

async fn versions(client: &Client) -> i64 {
    client.query_one("SELECT max(version) FROM hub.table_history WHERE relation = 'public.t'", &[]).await.expect("a version").get(0)
}

fn state(error: &tokio_postgres::Error) -> String {
    error.code().map(|code| code.code().to_owned()).unwrap_or_default()
}

const TABLE: &str = "CREATE TABLE t (id bigint PRIMARY KEY, name text DEFAULT 'none', n numeric(8,2) CHECK (n > 0), at timestamptz, \
                     day date, ok boolean, x double precision, raw bytea, doc jsonb, key uuid)";

const LINES: &str = "1\ta\\tb\t12.50\t2026-01-02 03:04:05+00\t2026-01-02\tt\t1.5\t\\\\x00ff\t{\"a\": 1}\t\
                     b7e9f4f2-0000-4000-8000-000000000001\n\
                     2\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\t\\N\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_go_in_and_out_in_every_form() {
    let hub = Hub::start();
    let (client, _) = hub.connect().await;
    client.batch_execute(TABLE).await.expect("a table");
    let half = LINES.len() / 3;
    assert_eq!(copy_in(&client, "COPY t FROM STDIN", &[&LINES[..half], &LINES[half..]]).await.expect("a copy"), 2);
    assert_eq!(versions(&client).await, 1);
    assert_eq!(text_out(&client, "COPY t TO STDOUT").await, LINES);
    for form in ["text", "csv", "binary"] {
        let rows = copy_out(&client, &format!("COPY (SELECT * FROM t ORDER BY id) TO STDOUT WITH (FORMAT {form})")).await;
        client.batch_execute("DELETE FROM t").await.expect("an empty table");
        let sink = client.copy_in::<_, Bytes>(&format!("COPY t FROM STDIN (FORMAT {form})")).await.expect("a copy");
        futures::pin_mut!(sink);
        for piece in rows.chunks(7) {
            sink.send(Bytes::copy_from_slice(piece)).await.expect("a piece");
        }
        assert_eq!(sink.finish().await.expect("the end"), 2, "{form}");
        assert_eq!(text_out(&client, "COPY t TO STDOUT").await, LINES, "{form}");
    }
    let csv = text_out(&client, "COPY t (name, id) TO STDOUT WITH (FORMAT csv, HEADER, DELIMITER ';', FORCE_QUOTE (name))").await;
    assert_eq!(csv, "name;id\n\"a\tb\";1\n;2\n");
    let csv = text_out(&client, "COPY (SELECT 1 AS one, 'x,y' AS two) TO STDOUT CSV HEADER").await;
    assert_eq!(csv, "one,two\n1,\"x,y\"\n");
    // Columns that are not listed get their default.
    assert_eq!(copy_in(&client, "COPY t (n, id) FROM STDIN WITH (FORMAT csv)", &["7.125,3\n"]).await.expect("a copy"), 1);
    let row = client.query_one("SELECT name, n::text FROM t WHERE id = 3", &[]).await.expect("the row");
    assert_eq!((row.get::<_, String>(0), row.get::<_, String>(1)), ("none".to_owned(), "7.13".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_fails_leaves_nothing_and_names_the_line() {
    let hub = Hub::start();
    let (client, _) = hub.connect().await;
    client.batch_execute(TABLE).await.expect("a table");
    let cases = [
        ("1,1\n2,x\n", "22P02", "COPY t, line 2, column n: \"x\""),
        ("1,1\n2\n", "22P04", "COPY t, line 2: \"2\""),
        ("1,1\n2,-1\n", "23514", "COPY t, line 2."),
        ("1,1\n,1\n", "23502", "COPY t, line 2."),
        ("1,1\n1,1\n", "23505", "Key (id)=(1) is given twice."),
        ("1,1\n2,1234567.00\n", "22003", "COPY t, line 2, column n: \"1234567.00\""),
    ];
    for (lines, wanted, detail) in cases {
        let error = copy_in(&client, "COPY t (id, n) FROM STDIN CSV", &[lines]).await.expect_err(lines);
        assert_eq!(state(&error), wanted, "{lines}: {error:?}");
        let told = error.as_db_error().and_then(|error| error.detail()).unwrap_or_default();
        assert!(told.ends_with(detail), "{lines}: {told}");
        client.batch_execute("SELECT 1").await.expect("the session goes on");
    }
    // CopyFail: the sink is dropped before its end.
    {
        let sink = client.copy_in::<_, Bytes>("COPY t (id) FROM STDIN").await.expect("a copy");
        futures::pin_mut!(sink);
        sink.send(Bytes::from_static(b"1\n2\n")).await.expect("a piece");
    }
    let row = client.query_one("SELECT count(*) FROM t", &[]).await.expect("the table");
    assert_eq!((row.get::<_, i64>(0), versions(&client).await), (0, 0));
    // This client answers a refusal with a Sync too many, so it is not used again.
    let (refused, _) = hub.connect().await;
    let error = refused.copy_in::<_, Bytes>("COPY nothing FROM STDIN").await.err().expect("no table");
    assert_eq!(state(&error), "42P01");
    // In a transaction it waits with the rest.
    client.batch_execute("BEGIN; INSERT INTO t (id) VALUES (1)").await.expect("a row");
    assert_eq!(copy_in(&client, "COPY t (id) FROM STDIN", &["2\n3\n"]).await.expect("a copy"), 2);
    client.batch_execute("ROLLBACK").await.expect("the end");
    assert_eq!(versions(&client).await, 0);
    client.batch_execute("BEGIN READ ONLY").await.expect("a transaction");
    assert_eq!(state(&client.copy_in::<_, Bytes>("COPY t FROM STDIN").await.err().expect("no writing")), "25006");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn psql_copies_files_both_ways() {
    let hub = Hub::start();
    let files = hub.files().display().to_string();
    let many: String = (0..50_000).map(|id| format!("{id},\"name of, {id}\"\n")).collect();
    std::fs::write(hub.files().join("in.csv"), format!("id,name\n{many}")).expect("a file");
    let script = format!(
        "CREATE TABLE t (id bigint, name text);\n\
         \\copy t from '{files}/in.csv' with (format csv, header match)\n\
         \\copy (select * from t order by id) to '{files}/out.csv' csv\n\
         COPY t FROM STDIN;\n-1\tlast\\nline\n\\.\n\
         COPY (SELECT name FROM t WHERE id < 0) TO STDOUT;\n\
         SELECT count(*) FROM t;\n"
    );
    let mut psql = std::process::Command::new("psql")
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h"])
        .arg(hub.address().ip().to_string())
        .args(["-p", &hub.address().port().to_string(), "-U", "admin", "weir"])
        .env("PGPASSWORD", PASSWORD)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("psql");
    std::io::Write::write_all(&mut psql.stdin.take().expect("its input"), script.as_bytes()).expect("the script");
    let output = psql.wait_with_output().expect("its end");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "last\\nline\n50001\n");
    assert_eq!(std::fs::read_to_string(hub.files().join("out.csv")).expect("a file"), many);
}
