//! The hub under `kill -9`: nothing lost, nothing twice, nothing invented, no hand needed.
//!
//! A generator drops files while the hub is killed and started again. It enters each record in a ledger of its own before the hub can
//! see it. At the end a checker that never asks the hub reads the lake with another Delta reader and compares. WEIR_CRASH_KILLS sets
//! how many random kills there are, WEIR_CRASH_SEED repeats a run: the seed is printed. The checker is checked too: each fault that
//! `doctor.py` knows to put into a lake must be reported.

#![expect(clippy::print_stderr, reason = "the seed and each death, to repeat a run that failed")]

mod disk;
mod frozen;
mod history;
mod hub;
mod outputs;
mod python;
mod replay;
mod streams;
mod triggers;
mod uploads;

use std::process::Child;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use hub::{Hub, Place, until};
use python::Python;

const KILLS: usize = 20;

/// How often each fail point is died at.
const ROUNDS: usize = 4;

/// The longest life of a hub that is about to be killed.
const LIFE_MS: u64 = 2500;

/// Longest wait for a hub to come to a fail point, and for it to catch up at the end; the machine may be busy.
const LIMIT: Duration = Duration::from_secs(180);

/// Pipelines with the source they read, and to how many outputs they give each record; `check.py` knows where they write.
const PIPELINES: &[(&str, &str, u64)] = &[
    ("crash.load_all_csv", "csv", 1),
    ("crash.load_last_csv", "csv", 1),
    ("crash.load_kept_csv", "csv", 1),
    ("crash.load_all_ndjson", "ndjson", 1),
    ("crash.load_both_csv", "csv", 2),
];

const COLUMNS: &str = "(uid text NOT NULL, key bigint, seq bigint, amount bigint, note text)";

const RULES: &str = "CONSTRAINT positive EXPECT (amount >= 0)
    CONSTRAINT not_void EXPECT (note IS DISTINCT FROM 'void') ON VIOLATION DROP";

fn script(inbox: &str) -> String {
    let source = |name: &str, format: &str| {
        format!(
            "CREATE SOURCE crash.{name} {COLUMNS} FROM CONNECTION crash.inbox FORMAT {format}
             WITH (path = '{name}/*.{name}', settle = '0 s', poll = '200 ms');"
        )
    };
    let pipeline = |name: &str, source: &str, mode: &str| {
        format!(
            "CREATE PIPELINE crash.load_{name} TRIGGER ON UPDATE AT MOST EVERY '100 ms'
             INTO crash.{name} {mode} {RULES}
             AS SELECT uid, key, seq, amount, note FROM STREAM(crash.{source}) WHERE note IS DISTINCT FROM 'skip';"
        )
    };
    [
        "CREATE SCHEMA crash;".to_owned(),
        format!("CREATE CONNECTION crash.inbox TYPE local WITH (root = '{inbox}');"),
        source("csv", "csv (header = true)"),
        source("ndjson", "ndjson"),
        pipeline("all_csv", "csv", "APPEND"),
        pipeline("last_csv", "csv", "UPSERT KEY (key) SEQUENCE BY seq"),
        // Late events of deleted keys, in an order that is only stored for it.
        pipeline("kept_csv", "csv", "UPSERT KEY (key) SEQUENCE BY seq + 1 DELETE WHEN (amount % 3 = 0)"),
        pipeline("all_ndjson", "ndjson", "APPEND"),
        format!(
            "CREATE PIPELINE crash.load_both_csv TRIGGER ON UPDATE AT MOST EVERY '100 ms' AS
             WITH wanted AS (SELECT uid, key, seq, amount, note FROM STREAM(crash.csv) WHERE note IS DISTINCT FROM 'skip')
             INTO crash.both_all_csv APPEND {RULES} AS (SELECT * FROM wanted)
             INTO crash.both_last_csv UPSERT KEY (key) SEQUENCE BY seq {RULES} AS (SELECT * FROM wanted);"
        ),
    ]
    .join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_once_whenever_the_hub_is_killed() {
    let Some(python) = Python::find() else { return };
    let seed = number("WEIR_CRASH_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    let kills = number("WEIR_CRASH_KILLS").map_or(KILLS, |kills| usize::try_from(kills).expect("a count"));
    eprintln!("WEIR_CRASH_SEED={seed} WEIR_CRASH_KILLS={kills}");
    let place = Place::new();
    let mut rng = StdRng::seed_from_u64(seed);

    let mut first = Hub::start(&place, None);
    first.ready().await;
    first.run(&script(&place.inbox())).await;
    let generator = python.generate(seed, &place);
    first.kill();
    at_each_fail_point(&place, &mut rng).await;
    at_random_moments(&place, &mut rng, kills).await;
    let sent = python.finish(generator);

    let mut last = Hub::start(&place, None);
    last.ready().await;
    last.caught_up(&sent).await;
    last.write_runs(&place.runs()).await;
    last.stop().await;
    let verdict = python.check(&place.ledger(), &place.lake(), &place.runs());
    eprintln!("{}{} runs were taken up again", verdict.text, place.taken_up());
    assert!(verdict.passed, "seed {seed}: the lake and the ledger differ; see {}:\n{}", place.keep(), verdict.text);
    assert!(place.taken_up() >= ROUNDS, "seed {seed}: hardly a kill met a run, so nothing was tried");
}

/// Each life ends by itself where the fail point says; the next one has to clean up behind it.
async fn at_each_fail_point(place: &Place, rng: &mut StdRng) {
    if !cfg!(feature = "failpoints") {
        eprintln!("fail points are not compiled in (make test does it); only random kills");
        return;
    }
    for point in weir::FAIL_POINTS.iter().chain(weir::SYNC_POINTS).flat_map(|point| [point; ROUNDS]) {
        // Not always the first time: then it is another pipeline that dies there, and the state before it differs.
        let passed = rng.random_range(0..4);
        let mut hub = Hub::start(place, Some(&format!("{point}={passed}*off->return")));
        assert!(until(LIMIT, async || hub.died()).await, "the hub never came to {point}, or passed it:\n{}", place.log());
        eprintln!("died at {point} after passing it {passed} times");
    }
}

async fn at_random_moments(place: &Place, rng: &mut StdRng, kills: usize) {
    for kill in 1..=kills {
        let mut hub = Hub::start(place, None);
        // A third of the lives end while the hub starts and recovers.
        if rng.random_range(0..3) > 0 {
            hub.ready().await;
        }
        let life = Duration::from_millis(rng.random_range(0..LIFE_MS));
        assert!(!until(life, async || hub.died()).await, "the hub ended by itself:\n{}", place.log());
        hub.kill();
        eprintln!("kill {kill} after {life:?}");
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

/// What the checker must see, and that it sees nothing where nothing is.
#[test]
fn the_checker_reports_every_fault() {
    let Some(python) = Python::find() else { return };
    let place = Place::new();
    python.generate_files(7, &place, 40);
    python.doctor("make", &place.ledger(), &place.lake(), &place.runs());
    let healthy = python.check(&place.ledger(), &place.lake(), &place.runs());
    assert!(healthy.passed, "a lake without a fault is refused:\n{}", healthy.text);
    let faults = python.faults();
    assert!(faults.len() > 5, "only {} faults are known", faults.len());
    for (fault, words) in faults {
        let sick = Place::copy_of(&place);
        python.doctor(&fault, &place.ledger(), &sick.lake(), &sick.runs());
        let verdict = python.check(&place.ledger(), &sick.lake(), &sick.runs());
        assert!(!verdict.passed && verdict.text.contains(&words), "{fault} is not reported:\n{}", verdict.text);
    }
}

/// The records that each source was given, told by the generator at its end.
type Sent = std::collections::BTreeMap<String, u64>;

/// A generator that still runs; its standard input is what keeps it going.
struct Generator(Child);
