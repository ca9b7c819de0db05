//! Every type of the server, with NULL and its extremes.

use arrow::datatypes::{DataType, TimeUnit};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::{Server, code_of, collect, follow, read, rows};
use crate::error::Code;
use crate::formats::Logical;
use crate::sources::contract::{RawRecord, RejectSink, ScanRequest, SourceReject};
use crate::sources::postgres::numeric;
use datafusion::prelude::SessionContext;

#[tokio::test]
async fn every_type_arrives_as_it_is() {
    let Some(server) = Server::with_schema("weir_types").await else { return };
    server
        .run(
            "CREATE TYPE mood AS ENUM ('sad', 'it''s'); CREATE DOMAIN positive AS numeric(8,2) CHECK (VALUE > 0);
             CREATE TABLE t (b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric(12,3), nf numeric, tx text, vc varchar(9),
               c char(5), nm name, by bytea, d date, tm time, ts timestamp, tz timestamptz, iv interval, id uuid, j json, jb jsonb,
               m mood, p positive, ip inet, o oid, ch \"char\", pt point);
             INSERT INTO t VALUES (true, -32768, 2147483647, -9223372036854775808, 1.5, -0.1, -123456789.125, 0.0000000001, 'grüße', 'v', 'ab', 'n',
               '\\xff00', '2024-02-29', '13:14:15.5', '2024-01-02 03:04:05.678901', '2024-01-02 03:04:05+02', '1 mon 2 days 03:00', 
               'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{\"a\": 1}', '{\"b\":[1,2.50]}', 'it''s', 7.5, '10.0.0.1/8', 4000000000, 'x', '(1,2)');
             INSERT INTO t DEFAULT VALUES",
        )
        .await;
    let source = server.source("t", "", "").await;
    let got = read(&source, |frame| frame).await;
    let first = "true|-32768|2147483647|-9223372036854775808|1.5|-0.1|-123456789.125|0.0000000001|grüße|v|ab|n|ff00|2024-02-29|13:14:15.5|\
        2024-01-02T03:04:05.678901|2024-01-02T01:04:05Z|1 mon 2 days 03:00:00|a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|{\"a\": 1}|\
        {\"b\": [1, 2.50]}|it's|7.50|10.0.0.1/8|4000000000|x|(1,2)";
    assert_eq!(got, [first.to_owned(), ["-"; 27].join("|")]);
    let schema = source.schema();
    let kind = |name: &str| schema.field_with_name(name).unwrap().data_type().clone();
    assert_eq!(kind("n"), DataType::Decimal128(12, 3));
    assert_eq!(kind("nf"), DataType::Decimal128(38, 10));
    assert_eq!(kind("p"), DataType::Decimal128(8, 2));
    assert_eq!(kind("tz"), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    assert_eq!(Logical::of(schema.field_with_name("jb").unwrap()), Logical::Jsonb);
    assert_eq!(Logical::of(schema.field_with_name("id").unwrap()), Logical::Uuid);
}

#[tokio::test]
async fn arrays_arrive_as_lists() {
    let Some(server) = Server::with_schema("weir_arrays").await else { return };
    server
        .run(
            "CREATE TABLE t (i int[], s text[], n numeric(5,2)[], u uuid[], iv interval[], d date[]);
             INSERT INTO t VALUES ('{1,NULL,3}', '{a,NULL,\"b c\"}', '{1.5,NULL}', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', '{1 day,NULL}', '{2024-01-01}'),
               ('{}', '{}', NULL, NULL, NULL, '{NULL}'), ('{{1,2},{3,4}}', NULL, NULL, NULL, NULL, NULL), (NULL, '{z}', '{}', NULL, NULL, '{infinity}')",
        )
        .await;
    let source = server.source("t", "", "").await;
    let (got, rejects, count) = follow(&source, None).await;
    assert_eq!(
        got,
        [
            "[1, -, 3]|[a, -, b c]|[1.50, -]|[a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11]|[1 day, -]|[2024-01-01]|shop.erp postgres weir_arrays.t|1",
            "[]|[]|-|-|-|[-]|shop.erp postgres weir_arrays.t|2",
        ]
    );
    assert_eq!(count, 4);
    let rules: Vec<_> = rejects.iter().map(|reject| (reject.reject.rule.as_str(), reject.reject.position)).collect();
    assert_eq!(rules, [("type:i", 3), ("type:d", 4)]);
    // What a list of columns can say instead.
    let source = server.source("t", "(i jsonb, s text)", "").await;
    assert_eq!(read(&source, |frame| frame).await, ["[1, null, 3]|{a,NULL,\"b c\"}", "[]|{}", "[[1, 2], [3, 4]]|-", "-|{z}"]);
}

#[tokio::test]
async fn a_bad_value_costs_its_row_only_and_comes_back_repaired() {
    let Some(server) = Server::with_schema("weir_bad").await else { return };
    server
        .run(
            "CREATE TABLE t (id int, n numeric, d date, tz timestamptz, f float8, j jsonb, by bytea);
             INSERT INTO t VALUES (1, 1.5, '2024-01-01', now(), 'NaN', '{}', ''), (2, 'NaN', '2024-01-02', '2024-01-02 00:00+00', 0.1, '{\"a\":1e400}', '\\x0a'),
               (3, 0.12345678901, NULL, NULL, 1, NULL, NULL), (4, 5, 'infinity', NULL, 1, NULL, NULL), (5, 6, NULL, '-infinity', 1, NULL, NULL),
               (6, 1e30, NULL, NULL, 1, NULL, NULL), (7, -7.1234567890, NULL, NULL, 'Infinity', NULL, NULL)",
        )
        .await;
    let source = server.source("t", "", "").await;
    let (got, rejects, count) = follow(&source, None).await;
    assert_eq!(got.iter().map(|row| row.split('|').next().unwrap()).collect::<Vec<_>>(), ["1", "7"]);
    assert_eq!(count, 7);
    let rules: Vec<_> = rejects.iter().map(|reject| (reject.reject.rule.as_str(), reject.reject.position)).collect();
    assert_eq!(rules, [("type:n", 2), ("type:n", 3), ("type:d", 4), ("type:tz", 5), ("type:n", 6)]);
    let raw = String::from_utf8(rejects[0].reject.raw.clone()).unwrap();
    assert!(raw.starts_with(r#"{"id":2,"n":"NaN","d":"2024-01-02","tz":"2024-01-02T00:00:00.000000Z","f":0.1,"j":"{\"a\": 1"#), "{raw}");
    assert!(raw.ends_with(r#","by":"\\x0a"}"#), "{raw}");

    let records: Vec<RawRecord> = rejects
        .iter()
        .map(|SourceReject { source, reject }| {
            let raw = String::from_utf8(reject.raw.clone()).unwrap().replace("NaN", "12.5");
            RawRecord { raw: raw.into_bytes(), source: source.clone(), position: reject.position }
        })
        .collect();
    let sink = RejectSink::default();
    let request = ScanRequest { provenance: true, rejects: Some(sink.clone()), ordered: true, partitions: 1 };
    let table = source.decode_again(records, request).await.unwrap();
    let again = rows(&collect(SessionContext::new().read_table(table).unwrap()).await.unwrap());
    assert_eq!(again.len(), 2, "{again:?}");
    assert!(again[0].starts_with("2|12.5000000000|2024-01-02|2024-01-02T00:00:00Z|0.1|{\"a\": 1"), "{again:?}");
    assert!(again[0].ends_with("|0a|shop.erp postgres weir_bad.t|2"), "{again:?}");
    let still: Vec<i64> = sink.drain().iter().map(|reject| reject.reject.position).collect();
    assert_eq!((still, sink.read()), (vec![4, 5, 6], 5));
}

#[tokio::test]
async fn declared_columns_are_checked_against_the_server() {
    let Some(server) = Server::with_schema("weir_declared").await else { return };
    server
        .run(
            "CREATE TABLE t (id int, \"Unit Price\" numeric(10,4), at date, note text, extra int[]);
             INSERT INTO t VALUES (1, 1.2345, '2024-01-01', 'x', '{1}'), (70000, 9.9951, NULL, NULL, NULL)",
        )
        .await;
    let columns = "(price numeric(6,2) PATH 'Unit Price', id smallint, at timestamptz, extra text)";
    let source = server.source("t", columns, "").await;
    let (got, rejects, _) = follow(&source, None).await;
    assert_eq!(got, ["1.23|1|2024-01-01T00:00:00Z|{1}|shop.erp postgres weir_declared.t|1"]);
    assert_eq!(rejects[0].reject.error, "value is out of range for type smallint");
    let source = server.source("t", "(id smallint NULL ON ERROR, note text NOT NULL)", "").await;
    let (got, rejects, _) = follow(&source, None).await;
    assert_eq!((got.len(), rejects[0].reject.rule.as_str()), (1, "not_null:note"));

    let fails = async |columns: &str, clauses: &str| {
        let source = server.source("t", columns, clauses).await;
        source.scan(None, ScanRequest::default()).await.map(drop).unwrap_err()
    };
    assert_eq!(fails("(note date)", "").await.code(), Code::WrongType);
    let error = fails("(noted text)", "").await;
    assert_eq!(error.code(), Code::UndefinedColumn);
    assert!(error.hint_text().unwrap().starts_with("Did you mean \"note\"?"), "{error:?}");
    assert_eq!(fails("(id int)", "ON SCHEMA CHANGE FAIL").await.code(), Code::DataException);
    assert_eq!(code_of(server.try_source("(id int)", "FORMAT csv WITH (table = 't')").await), Code::InvalidDefinition);
    assert_eq!(code_of(server.try_source("(id int)", "").await), Code::InvalidOption);
}

/// `numeric` as the server sends it, by a way that has nothing to do with ours.
#[tokio::test]
async fn numerics_of_all_sizes_are_exact() {
    let Some(server) = Server::with_schema("weir_numerics").await else { return };
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (any::<bool>(), "[0-9]{1,30}", "[0-9]{0,12}");
    for _ in 0..200 {
        let (negative, whole, fraction) = strategy.new_tree(&mut runner).unwrap().current();
        let text = format!("{}{whole}.{fraction}0", if negative { "-" } else { "" });
        let row = server
            .admin
            .query_one("SELECT numeric_send($1::text::numeric), $1::text::numeric::text, round($1::text::numeric, 6)::text, trim_scale($1::text::numeric) = round($1::text::numeric, 6)", &[&text])
            .await
            .unwrap();
        let bytes: Vec<u8> = row.get(0);
        assert_eq!(numeric::text(&bytes).as_deref(), Some(row.get::<_, &str>(1)));
        let want: i128 = row.get::<_, &str>(2).replace('.', "").parse().unwrap();
        assert_eq!(numeric::decimal(&bytes, 38, 6, false), Ok(want), "{text}");
        let exact = numeric::decimal(&bytes, 38, 6, true);
        assert_eq!(exact, if row.get(3) { Ok(want) } else { Err(numeric::Unfit::Digits) }, "{text}");
    }
}
