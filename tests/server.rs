//! A PostgreSQL server as a source: a hub that knows it, and what its streams do that those of files do not.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fmt::Write as _;

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::hub::Hub;

/// A server with an empty schema, and a hub that knows it. None when there is no server to test against.
pub async fn with_server(schema: &str) -> Option<(Client, Hub, Client)> {
    let Ok(url) = std::env::var("WEIR_TEST_POSTGRES") else {
        assert!(std::env::var_os("WEIR_TEST_SERVICES").is_none(), "WEIR_TEST_POSTGRES is not set");
        eprintln!("skipped: WEIR_TEST_POSTGRES is not set");
        return None;
    };
    let url = url::Url::parse(&url).expect("the address of a server");
    let (server, connection) = tokio_postgres::connect(url.as_str(), tokio_postgres::NoTls).await.expect("a server");
    drop(tokio::spawn(connection));
    let fresh = format!("SET client_min_messages TO error; DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
    server.batch_execute(&fresh).await.expect("a schema of its own");
    let hub = Hub::start();
    let (client, _) = hub.connect().await;
    let mut options = String::new();
    let given = [
        ("host", url.host_str().expect("a host").to_owned()),
        ("port", url.port().expect("a port").to_string()),
        ("user", url.username().to_owned()),
        ("database", url.path().trim_start_matches('/').to_owned()),
        ("sslmode", "disable".to_owned()),
    ];
    for (key, value) in given {
        let _ = write!(options, "{key} = '{value}', ");
    }
    let password = url.password().expect("a password");
    let sql = format!(
        "CREATE SCHEMA m; CREATE SECRET m.password AS '{password}'; \
         CREATE CONNECTION m.pg TYPE postgres WITH ({options}password = SECRET m.password)"
    );
    client.batch_execute(&sql).await.expect("a connection");
    Some((server, hub, client))
}

async fn value(client: &Client, query: &str) -> String {
    let answer = client.simple_query(query).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
        _ => None,
    });
    row.unwrap_or_else(|| panic!("{query} gives no row"))
}

/// STARTING AT is the first moment that is read and UNTIL the first that is not, so that parts that touch read each row once; what the pipeline
/// has read by itself stays as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_a_table_are_read_again() {
    let Some((server, _hub, client)) = with_server("weir_backfill").await else { return };
    server
        .batch_execute(
            "CREATE TABLE weir_backfill.t (id int NOT NULL, at timestamptz NOT NULL);
             INSERT INTO weir_backfill.t SELECT i, '2026-11-01 00:00:00+00'::timestamptz + i * interval '12 hours' FROM generate_series(0, 9) AS g(i)",
        )
        .await
        .expect("a table");
    client
        .batch_execute(
            "CREATE SOURCE m.s FROM CONNECTION m.pg INCREMENTAL BY at WITH (table = 'weir_backfill.t');
             CREATE PIPELINE m.p INTO m.t APPEND AS SELECT id, at FROM STREAM(m.s);
             RUN PIPELINE m.p; DELETE FROM m.t",
        )
        .await
        .expect("a first run");
    let ids = "SELECT COALESCE(string_agg(id::text, ' ' ORDER BY id), '') FROM m.t";
    let again = async |range: &str| {
        client.batch_execute(&format!("RUN PIPELINE m.p {range}")).await.unwrap_or_else(|error| panic!("{range}: {error:?}"));
        value(&client, ids).await
    };
    assert_eq!(again("STARTING AT '2026-11-01' UNTIL '2026-11-02'").await, "0 1");
    assert_eq!(again("STARTING AT '2026-11-02' UNTIL '2026-11-03 12:00'").await, "0 1 2 3 4");
    assert_eq!(again("STARTING AT '2026-10-01' UNTIL '2026-10-02'").await, "0 1 2 3 4", "nothing is there");
    assert_eq!(again("STARTING AT '2026-11-03 12:00'").await, "0 1 2 3 4 5 6 7 8 9");
    server.batch_execute("INSERT INTO weir_backfill.t VALUES (10, '2026-11-06')").await.expect("a row");
    assert_eq!(again("").await, "0 1 2 3 4 5 6 7 8 9 10", "the pipeline itself goes on where it was");
    assert_eq!(value(&client, "SELECT string_agg(kind, ' ' ORDER BY kind) FROM hub.runs WHERE status = 'succeeded'").await, "backfill backfill backfill backfill manual manual");
}
