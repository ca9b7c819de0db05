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
    assert_eq!(first, json!({"value": "2024-01-03 00:00:00+00", "outside": 1}));
    assert_eq!(source.left_out(&first).await.unwrap(), None);
    assert_eq!(source.next(Some(&first), &LIMIT).await.unwrap(), None);
    let range = Range { from: None, to: first.clone() };
    server.run("INSERT INTO t VALUES (4, '2024-01-04 00:00+00'), (5, '2024-01-02 12:00+00'), (6, '2024-01-01 12:00+00')").await;
    // A row without a cursor value belongs to the beginning. Rows that come later with a smaller value are part of the range that has them.
    assert_eq!(ids(&source, &range).await, [1, 6, 2, 5, 3, 9]);
    let second = source.next(Some(&first), &LIMIT).await.unwrap().unwrap();
    assert_eq!(ids(&source, &Range { from: Some(first.clone()), to: second.clone() }).await, [2, 5, 3, 4]);
    assert_eq!(source.next(Some(&second), &LIMIT).await.unwrap(), None);
    // One that comes later is in no range: it is said.
    assert_eq!(source.left_out(&second).await.unwrap(), None);
    server.run("INSERT INTO t VALUES (10, NULL), (11, 'infinity')").await;
    let said = source.left_out(&second).await.unwrap().unwrap();
    assert!(said.starts_with("2 rows of weir_cursor.t are not read") && said.contains("\"at\""), "{said}");
    server.run("DELETE FROM t WHERE id > 9").await;

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

#[tokio::test]
async fn new_columns_are_grown_into_or_rescued() {
    let Some(server) = Server::with_schema("weir_grown").await else { return };
    server.run(r#"CREATE TABLE t (id int, x text); INSERT INTO t VALUES (1, 'a')"#).await;
    let source = server.source("t", "", "INCREMENTAL BY id").await;
    let range = Range { from: None, to: source.next(None, &LIMIT).await.unwrap().unwrap() };
    assert_eq!(source.drift(Some(&range)).await.unwrap().columns, None);
    server.run(r#"ALTER TABLE t ADD "a ""b\c" jsonb, ADD n numeric(6,2); INSERT INTO t VALUES (2, 'b', '{"k":null}', 1.5), (3, 'c', NULL, NULL)"#).await;
    let grown = source.drift(Some(&range)).await.unwrap().columns.unwrap();
    let names: Vec<&str> = grown.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["id", "x", "a \"b\\c", "n"]);
    // Until the new columns are stored, and in every attempt at an older run, the source is what it was.
    assert_eq!(source.schema().fields().len(), 2);
    assert_eq!(ids(&source, &range).await, [1]);

    for clauses in ["ON SCHEMA CHANGE IGNORE", "ON SCHEMA CHANGE RESCUE"] {
        let source = server.source("t", "(id int)", &format!("INCREMENTAL BY id {clauses}")).await;
        assert_eq!(source.drift(Some(&range)).await.unwrap().columns, None, "{clauses}");
    }
    let rescuing = server.source("t", "(id int, x text)", "INCREMENTAL BY id ON SCHEMA CHANGE RESCUE").await;
    let rescued = super::read(&rescuing, |frame| frame.sort_by(vec![datafusion::prelude::col("id")]).unwrap()).await;
    assert_eq!(
        rescued,
        [r#"1|a|{"n": null, "a \"b\\c": null}"#, r#"2|b|{"n": 1.50, "a \"b\\c": {"k": null}}"#, r#"3|c|{"n": null, "a \"b\\c": null}"#,]
    );
    // A condition on what is rescued is not one on a column of the server.
    let filtered = super::read(&rescuing, |frame| frame.filter(datafusion::prelude::col("_rescued_data").is_null()).unwrap()).await;
    assert!(filtered.is_empty(), "{filtered:?}");
    let exact = server.source("t", "(id int, x text, n numeric(6,2), b jsonb PATH 'a \"b\\c')", "ON SCHEMA CHANGE RESCUE").await;
    assert_eq!(
        super::read(&exact, |frame| frame.filter(datafusion::prelude::col("id").eq(datafusion::prelude::lit(1))).unwrap()).await,
        ["1|a|-|-|-"]
    );
}

#[tokio::test]
async fn a_batch_ends_where_its_limit_says() {
    let Some(server) = Server::with_schema("weir_batches").await else { return };
    server.run("CREATE TABLE t (id int, at date); INSERT INTO t SELECT i, date '2024-01-01' + i / 10 FROM generate_series(0, 999) i; ANALYZE t").await;
    let source = server.source("t", "", "INCREMENTAL BY at").await;
    let limit = BatchLimit { files: 1, bytes: 4000 };
    let (mut from, mut seen, mut batches) = (None, Vec::new(), 0);
    while let Some(to) = source.next(from.as_ref(), &limit).await.unwrap() {
        let batch = ids(&source, &Range { from, to: to.clone() }).await;
        assert!(batch.len() < 200, "{} rows", batch.len());
        seen.extend(batch);
        batches += 1;
        from = Some(to);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..1000).collect::<Vec<_>>());
    assert!(batches > 5, "{batches} batches");
}
