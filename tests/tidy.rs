//! House rules that the compiler does not know: sizes, headers, words that must not appear.

use std::path::{Path, PathBuf};

const MOST_LINES: usize = 1000;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "manager", "misc"];

/// Words that no source line may hold, with the reason. Written in two halves, so that this file passes its own test.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("#[al", "low(", "say why with #[expect(.., reason = ..)]"),
    ("#![al", "low(", "say why with #[expect(.., reason = ..)]"),
    ("#[ig", "nore", "a test that does not run proves nothing"),
    ("to", "do!(", "finish it or answer 0A000"),
    ("unimpl", "emented!(", "finish it or answer 0A000"),
    ("Api", "Error", "errors reach clients through wire::postgres::error alone"),
];

/// Waiting for time to pass makes tests slow and sometimes wrong.
const FORBIDDEN_IN_TESTS: &[(&str, &str)] = &[("thread::sl", "eep"), ("time::sl", "eep")];

#[test]
fn files_are_short() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines < MOST_LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn files_say_what_they_are_for() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not open with a //! header", path.display());
    }
}

#[test]
fn names_say_something() {
    for (path, _) in sources() {
        for part in path.iter().filter_map(|part| part.to_str()) {
            let name = part.strip_suffix(".rs").unwrap_or(part);
            assert!(!EMPTY_NAMES.contains(&name), "{} has an empty name", path.display());
        }
    }
}

#[test]
fn forbidden_words_do_not_appear() {
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            for (first, second, reason) in FORBIDDEN {
                let word = format!("{first}{second}");
                assert!(!line.contains(&word), "{}:{}: {word}..: {reason}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn tests_do_not_wait_for_time() {
    for (path, text) in sources() {
        // The test of the rooms names these words too, to forbid them.
        let in_tests = path.iter().any(|part| part == "tests" || part == "tests.rs") && !path.ends_with("architecture.rs");
        for (number, line) in text.lines().enumerate().filter(|_| in_tests) {
            for (first, second) in FORBIDDEN_IN_TESTS {
                let word = format!("{first}{second}");
                assert!(!line.contains(&word), "{}:{}: {word}", path.display(), number + 1);
            }
        }
    }
}

/// Every Rust file of the project, relative to its root, with its text.
pub fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["src", "sql/src", "catalog/src", "buffer/src", "udfs/src", "webhooks/src", "tests", "benches"]
        .map(|folder| root.join(folder))
        .into();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a readable source file");
                found.push((path.strip_prefix(root).expect("a path below the root").to_path_buf(), text));
            }
        }
    }
    assert!(found.len() > 50, "only {} files were looked at", found.len());
    found
}
