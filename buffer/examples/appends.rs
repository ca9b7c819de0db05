//! How fast a log takes events: appends per second, syncs per append and the time of an append, at several numbers of clients.
//!
//! `cargo run --release -p weir-buffer --example appends [folder [what]]`. The folder's disk is what is measured; without one it is the
//! system's folder of temporary files. Each client appends one event of 1 kB at a time and waits for it. With the first column's word only
//! that is measured.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;
use weir_buffer::{ConsumerId, Event, Header, Log, Options, ReadLimit, Removal, Sequence, SourceNumber, Start};

const ROUND: Duration = Duration::from_secs(5);
const BODY_BYTES: usize = 1000;
const NOW: i64 = 1;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let folder = tempfile::TempDir::new_in(std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from))?;
    println!("what                     clients  appends/s  syncs/append   p50 ms   p99 ms   max ms");
    let mut source = 0;
    let only = std::env::args().nth(2);
    let asked = |beside: &Beside| only.as_ref().is_none_or(|only| *only == format!("{beside:?}"));
    for beside in [Beside::Nothing, Beside::Ids, Beside::Removal, Beside::LargeEvents].into_iter().filter(asked) {
        for clients in [1, 16, 64, 256] {
            source += 1;
            round(&folder, SourceNumber(source), clients, beside).await?;
        }
    }
    if only.is_none() { opening(&folder, SourceNumber(source + 1)).await } else { Ok(()) }
}

/// What happens beside the appends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Beside {
    Nothing,
    /// Each event has a delivery id.
    Ids,
    /// A consumer passes everything, and what it passed is removed, all the time.
    Removal,
    /// One more client appends events of 8 MB.
    LargeEvents,
}

fn event(bytes: usize, id: Option<String>) -> Event {
    let header = |name: &'static str| Header { name: Bytes::from(name), value: Bytes::from_static(b"application/json; charset=utf-8") };
    Event {
        received_at: NOW,
        method: "POST".to_owned(),
        path: "/in/shop".to_owned(),
        headers: vec![header("Content-Type"), header("Accept"), header("X-Signature")],
        body: Bytes::from(vec![b'x'; bytes]),
        delivery_id: id.map(Bytes::from),
        ..Event::default()
    }
}

async fn round(folder: &tempfile::TempDir, source: SourceNumber, clients: u64, beside: Beside) -> Outcome<()> {
    let log = Log::open(folder.path(), source, Options::default()).await?;
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for client in 0..clients {
        let log = log.clone();
        running.spawn(async move {
            let mut times = Vec::new();
            while begun.elapsed() < ROUND {
                // As random as the ids of real senders: they land everywhere in the index.
                let number = (client << 32 | times.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let id = (beside == Beside::Ids).then(|| format!("{number:016x}-{number:016x}"));
                let asked = Instant::now();
                log.append(vec![event(BODY_BYTES, id)]).await?;
                times.push(asked.elapsed());
            }
            Outcome::Ok(times)
        });
    }
    let others = tokio::spawn(others(log.clone(), beside, begun));
    let mut times = Vec::new();
    while let Some(done) = running.join_next().await {
        times.extend(done??);
    }
    let took = begun.elapsed().as_secs_f64();
    let stats = log.stats();
    others.await??;
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).or(times.last()).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let (count, commits) = (times.len() as f64, stats.commits as f64);
    let (rate, syncs, what) = (count / took, commits / count, format!("{beside:?}"));
    println!("{what:<24} {clients:>7} {rate:>10.0} {syncs:>13.3} {:>8.2} {:>8.2} {:>8.2}", at(0.5), at(0.99), at(1.0));
    log.close().await;
    Ok(weir_buffer::delete(folder.path(), source)?)
}

async fn others(log: Log, beside: Beside, begun: Instant) -> Outcome<()> {
    if beside == Beside::Removal {
        log.register(ConsumerId(1), Start::Earliest).await?;
    }
    let mut passed = Sequence(0);
    while begun.elapsed() < ROUND {
        match beside {
            Beside::Nothing | Beside::Ids => return Ok(()),
            Beside::LargeEvents => drop(log.append(vec![event(8 << 20, None)]).await?),
            Beside::Removal => {
                log.wait_beyond(passed).await?;
                passed = log.read(passed, ReadLimit::default()).await?.through;
                log.advance(ConsumerId(1), passed).await?;
                log.remove(Removal { keep_for: 0, ..Removal::at(NOW + 1) }).await?;
            }
        }
    }
    Ok(())
}

/// A backlog of 1 GB, opened again.
async fn opening(folder: &tempfile::TempDir, source: SourceNumber) -> Outcome<()> {
    let log = Log::open(folder.path(), source, Options::default()).await?;
    let begun = Instant::now();
    while log.bytes() < 1 << 30 {
        log.append(vec![event(BODY_BYTES, None); 4000]).await?;
    }
    let (events, bytes) = (log.latest().0, log.bytes());
    println!("{bytes} bytes in {events} events, appended within {:.1} s", begun.elapsed().as_secs_f64());
    log.close().await;
    let begun = Instant::now();
    let log = Log::open(folder.path(), source, Options::default()).await?;
    println!("opened within {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    for position in [0, events / 2, events - 1] {
        let begun = Instant::now();
        let backlog = log.backlog(Sequence(position)).await?;
        println!(
            "backlog after {position}: {} events, {} bytes, within {:.2} ms",
            backlog.events,
            backlog.bytes,
            begun.elapsed().as_secs_f64() * 1e3
        );
    }
    let begun = Instant::now();
    log.first_at_or_after(NOW).await?;
    println!("a time found within {:.2} ms", begun.elapsed().as_secs_f64() * 1e3);
    let begun = Instant::now();
    let mut through = Sequence(0);
    while through.0 < events {
        through = log.read(through, ReadLimit { most_events: 10_000, ..ReadLimit::default() }).await?.through;
    }
    println!("all of it read within {:.1} s", begun.elapsed().as_secs_f64());
    log.close().await;
    Ok(())
}
