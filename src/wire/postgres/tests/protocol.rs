//! Messages and their answers: order, errors, portals, cancel, streaming.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::TryStreamExt;
use tokio::time::timeout;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::Type;

use super::{TestServer, until};

/// A query that never ends by itself.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 100000000000)";

fn parse(name: &str, text: &str) -> Vec<u8> {
    super::frame(b'P', &[name.as_bytes(), b"\0", text.as_bytes(), b"\0\0\0"].concat())
}

fn bind(portal: &str, statement: &str) -> Vec<u8> {
    super::frame(b'B', &[portal.as_bytes(), b"\0", statement.as_bytes(), b"\0\0\0\0\0\0\0"].concat())
}

fn execute(portal: &str, max_rows: i32) -> Vec<u8> {
    super::frame(b'E', &[portal.as_bytes(), b"\0", &max_rows.to_be_bytes()[..]].concat())
}

fn describe(kind: u8, name: &str) -> Vec<u8> {
    super::frame(b'D', &[&[kind][..], name.as_bytes(), b"\0"].concat())
}

fn sync() -> Vec<u8> {
    super::frame(b'S', b"")
}

#[tokio::test]
async fn a_simple_query_holds_many_statements() {
    let server = TestServer::start().await;
    let mut raw = server.raw_session().await;
    raw.put(b'Q', b"SELECT 1; SELECT 2, 3; DISCARD ALL; SET TimeZone = 'UTC'\0").await;
    assert_eq!(raw.kinds().await, "TDCTDCNCCSZ");
    // The first error ends the rest.
    raw.put(b'Q', b"SELECT 1; SELECT nothing FROM nowhere; SELECT 3\0").await;
    assert_eq!(raw.kinds().await, "TDCEZ");
    // One that cannot be read ends all.
    raw.put(b'Q', b"SELECT 1; SELEC 2\0").await;
    assert_eq!(raw.kinds().await, "EZ");
    raw.put(b'Q', b" -- nothing\n ;\0").await;
    assert_eq!(raw.kinds().await, "IZ");
    raw.put(b'F', b"\0\0\0\x01").await;
    assert_eq!(raw.kinds().await, "EZ");
    raw.put(b'c', b"").await;
    raw.put(b'Q', b"BEGIN\0").await;
    raw.message().await.unwrap();
    assert_eq!(raw.message().await.unwrap(), (b'Z', vec![b'T']));
    server.stop().await;
}

#[tokio::test]
async fn tags_tell_kind_and_number() {
    let server = TestServer::start().await;
    let mut raw = server.raw_session().await;
    raw.put(b'Q', b"SELECT * FROM (VALUES (1), (2)) t; SET TimeZone = 'UTC'\0").await;
    let mut tags = Vec::new();
    loop {
        let (kind, body) = raw.message().await.unwrap();
        match kind {
            b'C' => tags.push(String::from_utf8(body).unwrap()),
            b'Z' => break,
            _ => {}
        }
    }
    assert_eq!(tags, ["SELECT 2\0", "SET\0"]);
    server.stop().await;
}

#[tokio::test]
async fn errors_skip_to_sync() {
    let server = TestServer::start().await;
    let mut raw = server.raw_session().await;
    raw.send(&[parse("", "SELECT 1"), bind("", "none"), execute("", 0), describe(b'P', ""), parse("", "SELECT 2"), sync()].concat()).await;
    assert_eq!(raw.kinds().await, "1EZ");
    assert_eq!(server.executed(), 0);
    raw.send(&[parse("", "SELECT 1"), bind("", ""), describe(b'P', ""), execute("", 0), sync()].concat()).await;
    assert_eq!(raw.kinds().await, "12TDCZ");
    for (messages, code) in [
        ([parse("a", "SELECT 1"), parse("a", "SELECT 1")].concat(), "42P05"),
        (parse("", "SELECT 1; SELECT 2"), "42601"),
        (execute("none", 0), "34000"),
        (describe(b'S', "none"), "26000"),
        ([parse("", "SELECT $1"), bind("", "")].concat(), "08P01"),
    ] {
        raw.send(&[messages, sync()].concat()).await;
        assert_eq!(raw.error_code().await.as_deref(), Some(code));
        assert_eq!(raw.kinds().await, "Z");
    }
    server.stop().await;
}

#[tokio::test]
async fn names_live_and_die() {
    let server = TestServer::start().await;
    let mut raw = server.raw_session().await;
    raw.send(&[parse("kept", "SELECT 1"), parse("", "SELECT 2"), sync()].concat()).await;
    assert_eq!(raw.kinds().await, "11Z");
    raw.send(&[bind("", "kept"), execute("", 0), sync()].concat()).await;
    assert_eq!(raw.kinds().await, "2DCZ");
    // A simple query ends what has no name; Close what has one, twice without complaint.
    raw.put(b'Q', b"SELECT 1\0").await;
    raw.kinds().await;
    raw.send(&[bind("", ""), sync()].concat()).await;
    assert_eq!(raw.kinds().await, "EZ");
    raw.send(&[super::frame(b'C', b"Skept\0"), super::frame(b'C', b"Skept\0"), bind("", "kept"), sync()].concat()).await;
    assert_eq!(raw.kinds().await, "33EZ");
    // Outside of a transaction a portal ends at Sync, inside it stays.
    raw.send(&[parse("", "SELECT 1"), bind("p", ""), sync(), execute("p", 0), sync()].concat()).await;
    assert_eq!((raw.kinds().await, raw.kinds().await), ("12Z".to_owned(), "EZ".to_owned()));
    raw.put(b'Q', b"BEGIN\0").await;
    raw.kinds().await;
    raw.send(&[parse("", "SELECT 1"), bind("p", ""), sync(), execute("p", 0), sync()].concat()).await;
    assert_eq!((raw.kinds().await, raw.kinds().await), ("12Z".to_owned(), "DCZ".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn portals_stop_at_the_wanted_rows() {
    let server = TestServer::start().await;
    let mut raw = server.raw_session().await;
    let text = "SELECT * FROM generate_series(1, 5)";
    raw.send(&[parse("", text), bind("", ""), execute("", 2), execute("", 2), execute("", 2), execute("", 2), sync()].concat()).await;
    assert_eq!(raw.kinds().await, "12DDsDDsDCCZ");
    // As many as there are: PostgreSQL, too, says only at the next that there are no more.
    raw.send(&[parse("", text), bind("", ""), execute("", 5), execute("", 5), sync()].concat()).await;
    assert!(["12DDDDDsCZ", "12DDDDDCCZ"].contains(&raw.kinds().await.as_str()));
    // A number from the client sizes nothing, and a negative one means all.
    raw.send(&[parse("", text), bind("a", ""), execute("a", i32::MAX), bind("b", ""), execute("b", -1), sync()].concat()).await;
    assert_eq!(raw.kinds().await, "12DDDDDC2DDDDDCZ");
    // A command does not run twice.
    raw.send(&[parse("", "BEGIN"), bind("", ""), execute("", 0), execute("", 0), sync()].concat()).await;
    assert_eq!(raw.error_code().await.as_deref(), Some("55000"));
    server.stop().await;
}

#[tokio::test]
async fn describe_tells_parameters_and_columns() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let statement = client.prepare_typed("SELECT $1::int AS a, $2 AS b, 1.50::numeric(10,2) AS c", &[Type::INT4]).await.unwrap();
    let params: Vec<_> = statement.params().iter().map(|param| param.name().to_owned()).collect();
    assert_eq!(params, ["int4", "text"]);
    let columns: Vec<_> = statement.columns().iter().map(|column| (column.name().to_owned(), column.type_().name().to_owned())).collect();
    assert_eq!(columns, [("a", "int4"), ("b", "text"), ("c", "numeric")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    let mut raw = server.raw_session().await;
    raw.send(&[parse("", "BEGIN"), describe(b'S', ""), parse("", ""), describe(b'S', ""), bind("", ""), execute("", 0), sync()].concat())
        .await;
    assert_eq!(raw.kinds().await, "1tn1tn2IZ");
    // A cursor of SQL is described as a portal.
    raw.send(&[describe(b'P', "cursor"), describe(b'P', "none"), sync()].concat()).await;
    assert_eq!(raw.kinds().await, "TEZ");
    server.stop().await;
}

/// A statement is cancelled from another connection, and the session goes on.
#[tokio::test]
async fn a_cancel_request_cancels() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let token = client.cancel_token();
    let seen = std::sync::Arc::clone(&server.seen);
    let cancel = async {
        until("running", || seen.running.load(Ordering::SeqCst) == 1).await;
        token.cancel_query(tokio_postgres::NoTls).await.unwrap();
    };
    let (answer, ()) = timeout(Duration::from_secs(20), async { tokio::join!(client.simple_query(ENDLESS), cancel) }).await.unwrap();
    assert_eq!(answer.err().and_then(|error| error.code().cloned()).unwrap().code(), "57014");
    assert_eq!(server.seen.running.load(Ordering::SeqCst), 0);
    client.simple_query("SELECT 1").await.unwrap();

    // A wrong secret cancels nothing.
    let before = server.seen.cancelled.load(Ordering::SeqCst);
    let mut raw = server.raw().await;
    let request = [16_i32, 80_877_102, 1, 2].map(i32::to_be_bytes).concat();
    raw.send(&request).await;
    assert_eq!(raw.message().await, None);
    assert_eq!(server.seen.cancelled.load(Ordering::SeqCst), before);
    server.stop().await;
}

/// A client that goes away in the middle of a statement takes the statement with it.
#[tokio::test]
async fn a_lost_client_stops_its_query() {
    let server = TestServer::start().await;
    let mut raw = server.raw_session().await;
    raw.put(b'Q', &[ENDLESS.as_bytes(), b"\0"].concat()).await;
    let seen = std::sync::Arc::clone(&server.seen);
    until("running", || seen.running.load(Ordering::SeqCst) == 1).await;
    drop(raw);
    until("stopped", || seen.running.load(Ordering::SeqCst) == 0).await;
    assert!(seen.cancelled.load(Ordering::SeqCst) >= 1);
    server.stop().await;
}

/// Rows arrive before the query is over: the answer is not collected.
#[tokio::test]
async fn rows_stream() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let rows = client.query_raw("SELECT * FROM generate_series(1, 100000000000)", Vec::<i64>::new()).await.unwrap();
    let mut rows = std::pin::pin!(rows);
    for expected in 1..=100_000_i64 {
        assert_eq!(rows.try_next().await.unwrap().unwrap().get::<_, i64>(0), expected);
    }
    server.stop().await;
}

/// Parse, Bind and Execute of many statements in one go, as pipelining clients send them.
#[tokio::test]
async fn statements_are_pipelined() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let one = client.prepare_typed("SELECT $1::bigint", &[Type::INT8]).await.unwrap();
    let values: Vec<i64> = (0..100).collect();
    let answers = futures::future::try_join_all(values.iter().map(|value| {
        let (client, one) = (&client, &one);
        async move { client.query_one(one, &[value]).await.map(|row| row.get::<_, i64>(0)) }
    }));
    assert_eq!(answers.await.unwrap(), values);
    server.stop().await;
}

#[tokio::test]
async fn time_zone_follows_the_session() {
    let server = TestServer::start().await;
    let client = server.client().await;
    let text = "SELECT arrow_cast(to_timestamp(1767225600), 'Timestamp(Microsecond, Some(\"UTC\"))')";
    for (zone, expected) in [
        ("Europe/Berlin", "2026-01-01 01:00:00+01"),
        ("america/st_johns", "2025-12-31 20:30:00-03:30"),
        ("+05:45", "2026-01-01 05:45:00+05:45"),
    ] {
        client.simple_query(&format!("SET TIME ZONE '{zone}'")).await.unwrap();
        let rows = client.simple_query(text).await.unwrap();
        let SimpleQueryMessage::Row(row) = &rows[1] else { panic!("{rows:?}") };
        assert_eq!(row.get(0), Some(expected));
    }
    server.stop().await;
}
