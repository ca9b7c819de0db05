//! Killed processes. A child appends and tells what it was given; the checker compares with what is there afterwards.
//!
//! `WEIR_BUFFER_KILLS` sets how often; twenty times is quick.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use tokio::task::JoinSet;

use super::fixture::*;
use crate::*;

const CHILD_DIR: &str = "WEIR_BUFFER_TEST_CRASH_DIR";
const KILLS: &str = "WEIR_BUFFER_KILLS";
const CLIENTS: u64 = 6;
const READER: ConsumerId = ConsumerId(1);

/// Not a test of its own: what the killed process does. Each line is written after the acknowledgement that it tells of.
#[test]
fn child_that_appends_until_killed() {
    let Some(dir) = env::var_os(CHILD_DIR) else { return };
    run(async {
        let log = Log::open(Path::new(&dir), SOURCE, options()).await.unwrap();
        log.register(READER, Start::Earliest).await.unwrap();
        // About where the last child was: some deliveries are sent again, also those whose acknowledgement was never heard.
        let first = log.latest().0 / 12;
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let log = log.clone();
            clients.spawn(async move {
                for number in first.. {
                    // Every second delivery is sent by two clients, and every fourth twice by each.
                    let owner = if number % 2 == 0 { client / 2 } else { 100 + client };
                    let id = format!("{owner}:{}", number - number % 4);
                    let sent = Event { received_at: number as Micros, ..delivery(&id) };
                    let receipts = log.append(vec![sent, of_size((number % 7 * 900) as usize)]).await.unwrap();
                    let (known, other) = (receipts[0].sequence().0, receipts[1].sequence().0);
                    say(&format!("told {client} {known} {id} {other}"));
                }
            });
        }
        clients.spawn({
            let log = log.clone();
            async move {
                loop {
                    let position = log.latest();
                    let page = log.read(log.start(), ReadLimit { through: position, ..ReadLimit::default() }).await.unwrap();
                    log.advance(READER, page.through).await.unwrap();
                    say(&format!("passed {}", page.through.0));
                    let keep_bytes = 300_000;
                    log.remove(Removal { now: HOUR, keep_for: 2 * HOUR, keep_bytes, remember_ids_for: 2 * HOUR }).await.unwrap();
                }
            }
        });
        clients.join_all().await;
    });
}

/// In one write, so that a kill leaves at most the last line torn.
fn say(line: &str) {
    std::io::stdout().lock().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// What all children together were told.
#[derive(Default)]
struct Told {
    /// By number: the delivery id, or none for an event without.
    events: BTreeMap<u64, Option<String>>,
    ids: BTreeMap<String, u64>,
    passed: u64,
    lines: usize,
}

impl Told {
    fn note(&mut self, line: &str) {
        // The first line shares its row with the test harness's own.
        if let Some((_, rest)) = line.split_once("passed ") {
            self.passed = self.passed.max(rest.parse().unwrap());
            self.lines += 1;
        }
        if let Some((_, rest)) = line.split_once("told ") {
            let words: Vec<&str> = rest.split(' ').collect();
            let [_, known, id, other] = words[..] else { panic!("{line}") };
            let (known, other) = (known.parse().unwrap(), other.parse().unwrap());
            assert_eq!(*self.ids.entry(id.to_owned()).or_insert(known), known, "one delivery has one number: {line}");
            let before = self.events.insert(known, Some(id.to_owned()));
            assert!(before.is_none_or(|before| before.as_deref() == Some(id)), "number {known} was given twice");
            assert!(self.events.insert(other, None).is_none(), "number {other} was given twice");
            self.lines += 1;
        }
    }

    /// Everything acknowledged is there once, in order, or was passed before it was removed.
    async fn check(&self, log: &Log) {
        let events = all(log).await;
        let start = log.start().0;
        assert!(start <= self.passed, "{start} were removed, {} were passed", self.passed);
        let mut ids = BTreeSet::new();
        for (number, event) in (start + 1..).zip(&events) {
            assert_eq!(event.sequence.0, number, "no gaps");
            let id = event.event.delivery_id.as_ref().map(|id| String::from_utf8(id.to_vec()).unwrap());
            if let Some(told) = self.events.get(&number) {
                assert_eq!(&id, told, "event {number} is not what was acknowledged");
            }
            if let Some(id) = id {
                assert!(ids.insert(id.clone()), "{id} is stored twice");
                assert!(self.ids.get(&id).is_none_or(|first| *first == number), "{id} is stored again");
            }
        }
        let newest = self.events.last_key_value().map_or(0, |(number, _)| *number);
        assert!(log.latest().0 >= newest, "{newest} was acknowledged, the newest is {}", log.latest().0);
        assert_eq!(start + events.len() as u64, log.latest().0);
        let size: u64 = events.iter().map(|event| event.event.size_bytes()).sum();
        let backlog = log.backlog(Sequence(0)).await.unwrap();
        assert_eq!((backlog.events, backlog.bytes, log.bytes()), (events.len() as u64, size, size));
    }
}

/// Runs a child until it has told that many lines, and kills it.
fn kill_after(dir: &Path, lines: usize, told: &mut Told) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["tests::crash::child_that_appends_until_killed", "--exact", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let until = told.lines + lines;
    let mut line = String::new();
    while told.lines < until {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the child ended by itself");
        told.note(line.trim_end());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had told before it died counts too; a torn last line does not.
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    if let Some((whole, _)) = rest.rsplit_once('\n') {
        whole.lines().for_each(|line| told.note(line));
    }
}

#[test]
fn what_was_acknowledged_survives_kills() {
    let kills: usize = env::var(KILLS).map_or(20, |kills| kills.parse().unwrap());
    let folder = folder();
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut told = Told::default();
    for _ in 0..kills {
        let lines = [1, 3, 10, 50, 300, 2000][random.next_u32() as usize % 6] + random.next_u32() as usize % 20;
        kill_after(folder.path(), lines, &mut told);
        run(async {
            let log = open(&folder).await;
            told.check(&log).await;
            log.close().await;
        });
    }
    assert!(told.events.len() > kills, "the children did something");
    println!("{kills} kills, {} acknowledged, {} removed", told.events.len(), told.passed);
}
