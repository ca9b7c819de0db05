//! INCREMENTAL BY: positions, ranges, LOOKBACK and STARTING AT.

use serde_json::json;

use super::{Server, code_of, follow};
use crate::error::Code;
use crate::sources::contract::{BatchLimit, Range, Source, StartPoint};
use std::sync::Arc;

const LIMIT: BatchLimit = BatchLimit { files: 100, bytes: 1 << 30 };

async fn ids(source: &Arc<dyn Source>, range: &Range) -> Vec<i32> {
    let (rows, rejects, _) = follow(source, Some(range.clone())).await;
    assert_eq!(rejects, []);
    rows.iter().map(|row| row.split('|').next().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn new_rows_are_read_once_and_in_order() {
    let Some(server) = Server::with_schema("weir_cursor").await else { return };
    server
        .run("CREATE TABLE t (id int, at timestamptz); INSERT INTO t VALUES (3, '2024-01-03 00:00+00'), (1, '2024-01-01 00:00+00'), (9, NULL), (2, '2024-01-02 00:00:00.000001+00')")
        .await;
    let source = server.source("t", "", "INCREMENTAL BY at LOOKBACK '1 day'").await;
    let first = source.next(None, &LIMIT).await.unwrap().unwrap();
    assert_eq!(first, json!({"value": "2024-01-03 00:00:00+00"}));
    assert_eq!(source.next(Some(&first), &LIMIT).await.unwrap(), None);
    let range = Range { from: None, to: first.clone() };
    server.run("INSERT INTO t VALUES (4, '2024-01-04 00:00+00'), (5, '2024-01-02 12:00+00'), (6, '2024-01-01 12:00+00')").await;
    // A row without a cursor value belongs to the beginning. Rows that come later with a smaller value are part of the range that has them.
    assert_eq!(ids(&source, &range).await, [1, 6, 2, 5, 3, 9]);
    let second = source.next(Some(&first), &LIMIT).await.unwrap().unwrap();
    assert_eq!(ids(&source, &Range { from: Some(first.clone()), to: second.clone() }).await, [2, 5, 3, 4]);
    assert_eq!(source.next(Some(&second), &LIMIT).await.unwrap(), None);

    assert_eq!(source.oldest_unread(Some(&first)).await.unwrap(), Some(1_704_326_400_000_000));
    assert_eq!(source.oldest_unread(Some(&second)).await.unwrap(), None);
    let at = source.position_at(&StartPoint::At("2024-01-03".into())).await.unwrap().unwrap();
    assert_eq!(at, json!({"value": "2024-01-03 00:00:00+00", "inclusive": true}));
    assert_eq!(ids(&source, &Range { from: Some(at), to: second.clone() }).await, [3, 4]);
    assert_eq!(source.position_at(&StartPoint::Latest).await.unwrap(), Some(second));
    assert_eq!(source.position_at(&StartPoint::Earliest).await.unwrap(), None);
    assert_eq!(code_of(source.position_at(&StartPoint::At("'; --".into())).await), Code::InvalidParameter);
}

#[tokio::test]
async fn numbers_text_and_dates_are_cursors_too() {
    let Some(server) = Server::with_schema("weir_cursors").await else { return };
    server
        .run("CREATE TABLE t (id int, n numeric, x text, d date); INSERT INTO t SELECT i, i + 0.5, 'k''' || i, date '2024-01-01' + i FROM generate_series(1, 5) i;
              INSERT INTO t VALUES (6, 'NaN', NULL, 'infinity')")
        .await;
    for (column, starting_at, newest, want) in [
        ("id", "2", "6", vec![2, 3, 4, 5, 6]),
        ("n", "'3.5'", "5.5", vec![3, 4, 5]),
        ("x", "'k''4'", "k'5", vec![4, 5]),
        ("d", "date '2024-01-05'", "2024-01-06", vec![4, 5]),
    ] {
        let source = server.source("t", "(id int, n text, x text, d text)", "").await;
        assert_eq!(code_of(source.next(None, &LIMIT).await), Code::NotSupported);
        let columns = match column {
            "n" => "(id int, n numeric)",
            "d" => "(id int, d date)",
            _ => "(id int, x text)",
        };
        let source = server.source("t", columns, &format!("INCREMENTAL BY {column} STARTING AT {starting_at}")).await;
        let to = source.next(None, &LIMIT).await.unwrap().unwrap();
        assert_eq!(to, json!({ "value": newest }));
        assert_eq!(ids(&source, &Range { from: None, to }).await, want, "{column}");
    }
    // What stands outside the order is not lost: it is part of the first range, here as rejects.
    let source = server.source("t", "(id int, d date)", "INCREMENTAL BY d").await;
    let to = source.next(None, &LIMIT).await.unwrap().unwrap();
    let (rows, rejects, _) = follow(&source, Some(Range { from: None, to })).await;
    assert_eq!((rows.len(), rejects.len()), (5, 1));
}

#[tokio::test]
async fn what_cannot_be_followed_says_so() {
    let Some(server) = Server::with_schema("weir_nocursor").await else { return };
    server.run("CREATE TABLE t (id int, j jsonb)").await;
    let next = async |clauses: &str| server.source("t", "", clauses).await.next(None, &LIMIT).await;
    let error = next("").await.unwrap_err();
    assert_eq!(error.code(), Code::NotSupported);
    assert!(error.hint_text().unwrap().contains("INCREMENTAL BY"), "{error:?}");
    assert_eq!(code_of(next("INCREMENTAL BY j").await), Code::WrongType);
    assert_eq!(code_of(next("INCREMENTAL BY di").await), Code::UndefinedColumn);
    assert_eq!(code_of(next("INCREMENTAL BY id LOOKBACK '1 day'").await), Code::InvalidDefinition);
    assert_eq!(next("INCREMENTAL BY id").await.unwrap(), None);
    assert_eq!(code_of(server.try_source("", "INCREMENTAL BY id STARTING AT now() WITH (table = 't')").await), Code::NotSupported);
}
