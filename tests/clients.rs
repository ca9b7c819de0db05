//! What one client does to another: notifications, cancelling, ending, time limits of doing nothing.

use std::time::Duration;

use crate::hub::{Hub, Notices, until};

fn state(error: &tokio_postgres::Error) -> String {
    error.code().map(|code| code.code().to_owned()).unwrap_or_default()
}

async fn heard(notices: &Notices, wanted: &[&str]) {
    let mut all = Vec::new();
    until(async || {
        all.extend(notices.take());
        all.len() >= wanted.len()
    })
    .await;
    assert_eq!(all, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_reaches_a_client_that_does_nothing() {
    let hub = Hub::start();
    let (idle, heard_idle) = hub.connect().await;
    let (busy, heard_busy) = hub.connect().await;
    let (other, _) = hub.connect().await;
    idle.batch_execute("LISTEN a; LISTEN b").await.expect("it listens");
    busy.batch_execute("LISTEN a; BEGIN; SELECT 1").await.expect("it listens");
    other.batch_execute("NOTIFY a, 'x'; BEGIN; NOTIFY b; NOTIFY a, 'y'; COMMIT; NOTIFY c").await.expect("it sends");
    heard(&heard_idle, &["a: x", "b: ", "a: y"]).await;
    // Inside a transaction nothing is said.
    busy.batch_execute("SELECT 1").await.expect("an answer");
    assert!(heard_busy.take().is_empty());
    busy.batch_execute("COMMIT").await.expect("the end");
    heard(&heard_busy, &["a: x", "a: y"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_ends_what_another_does() {
    let hub = Hub::start();
    let (one, _) = hub.connect().await;
    let (admin, _) = hub.connect().await;
    let pid: i32 = one.query_one("SELECT pg_backend_pid()", &[]).await.expect("a number").get(0);
    let sleeping = tokio::spawn(async move {
        let error = one.batch_execute("SELECT pg_sleep(600)").await.expect_err("the cancel");
        (one, state(&error))
    });
    let is = async |wanted: &str| {
        let process = i64::from(pid);
        let list = "SELECT count(*) FROM pg_stat_activity WHERE pid::bigint = $1 AND state = $2";
        admin.query_one(list, &[&process, &wanted]).await.expect("the list").get::<_, i64>(0) == 1
    };
    until(async || is("active").await).await;
    let done = admin.query_one("SELECT pg_cancel_backend($1::bigint)", &[&i64::from(pid)]).await.expect("the cancel");
    assert!(done.get::<_, bool>(0));
    let (one, cancelled) = sleeping.await.expect("the other goes on");
    assert_eq!(cancelled, "57014");
    one.batch_execute("BEGIN").await.expect("a transaction");
    until(async || is("idle in transaction").await).await;
    admin.query_one("SELECT pg_terminate_backend($1::bigint)", &[&i64::from(pid)]).await.expect("the end");
    until(async || one.is_closed()).await;
    let left = admin.query_one("SELECT count(*) FROM pg_stat_activity", &[]).await.expect("the list");
    assert_eq!(left.get::<_, i64>(0), 1);
    // Also in the middle of a statement.
    let (one, _) = hub.connect().await;
    let pid: i32 = one.query_one("SELECT pg_backend_pid()", &[]).await.expect("a number").get(0);
    let sleeping = tokio::spawn(async move { one.batch_execute("SELECT pg_sleep(600)").await.expect_err("the end") });
    admin.query_one("SELECT pg_terminate_backend($1::bigint)", &[&i64::from(pid)]).await.expect("the end");
    let error = tokio::time::timeout(Duration::from_secs(20), sleeping).await.expect("in time").expect("no panic");
    assert!(["57P01", "57014", ""].contains(&state(&error).as_str()), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_transaction_is_ended_and_undone() {
    let hub = Hub::start();
    let (client, _) = hub.connect().await;
    client.batch_execute("CREATE TABLE t (id bigint)").await.expect("a table");
    client.batch_execute("SET idle_in_transaction_session_timeout = '150ms'; BEGIN; INSERT INTO t VALUES (1)").await.expect("a row");
    until(async || client.is_closed()).await;
    let (client, _) = hub.connect().await;
    assert_eq!(client.query_one("SELECT count(*) FROM t", &[]).await.expect("the table").get::<_, i64>(0), 0);
    client.batch_execute("SET idle_session_timeout = '150ms'").await.expect("a limit");
    until(async || client.is_closed()).await;
}
