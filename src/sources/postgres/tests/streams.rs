//! The stream itself: however it is cut, however long, and when nobody wants it any more.

use arrow::array::AsArray;
use arrow::datatypes::Int32Type;
use bytes::Bytes;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use proptest::prelude::*;
use tokio_postgres::types::Type;

use super::{Server, code_of, follow};
use crate::error::Code;
use crate::sources::contract::ScanRequest;
use crate::sources::postgres::rows::Rows;
use crate::sources::postgres::types::{Fitted, RemoteColumn, fit};

fn column(name: &str, of: &Type) -> Fitted {
    let remote = RemoteColumn::new(name, of, -1, false);
    fit(remote.found(), &remote).unwrap()
}

fn stream(rows: &[(Option<i32>, Option<String>)]) -> Vec<u8> {
    let mut bytes = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for (id, text) in rows {
        bytes.extend(2_i16.to_be_bytes());
        for field in [id.map(|id| id.to_be_bytes().to_vec()), text.clone().map(String::into_bytes)] {
            match field {
                Some(field) => {
                    bytes.extend(i32::try_from(field.len()).unwrap().to_be_bytes());
                    bytes.extend(field);
                }
                None => bytes.extend((-1_i32).to_be_bytes()),
            }
        }
    }
    bytes.extend((-1_i16).to_be_bytes());
    bytes
}

proptest! {
    /// However the stream is cut into pieces, the rows are the same.
    #[test]
    fn pieces_may_end_anywhere(
        rows in proptest::collection::vec((any::<Option<i32>>(), proptest::option::of("\\PC{0,12}")), 0..40),
        cuts in proptest::collection::vec(1_usize..50, 1..60),
    ) {
        let bytes = Bytes::from(stream(&rows));
        let mut decoder = Rows::new(&[column("id", &Type::INT4), column("x", &Type::TEXT)], true).unwrap();
        let (mut at, mut next) = (0, cuts.iter().cycle());
        while at < bytes.len() {
            let end = (at + next.next().unwrap()).min(bytes.len());
            decoder.feed(bytes.slice(at..end)).unwrap();
            at = end;
        }
        prop_assert!(decoder.is_complete());
        let gathered = decoder.take().unwrap();
        prop_assert_eq!(gathered.rows, rows.len());
        prop_assert_eq!(gathered.columns[0].as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), rows.iter().map(|row| row.0).collect::<Vec<_>>());
        prop_assert_eq!(gathered.columns[1].as_string::<i32>().iter().collect::<Vec<_>>(), rows.iter().map(|row| row.1.as_deref()).collect::<Vec<_>>());
    }

    /// Bytes that no server sends end in an error or a reject, never in a panic.
    #[test]
    fn nonsense_is_survived(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), with_header in any::<bool>()) {
        if with_header {
            let mut whole = stream(&[]);
            whole.truncate(19);
            whole.append(&mut bytes);
            bytes = whole;
        }
        let list = column("l", &Type::INT4_ARRAY);
        let mut decoder = Rows::new(&[column("n", &Type::NUMERIC), list], true).unwrap();
        if decoder.feed(Bytes::from(bytes)).is_ok() {
            decoder.take().unwrap();
        }
    }

    #[test]
    fn nonsense_in_a_field_is_a_reject(numeric in proptest::collection::vec(any::<u8>(), 0..40), list in proptest::collection::vec(any::<u8>(), 0..60)) {
        let mut bytes = stream(&[]);
        bytes.truncate(19);
        bytes.extend(2_i16.to_be_bytes());
        for field in [&numeric, &list] {
            bytes.extend(i32::try_from(field.len()).unwrap().to_be_bytes());
            bytes.extend(field);
        }
        let mut decoder = Rows::new(&[column("n", &Type::NUMERIC), column("l", &Type::TEXT_ARRAY)], true).unwrap();
        decoder.feed(Bytes::from(bytes)).unwrap();
        let gathered = decoder.take().unwrap();
        prop_assert_eq!(gathered.rows + gathered.rejects.len(), 1);
    }
}

/// Waits, by asking the server, until a count is what it should be.
async fn until(server: &Server, sql: &str, want: i64) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while server.count(sql).await != want {
        assert!(std::time::Instant::now() < deadline, "still not {want}: {sql}");
    }
}

#[tokio::test]
async fn a_dropped_stream_frees_the_server() {
    let Some(server) = Server::with_schema("weir_dropped").await else { return };
    let source = server
        .open_on(
            server.connection(&[("application_name", "weir_dropped")]),
            "",
            "WITH (query = 'SELECT generate_series(1, 100000000) AS i')",
        )
        .await
        .unwrap();
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir_dropped'";
    let running =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir_dropped' AND state = 'active' AND query LIKE 'COPY%'";
    let table = source.scan(None, ScanRequest::default()).await.unwrap();
    let mut stream = SessionContext::new().read_table(table).unwrap().execute_stream().await.unwrap();
    assert!(stream.next().await.unwrap().unwrap().num_rows() > 0);
    until(&server, running, 1).await;
    drop(stream);
    until(&server, count, 0).await;

    // One that has not sent anything yet, and would not for a long time.
    let slow = "WITH (query = 'SELECT count(*) AS n FROM (SELECT generate_series(1, 100000000000)) AS i')";
    let source =
        server.open_on(server.connection(&[("application_name", "weir_dropped"), ("sslmode", "require")]), "", slow).await.unwrap();
    let table = source.scan(None, ScanRequest::default()).await.unwrap();
    let mut stream = SessionContext::new().read_table(table).unwrap().execute_stream().await.unwrap();
    tokio::select! {
        _ = stream.next() => panic!("it ended"),
        () = until(&server, running, 1) => {}
    }
    drop(stream);
    until(&server, count, 0).await;
}

#[tokio::test]
async fn a_broken_connection_is_an_error() {
    let Some(server) = Server::with_schema("weir_broken").await else { return };
    let source = server
        .open_on(
            server.connection(&[("application_name", "weir_broken")]),
            "",
            "WITH (query = 'SELECT generate_series(1, 100000000) AS i')",
        )
        .await
        .unwrap();
    let table = source.scan(None, ScanRequest::default()).await.unwrap();
    let mut stream = SessionContext::new().read_table(table).unwrap().execute_stream().await.unwrap();
    stream.next().await.unwrap().unwrap();
    server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'weir_broken'").await;
    let error = loop {
        match stream.next().await.expect("an end without an error") {
            Ok(_) => {}
            Err(error) => break super::unwrapped(error),
        }
    };
    assert_eq!(error.code(), Code::SourceUnavailable, "{}", error.chain());
}

#[tokio::test]
async fn many_rows_keep_their_order_and_number() {
    let Some(server) = Server::with_schema("weir_many").await else { return };
    server.run("CREATE TABLE t AS SELECT i AS id, md5(i::text) AS x FROM generate_series(1, 100000) i").await;
    let source = server.source("t", "", "INCREMENTAL BY id").await;
    let (rows, rejects, read) = follow(&source, None).await;
    assert_eq!((rows.len(), rejects.len(), read), (100_000, 0, 100_000));
    assert!(rows[99_999].starts_with("100000|") && rows[99_999].ends_with("|100000"), "{}", rows[99_999]);
    // A table that changes its columns between looking and reading is not read as what it was.
    let table = source.scan(None, ScanRequest::default()).await.unwrap();
    server.run("ALTER TABLE t ALTER id TYPE float4").await;
    assert_eq!(code_of(super::collect(SessionContext::new().read_table(table).unwrap()).await), Code::Conflict);
}
