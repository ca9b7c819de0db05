//! REPLAY under `kill -9`: a record is in exactly one place, in the table or among the open dead letters, whenever the hub dies.
//!
//! Files have records that fail in each of the three stages. Some are repaired by hand, a replay is begun, the hub is killed in the middle of it and
//! started again; then every record is looked for in both places. There is a new file every few kills, so that there is always something to put
//! back. WEIR_CRASH_KILLS and WEIR_CRASH_SEED mean what they mean in the other test.

use std::fmt::Write as _;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::hub::{Hub, Place, until};
use super::{KILLS, number};

/// Records of a file; of every four one is good.
const RECORDS: usize = 240;

/// Kills that one file is enough for: each puts back about a fifth of what waits.
const KILLS_PER_FILE: usize = 10;

/// Where a run of letters can die.
const POINTS: &[&str] = &["run.frozen", "run.executed", "deadletters.committed", "target.committed", "run.finished"];

/// The longest life of a hub after its replay was begun.
const LIFE_MS: u64 = 400;

/// Record `n` of a file, from 1 on, stands in line `n + 1`; the numbers go on from file to file. What is wrong with it depends on `n % 4`.
fn put_file(place: &Place, file: usize) {
    let mut text = "id,total\n".to_owned();
    for n in 1..=RECORDS {
        let id = (file - 1) * RECORDS + n;
        let total = match n % 4 {
            0 => "10",
            1 => "ten",
            2 => "0",
            _ => "-5",
        };
        let _ = writeln!(text, "{id},{total}");
    }
    std::fs::write(format!("{}/csv/{file}.csv", place.inbox()), text).expect("the file");
}

fn script(inbox: &str) -> String {
    format!(
        "CREATE SCHEMA crash;
         CREATE CONNECTION crash.inbox TYPE local WITH (root = '{inbox}');
         CREATE SOURCE crash.csv (id bigint, total bigint) FROM CONNECTION crash.inbox FORMAT csv (header = true)
             WITH (path = 'csv/*.csv', settle = '0 s');
         CREATE PIPELINE crash.load INTO crash.t APPEND CONSTRAINT positive EXPECT (share > 0)
             AS SELECT id, total, 100 / total AS share FROM STREAM(crash.csv);
         RUN PIPELINE crash.load"
    )
}

/// Repairs every letter whose record is among these, each in the place where it failed.
fn repair(choice: u32) -> String {
    let chosen = format!("pipeline = 'crash.load' AND status = 'open' AND (source_position * 7 + {choice}) % 5 = 0");
    format!(
        "UPDATE hub.dead_letters SET raw = (((regexp_match(source, '(\\d+)\\.csv$'))[1]::int - 1) * {RECORDS} + source_position - 1 || ',10')::bytea
         WHERE {chosen} AND stage = 'decode';
         UPDATE hub.dead_letters SET record = jsonb_set(record, '{{total}}', '10') WHERE {chosen} AND stage = 'transform';
         UPDATE hub.dead_letters SET record = jsonb_set(record, '{{share}}', '10') WHERE {chosen} AND stage = 'validate'"
    )
}

/// Every record of so many files once: in the table, or as an open letter.
async fn is_whole(hub: &Hub, files: usize, when: &str) {
    let same = format!("d.source LIKE '%/' || (t.id - 1) / {RECORDS} + 1 || '.csv' AND d.source_position = (t.id - 1) % {RECORDS} + 2");
    hub.until("SELECT count(*) FROM hub.runs WHERE status IN ('queued', 'running')", "0").await;
    let twice = "SELECT count(*) FROM (SELECT id FROM crash.t GROUP BY id HAVING count(*) > 1) AS twice";
    assert_eq!(hub.value(twice).await, "0", "{when}: records that are in the table twice");
    let both = format!("SELECT count(*) FROM crash.t JOIN hub.dead_letters d ON {same} WHERE d.status = 'open'");
    assert_eq!(hub.value(&both).await, "0", "{when}: records that are in the table and wait as well");
    let nowhere = format!("SELECT count(*) FROM hub.dead_letters d LEFT JOIN crash.t ON {same} WHERE d.status = 'replayed' AND t.id IS NULL");
    assert_eq!(hub.value(&nowhere).await, "0", "{when}: records that are said to be back and are not in the table");
    let all = "SELECT (SELECT count(*) FROM crash.t) + (SELECT count(*) FROM hub.dead_letters WHERE status = 'open')";
    assert_eq!(hub.value(all).await, (files * RECORDS).to_string(), "{when}: records in the table and among the letters");
}

/// Begins a replay and lets the hub die in it.
async fn replay_and_die(place: &Place, rng: &mut StdRng, kill: usize) -> String {
    let point = (cfg!(feature = "failpoints") && kill.is_multiple_of(2)).then(|| POINTS[rng.random_range(0..POINTS.len())]);
    let mut hub = Hub::start(place, point.map(|point| format!("{point}=return")).as_deref());
    hub.ready().await;
    hub.run(&repair(rng.random_range(0..5))).await;
    // Nobody waits for its answer: it may never come.
    let replay = hub.begin("REPLAY PIPELINE crash.load").await;
    let how = match point {
        Some(point) => {
            // With nothing left to put back the hub never gets there.
            let died = until(Duration::from_secs(20), async || hub.died() || replay.is_finished()).await;
            assert!(died, "the hub neither came to {point} nor answered:\n{}", place.log());
            format!("death {kill} at {point}")
        }
        None => {
            let life = Duration::from_millis(rng.random_range(0..LIFE_MS));
            until(life, async || hub.died()).await;
            format!("kill {kill} after {life:?}")
        }
    };
    replay.abort();
    hub.end();
    how
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_in_one_place_whenever_a_replay_is_killed() {
    let seed = number("WEIR_CRASH_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    let kills = number("WEIR_CRASH_KILLS").map_or(KILLS, |kills| usize::try_from(kills).expect("a count"));
    eprintln!("WEIR_CRASH_SEED={seed} WEIR_CRASH_KILLS={kills}");
    let place = Place::new();
    let mut rng = StdRng::seed_from_u64(seed);
    put_file(&place, 1);
    let mut hub = Hub::start(&place, None);
    hub.ready().await;
    hub.run(&script(&place.inbox())).await;
    is_whole(&hub, 1, "at first").await;
    hub.kill();
    let mut files = 1;
    for kill in 1..=kills {
        if kill.is_multiple_of(KILLS_PER_FILE) {
            files += 1;
            put_file(&place, files);
            let mut hub = Hub::start(&place, None);
            hub.ready().await;
            hub.run("RUN PIPELINE crash.load").await;
            hub.kill();
        }
        let how = replay_and_die(&place, &mut rng, kill).await;
        eprintln!("{how}");
        let mut hub = Hub::start(&place, None);
        hub.ready().await;
        is_whole(&hub, files, &format!("seed {seed}, {how}")).await;
        hub.kill();
    }
    let mut hub = Hub::start(&place, None);
    hub.ready().await;
    for choice in 0..5 {
        hub.run(&repair(choice)).await;
    }
    hub.run("REPLAY PIPELINE crash.load").await;
    is_whole(&hub, files, "at the end").await;
    assert_eq!(hub.value("SELECT count(DISTINCT id) FROM crash.t").await, (files * RECORDS).to_string());
    assert!(place.taken_up() * 10 >= kills, "seed {seed}: only {} of {kills} kills met a run", place.taken_up());
    hub.stop().await;
}

/// Letters change before rows land; where the rows then do not, they change back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_fails_leaves_its_letters_open() {
    if !cfg!(feature = "failpoints") {
        eprintln!("fail points are not compiled in (make test does it)");
        return;
    }
    let place = Place::new();
    put_file(&place, 1);
    let mut hub = Hub::start(&place, Some("target.refused=1*off->return"));
    hub.ready().await;
    hub.run(&script(&place.inbox())).await;
    for choice in 0..5 {
        hub.run(&repair(choice)).await;
    }
    assert!(hub.try_run("REPLAY PIPELINE crash.load").await.is_err(), "the table refuses");
    is_whole(&hub, 1, "after a replay that failed").await;
    assert_eq!(hub.value("SELECT count(*) FROM crash.t").await, (RECORDS / 4).to_string(), "nothing came back");
    hub.kill();
    let mut hub = Hub::start(&place, None);
    hub.ready().await;
    hub.run("REPLAY PIPELINE crash.load").await;
    is_whole(&hub, 1, "after the next").await;
    assert_eq!(hub.value("SELECT count(*) FROM crash.t").await, RECORDS.to_string(), "all are back");
    hub.stop().await;
}
