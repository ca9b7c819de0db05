//! What is asked of the server, and what it may see.

use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::physical_plan::displayable;
use datafusion::prelude::SessionContext;
use std::sync::Arc;

use super::{Server, code_of, collect, read, rows};
use crate::error::Code;
use crate::sources::contract::{ScanRequest, Source};

/// The plan's text and its rows.
async fn filtered(source: &Arc<dyn Source>, filter: Expr) -> (String, Vec<String>) {
    let table = source.scan(None, ScanRequest::default()).await.unwrap();
    let frame = SessionContext::new().read_table(table).unwrap().filter(filter).unwrap();
    let plan = frame.clone().create_physical_plan().await.unwrap();
    let batches: Vec<RecordBatch> = collect(frame).await.unwrap();
    (displayable(plan.as_ref()).indent(false).to_string(), rows(&batches))
}

#[tokio::test]
async fn values_are_bound_and_mean_themselves() {
    let Some(server) = Server::with_schema("weir_bound").await else { return };
    server
        .run(
            r#"CREATE TABLE "Order Items" (id int, "the ""name""" text);
               INSERT INTO "Order Items" VALUES (1, 'x\'' OR 1=1 --'), (2, 'it''''s'), (3, 'it''s'), (4, '$1'), (5, NULL), (6, ''), (7, 'ü ☃')"#,
        )
        .await;
    let source = server.source("\"Order Items\"", "", "").await;
    let name = || col(datafusion::common::Column::from_name("the \"name\""));
    for (value, want) in [("x\\' OR 1=1 --", "1"), ("it''s", "2"), ("it's", "3"), ("$1", "4"), ("", "6"), ("ü ☃", "7")] {
        let (plan, got) = filtered(&source, name().eq(lit(value))).await;
        assert!(plan.contains(r#"WHERE (r."the ""name""" = current_setting('weir.p1')::text)"#), "{plan}");
        assert_eq!(got, [format!("{want}|{value}")]);
    }
    let (_, got) = filtered(&source, name().eq(lit("' OR true --"))).await;
    assert_eq!(got, Vec::<String>::new());
    let (plan, got) = filtered(&source, name().in_list(["it's", "'; DROP TABLE t; --", "a", "b"].map(lit).to_vec(), false)).await;
    assert!(plan.contains(" IN ("), "{plan}");
    assert_eq!(got.len(), 1);
    // Text has an order of its own on the server, and another here.
    let (plan, got) = filtered(&source, name().gt(lit("i"))).await;
    assert!(!plan.contains("WHERE"), "{plan}");
    assert_eq!(got.len(), 4);
}

#[tokio::test]
async fn conditions_that_mean_the_same_are_left_to_the_server() {
    let Some(server) = Server::with_schema("weir_filters").await else { return };
    server
        .run(
            "CREATE TABLE t (id bigint, ok bool, d date, ts timestamp, tz timestamptz, n numeric(10,2), u uuid, f float8, j jsonb);
             INSERT INTO t SELECT i, i % 2 = 0, date '2024-01-01' + i, timestamp '2024-01-01' + i * interval '1 h', timestamptz '2024-01-01 00:00+00' + i * interval '1 h',
               i / 4.0, lpad(to_hex(i), 32, '0')::uuid, i, '{}' FROM generate_series(1, 20) i; INSERT INTO t (id) VALUES (NULL), (99)",
        )
        .await;
    let source = server.source("t", "", "").await;
    let micros = |micros, zone: Option<&str>| lit(ScalarValue::TimestampMicrosecond(Some(micros), zone.map(Into::into)));
    let start = 1_704_067_200_000_000_i64;
    let cases: Vec<(Expr, bool, usize)> = vec![
        (col("id").gt(lit(18_i64)), true, 3),
        (col("id").not_eq(lit(1_i64)), true, 20),
        (col("id").between(lit(2_i64), lit(4_i64)), true, 3),
        (col("id").in_list(vec![lit(1_i64), lit(5_i64)], true), true, 19),
        (col("id").is_null(), true, 1),
        (col("ok").is_not_null().and(col("ok")), true, 10),
        (col("d").lt_eq(lit(ScalarValue::Date32(Some(19_723 + 3)))), true, 3),
        (col("ts").eq(micros(start + 3_600_000_000, None)), true, 1),
        (col("tz").lt(micros(start + 7_200_000_000, Some("UTC"))), true, 1),
        (col("n").gt_eq(lit(ScalarValue::Decimal128(Some(450), 10, 2))), true, 3),
        (col("u").eq(lit("0000000000000000000000000000000A")), true, 0),
        (col("u").eq(lit("00000000-0000-0000-0000-00000000000a")), true, 1),
        (col("u").eq(lit("no uuid")), false, 0),
        (col("id").gt(lit(18_i64)).or(col("id").is_null()), true, 4),
        (col("f").gt(lit(18.0)), false, 2),
        (col("j").eq(lit("{}")), false, 20),
        ((col("id") + lit(1_i64)).gt(lit(20_i64)), false, 2),
    ];
    for (filter, pushed, count) in cases {
        let shown = filter.to_string();
        let (plan, got) = filtered(&source, filter).await;
        assert_eq!(plan.contains("WHERE"), pushed, "{shown}\n{plan}");
        assert_eq!(got.len(), count, "{shown}\n{plan}");
    }
}

#[tokio::test]
async fn only_what_is_wanted_travels() {
    let Some(server) = Server::with_schema("weir_narrow").await else { return };
    server.run("CREATE TABLE t (id int, v text, n numeric); INSERT INTO t SELECT i, 'v', 'NaN' FROM generate_series(1, 50) i; INSERT INTO t VALUES (51, 'v', 1)").await;
    let source = server.source("t", "", "").await;
    let table = source.scan(None, ScanRequest::default()).await.unwrap();
    let context = SessionContext::new();
    let frame = context.read_table(table).unwrap().select_columns(&["v"]).unwrap().limit(0, Some(3)).unwrap();
    let plan = displayable(frame.clone().create_physical_plan().await.unwrap().as_ref()).indent(false).to_string();
    assert!(plan.contains(r#"COPY (SELECT r."v" FROM "weir_narrow"."t" AS r LIMIT 3)"#), "{plan}");
    assert_eq!(rows(&collect(frame).await.unwrap()), ["v"; 3]);
    // A limit counts good rows: where rows may be bad, the server does not count.
    let got = read(&source, |frame| frame.limit(0, Some(1)).unwrap()).await;
    assert_eq!(got, ["51|v|1.0000000000"]);
    let got = read(&source, |frame| frame.aggregate(vec![], vec![datafusion::functions_aggregate::expr_fn::count(lit(1))]).unwrap()).await;
    assert_eq!(got, ["51"]);
}

#[tokio::test]
async fn a_query_is_read_like_a_table_and_can_do_no_more() {
    let Some(server) = Server::with_schema("weir_query").await else { return };
    server.run("CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')").await;
    let with = |query: &str| format!("WITH (query = '{}')", query.replace('\'', "''"));
    let source = server.try_source("", &with("SELECT id * 10 AS ten, v FROM weir_query.t -- all of it;")).await.unwrap();
    let (plan, got) = filtered(&source, col("ten").gt(lit(10_i32))).await;
    assert!(plan.contains("WHERE"), "{plan}");
    assert_eq!(got, ["20|b"]);
    for (query, code) in [
        ("SELECT 1 AS a) q) TO PROGRAM 'false' --", Code::InvalidDefinition),
        ("DELETE FROM weir_query.t RETURNING id", Code::InvalidDefinition),
        ("SELECT 1 AS a; DROP TABLE weir_query.t", Code::InvalidDefinition),
        ("SELECT 1 AS a, 2 AS a", Code::InvalidOption),
        ("SELECT $1::int AS a", Code::InvalidOption),
    ] {
        let source = server.try_source("", &with(query)).await.unwrap();
        let scanned = source.scan(None, ScanRequest::default()).await;
        let result = match scanned {
            Ok(table) => collect(SessionContext::new().read_table(table).unwrap()).await,
            Err(error) => Err(error),
        };
        assert_eq!(code_of(result), code, "{query}");
    }
    server.run("CREATE FUNCTION weir_query.f() RETURNS int LANGUAGE sql AS 'INSERT INTO weir_query.t VALUES (3) RETURNING 1'").await;
    let source = server.try_source("", &with("SELECT weir_query.f() AS a")).await.unwrap();
    let table = source.scan(None, ScanRequest::default()).await.unwrap();
    assert!(collect(SessionContext::new().read_table(table).unwrap()).await.is_err());
    assert_eq!(server.count("SELECT count(*) FROM weir_query.t").await, 2);
}
