//! The rooms and packages: who may know whom.

use std::path::Path;

use crate::tidy::sources;

/// Rooms of `src/`, lowest first. A room may use only rooms before it.
const ROOMS: &[&str] = &[
    "error",
    "clock",
    "config",
    "observe",
    "spec",
    "formats",
    "stores",
    "delta",
    "rules",
    "buffer",
    "sources",
    "sinks",
    "engine",
    "functions",
    "pipelines",
    "hub",
    "session",
    "statements",
    "wire",
    "cli",
    "main",
    "lib",
];

/// Words that only one room may say.
const ONLY: &[(&str, &[&str])] = &[
    ("deltalake", &["delta"]),
    ("pgwire", &["wire"]),
    ("axum", &["wire"]),
    ("SystemTime::now", &["clock"]),
    ("Instant::now", &["clock"]),
    ("Utc::now", &["clock"]),
    ("Local::now", &["clock"]),
    ("thread::sleep", &["clock"]),
    ("tokio::time::sleep", &["clock"]),
    ("env::var", &["config"]),
    ("env::set_var", &[]),
];

/// Single files that have to do what their room may not, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    // CREATE SECRET .. FROM ENV names a variable: reading it is what the statement means.
    ("src/engine/open_source.rs", "env::var"),
];

/// Dependencies that a package may have.
const PACKAGES: &[(&str, &[&str])] = &[
    ("sql", &["sqlparser"]),
    (
        "catalog",
        &[
            "weir-sql",
            "arrow-schema",
            "serde",
            "serde_json",
            "rusqlite",
            "uuid",
            "chrono",
            "chacha20poly1305",
            "getrandom",
            "rand",
            "sha2",
            "fs4",
        ],
    ),
    ("buffer", &["rusqlite", "tokio", "bytes", "rustix", "fail"]),
    (
        "udfs",
        &[
            "datafusion-expr",
            "datafusion-common",
            "arrow",
            "bytes",
            "sha2",
            "rand",
            "uuid",
            "hmac",
            "md-5",
            "sha1",
            "serde",
            "serde_json",
            "base64",
            "chrono",
            "regex",
        ],
    ),
    ("webhooks", &["base64", "hmac", "quick-xml", "serde", "serde_json", "sha1", "sha2", "subtle"]),
];

#[test]
fn rooms_use_only_rooms_below() {
    let mut checked = 0;
    for (path, text) in sources() {
        let Some(room) = room_of(&path) else { continue };
        for (number, line) in code_lines(&text) {
            for used in rooms_named(line) {
                checked += 1;
                assert!(rank(&used) <= rank(&room), "{}:{number}: {used} lies above {room}", path.display());
            }
        }
    }
    assert!(checked > 100, "only {checked} uses were looked at");
}

#[test]
fn every_room_is_on_the_line() {
    for (path, _) in sources() {
        if let Some(room) = room_of(&path) {
            assert!(ROOMS.contains(&room.as_str()), "{}: room {room} is not on the line", path.display());
        }
    }
}

#[test]
fn words_stay_in_their_rooms() {
    let mut strays = Vec::new();
    for (path, text) in sources() {
        let Some(room) = room_of(&path) else { continue };
        if is_test(&path) {
            continue;
        }
        for (number, line) in code_lines(&text) {
            for (word, rooms) in ONLY {
                let excepted = EXCEPTIONS.iter().any(|(file, allowed)| Path::new(file) == path && allowed == word);
                let allowed = rooms.contains(&room.as_str()) || excepted;
                if !allowed && names(line, word) {
                    strays.push(format!("{}:{number}: {word} belongs to {rooms:?}", path.display()));
                }
            }
        }
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn packages_know_little() {
    for (package, allowed) in PACKAGES {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(package).join("Cargo.toml");
        let text = std::fs::read_to_string(manifest).expect("a manifest");
        let mut inside = false;
        let mut seen = 0;
        for line in text.lines() {
            if line.starts_with('[') {
                inside = line.trim() == "[dependencies]";
                continue;
            }
            let name = line.split(['=', '.', ' ']).next().unwrap_or("").trim();
            if inside && !name.is_empty() && !name.starts_with('#') {
                seen += 1;
                assert!(allowed.contains(&name), "package {package} must not know {name}");
            }
        }
        assert!(seen > 0, "package {package} lists no dependencies");
    }
}

/// `src/engine/plan.rs` and `src/engine.rs` belong to `engine`.
fn room_of(path: &Path) -> Option<String> {
    let first = path.strip_prefix("src").ok()?.iter().next()?.to_str()?;
    Some(first.strip_suffix(".rs").unwrap_or(first).to_owned())
}

fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs")
}

fn rank(room: &str) -> usize {
    ROOMS.iter().position(|known| *known == room).unwrap_or_else(|| panic!("room {room} is not on the line"))
}

/// Lines that are not comments, with their numbers.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Rooms named as `crate::room` or within `crate::{room, ..}`.
fn rooms_named(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (index, _) in line.match_indices("crate::") {
        let rest = &line[index + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(std::mem::take(&mut word)),
                    c if depth == 0 => word.push(c),
                    _ => {}
                }
            }
            found.push(word);
        } else {
            found.push(rest.to_owned());
        }
    }
    let first_word = |text: String| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    found.into_iter().map(first_word).filter(|word| ROOMS.contains(&word.as_str())).collect()
}

/// Whether the line names the word as a path, not as a part of another one or inside a string.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(index, _)| {
        let before = &line[..index];
        let quoted = before.matches('"').count() % 2 == 1;
        let part = before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        !quoted && !part
    })
}
