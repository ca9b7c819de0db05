//! What one client, or very many, can do to the others: nothing.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::hub::{Hub, PASSWORD, until};

fn state(error: &tokio_postgres::Error) -> String {
    error.code().map(|code| code.code().to_owned()).unwrap_or_default()
}

/// The message of a statement's error, with its detail.
fn message(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map(|error| format!("{} {}", error.message(), error.detail().unwrap_or_default())).unwrap_or_default()
}

/// Sockets that say nothing neither keep others out nor stay for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_silent_sockets_keep_nobody_out() {
    rlimit::increase_nofile_limit(8_000).expect("descriptors for the test");
    let hub = Hub::start();
    let mut silent = Vec::new();
    let opened = Instant::now();
    for number in 0..5_000 {
        let mut socket = TcpStream::connect(hub.address()).await.expect("a socket");
        if number % 2 == 0 {
            // Half of a start-up packet.
            socket.write_all(&[0, 0, 0, 50, 0, 3]).await.expect("it is sent");
        }
        silent.push(socket);
    }
    for _ in 0..3 {
        let asked = Instant::now();
        let (admin, _) = hub.connect().await;
        admin.batch_execute("SELECT 1").await.expect("an answer");
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    }
    let closed = async {
        for socket in &mut silent {
            let mut byte = [0];
            assert!(matches!(socket.read(&mut byte).await, Ok(0) | Err(_)), "nothing is said to them");
        }
    };
    tokio::time::timeout(Duration::from_secs(30), closed).await.expect("all are closed");
    assert!(opened.elapsed() < Duration::from_secs(45), "{:?}", opened.elapsed());
}

/// Whoever runs the hub can always come and look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_places_are_for_superusers() {
    let hub = Hub::start_with(&["pg.max_connections=4", "pg.reserved_connections=2"]);
    let (admin, _) = hub.connect().await;
    admin.batch_execute("CREATE ROLE ana LOGIN PASSWORD 'long enough'").await.expect("a role");
    let ana = hub.connect_as("ana", "long enough").await.expect("one of the two for everybody");
    let error = hub.connect_as("ana", "long enough").await.expect_err("only reserved places are left");
    assert_eq!(state(&error), "53300");
    assert!(message(&error).contains("reserved for roles with the SUPERUSER attribute"), "{error:?}");
    let (second, _) = hub.connect().await;
    let (third, _) = hub.connect().await;
    let error = hub.connect_as("admin", PASSWORD).await.expect_err("no place is left");
    assert_eq!((state(&error).as_str(), message(&error).trim()), ("53300", "sorry, too many clients already"));
    drop((second, third));
    drop(admin);
    // Three places are free again, and two of them reserved.
    let mut again = None;
    until(async || {
        again = hub.connect_as("ana", "long enough").await.ok();
        again.is_some()
    })
    .await;
    ana.batch_execute("SELECT 1").await.expect("nobody else was harmed");
}

/// What a connection costs while it does nothing, and after it has asked for something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_client_costs_little() {
    const CLIENTS: u64 = 200;
    let hub = Hub::start_with(&["pg.max_connections=500"]);
    let (first, _) = hub.connect().await;
    first.batch_execute("SELECT 1").await.expect("an answer");
    let before = hub.resident_bytes();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let (client, _) = hub.connect().await;
        client.query("SELECT 1", &[]).await.expect("an answer");
        clients.push(client);
    }
    let each = hub.resident_bytes().saturating_sub(before) / CLIENTS;
    assert!(each < 100_000, "{each} bytes for each");
}

/// A client that reads nothing holds one buffer, and can be ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_can_be_ended() {
    let hub = Hub::start();
    let (admin, _) = hub.connect().await;
    let (lazy, _) = hub.connect().await;
    let pid: i32 = lazy.query_one("SELECT pg_backend_pid()", &[]).await.expect("a number").get(0);
    let before = hub.resident_bytes();
    // Nobody polls the stream: the socket's buffers fill up.
    let rows = lazy.query_raw("SELECT i, repeat('x', 1000) FROM generate_series(1, 100000000) AS s(i)", Vec::<i32>::new());
    let rows = rows.await.expect("it begins");
    hub.rests().await;
    let held = hub.resident_bytes().saturating_sub(before);
    assert!(held < 100 << 20, "{held} bytes");
    admin.batch_execute(&format!("SELECT pg_terminate_backend({pid})")).await.expect("an answer");
    let list = "SELECT count(*) FROM pg_stat_activity WHERE pid::bigint = $1";
    until(async || admin.query_one(list, &[&i64::from(pid)]).await.expect("a list").get::<_, i64>(0) == 0).await;
    drop(rows);
}

/// A statement that needs more than its share ends with 53200 or spills; the others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_statement_cannot_take_all_memory() {
    let hub = Hub::start_with(&["memory_limit=128MiB", "query_memory_limit=64MiB"]);
    let (client, _) = hub.connect().await;
    let (other, _) = hub.connect().await;
    let big = "(SELECT i, 'row number ' || i AS t FROM generate_series(1, 2000000) AS s(i))";
    // A sort goes on in files.
    let sorted = format!("SELECT count(*), max(n) FROM (SELECT row_number() OVER (ORDER BY t DESC) AS n FROM {big} AS b) AS r");
    let row = client.query_one(&sorted, &[]).await.expect("it spills");
    assert_eq!(row.get::<_, i64>(0), 2_000_000);
    let grouped = format!("SELECT count(*) FROM (SELECT t FROM {big} AS b GROUP BY t) AS g");
    assert_eq!(client.query_one(&grouped, &[]).await.expect("it spills").get::<_, i64>(0), 2_000_000);
    // All of it in one value does not.
    let error = client.query("SELECT length(string_agg(repeat('x', 1000), '')) FROM generate_series(1, 1000000) AS s(i)", &[]).await;
    if let Err(error) = &error {
        assert_eq!(state(error), "53200", "{error:?}");
    }
    let joined = format!("SELECT count(*) FROM {big} AS a JOIN {big} AS b ON a.t = b.t");
    match client.query_one(&joined, &[]).await {
        Ok(row) => assert_eq!(row.get::<_, i64>(0), 2_000_000),
        Err(error) => {
            assert_eq!(state(&error), "53200", "{error:?}");
            assert!(message(&error).contains("query_memory_limit"), "{}", message(&error));
        }
    }
    other.batch_execute("SELECT count(*) FROM generate_series(1, 100000)").await.expect("the others go on");
    client.batch_execute("SELECT 1").await.expect("so does the one");
    assert!(hub.resident_bytes() < 600 << 20, "{} bytes", hub.resident_bytes());
}

/// Whatever a statement is doing, over very many rows, it ends within a second of the cancel.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_statement_ends_within_a_second_of_its_cancel() {
    let hub = Hub::start();
    let (client, _) = hub.connect().await;
    let rows = "generate_series(1, 100000000) AS s(i)";
    let statements = [
        format!("SELECT count(*) FROM {rows}"),
        format!("SELECT sum(i * 2 % 7) FROM {rows} WHERE i % 3 = 1"),
        format!("SELECT i FROM {rows} ORDER BY i % 1000, i DESC LIMIT 10 OFFSET 1000000"),
        format!("SELECT i % 1000003 AS k, count(*) FROM {rows} GROUP BY 1 ORDER BY 2 LIMIT 1"),
        format!("SELECT count(DISTINCT i) FROM {rows}"),
        format!("SELECT sum(n) FROM (SELECT row_number() OVER (PARTITION BY i % 10 ORDER BY i) AS n FROM {rows}) AS w"),
        format!("SELECT count(*) FROM {rows}, generate_series(1, 1000) AS t(j) WHERE i + j = 7"),
        format!("SELECT count(*) FROM {rows}, generate_series(1, 1000000) AS t(j) WHERE i * j % 1000003 = 7"),
        format!("SELECT count(*) FROM {rows}, generate_series(1, 1000000) AS t(j)"),
        format!("SELECT count(*) FROM {rows} JOIN generate_series(1, 100000000) AS t(j) ON i = j"),
        format!("SELECT count(*) FROM {rows} WHERE repeat('x', (i % 100)::int) ~ '(x+x+)+y'"),
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 100000000) SELECT count(*) FROM r".to_owned(),
        format!("CREATE TABLE public.big AS SELECT i, i % 7 AS m FROM {rows}"),
        format!("SELECT i, i + 1 FROM {rows}"),
    ];
    for statement in statements {
        let cancel = client.cancel_token();
        let running = client.batch_execute(&statement);
        let stop = async {
            hub.has_computed(50).await;
            let asked = Instant::now();
            cancel.cancel_query(tokio_postgres::NoTls).await.expect("the request");
            asked
        };
        let (ended, asked) = tokio::join!(running, stop);
        let took = asked.elapsed();
        let error = ended.expect_err(&statement);
        assert_eq!(state(&error), "57014", "{statement}: {error:?}");
        assert!(took < Duration::from_secs(1), "{statement}: {took:?}");
        client.batch_execute("SELECT 1").await.expect("the connection is as good as before");
    }
    // A time limit does the same.
    client.batch_execute("SET statement_timeout = '300ms'").await.expect("a limit");
    let asked = Instant::now();
    let error = client.batch_execute(&format!("SELECT count(DISTINCT i) FROM {rows}")).await.expect_err("the limit");
    assert_eq!(state(&error), "57014");
    assert!(asked.elapsed() < Duration::from_millis(1_300), "{:?}", asked.elapsed());
}

/// Two inputs compared row by row keep every thread busy within one call for hours: others are served, and it can be stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_that_never_ends_leaves_room_for_others() {
    let hub = Hub::start();
    let mut slow = Vec::new();
    for _ in 0..3 {
        let (client, _) = hub.connect().await;
        let cancel = client.cancel_token();
        let task = tokio::spawn(async move {
            let all =
                "SELECT count(*) FROM generate_series(1, 10000000) AS s(i), generate_series(1, 1000000) AS t(j) WHERE i * j % 1000003 = -7";
            client.batch_execute(all).await.expect_err("the cancel")
        });
        slow.push((cancel, task));
    }
    hub.has_computed(200).await;
    for _ in 0..5 {
        let asked = Instant::now();
        let (client, _) = hub.connect().await;
        client.batch_execute("SELECT count(*) FROM generate_series(1, 1000) AS s(i)").await.expect("an answer");
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    }
    for (cancel, task) in slow {
        let asked = Instant::now();
        cancel.cancel_query(tokio_postgres::NoTls).await.expect("the request");
        assert_eq!(state(&task.await.expect("no panic")), "57014");
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
}
