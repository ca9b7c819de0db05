//! Appending: numbers, receipts, duplicates, and many at once.

use std::future::{Future, poll_fn};
use std::task::Poll;

use bytes::Bytes;
use tokio::task::{JoinSet, yield_now};

use super::fixture::*;
use crate::*;

#[test]
fn events_come_back_as_they_were_received() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        let header = |name: &'static str, value: &'static [u8]| Header { name: Bytes::from(name), value: Bytes::from(value) };
        let full = Event {
            received_at: -5,
            method: "PUT".to_owned(),
            path: "/in/%C3%A9".to_owned(),
            query: Some(String::new()),
            headers: vec![header("X-Twice", b"1"), header("x-twice", b""), header("X-Twice", b"\xff\x00"), header("", b"nameless")],
            remote_address: Some("[::1]:80".to_owned()),
            content_type: Some("application/json".to_owned()),
            body: Bytes::from_static(b"{\"a\" : 1}\r\n\x00\xff"),
            delivery_id: Some(Bytes::from_static(b"\x00id")),
            attributes: Bytes::from_static(b"hub"),
        };
        let empty = Event::default();
        log.append(vec![full.clone(), empty.clone()]).await.unwrap();
        log.close().await;
        let log = open(&folder).await;
        let events = all(&log).await;
        assert_eq!(events, [StoredEvent { sequence: Sequence(1), event: full }, StoredEvent { sequence: Sequence(2), event: empty }]);
    });
}

#[test]
fn numbers_have_no_gaps_and_receipts_keep_their_order() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        assert_eq!((log.latest(), log.start(), log.earliest()), (Sequence(0), Sequence(0), None));
        assert_eq!(log.append(vec![]).await.unwrap(), []);
        assert_eq!(log.append(vec![event("a"), event("b")]).await.unwrap(), stored([1, 2]));
        assert_eq!(log.append(vec![event("c")]).await.unwrap(), stored([3]));
        assert_eq!((log.latest(), log.earliest()), (Sequence(3), Some(Sequence(1))));
        log.close().await;
        assert_eq!(open(&folder).await.append(vec![event("d")]).await.unwrap(), stored([4]));
    });
}

/// The writer is held until all have queued: then one commit holds them all.
#[test]
fn appends_that_wait_share_a_commit() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        let places = log.free_places();
        log.shared().faults.shut_gate();
        let mut appends = JoinSet::new();
        for number in 0..200 {
            let log = log.clone();
            appends.spawn(async move { log.append(vec![event(&number.to_string())]).await.unwrap() });
        }
        while log.free_places() > places - 200 {
            yield_now().await;
        }
        assert_eq!((log.latest(), log.stats().commits), (Sequence(0), 0), "nothing is acknowledged before its commit");
        log.shared().faults.open_gate();
        let mut numbers: Vec<u64> = appends.join_all().await.into_iter().flatten().map(|receipt| receipt.sequence().0).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
        assert_eq!(log.stats(), Stats { commits: 1, stored: 200, duplicates: 0, refused: 0 });
        assert_eq!(log.free_places(), places);
    });
}

#[test]
fn calls_are_stored_in_the_order_in_which_they_began() {
    run(async {
        let folder = folder();
        // Room for two: the others wait at the door.
        let options = Options { most_queued_appends: 2, ..options() };
        let log = Log::open(folder.path(), SOURCE, options).await.unwrap();
        let mut calls: Vec<_> = (0..50).map(|number: u32| Some(Box::pin(log.append(vec![event(&number.to_string())])))).collect();
        poll_fn(|context| {
            // Begun in order; from then on the last are always asked first.
            let mut waiting = false;
            for call in &mut calls {
                if let Some(begun) = call {
                    match begun.as_mut().poll(context) {
                        Poll::Ready(receipts) => drop((receipts.unwrap(), call.take())),
                        Poll::Pending => waiting = true,
                    }
                }
            }
            calls.reverse();
            if waiting { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        let bodies: Vec<String> =
            all(&log).await.into_iter().map(|stored| String::from_utf8(stored.event.body.to_vec()).unwrap()).collect();
        assert_eq!(bodies, (0..50).map(|number| number.to_string()).collect::<Vec<_>>());
    });
}

#[test]
fn a_known_delivery_is_acknowledged_with_its_first_number() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        assert_eq!(log.append(vec![delivery("a"), event("no id"), event("no id")]).await.unwrap(), stored([1, 2, 3]));
        let again = log.append(vec![delivery("b"), delivery("a"), delivery("b")]).await.unwrap();
        assert_eq!(again, [Receipt::Stored(Sequence(4)), Receipt::Duplicate(Sequence(1)), Receipt::Duplicate(Sequence(4))]);
        log.close().await;
        let log = open(&folder).await;
        let commits = log.stats().commits;
        assert_eq!(log.append(vec![delivery("b")]).await.unwrap(), [Receipt::Duplicate(Sequence(4))]);
        assert_eq!((log.stats().commits, log.stats().duplicates, log.latest()), (commits, 1, Sequence(4)));
    });
}

/// Two clients send the same at once, also within one commit: one event, one number.
#[test]
fn alike_deliveries_at_once_are_stored_once() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        let places = log.free_places();
        log.shared().faults.shut_gate();
        let mut appends = JoinSet::new();
        for number in 0..60 {
            let log = log.clone();
            appends.spawn(async move { (number % 3, log.append(vec![delivery(&format!("id {}", number % 3))]).await.unwrap()) });
        }
        while log.free_places() > places - 60 {
            yield_now().await;
        }
        log.shared().faults.open_gate();
        let mut first = [None; 3];
        let mut stored = 0;
        for (id, receipts) in appends.join_all().await {
            assert_eq!(*first[id].get_or_insert(receipts[0].sequence()), receipts[0].sequence());
            stored += usize::from(matches!(receipts[0], Receipt::Stored(_)));
        }
        assert_eq!((stored, log.latest(), log.stats().commits), (3, Sequence(3), 1));
    });
}

#[test]
fn what_is_too_large_is_refused_alone() {
    run(async {
        let folder = folder();
        let options = Options { most_event_bytes: 10_000, most_queued_bytes: 25_000, ..options() };
        let log = Log::open(folder.path(), SOURCE, options).await.unwrap();
        refused(log.append(vec![of_size(10_000)]).await, ErrorKind::TooLarge, "the event is too large");
        refused(log.append(vec![of_size(9_000); 3]).await, ErrorKind::TooLarge, "the batch of events is too large");
        refused(log.append(vec![delivery(&"i".repeat(1025))]).await, ErrorKind::TooLarge, "the delivery id is too long");
        assert_eq!(log.append(vec![of_size(9_000); 2]).await.unwrap(), stored([1, 2]));
    });
}

/// More is appended at once than the queue takes: all is stored, some wait.
#[test]
fn a_full_queue_makes_appends_wait() {
    run(async {
        let folder = folder();
        let options = Options { most_event_bytes: 10_000, most_queued_bytes: 20_000, most_queued_appends: 3, ..options() };
        let log = Log::open(folder.path(), SOURCE, options).await.unwrap();
        log.shared().faults.shut_gate();
        let mut appends = JoinSet::new();
        for _ in 0..40 {
            let log = log.clone();
            appends.spawn(async move { log.append(vec![of_size(6_000)]).await.unwrap() });
        }
        while log.free_places() > 0 {
            yield_now().await;
        }
        log.shared().faults.open_gate();
        assert_eq!(appends.join_all().await.len(), 40);
        assert_eq!(log.latest(), Sequence(40));
    });
}

#[test]
fn waiting_for_events_is_told_of_them_and_of_the_end() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        let waiting = |after: u64| {
            let log = log.clone();
            tokio::spawn(async move { log.wait_beyond(Sequence(after)).await })
        };
        let (one, two) = (waiting(0), waiting(1));
        log.append(vec![event("a")]).await.unwrap();
        assert_eq!(one.await.unwrap().unwrap(), Sequence(1));
        assert!(!two.is_finished());
        log.append(vec![event("b")]).await.unwrap();
        assert_eq!(two.await.unwrap().unwrap(), Sequence(2));
        let never = waiting(2);
        let ended = tokio::spawn({
            let log = log.clone();
            async move { log.ended().await }
        });
        let clone = log.clone();
        log.close().await;
        refused(never.await.unwrap(), ErrorKind::Closed, "the event log is closed");
        assert_eq!(ended.await.unwrap().kind(), ErrorKind::Closed);
        refused(clone.append(vec![event("c")]).await, ErrorKind::Closed, "the event log is closed");
        refused(clone.read(Sequence(0), ReadLimit::default()).await, ErrorKind::Closed, "the event log is closed");
        assert!(matches!(clone.state(), State::Closed));
    });
}

/// Closing loses nothing that was queued before.
#[test]
fn what_is_queued_is_stored_when_the_log_closes() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        let places = log.free_places();
        log.shared().faults.shut_gate();
        let mut queued = JoinSet::new();
        for _ in 0..10 {
            let log = log.clone();
            queued.spawn(async move { log.append(vec![event("x")]).await });
        }
        while log.free_places() > places - 10 {
            yield_now().await;
        }
        let shared = log.clone();
        let closing = tokio::spawn(log.close());
        shared.shared().faults.open_gate();
        closing.await.unwrap();
        for result in queued.join_all().await {
            assert_eq!(result.unwrap().len(), 1);
        }
        drop(shared);
        assert_eq!(open(&folder).await.latest(), Sequence(10));
    });
}
