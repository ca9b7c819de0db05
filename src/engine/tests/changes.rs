//! INSERT, UPDATE and DELETE: exact rows, exact counts, rules of the table.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::super::DmlKind;
use super::{Bench, Scope};

const COLUMNS: &[(&str, DataType)] = &[("id", DataType::Int64), ("name", DataType::Utf8), ("n", DataType::Int32)];

async fn bench() -> Bench {
    let bench = Bench::new();
    bench.table("t", "id bigint, name text DEFAULT 'none', n int", COLUMNS, &[]).await;
    let done = bench.later("INSERT INTO t VALUES (1, 'a', 10), (2, 'b', NULL), (3, 'c', 30)").await;
    assert_eq!((done.kind, done.rows, done.version), (DmlKind::Insert, 3, Some(1)));
    bench
}

async fn all(bench: &Bench) -> Vec<String> {
    bench.rows("SELECT id, name, n FROM t ORDER BY id").await.unwrap()
}

#[tokio::test]
async fn insert_by_column_list_fills_the_rest() {
    let bench = bench().await;
    assert_eq!(bench.later("INSERT INTO t (n, id) VALUES ('7', 4)").await.rows, 1);
    assert_eq!(bench.later("INSERT INTO t (id) SELECT id + 10 FROM t WHERE n > 8").await.rows, 2);
    assert_eq!(bench.later("INSERT INTO public.t SELECT 99").await.rows, 1);
    assert_eq!(bench.later("INSERT INTO t SELECT * FROM t WHERE false").await.version, None);
    assert_eq!(all(&bench).await, ["1|a|10", "2|b|NULL", "3|c|30", "4|none|7", "11|none|NULL", "13|none|NULL", "99|none|NULL"]);
}

/// The conditions that DataFusion's own DML loses.
#[tokio::test]
async fn delete_takes_exactly_the_rows_of_its_condition() {
    let cases = [
        ("DELETE FROM t WHERE id = 2", 1, "1,3"),
        ("DELETE FROM t WHERE n > 5", 2, "2"),
        ("DELETE FROM t WHERE 1 = 2", 0, "1,2,3"),
        ("DELETE FROM t WHERE NULL", 0, "1,2,3"),
        ("DELETE FROM t WHERE id IN (SELECT 1)", 1, "2,3"),
        ("DELETE FROM t WHERE id IN (SELECT id FROM t WHERE n = 30)", 1, "1,2"),
        ("DELETE FROM t WHERE NOT EXISTS (SELECT 1 FROM t o WHERE o.id = t.id + 1)", 1, "1,2"),
        ("DELETE FROM t AS x WHERE x.id = (SELECT max(id) FROM t)", 1, "1,2"),
        ("DELETE FROM public.t WHERE t.name LIKE 'a%'", 1, "2,3"),
        ("DELETE FROM t WHERE id IN (SELECT id FROM t VERSION AS OF 0)", 0, "1,2,3"),
        ("DELETE FROM t", 3, ""),
    ];
    for (sql, rows, left) in cases {
        let bench = bench().await;
        let done = bench.dml(sql).await.unwrap_or_else(|e| panic!("{sql}: {}", e.chain()));
        assert_eq!(done.rows, rows, "{sql}");
        assert_eq!(bench.rows("SELECT id FROM t ORDER BY id").await.unwrap().join(","), left, "{sql}");
    }
}

#[tokio::test]
async fn update_changes_exactly_the_rows_of_its_condition() {
    let bench = bench().await;
    assert_eq!(bench.later("UPDATE t SET n = n + 1, name = upper(name) WHERE n IS NOT NULL").await.rows, 2);
    assert_eq!(bench.later("UPDATE t SET name = (SELECT max(name) FROM t) WHERE id = 2").await.rows, 1);
    assert_eq!(bench.later("UPDATE t SET n = 0 WHERE n > 1000").await.rows, 0);
    assert_eq!(all(&bench).await, ["1|A|11", "2|b|NULL", "3|C|31"]);
    assert_eq!(bench.later("UPDATE t x SET n = 5").await.rows, 3);
    assert_eq!(all(&bench).await, ["1|A|5", "2|b|5", "3|C|5"]);
}

#[tokio::test]
async fn parameters_reach_data_changes() {
    let bench = bench().await;
    let scope = Scope { positional: vec![ScalarValue::Int64(Some(2)), ScalarValue::Utf8(Some("'; --".to_owned()))], ..bench.scope() };
    assert_eq!(bench.dml_in("UPDATE t SET name = $2 WHERE id = $1", &scope).await.unwrap().rows, 1);
    assert_eq!(bench.dml_in("INSERT INTO t (id, name) VALUES ($1 + 5, $2)", &scope).await.unwrap().rows, 1);
    assert_eq!(bench.dml_in("DELETE FROM t WHERE id = $1 + 1", &scope).await.unwrap().rows, 1);
    assert_eq!(all(&bench).await, ["1|a|10", "2|'; --|NULL", "7|'; --|NULL"]);
}

#[tokio::test]
async fn rules_of_the_table_hold() {
    let bench = Bench::new();
    bench.table("kinds", "kind text PRIMARY KEY", &[("kind", DataType::Utf8)], &["kind"]).await;
    let elements = "id bigint PRIMARY KEY, name text NOT NULL, n int CHECK (n > 0), CONSTRAINT short EXPECT (length(name) < 5) MESSAGE 'Too long.', \
                    UNIQUE (name), FOREIGN KEY (name) REFERENCES kinds (kind), CONSTRAINT even EXPECT (n IS NULL OR n % 2 = 0) ON VIOLATION WARN, \
                    CONSTRAINT small EXPECT (n IS NULL OR n < 100) ON VIOLATION DROP";
    bench.table("t", elements, COLUMNS, &["id"]).await;
    bench.later("INSERT INTO kinds VALUES ('a'), ('b'), ('c'), ('longer')").await;
    bench.later("INSERT INTO t VALUES (1, 'a', 2)").await;
    let cases = [
        ("INSERT INTO t VALUES (NULL, 'b', 2)", "23502"),
        ("INSERT INTO t VALUES (2, NULL, 2)", "23502"),
        ("INSERT INTO t VALUES (2, 'b', 0)", "23514"),
        ("INSERT INTO t VALUES (2, 'longer', 2)", "23514"),
        ("INSERT INTO t VALUES (1, 'b', 2)", "23505"),
        ("INSERT INTO t VALUES (2, 'b', 2), (2, 'c', 2)", "23505"),
        ("INSERT INTO t VALUES (2, 'a', 2)", "23505"),
        ("INSERT INTO t VALUES (2, 'x', 2)", "23503"),
        ("UPDATE t SET n = -1", "23514"),
        ("UPDATE t SET name = NULL", "23502"),
        ("UPDATE t SET name = 'x'", "23503"),
    ];
    for (sql, state) in cases {
        let error = bench.dml(sql).await.expect_err(sql);
        assert_eq!(error.code().sqlstate(), state, "{sql}: {}", error.chain());
    }
    let table = bench.engine.lake().table("public/t").await.unwrap();
    assert_eq!(table.version().await.unwrap(), 1);
    let done = bench.later("INSERT INTO t VALUES (2, 'b', NULL), (3, 'c', 7), (4, 'd', 200)").await;
    assert_eq!((done.rows, done.notices.len()), (2, 2), "{:?}", done.notices);
    assert_eq!(bench.dml("UPDATE t SET id = 2 WHERE id = 3").await.unwrap_err().code().sqlstate(), "23505");
    assert_eq!(bench.dml("UPDATE t SET id = 4 - id").await.unwrap().rows, 3);
    assert_eq!(all(&bench).await, ["1|c|7", "2|b|NULL", "3|a|2"]);
}

#[tokio::test]
async fn only_lake_tables_change() {
    let bench = bench().await;
    bench.view("v", "SELECT 1 AS id");
    let cases = [
        ("DELETE FROM v", "0A000"),
        ("DELETE FROM hub.runs", "55000"),
        ("INSERT INTO pg_catalog.pg_class (oid) VALUES (1)", "55000"),
        ("DELETE FROM nothing", "42P01"),
        ("DELETE FROM t WHERE nope = 1", "42703"),
        ("UPDATE t SET nope = 1", "42703"),
        ("INSERT INTO t (nope) VALUES (1)", "42703"),
        ("INSERT INTO t VALUES (1, 'a', 1, 1)", "42601"),
        ("INSERT INTO t (id, name) VALUES (1)", "42601"),
        ("INSERT INTO t (id) VALUES ('x')", "22P02"),
        ("INSERT INTO t (id) VALUES (1) RETURNING id", "0A000"),
        ("INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING", "0A000"),
        ("DELETE FROM t USING v WHERE t.id = v.id", "0A000"),
        ("UPDATE t SET n = 1 FROM v WHERE t.id = v.id", "0A000"),
    ];
    for (sql, state) in cases {
        let error = bench.dml(sql).await.expect_err(sql);
        assert_eq!(error.code().sqlstate(), state, "{sql}: {}", error.chain());
    }
    let error = bench.dml("DELETE FROM t WHERE nope = 1").await.unwrap_err();
    assert_eq!(error.position(), Some(21));
    assert_eq!(all(&bench).await.len(), 3);
}

#[tokio::test]
async fn dead_letters_take_repairs_and_nothing_else() {
    let bench = Bench::new();
    bench.create(weir_catalog::Kind::Schema, "", "hub", "CREATE SCHEMA hub", serde_json::Value::Null);
    let columns = [("id", DataType::Utf8), ("record", DataType::Utf8), ("status", DataType::Utf8), ("note", DataType::Utf8)];
    let schema = std::sync::Arc::new(arrow::datatypes::Schema::new(
        columns.iter().map(|(name, kind)| arrow::datatypes::Field::new(*name, kind.clone(), true)).collect::<Vec<_>>(),
    ));
    let table = bench.engine.lake().create("hub/dead_letters", &schema, &[], &super::Facts::default()).await.unwrap();
    let body = weir_catalog::TableBody { location: "hub/dead_letters".to_owned(), columns: schema.clone(), key: Vec::new(), made_by: None };
    bench.create(weir_catalog::Kind::Table, "hub", "dead_letters", "", serde_json::to_value(body).unwrap());
    let text = |value: &str| std::sync::Arc::new(arrow::array::StringArray::from(vec![value])) as arrow::array::ArrayRef;
    let batch =
        arrow::record_batch::RecordBatch::try_new(schema, vec![text("x1"), text(r#"{"country":"XX"}"#), text("open"), text("")]).unwrap();
    let mut writer = table.writer(crate::delta::WriterOptions::default()).await.unwrap();
    writer.write(batch).await.unwrap();
    table.append(vec![writer.finish().await.unwrap()], None, &super::Facts::default()).await.unwrap();
    let repair = r#"UPDATE hub.dead_letters SET record = jsonb_set(record, '{country}', '"ES"'), note = 'fixed' WHERE status = 'open'"#;
    assert_eq!(bench.dml(repair).await.unwrap().rows, 1);
    assert_eq!(bench.rows("SELECT record, note FROM hub.dead_letters").await.unwrap(), [r#"{"country": "ES"}|fixed"#]);
    let cases = [
        ("UPDATE hub.dead_letters SET id = 'y'", "42501"),
        ("UPDATE hub.dead_letters SET status = 'lost'", "23514"),
        ("DELETE FROM hub.dead_letters", "42501"),
        ("INSERT INTO hub.dead_letters (id) VALUES ('z')", "42501"),
    ];
    for (sql, state) in cases {
        assert_eq!(bench.dml(sql).await.expect_err(sql).code().sqlstate(), state, "{sql}");
    }
}
