//! Errors: wording, place and hint.

use crate::{Interval, SyntaxErrorKind, nearest, parse, parse_data_type, parse_expr, parse_interval, parse_query};

/// Parses, and gives the message with `^` put before the character it points at.
fn shown(text: &str) -> String {
    let error = parse(text).expect_err(text);
    let position = error.position.unwrap_or_else(|| panic!("{text}: {error:?}"));
    let before: String = text.chars().take(position - 1).collect();
    let after: String = text.chars().skip(position - 1).collect();
    format!("{} | {before}^{after}", error.message)
}

#[test]
fn an_error_points_at_the_character() {
    for (text, expected) in [
        ("SELEC 1", "syntax error at or near \"SELEC\" | ^SELEC 1"),
        ("SELECT 1; SELCT 2", "syntax error at or near \"SELCT\" | SELECT 1; ^SELCT 2"),
        ("SELECT a FROM", "syntax error at end of input | SELECT a FROM^"),
        ("SELECT 'ñ' FROM WHERE", "syntax error at or near \"WHERE\" | SELECT 'ñ' FROM ^WHERE"),
        ("SELECT (1", "syntax error at end of input | SELECT (1^"),
        ("SELECT 1)", "syntax error at or near \")\" | SELECT 1^)"),
        ("SELECT 'abc", "unterminated quoted string at or near \"'abc\" | SELECT ^'abc"),
        ("SELECT $$abc", "unterminated dollar-quoted string at or near \"$$abc\" | SELECT ^$$abc"),
        ("CREATE VIEW v AS SELECT FROM FROM t", "syntax error at or near \"FROM\" | CREATE VIEW v AS SELECT FROM ^FROM t"),
        (
            "CREATE VIEW v AS\n SELECT é +\n FROM t; SELECT 1",
            "syntax error at or near \"FROM\" | CREATE VIEW v AS\n SELECT é +\n ^FROM t; SELECT 1",
        ),
        ("CREATE SOURCE s (a int, a text) FROM UPLOAD", "column a is written twice | CREATE SOURCE s (a int, ^a text) FROM UPLOAD"),
        (
            "CREATE SOURCE s FROM UPLOAD FORMAT csv FORMAT json",
            "FORMAT is written twice | CREATE SOURCE s FROM UPLOAD FORMAT csv ^FORMAT json",
        ),
        (
            "CREATE PIPELINE p REJECT LIMIT 1 REJECT LIMIT 2 INTO t AS SELECT 1",
            "REJECT LIMIT is written twice | CREATE PIPELINE p REJECT LIMIT 1 ^REJECT LIMIT 2 INTO t AS SELECT 1",
        ),
        (
            "CREATE PIPELINE p INTO t APPEND UPSERT KEY (a) AS SELECT 1",
            "the mode is written twice | CREATE PIPELINE p INTO t APPEND ^UPSERT KEY (a) AS SELECT 1",
        ),
        (
            "CREATE PIPELINE p WITH (a = 1, a = 2) INTO t AS SELECT 1",
            "option \"a\" is written twice | CREATE PIPELINE p WITH (a = 1, ^a = 2) INTO t AS SELECT 1",
        ),
        (
            "CREATE PIPELINE p SCHEDULE EVERY '5 minuts' INTO t AS SELECT 1",
            "invalid interval \"5 minuts\" | CREATE PIPELINE p SCHEDULE EVERY ^'5 minuts' INTO t AS SELECT 1",
        ),
        (
            "CREATE PIPELINE p SCHEDULE EVERY '0 s' INTO t AS SELECT 1",
            "the interval must be longer than nothing | CREATE PIPELINE p SCHEDULE EVERY ^'0 s' INTO t AS SELECT 1",
        ),
        (
            "CREATE OR REPLACE VIEW IF NOT EXISTS v AS SELECT 1",
            "OR REPLACE and IF NOT EXISTS contradict each other | CREATE OR REPLACE VIEW ^IF NOT EXISTS v AS SELECT 1",
        ),
        (
            "CREATE OR REPLACE SECRET IF NOT EXISTS v AS 'a'",
            "OR REPLACE and IF NOT EXISTS contradict each other | CREATE OR REPLACE SECRET ^IF NOT EXISTS v AS 'a'",
        ),
        (
            "CREATE CONNECTION c TYPE local WITH (root = data)",
            "syntax error at or near \"data\" | CREATE CONNECTION c TYPE local WITH (root = ^data)",
        ),
        ("DROP PIPELINE a.b.c", "names have at most two parts: schema and name | DROP PIPELINE ^a.b.c"),
        ("RUN PIPELINE p DRY RUN 5", "syntax error at or near \"5\" | RUN PIPELINE p DRY RUN ^5"),
        ("ALTER PIPELINE p", "syntax error at end of input | ALTER PIPELINE p^"),
        ("CREATE TABLE t (a int CHECK (a >) )", "syntax error at or near \")\" | CREATE TABLE t (a int CHECK (a >^) )"),
        (
            "CREATE PIPELINE p INTO t EXPECT (a > 0 AS SELECT 1",
            "syntax error at end of input | CREATE PIPELINE p INTO t EXPECT (a > 0 AS SELECT 1^",
        ),
        (
            "CREATE SOURCE s (a int, CHECK (a > 0)) FROM UPLOAD",
            "CHECK stands only in a table | CREATE SOURCE s (a int, ^CHECK (a > 0)) FROM UPLOAD",
        ),
        ("COPY t FROM '/etc/passwd'", "COPY from or to a file of the server is not supported | COPY t FROM ^'/etc/passwd'"),
        ("CREATE TABLE t", "syntax error at end of input | CREATE TABLE t^"),
        ("CREATE TABLE \"\" (a int)", "zero-length quoted identifier | CREATE TABLE ^\"\" (a int)"),
    ] {
        assert_eq!(shown(text), expected);
    }
}

#[test]
fn a_slip_is_met_with_the_word_that_was_meant() {
    for (text, hint) in [
        ("SELEC 1", "Did you mean SELECT?"),
        ("CRAETE VIEW v AS SELECT 1", "Did you mean CREATE?"),
        ("CREATE PIPLINE p INTO t AS SELECT 1", "Did you mean PIPELINE?"),
        ("CREATE PIPELINE p SHEDULE EVERY '1 s' INTO t AS SELECT 1", "Did you mean SCHEDULE?"),
        ("CREATE PIPELINE p SCHEDULE EVRY '1 s' INTO t AS SELECT 1", "Did you mean EVERY?"),
        ("CREATE PIPELINE p INTO t UPSET KEY (a) AS SELECT 1", "Did you mean UPSERT?"),
        ("CREATE PIPELINE p INTO t EXPECT (a > 0) ON VIOLATION QUARANTIN AS SELECT 1", "Did you mean QUARANTINE?"),
        ("CREATE SOURCE s FROM CONECTION c", "Did you mean CONNECTION?"),
        ("CREATE SOURCE s FROM UPLOAD FROMAT csv", "Did you mean FORMAT?"),
        ("CREATE SECRET s FROM ENVV 'x'", "Did you mean ENV?"),
        ("CREATE PIPELINE p SCHEDULE EVERY '5 minuts' INTO t AS SELECT 1", "Did you mean minute?"),
        ("EXECUTE PIPELINE p", "Use RUN PIPELINE."),
        ("RUN PIPLINE p", "Did you mean PIPELINE?"),
        ("RUN PIPELINE p DRYY RUN", "Did you mean DRY RUN?"),
        ("ALTER PIPELINE p SUSPND", "Did you mean SUSPEND?"),
        ("SHOW CREATE VEW v", "Did you mean VIEW?"),
        ("CREATE CONNECTION c TYPE local WITH (root = data)", "Write text in single quotes: 'data'."),
        ("CREATE TABLE select (a int)", "Write \"select\" in double quotes to use it as a name."),
        ("CREATE VIEW v AS SELCT 1", "Did you mean SELECT?"),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.hint.as_deref(), Some(hint), "{text}: {error:?}");
        assert_eq!(error.kind, SyntaxErrorKind::Syntax);
    }
}

/// `sqlparser` would take these words for columns or tables.
#[test]
fn a_clause_is_not_taken_for_a_name() {
    for text in [
        "SELECT a, FROM t",
        "SELECT a + FROM t",
        "SELECT a FROM t WHERE",
        "SELECT a FROM t WHERE GROUP BY a",
        "SELECT a FROM t WHERE AND b",
        "SELECT a FROM t GROUP BY ORDER BY a",
        "SELECT a FROM t JOIN ON true",
        "SELECT a FROM t, WHERE b",
        "SELECT CASE WHEN THEN 1 END",
        "UPDATE t SET a = WHERE b",
        "DELETE FROM WHERE a",
        "SELECT a FROM t LIMIT OFFSET 3",
        "SELECT f(FROM)",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    for text in [
        "SELECT FROM t",
        "SELECT \"from\" FROM \"where\"",
        "SELECT extract(year FROM d), trim(both 'x' FROM a), substring(a FROM 2 FOR 3) FROM t",
        "SELECT a IS DISTINCT FROM NULL, overlay(a placing b from 1) FROM t",
        "SELECT count(*) FILTER (WHERE a) FROM t",
        "SELECT array_agg(a ORDER BY b), position('a' in b) FROM t",
        "SELECT trim(a), 'x' || a, -a, NOT a, ARRAY[1], (1, 2), $1::int FROM t",
        "SELECT sum(a) OVER (PARTITION BY b ORDER BY c ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
        "SELECT a FROM t GROUP BY ROLLUP (a), ()",
        "SELECT CASE a WHEN 1 THEN 2 ELSE 3 END, CASE WHEN a THEN 1 END FROM t",
        "SELECT a, (SELECT 1), EXISTS (SELECT 1), interval '1 day', DATE '2026-01-01' FROM t WHERE a = ANY(ARRAY[1]) AND b NOT IN (1, 2)",
        "SELECT coalesce(f(x => 1), cast(a AS text), a::numeric(12,2), a->>'b', a #>> '{b}', a @> '{}') FROM t",
    ] {
        assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
    }
}

#[test]
fn nothing_is_left_over() {
    for text in [
        "VALIDATE CONNECTION a b",
        "CANCEL RUN 'x' 'y'",
        "SHOW RUNS IN s",
        "DROP TABLE a CASCADE RESTRICT",
        "BEGIN READ ONLY,",
        "COMMIT FOO",
        "LISTEN a b",
        "SET x = 1 2",
        "OPTIMIZE t u",
        "RESTORE TABLE t TO VERSION AS OF 1 2",
        "SELECT 1 SELECT 2",
        "DISCARD ALL ALL",
        "CREATE SCHEMA a b",
        "CREATE VIEW v AS SELECT 1; x",
        "FETCH",
        "DECLARE c CURSOR",
        "SHOW",
        "SET x",
        "COMMENT ON TABLE t",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn stored_texts() {
    assert_eq!(parse_expr("a > 0 AND b IS NOT NULL").unwrap().text, "a > 0 AND b IS NOT NULL");
    assert_eq!(parse_expr("a > 0 b").unwrap_err().position, Some(7));
    assert_eq!(parse_expr("").unwrap_err().position, Some(1));
    assert_eq!(parse_query("SELECT 1; SELECT 2").unwrap_err().position, Some(9));
    assert_eq!(parse_query("DELETE FROM t").unwrap_err().position, Some(1));
    assert_eq!(parse_data_type("numeric(12, 2)").unwrap().to_string(), "NUMERIC(12,2)");
    assert!(parse_data_type("numeric(12, 2) x").is_err());
}

#[test]
fn intervals() {
    let of = |months, days, micros| Interval { months, days, micros };
    for (text, expected) in [
        ("5 minutes", of(0, 0, 300_000_000)),
        ("1 s", of(0, 0, 1_000_000)),
        ("10 min", of(0, 0, 600_000_000)),
        ("10min", of(0, 0, 600_000_000)),
        ("1.5 hours", of(0, 0, 5_400_000_000)),
        ("1 day 02:30:00", of(0, 1, 9_000_000_000)),
        ("2 weeks", of(0, 14, 0)),
        ("1 year 2 months", of(14, 0, 0)),
        ("-5 s", of(0, 0, -5_000_000)),
        ("250 ms", of(0, 0, 250_000)),
        ("00:00:01.5", of(0, 0, 1_500_000)),
    ] {
        let interval = parse_interval(text).unwrap();
        assert_eq!(interval, expected, "{text}");
        assert_eq!(parse_interval(&interval.to_string()).unwrap(), expected, "{text}");
    }
    for text in [
        "",
        "5",
        "minutes",
        "5 parsecs",
        "1.5 months",
        "99999999999999999999 s",
        "1:2:3:4",
        "5 minutes x",
        "--5 s",
        "1 s é",
        "9223372036854775807 h",
    ] {
        assert!(parse_interval(text).is_err(), "{text}");
    }
}

#[test]
fn nearest_words() {
    assert_eq!(nearest("ordres", ["orders", "customers"]), Some("orders"));
    assert_eq!(nearest("delimeter", ["header", "delimiter"]), Some("delimiter"));
    assert_eq!(nearest("xyz", ["header", "delimiter"]), None);
    assert_eq!(nearest("", ["a"]), Some("a"));
    assert_eq!(nearest("ORDERS", &["orders".to_owned()]), Some("orders"));
}
