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
