//! COPY PIPELINE: a client's file as the input of one run.

use bytes::Bytes;
use futures::SinkExt;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::hub::{Hub, PASSWORD, until};

const SCRIPT: &str = "CREATE SCHEMA s;
    CREATE CONNECTION s.files TYPE local WITH (root = '{files}');
    CREATE SOURCE s.orders (id bigint NOT NULL, total numeric(12,2), note text) FROM CONNECTION s.files
        FORMAT csv (header = true, delimiter = ';') WITH (path = 'orders*.csv', settle = '0 s');
    CREATE PIPELINE s.load (batch text DEFAULT 'none') WITH (retry_limit = 0)
        INTO s.landed APPEND CONSTRAINT positive EXPECT (total >= 0) CONSTRAINT kept EXPECT (note IS DISTINCT FROM 'void') ON VIOLATION DROP
        AS SELECT id, total, note, $batch AS batch FROM STREAM(s.orders);";

async fn hub() -> (Hub, Client) {
    let hub = Hub::start();
    std::fs::write(hub.files().join("orders1.csv"), "id;total;note\n1;1.00;own\n").expect("a file");
    let (client, _) = hub.connect().await;
    client.batch_execute(&SCRIPT.replace("{files}", &hub.files().display().to_string())).await.expect("the script");
    (hub, client)
}

async fn copy(client: &Client, statement: &str, file: &[u8]) -> Result<u64, tokio_postgres::Error> {
    let sink = client.copy_in::<_, Bytes>(statement).await?;
    futures::pin_mut!(sink);
    for piece in file.chunks(5000) {
        sink.send(Bytes::copy_from_slice(piece)).await?;
    }
    sink.finish().await
}

/// State, message, detail and hint of a COPY that is refused; a session of its own, which is not used again.
async fn refused(hub: &Hub, statement: &str, file: &[u8]) -> (String, String) {
    let (client, _) = hub.connect().await;
    let error = copy(&client, statement, file).await.expect_err(statement);
    let Some(error) = error.as_db_error() else { panic!("{statement}: {error:?}") };
    let parts = [Some(error.message()), error.detail(), error.hint()];
    (error.code().code().to_owned(), parts.into_iter().flatten().collect::<Vec<_>>().join(" | "))
}

/// The rows of a query, a line each.
async fn rows(client: &Client, query: &str) -> String {
    let messages = client.simple_query(query).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let line = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).unwrap_or("NULL").to_owned()).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    };
    messages.into_iter().filter_map(line).collect::<Vec<_>>().join(", ")
}

fn spooled(hub: &Hub) -> usize {
    std::fs::read_dir(hub.data().join("uploads")).expect("the folder of uploads").count()
}

const ORDERS: &str = "note,total,id\n\
                      fine,12.50,10\n\
                      ,-1,11\n\
                      void,2,12\n\
                      \"two\nlines\",3,13\n\
                      bad,x,14\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_one_run_and_moves_nothing() {
    let (hub, client) = hub().await;
    let (other, notices) = hub.connect().await;
    let statement = "COPY PIPELINE s.load (batch => 'A7') FROM STDIN WITH (FORMAT csv, HEADER, name 'orders.csv')";
    assert_eq!(copy(&other, statement, ORDERS.as_bytes()).await.expect("a copy"), 5);
    let told = notices.take().join("\n");
    assert!(told.contains("5 records read, 2 rows written") && told.contains("2 quarantined") && told.contains("1 dropped"), "{told}");
    let landed = "SELECT id, total, replace(note, chr(10), '/'), batch, _source, _source_position FROM s.landed ORDER BY id";
    assert_eq!(rows(&client, landed).await, "10 12.50 fine A7 orders.csv 2, 13 3.00 two/lines A7 orders.csv 5");
    let letters = "SELECT stage, rule, source, source_position, raw = 'bad,x,14'::bytea FROM hub.dead_letters ORDER BY 4";
    assert_eq!(rows(&client, letters).await, "validate positive orders.csv 3 NULL, decode type:total orders.csv 7 t");
    let runs = "SELECT kind, trigger, status, params, rows_in, rows_out, rows_quarantined, rows_dropped, requested_by FROM hub.runs";
    assert_eq!(rows(&client, runs).await, "copy COPY PIPELINE succeeded {\"batch\": \"A7\"} 5 2 2 1 admin");
    assert_eq!(spooled(&hub), 0);
    // The source's own file is still to be read.
    assert_eq!(rows(&client, "SELECT count(*) FROM hub.source_offsets").await, "0");
    client.batch_execute("RUN PIPELINE s.load").await.expect("a run");
    assert_eq!(rows(&client, "SELECT batch, note FROM s.landed WHERE id = 1").await, "none own");
    // Sent again it is another run; without FORMAT it is read as the source reads its own files.
    assert_eq!(copy(&client, "COPY PIPELINE s.load FROM STDIN", b"id;total;note\n20;1;x\n").await.expect("a copy"), 1);
    assert_eq!(copy(&client, "COPY PIPELINE s.load FROM STDIN", b"id;total;note\n20;1;x\n").await.expect("a copy"), 1);
    assert_eq!(rows(&client, "SELECT id, _source, count(*) FROM s.landed WHERE id = 20 GROUP BY 1, 2").await, "20 upload 2");
    // As in PostgreSQL, there is no header unless it is said, and the old form works.
    assert_eq!(copy(&client, "COPY PIPELINE s.load FROM STDIN WITH (FORMAT csv)", b"30,1,x\n").await.expect("a copy"), 1);
    assert_eq!(copy(&client, "COPY PIPELINE s.load FROM STDIN CSV DELIMITER '|'", b"31|1|x\n").await.expect("a copy"), 1);
    assert_eq!(rows(&client, "SELECT id FROM s.landed WHERE id BETWEEN 30 AND 39 ORDER BY 1").await, "30, 31");
    // Nothing at all is nothing.
    assert_eq!(copy(&client, "COPY PIPELINE s.load FROM STDIN", b"").await.expect("a copy"), 0);
    assert_eq!(rows(&client, "SELECT count(*) FROM hub.source_offsets").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_format_is_read_with_the_columns_of_the_source() {
    let (hub, client) = hub().await;
    let json = br#"[{"id": 1, "total": "2.5", "note": "j", "more": {"a": 1}}, {"id": null}]"#;
    assert_eq!(copy(&client, "COPY PIPELINE s.load FROM STDIN WITH (FORMAT json)", json).await.expect("json"), 2);
    let lines = b"{\"id\": 2, \"total\": 2}\n{\"id\": \"x\"}\nnot json\n";
    assert_eq!(copy(&client, "COPY PIPELINE s.load FROM STDIN WITH (FORMAT ndjson, name 'lines')", lines).await.expect("ndjson"), 3);
    let packed = {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut writer, b"id,total,note\n4,1,gz\n").expect("gzip");
        writer.finish().expect("gzip")
    };
    let statement = "COPY PIPELINE s.load FROM STDIN WITH (FORMAT csv, HEADER, compression gzip)";
    assert_eq!(copy(&client, statement, &packed).await.expect("gzip"), 1);
    assert_eq!(rows(&client, "SELECT id, note, _source FROM s.landed ORDER BY id").await, "1 j upload, 2 NULL lines, 4 gz upload");
    // A file of the lake is a Parquet file like any other.
    client.batch_execute("CREATE TABLE s.made AS SELECT 3::bigint AS id, 1.25::numeric(8,2) AS total, 'p' AS note").await.expect("a table");
    let folder = std::fs::read_dir(hub.data().join("lake/s")).expect("a schema").map(|entry| entry.expect("a table").path());
    let folder = folder.into_iter().find(|path| path.to_string_lossy().contains("made")).expect("the table");
    let parquet = std::fs::read_dir(folder).expect("a table").map(|entry| entry.expect("a file").path());
    let parquet = parquet.into_iter().find(|path| path.extension().is_some_and(|end| end == "parquet")).expect("a data file");
    let parquet = std::fs::read(parquet).expect("a data file");
    assert_eq!(copy(&client, "COPY PIPELINE s.load FROM STDIN WITH (FORMAT parquet)", &parquet).await.expect("parquet"), 1);
    assert_eq!(rows(&client, "SELECT id, total, note, _source_position FROM s.landed WHERE id = 3").await, "3 1.25 p 1");
    assert_eq!(rows(&client, "SELECT count(*) FROM hub.dead_letters WHERE stage = 'decode'").await, "3");
    assert_eq!(spooled(&hub), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_and_leaves_nothing() {
    let (hub, client) = hub().await;
    client
        .batch_execute(
            "CREATE TABLE s.t (id bigint);
             CREATE PIPELINE s.still INTO s.copied REPLACE AS SELECT * FROM s.t;
             CREATE PIPELINE s.held INTO s.held APPEND AS SELECT * FROM STREAM(s.orders); ALTER PIPELINE s.held SUSPEND",
        )
        .await
        .expect("pipelines");
    let file = b"id,total,note\n1,1,x\n".as_slice();
    let cases: &[(&str, &[u8], &str, &str)] = &[
        ("COPY PIPELINE s.nothing FROM STDIN", file, "42704", "pipeline \"s.nothing\" does not exist"),
        ("COPY PIPELINE s.still FROM STDIN", file, "22023", "reads no stream"),
        ("COPY PIPELINE s.held FROM STDIN", file, "55000", "is suspended"),
        ("COPY PIPELINE s.load FROM STDIN WITH (FORMAT binary)", file, "22023", "One of csv, json, ndjson, parquet."),
        ("COPY PIPELINE s.load FROM STDIN WITH (FORMAT csv, HEADDER)", file, "HV00D", "Did you mean \"header\"?"),
        ("COPY PIPELINE s.load FROM STDIN WITH (FORMAT parquet, HEADER)", file, "HV00D", "option \"header\" is unknown"),
        ("COPY PIPELINE s.load FROM STDIN WITH (source 's.others')", file, "22023", "It reads: s.orders."),
        ("COPY PIPELINE s.load (bach => 'x') FROM STDIN", file, "42P02", "Did you mean \"batch\"?"),
        ("COPY PIPELINE s.load FROM STDIN WITH (FORMAT csv, max_size '10 kB')", &[b'x'; 10_001], "54000", "larger than 10000 bytes"),
        ("COPY PIPELINE s.load FROM STDIN WITH (FORMAT csv, HEADER)", b"a,b\n1,2\n", "22000", "names none of the declared columns"),
        ("COPY PIPELINE s.load FROM STDIN WITH (FORMAT parquet)", file, "22000", "not sound Parquet"),
        ("COPY PIPELINE s.load FROM STDIN WITH (FORMAT csv, HEADER, name 'a.gz')", file, "22000", "a.gz"),
    ];
    for (statement, file, state, words) in cases {
        let (found, said) = refused(&hub, statement, file).await;
        assert_eq!(found, *state, "{statement}: {said}");
        assert!(said.contains(words), "{statement}: {said}");
        assert_eq!(spooled(&hub), 0, "{statement}");
    }
    // A run that fails is there to be seen, and its error names it.
    let (_, said) = refused(&hub, "COPY PIPELINE s.load FROM STDIN WITH (FORMAT parquet)", file).await;
    let run = rows(&client, "SELECT run_id FROM hub.runs LIMIT 1").await;
    assert!(said.contains(&format!("run {run}; see hub.runs")), "{said}");
    assert_eq!(rows(&client, "SELECT DISTINCT status || ' ' || kind FROM hub.runs").await, "failed copy");
    // Inside a transaction nothing runs.
    let (other, _) = hub.connect().await;
    other.batch_execute("BEGIN").await.expect("a transaction");
    let error = copy(&other, "COPY PIPELINE s.load FROM STDIN", file).await.expect_err("a transaction");
    assert_eq!(error.code().map(|code| code.code()), Some("25001"), "{error:?}");
    // CopyFail, and a client that goes.
    let before = rows(&client, "SELECT count(*) FROM hub.runs").await;
    {
        let sink = client.copy_in::<_, Bytes>("COPY PIPELINE s.load FROM STDIN").await.expect("a copy");
        futures::pin_mut!(sink);
        sink.send(Bytes::from_static(b"id;total;note\n1;1;x\n")).await.expect("a piece");
        until(async || spooled(&hub) == 1).await;
    }
    until(async || spooled(&hub) == 0).await;
    {
        let (gone, _) = hub.connect().await;
        let sink = gone.copy_in::<_, Bytes>("COPY PIPELINE s.load FROM STDIN").await.expect("a copy");
        let mut sink = Box::pin(sink);
        sink.send(Bytes::from_static(b"id;total;note\n1;1;x\n")).await.expect("a piece");
        until(async || spooled(&hub) == 1).await;
        let pid = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY PIPELINE%' AND state = 'active'";
        client.batch_execute(pid).await.expect("an end");
        until(async || spooled(&hub) == 0).await;
    }
    assert_eq!(rows(&client, "SELECT count(*) FROM hub.runs").await, before);
    assert_eq!(rows(&client, "SELECT count(*) FROM s.landed").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_ends_when_it_is_told_to() {
    let (hub, client) = hub().await;
    // While the file is sent.
    let (slow, _) = hub.connect().await;
    slow.batch_execute("SET statement_timeout = '300 ms'").await.expect("a limit");
    let sink = slow.copy_in::<_, Bytes>("COPY PIPELINE s.load FROM STDIN").await.expect("a copy");
    let mut sink = Box::pin(sink);
    until(async || spooled(&hub) == 0).await;
    let error = sink.as_mut().finish().await.expect_err("a limit");
    assert_eq!(error.code().map(|code| code.code()), Some("57014"), "{error:?}");
    // While it is read.
    client
        .batch_execute(
            "CREATE PIPELINE s.slow INTO s.slow APPEND AS SELECT o.id, x.n FROM STREAM(s.orders) o
             CROSS JOIN (SELECT count(*) AS n FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b) x",
        )
        .await
        .expect("a pipeline");
    let (slow, _) = hub.connect().await;
    let token = slow.cancel_token();
    let running = tokio::spawn(async move {
        let error = copy(&slow, "COPY PIPELINE s.slow FROM STDIN", b"id;total;note\n1;1;x\n").await.expect_err("a cancel");
        error.code().map(|code| code.code().to_owned())
    });
    until(async || rows(&client, "SELECT count(*) FROM hub.runs WHERE status = 'running'").await == "1").await;
    let asked = std::time::Instant::now();
    token.cancel_query(tokio_postgres::NoTls).await.expect("a cancel");
    assert_eq!(running.await.expect("its end").as_deref(), Some("57014"));
    assert!(asked.elapsed() < std::time::Duration::from_secs(1), "{:?}", asked.elapsed());
    until(async || rows(&client, "SELECT status FROM hub.runs WHERE pipeline = 's.slow'").await == "cancelled" && spooled(&hub) == 0).await;
    assert_eq!(rows(&client, "SELECT count(*) FROM s.slow").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_of_files_go_back_as_they_came() {
    let (hub, client) = hub().await;
    for file in ["note,total,id\na,x,1\nb,y,2\n", "total,id\nz,3\n"] {
        let statement = "COPY PIPELINE s.load FROM STDIN WITH (FORMAT csv, HEADER)";
        assert!(copy(&client, statement, file.as_bytes()).await.expect("a copy") > 0, "{file}");
    }
    std::fs::write(hub.files().join("orders2.csv"), "id;total;note\n4;w;own\n").expect("a file");
    client.batch_execute("RUN PIPELINE s.load").await.expect("a run");
    for (raw, mended) in [("b,y,2", "b,7,2"), ("z,3", "8,3"), ("4;w;own", "4;9;own")] {
        let mend = format!("UPDATE hub.dead_letters SET raw = '{mended}'::bytea WHERE raw = '{raw}'::bytea");
        client.batch_execute(&mend).await.expect("a mend");
    }
    // Line 2 of both files was called the same.
    client.batch_execute("REPLAY PIPELINE s.load").await.expect("a replay");
    let landed = "SELECT id, total, note, _source, _source_position FROM s.landed WHERE id > 1 ORDER BY id";
    assert_eq!(rows(&client, landed).await, "2 7.00 b upload 3, 3 8.00 NULL upload 2, 4 9.00 own orders2.csv 2");
    assert_eq!(rows(&client, "SELECT status, count(*) FROM hub.dead_letters GROUP BY 1 ORDER BY 1").await, "open 1, replayed 3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_streams_one_is_named_and_outputs_share_the_file() {
    let (hub, client) = hub().await;
    client
        .batch_execute(
            "CREATE SOURCE s.others FROM CONNECTION s.files FORMAT csv (delimiter = ';') ON SCHEMA CHANGE EVOLVE WITH (path = 'orders*.csv', settle = '0 s');
             CREATE PIPELINE s.both INTO s.both APPEND AS
                SELECT id, 'a' AS of FROM STREAM(s.orders) UNION ALL SELECT id, 'b' FROM STREAM(s.others);
             CREATE PIPELINE s.two AS
                INTO s.one APPEND AS (SELECT id FROM STREAM(s.orders)) INTO s.more APPEND AS (SELECT id, note FROM STREAM(s.orders) WHERE id > 1);
             CREATE PIPELINE s.grow INTO s.grown APPEND AS SELECT * FROM STREAM(s.others);",
        )
        .await
        .expect("pipelines");
    let (state, said) = refused(&hub, "COPY PIPELINE s.both FROM STDIN", b"").await;
    assert_eq!(state, "22023");
    assert!(said.contains("s.orders, s.others") && said.contains("source = "), "{said}");
    let statement = "COPY PIPELINE s.both FROM STDIN WITH (FORMAT csv, HEADER, source 's.others')";
    assert_eq!(copy(&client, statement, b"id,total,note\n7,1,x\n").await.expect("a copy"), 1);
    assert_eq!(rows(&client, "SELECT id, of FROM s.both").await, "7 b");
    let (other, notices) = hub.connect().await;
    assert_eq!(copy(&other, "COPY PIPELINE s.two FROM STDIN", b"id;total;note\n1;1;x\n2;1;y\n").await.expect("a copy"), 2);
    assert_eq!(rows(&client, "SELECT (SELECT count(*) FROM s.one), (SELECT count(*) FROM s.more)").await, "2 1");
    assert!(notices.take().join("\n").contains("2 records read, 3 rows written"));
    // A source that evolves does so for a file that is sent, too.
    let statement = "COPY PIPELINE s.grow FROM STDIN WITH (FORMAT csv, HEADER)";
    assert_eq!(copy(&client, statement, b"id,total,note,extra\n8,1,x,new\n").await.expect("a copy"), 1);
    assert_eq!(rows(&client, "SELECT id, extra FROM s.grown").await, "8 new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_send_at_once_and_a_runner_needs_no_other_right() {
    let (hub, client) = hub().await;
    client.batch_execute("CREATE ROLE bob LOGIN PASSWORD 'long enough'; GRANT USAGE ON SCHEMA s TO bob").await.expect("a role");
    let bob = hub.connect_as("bob", "long enough").await.expect("bob");
    let statement = "COPY PIPELINE s.load FROM STDIN WITH (FORMAT csv)";
    let error = copy(&bob, statement, b"1,1,x\n").await.expect_err("no right");
    assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{error:?}");
    client.batch_execute("GRANT EXECUTE ON PIPELINE s.load TO bob").await.expect("a grant");
    let bob = hub.connect_as("bob", "long enough").await.expect("bob");
    let file = |from: u32| (from..from + 2000).map(|id| format!("{id},1,x\n")).collect::<String>();
    let (one, two) = (file(0), file(10_000));
    let (one, two) = tokio::join!(copy(&bob, statement, one.as_bytes()), copy(&client, statement, two.as_bytes()));
    assert_eq!((one.expect("a copy"), two.expect("a copy")), (2000, 2000));
    assert_eq!(rows(&client, "SELECT count(*), count(DISTINCT id), count(DISTINCT _run_id) FROM s.landed").await, "4000 4000 2");
    assert_eq!(rows(&client, "SELECT string_agg(requested_by, ' ' ORDER BY requested_by) FROM hub.runs").await, "admin bob");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn psql_sends_its_standard_input() {
    let (hub, client) = hub().await;
    let many: String = (0..30_000).map(|id| format!("{id},1.5,\"note, {id}\"\n")).collect();
    std::fs::write(hub.files().join("sent.csv"), format!("id,total,note\n{many}")).expect("a file");
    let psql = |arguments: &[&str], input: &str| {
        let output = std::process::Command::new("psql")
            .args(["-X", "-v", "ON_ERROR_STOP=1", "-h"])
            .arg(hub.address().ip().to_string())
            .args(["-p", &hub.address().port().to_string(), "-U", "admin", "weir"])
            .args(arguments)
            .env("PGPASSWORD", PASSWORD)
            .stdin(std::fs::File::open(hub.files().join(input)).expect("a file"))
            .output()
            .expect("psql");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), said)
    };
    let (done, said) = psql(&["-c", "COPY PIPELINE s.load FROM STDIN WITH (FORMAT csv, HEADER)"], "sent.csv");
    assert!(done && said.contains("COPY 30000") && said.contains("NOTICE:") && said.contains("30000 rows written"), "{said}");
    assert_eq!(rows(&client, "SELECT count(*), max(note), max(_source_position) FROM s.landed").await, "30000 note, 9999 30001");
    let (done, said) = psql(&["-c", "COPY PIPELINE s.load FROM STDIN WITH (FORMAT parquet)"], "sent.csv");
    assert!(!done && said.contains("not sound Parquet") && said.contains("DETAIL:") && said.contains("see hub.runs"), "{said}");
    // Inside a script the file ends where psql says so.
    std::fs::write(
        hub.files().join("script.sql"),
        "COPY PIPELINE s.load FROM STDIN WITH (FORMAT csv);\n-1,1,x\n\\.\nSELECT id FROM s.landed WHERE id < 0;\n",
    )
    .expect("a script");
    let (done, said) = psql(&["-A", "-t"], "script.sql");
    assert!(done && said.contains("-1\n"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_over_the_file_itself_is_checked_when_it_comes() {
    let (hub, client) = hub().await;
    let (other, notices) = hub.connect().await;
    other
        .batch_execute(
            "CREATE TABLE s.known (id bigint); INSERT INTO s.known VALUES (1), (2);
             CREATE PIPELINE s.once (batch text) INTO s.fed UPSERT KEY (id) CONSTRAINT known FOREIGN KEY (id) REFERENCES s.known (id)
                 CONSTRAINT whole EXPECT (total >= 0) AS SELECT id, total, $batch AS batch FROM STREAM(upload)",
        )
        .await
        .expect("a pipeline");
    assert!(notices.take().join("\n").contains("checked when a file is sent"));
    let statement = "COPY PIPELINE s.once (batch => 'b') FROM STDIN WITH (FORMAT csv, HEADER, name 'x.csv')";
    assert_eq!(copy(&client, statement, b"total,id\n1.5,1\n2,2\n-1,2\n3,9\n").await.expect("a copy"), 4);
    assert_eq!(
        rows(&client, "SELECT id, total, batch, _source, _source_position FROM s.fed ORDER BY id").await,
        "1 1.5 b x.csv 2, 2 2 b x.csv 3"
    );
    // The next one has other types and one more field, which the query does not ask for.
    let json = br#"[{"id": 1, "total": 7, "more": "z"}, {"id": 2, "total": null}]"#;
    assert_eq!(copy(&client, "COPY PIPELINE s.once (batch => 'c') FROM STDIN WITH (FORMAT json)", json).await.expect("a copy"), 2);
    assert_eq!(rows(&client, "SELECT id, total, batch, _source_position FROM s.fed ORDER BY id").await, "1 7 c 1, 2 2 b 3");
    // A column that the file does not have is an error of the query.
    let (state, said) = refused(&hub, statement, b"sum,id\n1,1\n").await;
    assert_eq!(state, "42703", "{said}");
    assert!(said.contains("total") && said.contains("see hub.runs"), "{said}");
    let cases = [
        ("RUN PIPELINE s.once (batch => 'x')", "55000", "COPY PIPELINE s.once FROM STDIN"),
        ("RUN PIPELINE s.once (batch => 'x') DRY RUN", "55000", "COPY PIPELINE"),
        ("ALTER PIPELINE s.once ADD TRIGGER ON UPDATE", "42P17", "cannot have triggers"),
        ("CREATE PIPELINE s.q SCHEDULE EVERY '1 hour' INTO s.q AS SELECT * FROM STREAM(upload)", "42P17", "cannot have triggers"),
        ("CREATE PIPELINE s.q INTO s.q AS SELECT * FROM STREAM(upload) JOIN s.nothing USING (id)", "42P01", "s.nothing"),
        ("CREATE PIPELINE s.q INTO s.orders AS SELECT * FROM STREAM(upload)", "42804", "cannot be the target"),
        ("SELECT * FROM STREAM(upload)", "0A000", "pipeline"),
        ("DROP TABLE s.known", "2BP01", "s.once"),
    ];
    for (statement, wanted, words) in cases {
        let error = client.simple_query(statement).await.expect_err(statement);
        let Some(error) = error.as_db_error() else { panic!("{statement}: {error:?}") };
        let said = [Some(error.message()), error.detail(), error.hint()].into_iter().flatten().collect::<Vec<_>>().join(" | ");
        assert!(error.code().code() == wanted && said.contains(words), "{statement}: {} {said}", error.code().code());
    }
    // Each letter says where it came from.
    let letters = "SELECT stage, rule, source, source_position FROM hub.dead_letters WHERE status = 'open' ORDER BY 3, 4";
    assert_eq!(rows(&client, letters).await, "validate whole upload 2, validate whole x.csv 4, validate known x.csv 5");
    drop(other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_of_a_file_of_its_own_go_back() {
    let (_hub, client) = hub().await;
    client
        .batch_execute("CREATE PIPELINE s.once INTO s.fed APPEND EXPECT (n > 0) AS SELECT n, t FROM STREAM(upload)")
        .await
        .expect("a pipeline");
    let statement = "COPY PIPELINE s.once FROM STDIN WITH (FORMAT csv, HEADER, DELIMITER ';')";
    let numbers: String = (1..20_000).map(|n| format!("text {n} {};{n}\n", "x".repeat(60))).collect();
    let file = format!("t;n\n{numbers}late;no number\nzero;0\n");
    assert_eq!(copy(&client, statement, file.as_bytes()).await.expect("a copy"), 20_001);
    assert_eq!(rows(&client, "SELECT stage, source_position FROM hub.dead_letters ORDER BY 2").await, "decode 20001, validate 20002");
    client.batch_execute("UPDATE hub.dead_letters SET raw = 'late;20000'::bytea WHERE stage = 'decode'").await.expect("a mend");
    client
        .batch_execute("UPDATE hub.dead_letters SET record = replace(record, '\"n\":0', '\"n\":20001') WHERE stage = 'validate'")
        .await
        .expect("a mend");
    client.batch_execute("REPLAY PIPELINE s.once").await.expect("a replay");
    assert_eq!(rows(&client, "SELECT count(*), sum(n) FROM s.fed").await, "20001 200030001");
    assert_eq!(
        rows(&client, "SELECT n, t, _source, _source_position FROM s.fed WHERE n >= 20000 ORDER BY 1").await,
        "20000 late upload 20001, 20001 zero upload 20002"
    );
    assert_eq!(rows(&client, "SELECT DISTINCT status FROM hub.dead_letters").await, "replayed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_temporary_pipeline_is_the_sessions_own() {
    let (hub, client) = hub().await;
    client.batch_execute("CREATE TABLE s.legacy (id bigint, name text)").await.expect("a table");
    let (own, notices) = hub.connect().await;
    own.batch_execute("SET search_path = s, public").await.expect("a path");
    own.batch_execute(
        "CREATE TEMP PIPELINE once INTO legacy APPEND CONSTRAINT ok EXPECT (id > 0) AS SELECT id, upper(name) AS name FROM STREAM(upload)",
    )
    .await
    .expect("a pipeline");
    assert_eq!(copy(&own, "COPY PIPELINE once FROM STDIN WITH (FORMAT csv, HEADER)", b"name,id\na,1\nb,0\n").await.expect("a copy"), 2);
    assert!(notices.take().join("\n").contains("1 quarantined"));
    assert_eq!(rows(&client, "SELECT id, name FROM s.legacy").await, "1 A");
    assert_eq!(rows(&own, "SELECT rule, source_position FROM hub.dead_letters").await, "ok 3");
    // Several outputs, steps and modes; a table that it makes; a source of the hub whose stream the file stands for.
    own.batch_execute(
        "CREATE TEMP PIPELINE more AS
            STEP one (INTO made UPSERT KEY (id) AS (SELECT id, name FROM STREAM(upload)))
            STEP two (INTO legacy APPEND AS (SELECT id, name FROM STREAM(upload)) INTO counted REPLACE AS (SELECT count(*) AS n FROM STREAM(upload)));
         CREATE TEMP PIPELINE sent INTO sent AS SELECT * FROM STREAM(orders)",
    )
    .await
    .expect("pipelines");
    assert_eq!(
        copy(&own, "COPY PIPELINE more FROM STDIN WITH (FORMAT ndjson)", b"{\"id\": 5, \"name\": \"x\"}\n{\"id\": 5, \"name\": \"y\"}\n")
            .await
            .expect("a copy"),
        2
    );
    assert_eq!(
        rows(&client, "SELECT (SELECT name FROM s.made), (SELECT n FROM s.counted), (SELECT count(*) FROM s.legacy)").await,
        "y 2 3"
    );
    assert_eq!(copy(&own, "COPY PIPELINE sent FROM STDIN", b"id;total;note\n1;2;x\n").await.expect("a copy"), 1);
    assert_eq!(rows(&client, "SELECT id, total FROM s.sent").await, "1 2.00");
    // The same name hides a pipeline of the hub, and nobody else finds it.
    client.batch_execute("CREATE PIPELINE s.once INTO s.others AS SELECT * FROM STREAM(upload)").await.expect("a pipeline");
    assert_eq!(
        copy(&own, "COPY PIPELINE once FROM STDIN WITH (FORMAT csv)", b"")
            .await
            .err()
            .and_then(|error| error.code().cloned())
            .map(|code| code.code().to_owned())
            .as_deref(),
        Some("22000")
    );
    let cases = [
        ("RUN PIPELINE once", "0A000", "by COPY PIPELINE only"),
        ("REPLAY PIPELINE once", "0A000", "cannot be put back"),
        ("ALTER PIPELINE once SET SCHEMA public", "0A000", "cannot be altered"),
        ("CREATE TEMP PIPELINE t SCHEDULE EVERY '1 hour' INTO legacy AS SELECT * FROM STREAM(upload)", "42P17", "cannot have triggers"),
        ("CREATE TEMP PIPELINE s.t INTO legacy AS SELECT * FROM STREAM(upload)", "42P16", "non-temporary schema"),
        ("CREATE TEMP PIPELINE once INTO legacy AS SELECT * FROM STREAM(upload)", "42710", "already exists"),
    ];
    for (statement, wanted, words) in cases {
        let error = own.simple_query(statement).await.expect_err(statement);
        let Some(error) = error.as_db_error() else { panic!("{statement}: {error:?}") };
        assert!(error.code().code() == wanted && error.message().contains(words), "{statement}: {error:?}");
    }
    own.batch_execute("CREATE OR REPLACE TEMP PIPELINE once INTO legacy AS SELECT 9 AS id, name FROM STREAM(upload)")
        .await
        .expect("another");
    assert_eq!(copy(&own, "COPY PIPELINE once FROM STDIN WITH (FORMAT csv, HEADER)", b"name\nn\n").await.expect("a copy"), 1);
    own.batch_execute("DROP PIPELINE more").await.expect("an end");
    let there = "SELECT count(*) FROM hub.pipelines WHERE schema LIKE 'pg_temp%'";
    assert_eq!(rows(&client, there).await, "2");
    own.batch_execute("DISCARD ALL").await.expect("an end");
    assert_eq!(rows(&client, there).await, "0");
    // Gone with the session; what it did stays to be read.
    let (state, said) = refused(&hub, "COPY PIPELINE sent FROM STDIN", b"").await;
    assert_eq!(state, "42704", "{said}");
    let error = client.simple_query("REPLAY PIPELINE sent").await.expect_err("it is gone");
    assert!(error.as_db_error().and_then(|error| error.hint()).is_some_and(|hint| hint.contains("gone with its session")), "{error:?}");
    own.batch_execute("CREATE TEMP PIPELINE late INTO s.legacy AS SELECT * FROM STREAM(upload)").await.expect("a pipeline");
    drop(own);
    until(async || rows(&client, there).await == "0").await;
    assert_eq!(
        rows(&client, "SELECT count(*) FROM hub.runs WHERE kind = 'copy' AND status = 'succeeded' AND pipeline LIKE 'pg_temp%'").await,
        "4"
    );
    assert_eq!(spooled(&hub), 0);
}
