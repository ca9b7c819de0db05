//! Every kind of error: SQLSTATE, message, position, hint.

use super::Bench;

struct Case {
    sql: &'static str,
    state: &'static str,
    message: &'static str,
    /// Marked in the text by what stands there.
    at: Option<&'static str>,
    hint: Option<&'static str>,
}

const fn case(sql: &'static str, state: &'static str, message: &'static str, at: Option<&'static str>, hint: Option<&'static str>) -> Case {
    Case { sql, state, message, at, hint }
}

const CASES: &[Case] = &[
    case("SELECT * FROM ordres", "42P01", "relation \"ordres\" does not exist", Some("ordres"), Some("Did you mean \"orders\"?")),
    case("SELECT *\n  FROM public.nothing", "42P01", "relation \"public.nothing\" does not exist", Some("public.nothing"), None),
    case(
        "SELECT * FROM hub.pipelins",
        "42P01",
        "relation \"hub.pipelins\" does not exist",
        Some("hub.pipelins"),
        Some("Did you mean \"hub.pipelines\"?"),
    ),
    case("SELECT idd FROM orders", "42703", "column \"idd\" does not exist", Some("idd"), Some("Did you mean \"id\"?")),
    case("SELECT o.nme\nFROM orders o", "42703", "column o.nme does not exist", Some("o.nme"), Some("Did you mean \"name\"?")),
    case("SELECT x.id FROM orders o", "42P01", "missing FROM-clause entry for table \"x\"", Some("x.id"), None),
    case("SELECT id FROM orders a, orders b", "42702", "column reference \"id\" is ambiguous", Some("id"), None),
    case("SELECT lenght(name) FROM orders", "42883", "function lenght does not exist", Some("lenght"), None),
    case("SELECT 1 / 0", "22012", "division by zero", None, None),
    case("SELECT id / 0 FROM orders", "22012", "division by zero", None, None),
    case("SELECT 'abc'::int", "22P02", "invalid input syntax for type integer: \"abc\"", None, None),
    case("SELECT name::int FROM orders", "22P02", "invalid input syntax for type integer: \"x\"", None, None),
    case("SELECT 'abc'::timestamp", "22P02", "invalid input syntax for type timestamp: \"abc\"", None, None),
    case("SELECT '{'::jsonb", "22P02", "invalid input syntax for type json", None, None),
    case("SELECT 'zz'::uuid", "22P02", "invalid input syntax for type uuid: \"zz\"", None, None),
    case(
        "SELECT * FROM other.public.orders",
        "0A000",
        "cross-database references are not implemented: other.public.orders",
        Some("other"),
        None,
    ),
    case("SELECT * FROM STREAM(orders)", "0A000", "STREAM is only understood in the query of a pipeline", Some("STREAM"), None),
    case("SELECT current_setting('nope')", "42704", "unrecognized configuration parameter \"nope\"", None, None),
    case("SELECT * FROM hub.runs VERSION AS OF 1", "0A000", "system table \"hub.runs\" has no earlier versions", Some("hub.runs"), None),
];

#[tokio::test]
async fn every_error_has_its_state_and_place() {
    let bench = Bench::new();
    bench.view("orders", "SELECT * FROM (VALUES (1, 'x')) AS t(id, name)");
    let mut wrong = Vec::new();
    for case in CASES {
        let error = bench.error(case.sql).await;
        let position = case.at.and_then(|at| case.sql.find(at)).map(|byte| byte + 1);
        let seen = (error.code().sqlstate(), error.message(), error.position(), error.hint_text());
        let hint = case.hint.or(error.hint_text());
        if seen != (case.state, case.message, position, hint) {
            wrong.push(format!("{}\n  saw {seen:?}\n  {}", case.sql, error.chain()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn positions_count_from_the_start_of_the_whole_input() {
    let bench = Bench::new();
    bench.view("orders", "SELECT 1 AS id");
    let text = "SELECT 1;\n  /* ñ */ SELECT\n  idd FROM orders";
    let mut statements = weir_sql::parse(text).unwrap();
    let weir_sql::StatementKind::Query(query) = statements.remove(1).kind else { panic!() };
    let planned = bench.engine.plan(&query, &bench.scope(), bench.store().as_ref(), None).await;
    let error = planned.err().unwrap();
    let (before, _) = text.split_once("idd").unwrap();
    assert_eq!(error.position(), Some(before.chars().count() + 1));
}

#[tokio::test]
async fn too_little_memory_is_said_so() {
    let bench = Bench::new();
    let sql = "SELECT count(*) FROM (SELECT a.value AS x, array_agg(b.value) AS y FROM generate_series(1, 40000000) a(value) CROSS JOIN generate_series(1, 1) b(value) GROUP BY 1) t";
    let limits = super::EngineLimits {
        memory_bytes: 1 << 20,
        statement_bytes: 1 << 20,
        spill_dir: tempfile::tempdir().unwrap().path().join("spill"),
        threads: 1,
    };
    let engine =
        super::Engine::open(std::sync::Arc::clone(bench.store()), std::sync::Arc::clone(bench.engine.lake()), bench.clock.clone(), limits)
            .unwrap();
    let mut statements = weir_sql::parse(sql).unwrap();
    let weir_sql::StatementKind::Query(query) = statements.remove(0).kind else { panic!() };
    let planned = engine.plan(&query, &bench.scope(), bench.store().as_ref(), None).await.unwrap();
    let rows = engine.rows(planned).await.unwrap();
    let outcome: Result<Vec<_>, _> = futures::TryStreamExt::try_collect(rows).await;
    let error = super::Engine::error(outcome.unwrap_err());
    assert_eq!(error.code().sqlstate(), "53200", "{}", error.chain());
}
