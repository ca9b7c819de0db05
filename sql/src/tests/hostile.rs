//! Hostile text: never a panic, never an overflow of the stack, never long.

use proptest::prelude::*;

use crate::{parse, parse_data_type, parse_expr, parse_interval, parse_query};

/// Runs on a small stack, as a server's worker has.
fn on_a_small_stack(text: String) {
    // The thread's name is what the message of an overflow tells.
    std::thread::Builder::new()
        .name(text.chars().skip(100).take(40).filter(|c| *c != '\0').collect())
        .stack_size(2 * 1024 * 1024)
        .spawn(move || {
            if let Ok(statements) = parse(&text) {
                let copy = statements.clone();
                drop((statements, copy));
            }
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn deep_texts() {
    let n = 100_000;
    for text in [
        "(".repeat(n),
        format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n)),
        format!("SELECT {}1", "- ".repeat(n)),
        format!("SELECT {}true", "NOT ".repeat(n)),
        format!("SELECT 1{}", " + 1".repeat(n)),
        format!("SELECT a{}", "::int".repeat(n)),
        format!("SELECT a{}", "[1]".repeat(n)),
        format!("SELECT a::int{}", "[]".repeat(n)),
        format!("CREATE TABLE t (a int{})", "[]".repeat(n)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(n)),
        format!("SELECT {}1{}", "CASE WHEN true THEN ".repeat(n), " END".repeat(n)),
        format!("SELECT * FROM a{}", " JOIN a ON true".repeat(n)),
        format!("SELECT a{}", " IS NULL".repeat(n)),
        format!("SELECT a{}", ".b".repeat(n)),
        format!("SELECT a{}", " COLLATE x".repeat(n)),
        format!("SELECT a{}", " AT TIME ZONE 'UTC'".repeat(n)),
        format!("{}SELECT 1", "EXPLAIN ".repeat(n)),
        format!("SELECT {}1", "SELECT ".repeat(n)),
        format!("SELECT x FROM {}", "LATERAL ".repeat(n)),
        format!("SELECT {}", "interval ".repeat(n)),
        format!("SELECT {}", "array".to_owned() + &"[".repeat(n)),
        format!("SELECT {}", "a IN ".repeat(n)),
        format!("SELECT {}", "EXISTS ".repeat(n)),
        format!("SELECT {}1", "PRIOR ".repeat(n)),
        format!("SELECT {}1", "CAST ".repeat(n)),
        format!("SELECT {}", "x -> ".repeat(n)),
        format!("WITH {}", "a AS (WITH ".repeat(n)),
        format!("SELECT * FROM t{}", " TIMESTAMP AS OF now()".repeat(n)),
        format!("PREPARE a AS {}", "PREPARE a AS ".repeat(n)),
        format!("CREATE CONNECTION a TYPE b WITH (a = {}", "(".repeat(n)),
        "$".repeat(n),
        "'".repeat(n + 1),
        "\"".repeat(n + 1),
        "/*".repeat(n),
        ";".repeat(n),
    ] {
        on_a_small_stack(text);
    }
}

#[test]
fn what_people_really_write_is_not_too_deep() {
    let ors = vec!["id = 1"; 300].join(" OR ");
    let list = (0..20_000).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    let rows = (0..5_000).map(|i| format!("({i}, 'a', -1.5, now() + interval '1 day')")).collect::<Vec<_>>().join(", ");
    let nested = format!("SELECT {}1{}", "coalesce(1, ".repeat(40), ")".repeat(40));
    let queries = format!("{}SELECT 1 AS a{}", "SELECT * FROM (".repeat(20), ") x".repeat(20));
    for text in [
        format!("SELECT * FROM t WHERE {ors}"),
        format!("SELECT * FROM t WHERE id IN ({list})"),
        format!("INSERT INTO t VALUES {rows}"),
        nested,
        queries,
        format!("SELECT {}", "CASE WHEN a THEN ".repeat(20) + "1" + &" ELSE 2 END".repeat(20)),
    ] {
        let start: String = text.chars().take(60).collect();
        let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
        let result = worker.spawn(move || parse(&text).map(|list| list.len())).unwrap().join().unwrap();
        assert_eq!(result, Ok(1), "{start}");
    }
}

/// `sqlparser` reads some things twice, which doubles with every level.
#[test]
fn nesting_takes_no_longer_than_its_length() {
    for (open, inner, close) in [
        ("SELECT ", "coalesce(1, ", ")"),
        ("SELECT ", "f(", ")"),
        ("SELECT ", "(1 + ", ")"),
        ("SELECT ", "CASE WHEN a THEN ", " END"),
        ("SELECT ", "(SELECT ", ")"),
        ("SELECT ", "a IN (SELECT ", ")"),
        ("SELECT ", "EXISTS (SELECT ", ")"),
        ("SELECT ", "CAST(", " AS int)"),
        ("SELECT ", "ARRAY[", "]"),
        ("SELECT ", "a->(", ")"),
        ("SELECT * FROM ", "(", " JOIN b ON true)"),
        ("SELECT * FROM ", "(SELECT * FROM ", ") x"),
    ] {
        let text = format!("{open}{}a{}", inner.repeat(55), close.repeat(55));
        let started = std::time::Instant::now();
        on_a_small_stack(text);
        assert!(started.elapsed().as_secs() < 10, "{inner}: {:?}", started.elapsed());
    }
}

#[test]
fn many_versioned_tables_take_no_longer_than_many_tables() {
    let joins = " JOIN t x TIMESTAMP AS OF now() - interval '1 day' ON true".repeat(200);
    let started = std::time::Instant::now();
    let query = parse_query(&format!("SELECT * FROM t VERSION AS OF 1{joins}")).unwrap();
    assert_eq!(query.temporals.len(), 201);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "WITH",
    "AS",
    "OF",
    "VERSION",
    "TIMESTAMP",
    "AT",
    "(",
    ")",
    ",",
    ";",
    "=>",
    "=",
    ".",
    "'a'",
    "1",
    "a",
    "t",
    "$1",
    "$x",
    "*",
    "-",
    "+",
    "CREATE",
    "OR",
    "REPLACE",
    "PIPELINE",
    "SOURCE",
    "SECRET",
    "CONNECTION",
    "TABLE",
    "VIEW",
    "SCHEMA",
    "IF",
    "NOT",
    "EXISTS",
    "NULL",
    "INTO",
    "UPSERT",
    "KEY",
    "SEQUENCE",
    "BY",
    "EXPECT",
    "ON",
    "VIOLATION",
    "DROP",
    "ALTER",
    "SET",
    "RESET",
    "OFFSETS",
    "TO",
    "SHOW",
    "DESCRIBE",
    "HISTORY",
    "SCHEDULE",
    "EVERY",
    "'5 minutes'",
    "TRIGGER",
    "UPDATE",
    "AFTER",
    "RUN",
    "DRY",
    "LIMIT",
    "REPLAY",
    "COPY",
    "STDIN",
    "FORMAT",
    "BEGIN",
    "COMMIT",
    "JOIN",
    "FOR",
    "SYSTEM_TIME",
    "VALUES",
    "INSERT",
    "DELETE",
    "int",
    "text",
    "::",
    "[",
    "]",
    "CASE",
    "END",
    "STREAM",
    "TABLESAMPLE",
    "NOT NULL",
    "PRIMARY",
    "DEFAULT",
    "interval",
    "$$b$$",
    "\"Q\"",
    "é",
    "FETCH",
    "DECLARE",
    "CURSOR",
    "PREPARE",
    "EXECUTE",
    "EXPLAIN",
    "STEP",
    "COMMENT",
    "IS",
    "||",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let _ = parse(&text);
        let _ = parse_expr(&text);
        let _ = parse_interval(&text);
        let _ = parse_data_type(&text);
    }

    #[test]
    fn any_words_are_read_or_refused(words in prop::collection::vec(prop::sample::select(WORDS), 0..40)) {
        let text = words.join(" ");
        match parse(&text) {
            Ok(statements) => for statement in statements {
                let at: String = text.chars().skip(statement.position - 1).take(statement.text.chars().count()).collect();
                prop_assert_eq!(at, statement.text);
            },
            Err(error) => prop_assert!(error.position.is_some_and(|at| (1..=text.chars().count() + 1).contains(&at)), "{:?}", error),
        }
    }

    #[test]
    fn a_word_put_anywhere_is_read_or_refused(at in 0usize..400, word in prop::sample::select(WORDS)) {
        let text = "CREATE PIPELINE p SCHEDULE EVERY '5 minutes' REJECT LIMIT 5 PERCENT WITH (a = 1) INTO s.t UPSERT KEY (a) SEQUENCE BY b \
            CONSTRAINT c EXPECT (a > 0) ON VIOLATION WARN MESSAGE 'm' AS SELECT * FROM STREAM(s) x JOIN t VERSION AS OF 3 ON true";
        let at = at.min(text.len());
        let (before, after) = text.split_at(at);
        let changed = format!("{before} {word} {after}");
        let _ = parse(&changed);
    }
}
