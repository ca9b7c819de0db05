//! What queries answer without any table: functions, operators, types, names.

use datafusion::common::ScalarValue;

use super::Bench;

#[tokio::test]
async fn expressions_mean_what_postgresql_means() {
    let bench = Bench::new();
    let cases = [
        ("SELECT 1 + 1", "2"),
        ("SELECT 'abc' ~ '^a'", "true"),
        ("SELECT 'abc' !~ 'b'", "false"),
        ("SELECT 'ABC' ILIKE 'a%'", "true"),
        ("SELECT NULL IS DISTINCT FROM 1", "true"),
        ("SELECT '{\"a\": {\"b\": [1, 2]}}' -> 'a' ->> 'b'", "[1, 2]"),
        ("SELECT '{\"a\": {\"b\": [1, 2]}}' #>> '{a,b,1}'", "2"),
        ("SELECT ('{\"n\": 5}'::jsonb ->> 'n')::int + 1", "6"),
        ("SELECT '{\"a\":1}'::jsonb ? 'a'", "true"),
        ("SELECT '{ \"a\" : 1}'::jsonb", "{\"a\": 1}"),
        ("SELECT jsonb_set('{\"country\":\"XX\"}', '{country}', '\"ES\"')", "{\"country\": \"ES\"}"),
        ("SELECT jsonb_typeof('[1]')", "array"),
        ("SELECT 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("SELECT length(gen_random_uuid()::text)", "36"),
        ("SELECT encode(digest('a', 'sha256'), 'hex')", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("SELECT current_user", "ana"),
        ("SELECT current_database()", "weir"),
        ("SELECT current_schema()", "public"),
        ("SELECT pg_catalog.current_database()", "weir"),
        ("SELECT current_setting('application_name')", "test"),
        ("SELECT current_setting('nope', true)", "NULL"),
        ("SELECT now() = current_timestamp", "true"),
        ("SELECT current_date", "2026-01-01"),
        ("SELECT date_trunc('month', '2026-03-07 05:00'::timestamp)", "2026-03-01T00:00:00"),
        ("SELECT to_char('2026-03-07 05:04:03'::timestamp, 'DD.MM.YYYY HH24:MI')", "07.03.2026 05:04"),
        ("SELECT '2026-11-01 00:00+01'::timestamptz", "2026-10-31T23:00:00Z"),
        ("SELECT timestamp '2026-11-01 10:30+01'", "2026-11-01T10:30:00"),
        ("SELECT 2 = ANY(ARRAY[1,2])", "true"),
        ("SELECT -2 ^ 2", "4.0"),
        ("SELECT -(2 ^ 2), 3 - 2 ^ 2, -2 ^ 3 ^ 2", "-4.0|-1.0|64.0"),
        ("SELECT encode('\\xdead', 'hex')", "dead"),
        ("SELECT convert_from('\\x41', 'UTF8')", "A"),
        ("SELECT array_remove(ARRAY[1, 2, 1], 1)", "[2]"),
        ("SELECT array_replace(ARRAY[1, 2, 1], 1, 9)", "[9, 2, 9]"),
        ("SELECT now() = transaction_timestamp()", "true"),
        ("SELECT sum(x) FROM (VALUES (1.1), (2.2)) t(x)", "3.3"),
        ("SELECT count(*) FROM generate_series(1, 5)", "5"),
        ("WITH pipelines AS (SELECT 7 AS x) SELECT x FROM pipelines", "7"),
    ];
    for (sql, expected) in cases {
        assert_eq!(bench.rows(sql).await.map_err(|e| e.chain()), Ok(vec![expected.to_owned()]), "{sql}");
    }
    assert!(bench.rows("SELECT version()").await.unwrap()[0].starts_with("PostgreSQL 16.9 (Weir"));
}

#[tokio::test]
async fn time_zone_of_the_session_reads_and_shows_local_times() {
    let bench = Bench::new();
    let scope = super::Scope { time_zone: "Europe/Madrid".to_owned(), ..bench.scope() };
    let rows = bench.rows_in("SELECT '2026-07-01 12:00'::timestamptz = '2026-07-01 10:00+00'::timestamptz", &scope).await.unwrap();
    assert_eq!(rows, ["true"]);
    let rows = bench.rows_in("SELECT '2026-07-01 12:00'::timestamptz", &scope).await.unwrap();
    assert_eq!(rows, ["2026-07-01T12:00:00+02:00"]);
}

/// The state of another zone is built anew, and must not bring back functions that the hub has replaced.
#[tokio::test]
async fn functions_are_the_same_in_every_zone() {
    let bench = Bench::new();
    let base = super::super::state::of_scope(&bench.engine, &bench.scope());
    let scope = super::Scope { time_zone: "Europe/Madrid".to_owned(), ..bench.scope() };
    let zoned = super::super::state::of_scope(&bench.engine, &scope);
    for (name, function) in base.scalar_functions() {
        let there = &zoned.scalar_functions()[name];
        assert_eq!(format!("{:?}", there.inner()).split(' ').next(), format!("{:?}", function.inner()).split(' ').next(), "{name}");
    }
    for (name, function) in base.aggregate_functions() {
        let there = &zoned.aggregate_functions()[name];
        assert_eq!(format!("{:?}", there.inner()).split(' ').next(), format!("{:?}", function.inner()).split(' ').next(), "{name}");
    }
    let rows =
        bench.rows_in("SELECT to_char('2026-07-01 10:00+00'::timestamptz, 'HH24:MI'), avg(x) FROM (VALUES (1), (2)) t(x)", &scope).await;
    assert_eq!(rows.unwrap(), ["12:00|1.50000000000000000000"]);
}

/// Within one call no pool of memory is asked.
#[tokio::test]
async fn no_call_takes_memory_without_bound() {
    let bench = Bench::new();
    for sql in [
        "SELECT repeat('a', 2000000000)",
        "SELECT sum(length(repeat(g::text, 100000))) FROM generate_series(1, 8000) g",
        "SELECT lpad('a', 2000000000)",
        "SELECT rpad('a', 2000000000, 'xy')",
        "SELECT replace(repeat('a', 1000000), 'a', repeat('b', 100000))",
        "SELECT generate_series(1, 100000000000)",
        "SELECT cardinality(ARRAY(SELECT 1 FROM generate_series(1, 1))) + length(repeat('é', 200000000))",
    ] {
        let error = bench.rows(sql).await.unwrap_err();
        assert_eq!(error.code().sqlstate(), "54000", "{sql}: {}", error.chain());
    }
    let fine = "SELECT length(repeat('ab', 1000)), length(lpad('a', 1000)), length(replace(repeat('a', 1000), 'a', repeat('b', 1000)))";
    assert_eq!(bench.rows(fine).await.unwrap(), ["2000|1000|1000000"]);
}

#[tokio::test]
async fn parameters_are_values_never_text() {
    let bench = Bench::new();
    let scope = super::Scope {
        positional: vec![ScalarValue::Int64(Some(4)), ScalarValue::Utf8(Some("x' OR 'a'='a".to_owned()))],
        named: vec![("batch".to_owned(), ScalarValue::Utf8(Some("b7".to_owned())))],
        ..bench.scope()
    };
    assert_eq!(bench.rows_in("SELECT $1 + 1, $2, $batch", &scope).await.unwrap(), ["5|x' OR 'a'='a|b7"]);
    let error = bench.rows_in("SELECT $3", &scope).await.unwrap_err();
    assert_eq!(error.code().sqlstate(), "42P02", "{}", error.chain());
}

#[tokio::test]
async fn views_are_planned_at_each_use() {
    let bench = Bench::new();
    bench.view("one", "SELECT 1 AS a, 'x' AS b");
    bench.create(weir_catalog::Kind::View, "public", "two", "CREATE VIEW two (c, d) AS SELECT * FROM one", serde_json::json!({}));
    assert_eq!(bench.rows("SELECT d, c FROM two").await.unwrap(), ["x|1"]);
    assert_eq!(bench.rows("SELECT t.c FROM public.two AS t WHERE t.d = 'x'").await.unwrap(), ["1"]);
    assert_eq!(bench.rows("SELECT two.c FROM weir.public.two").await.unwrap(), ["1"]);
    bench.view("bad", "SELECT nothing FROM one");
    let error = bench.error("SELECT * FROM bad").await;
    assert_eq!((error.code().sqlstate(), error.detail_text()), ("42703", Some("In view \"public.bad\".")));
    assert_eq!(error.position(), Some(15));
    bench.view("ouroboros", "SELECT * FROM ouroboros");
    assert_eq!(bench.error("SELECT * FROM ouroboros").await.code().sqlstate(), "42P17");
}

#[tokio::test]
async fn cte_names_hide_relations_only_where_they_are_in_sight() {
    let bench = Bench::new();
    bench.view("t", "SELECT 'view' AS x");
    let cases = [
        ("WITH t AS (SELECT 'cte' AS x) SELECT x FROM t", "cte"),
        ("WITH a AS (SELECT x FROM t), t AS (SELECT 'cte' AS x) SELECT x FROM a", "view"),
        ("WITH t AS (SELECT x FROM t) SELECT x FROM t", "view"),
        ("WITH t AS (SELECT 'cte' AS x) SELECT x FROM public.t", "view"),
        ("SELECT (WITH t AS (SELECT 'cte' AS x) SELECT x FROM t) || x FROM t", "cteview"),
        ("WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT sum(i) FROM n", "6"),
    ];
    for (sql, expected) in cases {
        assert_eq!(bench.rows(sql).await.map_err(|e| e.chain()), Ok(vec![expected.to_owned()]), "{sql}");
    }
}

#[tokio::test]
async fn nothing_of_the_planner_writes() {
    let bench = Bench::new();
    bench.view("v", "SELECT 1 AS a");
    assert_eq!(bench.error("SELECT a INTO new_table FROM v").await.code().sqlstate(), "0A000");
}
