//! Time travel in every spelling, and every modifier that would be ignored.

use sqlparser::ast::{ObjectName, SetExpr, Spanned, TableFactor, Visit, Visitor};
use std::ops::ControlFlow;

use crate::statements::create_pipeline::Body;
use crate::{Query, StatementKind, SyntaxErrorKind, Temporal, TemporalPoint, parse, parse_query, position_of};

/// The point in time, written so that it can be compared.
fn shown(temporal: &Temporal) -> String {
    let (kind, expr) = match &temporal.point {
        TemporalPoint::Version(expr) => ("version", expr),
        TemporalPoint::Timestamp(expr) => ("timestamp", expr),
        TemporalPoint::Offset(expr) => ("offset", expr),
    };
    format!("{} {kind} {}", temporal.relation, expr.text)
}

fn query(text: &str) -> Query {
    parse_query(text).unwrap_or_else(|error| panic!("{text}\n{error:?}"))
}

/// The tables of the first FROM, as printed.
fn from(query: &Query) -> Vec<String> {
    let SetExpr::Select(select) = query.ast.body.as_ref() else { panic!("{query:?}") };
    select.from.iter().map(ToString::to_string).collect()
}

#[test]
fn every_spelling_is_taken_out() {
    for (spelling, expected) in [
        ("VERSION AS OF 41", "version 41"),
        ("version as of 41", "version 41"),
        ("SYSTEM_VERSION AS OF 41", "version 41"),
        ("FOR VERSION AS OF 41", "version 41"),
        ("FOR SYSTEM_VERSION AS OF $1", "version $1"),
        ("VERSION AS OF $v", "version $v"),
        ("TIMESTAMP AS OF now() - interval '1 day'", "timestamp now() - interval '1 day'"),
        ("TIMESTAMP AS OF '2026-11-01'::timestamptz", "timestamp '2026-11-01'::timestamptz"),
        ("TIMESTAMP AS OF TIMESTAMP '2026-11-01 00:00'", "timestamp TIMESTAMP '2026-11-01 00:00'"),
        ("FOR TIMESTAMP AS OF $at", "timestamp $at"),
        ("SYSTEM_TIME AS OF '2026-11-01'", "timestamp '2026-11-01'"),
        ("FOR SYSTEM_TIME AS OF '2026-11-01 00:00+01'", "timestamp '2026-11-01 00:00+01'"),
        ("FOR SYSTEM_TIME AS OF '2026-11-01' AT TIME ZONE 'Europe/Madrid'", "timestamp '2026-11-01' AT TIME ZONE 'Europe/Madrid'"),
        ("AT (VERSION => 41)", "version 41"),
        ("AT (VERSION => $1)", "version $1"),
        ("AT (TIMESTAMP => '2026-11-01'::timestamptz)", "timestamp '2026-11-01'::timestamptz"),
        ("at(offset => -60 * 5)", "offset -60 * 5"),
    ] {
        for (text, alias) in [
            (format!("SELECT * FROM sales.orders {spelling}"), "orders"),
            (format!("SELECT * FROM sales.orders {spelling} AS o"), "o"),
            (format!("SELECT * FROM sales.orders {spelling} o"), "o"),
            (format!("SELECT * FROM sales.orders AS o {spelling}"), "o"),
            (format!("SELECT * FROM sales.orders o {spelling}"), "o"),
            (format!("SELECT * FROM sales.orders {spelling} WHERE a = 1 ORDER BY a"), "orders"),
            (format!("SELECT * FROM (sales.orders {spelling} o JOIN b ON true)"), "o"),
            (format!("SELECT * FROM sales.orders {spelling} AS o, b"), "o"),
            (format!("SELECT * FROM sales.orders o {spelling} LEFT JOIN b ON b.a = o.a"), "o"),
            (format!("SELECT * FROM sales.orders {spelling}, b LIMIT 3"), "orders"),
        ] {
            let query = query(&text);
            assert_eq!(query.text, text);
            let seen: Vec<_> = query.temporals.iter().map(shown).collect();
            assert_eq!(seen, [format!("sales.orders {expected}")], "{text}");
            let first = from(&query).remove(0);
            let marker = [format!("weir_at(0) AS {alias}"), format!("weir_at(0) AS \"{alias}\""), format!("weir_at(0) {alias}")];
            assert!(marker.iter().any(|marker| first.contains(marker)), "{text}: {first}");
            assert_eq!(query.temporals[0].position, text.find("sales.orders").unwrap() + 1);
        }
    }
}

#[test]
fn wherever_a_table_may_stand() {
    for (text, expected) in [
        ("SELECT * FROM a VERSION AS OF 1 JOIN b VERSION AS OF 2 ON a.x = b.x", vec!["a version 1", "b version 2"]),
        ("SELECT * FROM a VERSION AS OF 1, b TIMESTAMP AS OF now(), c", vec!["a version 1", "b timestamp now()"]),
        ("WITH x AS (SELECT * FROM a VERSION AS OF 1) SELECT * FROM x", vec!["a version 1"]),
        ("SELECT * FROM a EXCEPT SELECT * FROM a VERSION AS OF 1", vec!["a version 1"]),
        (
            "SELECT (SELECT count(*) FROM a VERSION AS OF 1) FROM b WHERE EXISTS (SELECT 1 FROM c AT (VERSION => 2))",
            vec!["a version 1", "c version 2"],
        ),
        ("SELECT * FROM (SELECT * FROM a o VERSION AS OF 1) x JOIN LATERAL (SELECT 1) y ON true", vec!["a version 1"]),
        ("SELECT extract(year FROM d) FROM a VERSION AS OF 1", vec!["a version 1"]),
        ("SELECT * FROM \"S\".\"T\" VERSION AS OF 1", vec!["\"S\".\"T\" version 1"]),
        ("SELECT * FROM a VERSION AS OF 1 AS o (x, y)", vec!["a version 1"]),
        ("SELECT * FROM a AS o (x, y) VERSION AS OF 1", vec!["a version 1"]),
    ] {
        let seen: Vec<_> = query(text).temporals.iter().map(shown).collect();
        assert_eq!(seen, expected, "{text}");
    }
}

#[test]
fn in_the_statements_that_hold_queries() {
    let count = |text: &str| match parse(text).unwrap_or_else(|e| panic!("{text}\n{e:?}")).remove(0).kind {
        StatementKind::CreateView(view) => view.query.temporals.len(),
        StatementKind::CreateTable(table) => table.query.unwrap().temporals.len(),
        StatementKind::Dml(dml) => dml.temporals.len(),
        StatementKind::Explain(explain) => explain.query.temporals.len(),
        StatementKind::CreatePipeline(pipeline) => match pipeline.body {
            Body::Single(output) => output.query.temporals.len(),
            Body::Outputs(outputs) => outputs.outputs[0].query.temporals.len(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    for text in [
        "CREATE VIEW v AS SELECT * FROM a VERSION AS OF 1",
        "CREATE TABLE t AS SELECT * FROM a VERSION AS OF 1",
        "CREATE PIPELINE p INTO t APPEND AS SELECT * FROM STREAM(s) JOIN a FOR VERSION AS OF 1 ON true",
        "CREATE PIPELINE p AS INTO t APPEND AS (SELECT * FROM a AT (VERSION => $1) x)",
        "INSERT INTO t SELECT * FROM a VERSION AS OF 1",
        "UPDATE t SET x = (SELECT max(x) FROM a VERSION AS OF 1)",
        "DELETE FROM t WHERE x IN (SELECT x FROM a TIMESTAMP AS OF '2026-01-01')",
        "EXPLAIN SELECT * FROM a VERSION AS OF 1",
    ] {
        assert_eq!(count(text), 1, "{text}");
    }
}

#[test]
fn the_words_stay_usable_as_aliases() {
    for text in [
        "SELECT * FROM t at",
        "SELECT * FROM t before",
        "SELECT * FROM t changes",
        "SELECT * FROM t t",
        "SELECT * FROM t version",
        "SELECT * FROM t timestamp",
        "SELECT * FROM t AS version",
        "SELECT * FROM t system_time JOIN u at ON true",
        "SELECT version AS of FROM t",
        "SELECT timestamp AS of, at FROM t",
        "SELECT * FROM version",
        "SELECT * FROM at JOIN version ON true",
        "SELECT * FROM t at(version)",
        "SELECT * FROM STREAM(a.b) s",
        "SELECT * FROM table_changes('x', 1, 2) version",
        "SELECT x AT TIME ZONE 'UTC' FROM t",
    ] {
        let query = query(text);
        assert!(query.temporals.is_empty(), "{text}");
    }
    assert_eq!(from(&query("SELECT * FROM t at")), ["t at"]);
    assert_eq!(from(&query("SELECT * FROM STREAM(a.b) s")), ["STREAM(a.b) s"]);
}

#[test]
fn a_version_where_there_is_no_table_is_refused() {
    for text in [
        "SELECT * FROM (SELECT 1) VERSION AS OF 3",
        "SELECT * FROM (SELECT 1) x VERSION AS OF 3",
        "SELECT * FROM STREAM(a) VERSION AS OF 3",
        "SELECT * FROM t VERSION AS OF 3 VERSION AS OF 4",
        "SELECT * FROM t VERSION AS OF",
        "SELECT * FROM t VERSION AS OF x",
        "SELECT * FROM t VERSION AS OF -1",
        "SELECT * FROM t AT (VERSON => 1)",
        "SELECT * FROM t AT (VERSION => 1, TIMESTAMP => 2)",
        "SELECT * FROM t FOR VERSION AS OF 1 AS a AS b",
        "UPDATE t VERSION AS OF 1 SET a = 1",
        "DELETE FROM t VERSION AS OF 1",
        "INSERT INTO t VERSION AS OF 1 VALUES (1)",
        "SELECT * FROM a.b.c VERSION AS OF 1",
        "SELECT * FROM weir_at(0)",
        "SELECT * FROM \"WEIR_AT\"(0)",
        "SELECT * FROM t TIMESTAMP AS OF",
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.position.is_some(), "{text}: {error:?}");
    }
}

/// The planner would answer each of these with other rows than were asked for.
#[test]
fn a_modifier_the_planner_would_ignore_is_refused() {
    for (text, at) in [
        ("SELECT * FROM t TABLESAMPLE SYSTEM (10)", "TABLESAMPLE"),
        ("SELECT * FROM t TABLESAMPLE BERNOULLI (10) REPEATABLE (1)", "TABLESAMPLE"),
        ("SELECT * FROM t AS x TABLESAMPLE (10)", "TABLESAMPLE"),
        ("SELECT * FROM a JOIN t TABLESAMPLE SYSTEM (10) ON true", "TABLESAMPLE"),
        ("SELECT (SELECT count(*) FROM t TABLESAMPLE SYSTEM (10))", "TABLESAMPLE"),
        ("WITH x AS (SELECT * FROM t TABLESAMPLE SYSTEM (1)) SELECT * FROM x", "TABLESAMPLE"),
        ("SELECT * FROM t VERSION AS OF 1 TABLESAMPLE SYSTEM (10)", "TABLESAMPLE"),
        ("SELECT * FROM t WITH ORDINALITY", "WITH"),
        ("SELECT * FROM t FOR UPDATE", "FOR"),
        ("SELECT * FROM t FOR SHARE OF t NOWAIT", "FOR"),
        ("SELECT * FROM (SELECT * FROM t FOR UPDATE SKIP LOCKED) x", "FOR"),
        ("SELECT * INTO u FROM t", "INTO"),
        ("SELECT * FROM t FETCH FIRST 3 ROWS WITH TIES", "FETCH"),
        ("SELECT * FROM t FETCH FIRST 3 PERCENT ROWS ONLY", "FETCH"),
        ("SELECT a FROM t GROUP BY a WITH ROLLUP", "GROUP"),
        ("SELECT * FROM t LATERAL VIEW explode(a) x", "LATERAL"),
        ("SELECT * FROM t SORT BY a", "SORT"),
        ("WITH x AS (DELETE FROM t WHERE true) SELECT 1", "DELETE"),
        ("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", "INSERT"),
        ("SELECT * FROM t CROSS APPLY u", "APPLY"),
        ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "ON"),
        ("INSERT INTO t VALUES (1) RETURNING a", "RETURNING"),
        ("UPDATE t SET a = 1 RETURNING a", "RETURNING"),
        ("DELETE FROM t RETURNING a", "RETURNING"),
        ("UPDATE t SET a = (SELECT 1 FROM u TABLESAMPLE SYSTEM (1))", "TABLESAMPLE"),
        ("CREATE VIEW v AS SELECT * FROM t TABLESAMPLE SYSTEM (10)", "TABLESAMPLE"),
        ("CREATE PIPELINE p INTO t APPEND EXPECT (a IN (SELECT a FROM u TABLESAMPLE SYSTEM (9))) AS SELECT 1 AS a", "TABLESAMPLE"),
        ("SELECT * FROM t PARTITION (p0)", "PARTITION"),
        ("SELECT * FROM t USE INDEX (i)", "USE"),
        ("SELECT * FROM t WITH (NOLOCK)", "WITH"),
        ("SELECT TOP 5 * FROM t", "TOP"),
    ] {
        let error = parse(text).expect_err(text);
        let expected = text.find(at).unwrap() + 1;
        let reported = error.position.unwrap();
        // What PostgreSQL's grammar does not have either may be a syntax error, at or behind the clause.
        match error.kind {
            SyntaxErrorKind::NotSupported => assert_eq!(reported, expected, "{text}: {error:?}"),
            SyntaxErrorKind::Syntax => assert!(reported >= expected, "{text}: {error:?}"),
        }
    }
}

/// The main ones are understood and refused by name, not stumbled over.
#[test]
fn the_common_modifiers_are_refused_by_name() {
    for (text, name) in [
        ("SELECT * FROM t TABLESAMPLE SYSTEM (10)", "TABLESAMPLE"),
        ("SELECT * FROM t FOR UPDATE", "FOR UPDATE"),
        ("SELECT * FROM t WITH ORDINALITY", "WITH ORDINALITY"),
        ("SELECT * INTO u FROM t", "INTO"),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.kind, SyntaxErrorKind::NotSupported, "{text}");
        assert!(error.message.contains(name), "{text}: {error:?}");
    }
}

/// Collects where each relation of a tree says it stands.
struct Places(Vec<(u64, u64)>);

impl Visitor for Places {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let start = relation.span().start;
        self.0.push((start.line, start.column));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, _: &TableFactor) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

#[test]
fn locations_in_a_tree_lead_into_the_whole_input() {
    let text = "SELECT 'ñandú';\nCREATE PIPELINE p -- é\n INTO t APPEND\n AS SELECT * FROM ä.orders VERSION AS OF 3 JOIN b.c ON true;";
    let StatementKind::CreatePipeline(pipeline) = parse(text).unwrap().remove(1).kind else { panic!() };
    let Body::Single(output) = pipeline.body else { panic!() };
    let mut places = Places(Vec::new());
    let _ = output.query.ast.visit(&mut places);
    let offsets: Vec<_> = places.0.iter().map(|(line, column)| position_of(text, *line, *column)).collect();
    let char_offset = |needle: &str| text.split(needle).next().unwrap().chars().count() + 1;
    assert_eq!(offsets, [char_offset("ä.orders"), char_offset("b.c")]);
    assert_eq!(output.query.position, char_offset("SELECT * FROM"));
    assert_eq!(output.query.temporals[0].position, char_offset("ä.orders"));
}

#[test]
fn a_stored_text_reads_the_same_again() {
    let text = "SELECT * FROM a o VERSION AS OF 3 JOIN b ON TRUE";
    let StatementKind::CreateView(view) = parse(&format!("CREATE VIEW v AS {text}")).unwrap().remove(0).kind else { panic!() };
    let again = query(&view.query.text);
    assert_eq!(view.query.ast.to_string(), again.ast.to_string());
    assert_eq!(again.temporals.len(), 1);
    assert_eq!(again.temporals[0].position, 15);
}
