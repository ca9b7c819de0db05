//! Time travel: every spelling answers with the version it names, in that version's columns, or is an error.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::{Bench, MINUTE, START, Scope};

/// Version 0 at 00:00 is empty, 1 at 00:01 has `a`, 2 at 00:02 has `a` and `b`, 3 at 00:03 has only `b`. It is 00:10.
async fn bench() -> Bench {
    let bench = Bench::new();
    bench.table("t", "x text", &[("x", DataType::Utf8)], &[]).await;
    bench.later("INSERT INTO t VALUES ('a')").await;
    bench.later("INSERT INTO t VALUES ('b')").await;
    bench.later("DELETE FROM t WHERE x = 'a'").await;
    bench.clock.advance_to(START + 10 * MINUTE);
    bench
}

#[tokio::test]
async fn every_spelling_answers_with_its_version() {
    let bench = bench().await;
    let cases = [
        ("t", "b"),
        ("t VERSION AS OF 0", ""),
        ("t VERSION AS OF 1", "a"),
        ("t FOR VERSION AS OF 2", "a,b"),
        ("t FOR SYSTEM_VERSION AS OF 2", "a,b"),
        ("t SYSTEM_VERSION AS OF 2", "a,b"),
        ("t VERSION AS OF $1", "a"),
        ("t VERSION AS OF $v", "a,b"),
        ("public.t VERSION AS OF 3 AS o", "b"),
        ("t AS o VERSION AS OF 1", "a"),
        ("t at", "b"),
        ("t TIMESTAMP AS OF '2026-01-01 00:00:00'", ""),
        ("t TIMESTAMP AS OF '2026-01-01 00:01'", "a"),
        ("t TIMESTAMP AS OF timestamptz '2026-01-01 00:02:59Z'", "a,b"),
        ("t FOR TIMESTAMP AS OF '2026-01-01 01:02+01'", "a,b"),
        ("t FOR SYSTEM_TIME AS OF '2026-01-01 00:09'", "b"),
        ("t SYSTEM_TIME AS OF '2026-01-01 00:03'", "b"),
        ("t TIMESTAMP AS OF now() - interval '8 minutes'", "a,b"),
        ("t TIMESTAMP AS OF now()", "b"),
        ("t TIMESTAMP AS OF $at", "a"),
        ("t AT (VERSION => 2)", "a,b"),
        ("t AT (TIMESTAMP => '2026-01-01 00:01'::timestamptz)", "a"),
        ("t AT (OFFSET => -8 * 60)", "a,b"),
        ("t AT (OFFSET => interval '-9 minutes')", "a"),
    ];
    let scope = Scope {
        positional: vec![ScalarValue::Int64(Some(1))],
        named: vec![
            ("v".to_owned(), ScalarValue::Utf8(Some("2".to_owned()))),
            ("at".to_owned(), ScalarValue::TimestampMicrosecond(Some(START + MINUTE), Some("UTC".into()))),
        ],
        ..bench.scope()
    };
    let mut wrong = Vec::new();
    for (relation, expected) in cases {
        let sql = format!("SELECT x FROM {relation} ORDER BY x");
        let rows = bench.rows_in(&sql, &scope).await.map(|rows| rows.join(",")).map_err(|e| e.chain());
        if rows.as_deref() != Ok(expected) {
            wrong.push(format!("{sql}: {rows:?}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_is_not_there_is_an_error_that_names_what_is() {
    let bench = bench().await;
    bench.view("v", "SELECT 1 AS x");
    let cases = [
        ("SELECT * FROM t VERSION AS OF 4", "22023"),
        ("SELECT * FROM t VERSION AS OF -1", "42601"),
        ("SELECT * FROM t VERSION AS OF NULL", "42601"),
        ("SELECT * FROM t TIMESTAMP AS OF '2025-12-31 23:59'", "22023"),
        ("SELECT * FROM t TIMESTAMP AS OF '2026-01-01 00:11'", "22023"),
        ("SELECT * FROM t TIMESTAMP AS OF 'yesterday or so'", "22023"),
        ("SELECT * FROM t TIMESTAMP AS OF x", "0A000"),
        ("SELECT * FROM t TIMESTAMP AS OF (SELECT now())", "0A000"),
        ("SELECT * FROM t AT (VERSION => -1)", "22023"),
        ("SELECT * FROM t AT (VERSION => NULL)", "22023"),
        ("SELECT * FROM t AT (OFFSET => 60)", "22023"),
        ("SELECT * FROM t VERSION AS OF (SELECT 1)", "42601"),
        ("SELECT * FROM nothing VERSION AS OF 1", "42P01"),
        ("WITH c AS (SELECT 1) SELECT * FROM c VERSION AS OF 1", "0A000"),
        ("SELECT * FROM t TABLESAMPLE SYSTEM (10)", "0A000"),
        ("SELECT * FROM t TABLESAMPLE BERNOULLI (10) REPEATABLE (1)", "0A000"),
        ("SELECT * FROM t FOR UPDATE", "0A000"),
        ("SELECT * FROM table_changes('t', 3, 9)", "22023"),
        ("SELECT * FROM table_changes('t', 2, 1)", "22023"),
        ("SELECT * FROM table_changes('v', 1)", "0A000"),
        ("SELECT * FROM table_changes('t')", "42601"),
    ];
    let mut wrong = Vec::new();
    for (sql, state) in cases {
        match bench.rows(sql).await {
            Ok(rows) => wrong.push(format!("{sql} answered {rows:?}")),
            Err(error) if error.code().sqlstate() != state => wrong.push(format!("{sql}: {} {}", error.code().sqlstate(), error.chain())),
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let early = bench.error("SELECT * FROM t TIMESTAMP AS OF '2025-12-31 23:59'").await;
    let told = format!("{} {} {}", early.message(), early.detail_text().unwrap_or(""), early.hint_text().unwrap_or(""));
    assert!(told.contains("2026-01-01"), "{told}");
}

#[tokio::test]
async fn views_and_sessions_look_back_as_a_whole() {
    let bench = bench().await;
    bench.view("v", "SELECT x FROM t");
    bench.view("w", "SELECT count(*) AS n FROM v");
    assert_eq!(bench.rows("SELECT x FROM v VERSION AS OF 1").await.unwrap(), ["a"]);
    assert_eq!(bench.rows("SELECT n FROM w TIMESTAMP AS OF '2026-01-01 00:02'").await.unwrap(), ["2"]);
    assert_eq!(bench.rows("SELECT a.n, b.n FROM w a, w TIMESTAMP AS OF '2026-01-01 00:02' b").await.unwrap(), ["1|2"]);
    let scope = Scope { as_of: Some(START + 2 * MINUTE), ..bench.scope() };
    assert_eq!(bench.rows_in("SELECT n FROM w", &scope).await.unwrap(), ["2"]);
    assert_eq!(bench.rows_in("SELECT x FROM t VERSION AS OF 1", &scope).await.unwrap(), ["a"]);
    let error = bench.dml_in("DELETE FROM t", &scope).await.unwrap_err();
    assert_eq!(error.code().sqlstate(), "25006");
}

#[tokio::test]
async fn changes_are_inclusive_at_both_ends() {
    let bench = bench().await;
    let sql = |args: &str| format!("SELECT x, _change_type, _commit_version FROM table_changes({args}) ORDER BY 3, 1");
    assert_eq!(bench.rows(&sql("'t', 1, 2")).await.unwrap(), ["a|insert|1", "b|insert|2"]);
    assert_eq!(bench.rows(&sql("'public.t', 3")).await.unwrap(), ["a|delete|3"]);
    assert_eq!(bench.rows(&sql("'t', since_version => 2")).await.unwrap(), ["a|delete|3"]);
    assert_eq!(bench.rows(&sql("'t', since_version => 3")).await.unwrap(), Vec::<String>::new());
    assert_eq!(bench.rows(&sql("'t', '2026-01-01 00:02', '2026-01-01 00:02:30'")).await.unwrap(), ["b|insert|2"]);
}

#[tokio::test]
async fn a_version_has_its_own_columns() {
    let bench = bench().await;
    let table = bench.engine.lake().table("public/t").await.unwrap();
    let field = arrow::datatypes::Field::new("y", DataType::Int64, true);
    bench.clock.advance_to(START + 11 * MINUTE);
    table.evolve(&[field], &super::Facts::default()).await.unwrap();
    bench.clock.advance_to(START + 12 * MINUTE);
    assert_eq!(bench.rows("SELECT * FROM t").await.unwrap(), ["b|NULL"]);
    assert_eq!(bench.rows("SELECT * FROM t VERSION AS OF 1").await.unwrap(), ["a"]);
    assert_eq!(bench.error("SELECT y FROM t VERSION AS OF 1").await.code().sqlstate(), "42703");
}

#[tokio::test]
async fn a_version_by_parameter_is_described_before_it_is_known() {
    let bench = bench().await;
    let mut statements = weir_sql::parse("SELECT x FROM t VERSION AS OF $1 WHERE x <> $2").unwrap();
    let weir_sql::StatementKind::Query(query) = statements.remove(0).kind else { panic!() };
    let planned = bench.engine.plan(&query, &bench.scope(), bench.store().as_ref(), None).await.unwrap();
    let types = planned.plan.get_parameter_types().unwrap();
    assert_eq!(types.get("$1"), Some(&Some(DataType::Int64)));
    assert_eq!(planned.plan.schema().fields().len(), 1);
    let ran = match bench.engine.rows(planned).await {
        Ok(rows) => futures::TryStreamExt::try_collect::<Vec<_>>(rows).await.map_err(super::Engine::error),
        Err(error) => Err(error),
    };
    assert!(ran.is_err());
}
