//! Cancelling, time limits and transactions, seen from outside: what needs two connections at once.

use crate::hub::Hub;

/// A query that no machine finishes while the test runs.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b";

fn state(error: &tokio_postgres::Error) -> String {
    error.code().map(|code| code.code().to_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_ends_at_its_time_limit() {
    let hub = Hub::start();
    let (client, _) = hub.connect().await;
    client.batch_execute("SET statement_timeout = '200ms'").await.expect("a variable is set");
    let error = client.batch_execute(ENDLESS).await.expect_err("the time limit");
    assert_eq!(state(&error), "57014");
    assert!(error.to_string().contains("statement timeout") || format!("{error:?}").contains("statement timeout"), "{error:?}");
    client.batch_execute("SELECT 1").await.expect("the session goes on");
}

/// The planner computes many seconds over thousands of columns, without a pause in which anything else could be heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planning_ends_at_the_time_limit_and_holds_nobody_up() {
    let hub = Hub::start();
    let (client, _) = hub.connect().await;
    let (other, _) = hub.connect().await;
    let columns: Vec<String> = (0..8000).map(|at| format!("{at} AS c{at}")).collect();
    let wide = format!("SELECT {}", columns.join(", "));
    client.batch_execute("SET statement_timeout = '200ms'").await.expect("a variable is set");
    let begun = std::time::Instant::now();
    let (error, answers) = tokio::join!(client.batch_execute(&wide), async {
        let mut answers = 0;
        while begun.elapsed() < std::time::Duration::from_secs(2) {
            other.batch_execute("SELECT 1").await.expect("an answer");
            answers += 1;
        }
        answers
    });
    assert_eq!(state(&error.expect_err("the time limit")), "57014");
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "answered after {:?}", begun.elapsed());
    assert!(answers > 5, "the others had {answers} answers meanwhile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_ends_the_statement_and_fails_the_transaction() {
    let hub = Hub::start();
    let (client, _) = hub.connect().await;
    client.batch_execute("BEGIN").await.expect("a transaction");
    let token = client.cancel_token();
    let (done, cancelling) = tokio::sync::oneshot::channel::<()>();
    let canceller = tokio::spawn(async move {
        // The statement may not have begun when the first cancel comes, so it is sent until the statement has ended.
        let mut cancelling = cancelling;
        while cancelling.try_recv().is_err() {
            let _ = token.cancel_query(tokio_postgres::NoTls).await;
        }
    });
    let error = client.batch_execute(ENDLESS).await.expect_err("the cancel");
    assert_eq!(state(&error), "57014");
    let _ = done.send(());
    canceller.await.expect("the canceller ends");
    let error = client.batch_execute("SELECT 1").await.expect_err("a failed transaction");
    assert!(["25P02", "57014"].contains(&state(&error).as_str()), "{error:?}");
    past_late_cancels(&client, "ROLLBACK").await;
    past_late_cancels(&client, "SELECT 1").await;
}

/// A cancel has no statement's name on it: one that was on its way may still hit what comes next, each at most once.
async fn past_late_cancels(client: &tokio_postgres::Client, text: &str) {
    for _ in 0..100 {
        match client.batch_execute(text).await {
            Ok(()) => return,
            Err(error) => assert_eq!(state(&error), "57014", "{error:?}"),
        }
    }
    panic!("cancels without end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions_of_a_transaction_are_seen_by_others_only_after_commit() {
    let hub = Hub::start();
    let (one, _) = hub.connect().await;
    let (other, _) = hub.connect().await;
    one.batch_execute("BEGIN; CREATE TABLE t (a int)").await.expect("a table in a transaction");
    let error = other.batch_execute("SELECT * FROM t").await.expect_err("not there yet");
    assert_eq!(state(&error), "42P01");
    one.batch_execute("COMMIT").await.expect("the commit");
    other.batch_execute("SELECT * FROM t").await.expect("there now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_transactions_that_replace_one_object_the_second_fails() {
    let hub = Hub::start();
    let (one, _) = hub.connect().await;
    let (other, _) = hub.connect().await;
    one.batch_execute("CREATE VIEW v AS SELECT 1 AS a").await.expect("a view");
    one.batch_execute("BEGIN; CREATE OR REPLACE VIEW v AS SELECT 2 AS a").await.expect("a replacement");
    other.batch_execute("BEGIN; CREATE OR REPLACE VIEW v AS SELECT 3 AS a").await.expect("another");
    one.batch_execute("COMMIT").await.expect("the first commit");
    let error = other.batch_execute("COMMIT").await.expect_err("the second commit");
    assert_eq!(state(&error), "40001");
    let row = other.query_one("SELECT a::text FROM v", &[]).await.expect("the view");
    assert_eq!(row.get::<_, String>(0), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_nobody_waits_for_any_more_is_cancelled_and_the_next_one_lands() {
    const ROWS: usize = 300_000;
    let hub = Hub::start();
    let mut lines = String::from("id,name\n");
    (0..ROWS).for_each(|id| lines.push_str(&format!("{id},name of number {id}\n")));
    std::fs::write(hub.files().join("many.csv"), lines).expect("a large file");
    let (client, _) = hub.connect().await;
    let root = hub.files().display().to_string();
    let setup = format!(
        "CREATE CONNECTION f TYPE local WITH (root = '{root}');
         CREATE SOURCE many (id bigint, name text) FROM CONNECTION f FORMAT csv (header = true) WITH (path = 'many.csv', settle = '0 s');
         CREATE PIPELINE load INTO loaded APPEND AS SELECT id, md5(name) AS hash FROM STREAM(many);
         SET statement_timeout = '100ms'"
    );
    client.batch_execute(&setup).await.expect("the definitions");
    let error = client.batch_execute("RUN PIPELINE load").await.expect_err("the time limit");
    assert_eq!(state(&error), "57014");
    client.batch_execute("RESET statement_timeout").await.expect("no time limit");
    // It waits its turn behind the one that ends.
    client.batch_execute("RUN PIPELINE load").await.expect("the next run");
    let runs =
        client.query("SELECT status FROM hub.runs WHERE pipeline = 'public.load' AND status <> 'succeeded'", &[]).await.expect("the runs");
    assert!(runs.iter().all(|run| run.get::<_, String>(0) == "cancelled"), "{runs:?}");
    let row = client.query_one("SELECT count(*) AS rows, count(DISTINCT id) AS ids FROM loaded", &[]).await.expect("the table");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (ROWS as i64, ROWS as i64));
}

/// As deep as the language allows: whatever the answer, the hub goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_statements_do_not_end_the_hub() {
    let hub = Hub::start();
    let (client, _) = hub.connect().await;
    client.batch_execute("CREATE TABLE t (id bigint, x text); INSERT INTO t VALUES (1, 'a'), (9999, 'b')").await.unwrap();
    let list: Vec<String> = (0..10_000).map(|id| id.to_string()).collect();
    let chain: Vec<String> = (1..400).map(|at| format!("c{at} AS (SELECT * FROM c{})", at - 1)).collect();
    let found = client.query_one(&format!("SELECT count(*) FROM t WHERE id IN ({})", list.join(", ")), &[]).await.expect("a long list");
    assert_eq!(found.get::<_, i64>(0), 2);
    for text in [
        vec!["SELECT 1"; 900].join(" UNION ALL "),
        format!("SELECT {}1", "- ".repeat(900)),
        format!("SELECT {}true", "NOT ".repeat(19)),
        format!("WITH c0 AS (SELECT 1), {} SELECT * FROM c399", chain.join(", ")),
        format!("SELECT 1{}", " + 1".repeat(400)),
        format!("SELECT count(*) FROM t WHERE {}", vec!["id = 1"; 400].join(" OR ")),
    ] {
        // An error is an answer too.
        let _ = client.simple_query(&text).await;
        let row = client.query_one("SELECT count(*) FROM t", &[]).await.expect("the hub still answers");
        assert_eq!(row.get::<_, i64>(0), 2, "{}", text.chars().take(60).collect::<String>());
    }
}

async fn count(client: &tokio_postgres::Client, table: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.expect("a count").get(0)
}

/// Data files in the lake, committed or not.
fn data_files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.map(|path| if path.is_dir() { data_files(&path) } else { usize::from(path.extension().is_some_and(|e| e == "parquet")) }).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_reads_the_lake_as_it_was_at_its_first_look() {
    let hub = Hub::start();
    let (one, _) = hub.connect().await;
    let (other, _) = hub.connect().await;
    one.batch_execute("CREATE TABLE a (id bigint); CREATE TABLE b (id bigint); CREATE VIEW v AS SELECT * FROM b").await.expect("tables");
    one.batch_execute("BEGIN").await.expect("a transaction");
    // BEGIN alone does not look.
    other.batch_execute("INSERT INTO a VALUES (1)").await.expect("a row");
    assert_eq!(count(&one, "a").await, 1);
    // The moment is one for all tables, also for those that are read later and through a view.
    other.batch_execute("INSERT INTO a VALUES (2); INSERT INTO b VALUES (1)").await.expect("rows");
    assert_eq!((count(&one, "a").await, count(&one, "b").await, count(&one, "v").await), (1, 0, 0));
    one.batch_execute("COMMIT").await.expect("the end");
    assert_eq!((count(&one, "a").await, count(&one, "b").await, count(&one, "v").await), (2, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn added_rows_of_two_transactions_both_commit_and_changed_rows_do_not() {
    let hub = Hub::start();
    let (one, _) = hub.connect().await;
    let (other, _) = hub.connect().await;
    one.batch_execute("CREATE TABLE t (id bigint); CREATE TABLE k (id bigint PRIMARY KEY)").await.expect("tables");
    one.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.expect("a row");
    other.batch_execute("BEGIN; INSERT INTO t VALUES (2), (3)").await.expect("rows");
    assert_eq!((count(&one, "t").await, count(&other, "t").await), (1, 2));
    one.batch_execute("COMMIT").await.expect("the first commit");
    assert_eq!(count(&other, "t").await, 2);
    other.batch_execute("COMMIT").await.expect("the second commit");
    assert_eq!(count(&one, "t").await, 3);

    one.batch_execute("BEGIN; DELETE FROM t WHERE id = 1").await.expect("a change");
    other.batch_execute("INSERT INTO t VALUES (4)").await.expect("another writer");
    let error = one.batch_execute("COMMIT").await.expect_err("the commit");
    assert_eq!(state(&error), "40001");
    assert!(error.as_db_error().and_then(|error| error.hint()).is_some_and(|hint| hint.contains("again")), "{error:?}");
    assert_eq!(count(&one, "t").await, 4);
    // Found out at the statement, when the other was there first.
    one.batch_execute("BEGIN; SELECT count(*) FROM t").await.expect("a look");
    other.batch_execute("INSERT INTO t VALUES (5)").await.expect("another writer");
    let error = one.batch_execute("UPDATE t SET id = 0 WHERE id = 2").await.expect_err("the update");
    assert_eq!(state(&error), "40001");
    one.batch_execute("ROLLBACK").await.expect("the end");

    // A key is checked against rows that must still be all there are.
    one.batch_execute("BEGIN; INSERT INTO k VALUES (1)").await.expect("a key");
    other.batch_execute("INSERT INTO k VALUES (1)").await.expect("the same key");
    assert_eq!(state(&one.batch_execute("COMMIT").await.expect_err("the commit")), "40001");
    assert_eq!(count(&one, "k").await, 1);
    // A rule that came meanwhile binds.
    one.batch_execute("BEGIN; INSERT INTO t VALUES (-1)").await.expect("a row");
    other.batch_execute("ALTER TABLE t ADD CHECK (id > 0)").await.expect("a rule");
    assert_eq!(state(&one.batch_execute("COMMIT").await.expect_err("the commit")), "40001");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_does_not_commit_leaves_no_file() {
    let hub = Hub::start();
    let (client, _) = hub.connect().await;
    client.batch_execute("CREATE TABLE t (id bigint); INSERT INTO t VALUES (1)").await.expect("a table");
    let lake = hub.data().join("lake");
    let before = data_files(&lake);
    client.batch_execute("BEGIN; INSERT INTO t VALUES (2); UPDATE t SET id = id + 1").await.expect("changes");
    assert!(data_files(&lake) > before);
    client.batch_execute("ROLLBACK").await.expect("the end");
    assert_eq!(data_files(&lake), before);
    // Many small statements are one file of one version.
    client.batch_execute("BEGIN").await.expect("a transaction");
    for id in 0..20_i64 {
        assert_eq!(client.execute("INSERT INTO t VALUES ($1)", &[&id]).await.expect("a row"), 1);
    }
    client.batch_execute("COMMIT").await.expect("the commit");
    assert_eq!(data_files(&lake), before + 1);
    assert_eq!(count(&client, "t").await, 21);
    // A client that is gone has given up.
    let (gone, _) = hub.connect().await;
    gone.batch_execute("BEGIN; INSERT INTO t VALUES (3)").await.expect("a row");
    drop(gone);
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(20));
    tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while data_files(&lake) > before + 1 {
            looks.tick().await;
        }
    })
    .await
    .expect("its files are removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_committed_is_not_there_after_a_kill() {
    let mut hub = Hub::start();
    let (client, _) = hub.connect().await;
    client.batch_execute("CREATE TABLE t (id bigint); INSERT INTO t VALUES (1)").await.expect("a table");
    client.batch_execute("BEGIN; INSERT INTO t VALUES (2); DELETE FROM t WHERE id = 1").await.expect("changes");
    let (other, _) = hub.connect().await;
    other.batch_execute("BEGIN; CREATE TABLE made (id bigint); INSERT INTO made VALUES (2)").await.expect("changes");
    hub.kill_and_start();
    let (client, _) = hub.connect().await;
    let row = client.query_one("SELECT count(*), sum(id)::bigint FROM t", &[]).await.expect("the table");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 1));
    assert_eq!(state(&client.batch_execute("SELECT * FROM made").await.expect_err("no table")), "42P01");
    client.batch_execute("BEGIN; UPDATE t SET id = 7; COMMIT").await.expect("it can be changed as ever");
    assert_eq!(client.query_one("SELECT id FROM t", &[]).await.expect("the table").get::<_, i64>(0), 7);
}

/// Types of the events that came on a channel since the last look, each of them a CloudEvent.
async fn heard(client: &tokio_postgres::Client, notices: &crate::hub::Notices, channel: &str) -> Vec<String> {
    // An answer after them says that all have come.
    client.batch_execute("SELECT 1").await.expect("an answer");
    let lines = notices.take();
    let payloads = lines.iter().filter_map(|line| line.strip_prefix(channel)?.strip_prefix(": "));
    let kind = |payload: &str| {
        let event: serde_json::Value = serde_json::from_str(payload).expect("JSON");
        assert_eq!(event["specversion"], "1.0");
        event["type"].as_str().expect("a type").to_owned()
    };
    payloads.map(kind).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_told_to_those_who_may_know() {
    const RUN: [&str; 3] = ["hub.run.started", "hub.batch.committed", "hub.run.completed"];
    let hub = Hub::start();
    let (admin, told) = hub.connect().await;
    admin
        .batch_execute("CREATE PIPELINE p INTO t REPLACE AS SELECT 1 AS a; CREATE ROLE ana LOGIN PASSWORD 'ana'")
        .await
        .expect("definitions");
    let (ana, told_ana) = hub.connect_and_listen("ana", "ana", "").await.expect("a connection");
    let (one, told_one) = hub.connect().await;
    admin.batch_execute("LISTEN hub").await.expect("listens");
    ana.batch_execute("LISTEN hub; LISTEN \"public.p\"").await.expect("listens");
    one.batch_execute("LISTEN \"public.p\"").await.expect("listens");
    admin.batch_execute("RUN PIPELINE p").await.expect("a run");
    assert_eq!(heard(&admin, &told, "hub").await, RUN);
    assert_eq!(heard(&one, &told_one, "public.p").await, RUN);
    assert!(heard(&ana, &told_ana, "hub").await.is_empty());

    // What is published is told to all, whole to those of its channel, and by its number when it is too long for an envelope.
    let long = "x".repeat(7_900);
    one.batch_execute(&format!("LISTEN long; NOTIFY short, '{{}}'; NOTIFY long, '{long}'")).await.expect("published");
    one.batch_execute("SELECT 1").await.expect("an answer");
    assert_eq!(told_one.take(), [format!("long: {long}")]);
    admin.batch_execute("SELECT 1").await.expect("an answer");
    let payloads = told.take();
    assert_eq!(payloads.len(), 2, "{payloads:?}");
    let event: serde_json::Value = serde_json::from_str(payloads[1].strip_prefix("hub: ").expect("its channel")).expect("JSON");
    let number = event["data"]["ref"].as_i64().expect("a number");
    let row = admin.query_one("SELECT data::text FROM hub.events WHERE seq = $1", &[&number]).await.expect("the event");
    assert_eq!(row.get::<_, String>(0), format!("\"{long}\""));
    assert_eq!(heard(&ana, &told_ana, "hub").await, ["short", "long"]);

    // A right that comes later counts for what is told later.
    admin.batch_execute("GRANT EXECUTE ON PIPELINE p TO ana; RUN PIPELINE p").await.expect("a run");
    assert_eq!(heard(&ana, &told_ana, "hub").await, RUN);
    // What fails is told as well.
    admin.batch_execute("UNLISTEN *; LISTEN hub").await.expect("listens");
    admin.batch_execute("CREATE PIPELINE bad INTO u REPLACE AS SELECT 1 / 0 AS a").await.expect("a definition");
    admin.batch_execute("RUN PIPELINE bad").await.expect_err("a division by zero");
    let kinds = heard(&admin, &told, "hub").await;
    assert_eq!(kinds.last().map(String::as_str), Some("hub.run.failed"), "{kinds:?}");
}
