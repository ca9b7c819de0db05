//! Removal: what goes, what stays, and that space comes back.

use std::fs;

use super::fixture::*;
use crate::*;

const P: ConsumerId = ConsumerId(1);
const Q: ConsumerId = ConsumerId(2);

fn everything(now: Micros) -> Removal {
    Removal { now, keep_for: 0, keep_bytes: 0, remember_ids_for: 0 }
}

#[test]
fn nothing_goes_that_a_consumer_has_not_passed() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        log.append(vec![event("x"); 1000]).await.unwrap();
        log.register(P, Start::Earliest).await.unwrap();
        log.register(Q, Start::Latest).await.unwrap();
        assert_eq!(log.remove(everything(HOUR)).await.unwrap().events, 0);
        log.advance(P, Sequence(600)).await.unwrap();
        assert_eq!(log.remove(everything(HOUR)).await.unwrap().events, 600);
        assert_eq!(log.remove(everything(HOUR)).await.unwrap(), Removed::default());
        log.close().await;
        let log = open(&folder).await;
        assert_eq!((log.earliest(), all(&log).await.len()), (Some(Sequence(601)), 400));
        log.drop_consumer(P).await.unwrap();
        assert_eq!(log.remove(everything(HOUR)).await.unwrap().events, 400);
        assert_eq!((log.earliest(), log.latest(), log.bytes()), (None, Sequence(1000), 0));
    });
}

#[test]
fn numbers_and_times_go_on_after_everything_was_removed() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        log.append(vec![at(50), at(40)]).await.unwrap();
        log.remove(everything(HOUR)).await.unwrap();
        log.close().await;
        let log = open(&folder).await;
        assert_eq!((log.latest(), log.start()), (Sequence(2), Sequence(2)));
        assert_eq!(log.append(vec![at(45), at(60)]).await.unwrap(), stored([3, 4]));
        assert_eq!(log.first_at_or_after(60).await.unwrap(), Some(Sequence(4)));
        assert_eq!(log.backlog(Sequence(0)).await.unwrap().events, 2);
    });
}

#[test]
fn age_and_size_decide_together() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        let size = at(0).size_bytes();
        log.append([10, 20, 30, 40, 50, 60].map(at).to_vec()).await.unwrap();
        let removal = |keep_for, keep_bytes| Removal { now: 100, keep_for, keep_bytes, remember_ids_for: 100 };
        assert_eq!(log.remove(removal(90, u64::MAX)).await.unwrap().events, 0, "10 is 90 old, not older");
        assert_eq!(log.remove(removal(80, u64::MAX)).await.unwrap().events, 1);
        assert_eq!(log.remove(removal(1000, 4 * size)).await.unwrap().events, 1);
        assert_eq!(log.remove(removal(1000, 3 * size - 1)).await.unwrap().events, 2);
        assert_eq!(log.remove(removal(0, u64::MAX)).await.unwrap().events, 2);
    });
}

/// The clock was a day ahead for some events: they neither keep those behind them for a day nor go before those in front of them.
#[test]
fn an_event_from_the_future_is_as_old_as_those_after_it() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        let future = 24 * HOUR;
        log.append([10, future, future, 20, future, 90].map(at).to_vec()).await.unwrap();
        let removal = Removal { now: 100, keep_for: 50, keep_bytes: u64::MAX, remember_ids_for: 50 };
        assert_eq!(log.remove(removal).await.unwrap().events, 4);
        assert_eq!(log.earliest(), Some(Sequence(5)));
    });
}

#[test]
fn a_delivery_id_is_known_after_its_event_is_gone() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        let sent = |id: &str, received_at| Event { received_at, ..delivery(id) };
        log.append(vec![sent("a", HOUR), sent("b", 2 * HOUR)]).await.unwrap();
        let removed = log.remove(Removal { keep_for: 0, ..Removal::at(73 * HOUR) }).await.unwrap();
        assert_eq!((removed.events, removed.ids), (2, 0));
        log.close().await;
        let log = open(&folder).await;
        assert_eq!(log.append(vec![sent("a", 73 * HOUR)]).await.unwrap(), [Receipt::Duplicate(Sequence(1))]);
        let removed = log.remove(Removal::at(73 * HOUR + 1)).await.unwrap();
        assert_eq!(removed.ids, 1);
        assert_eq!(log.append(vec![sent("b", 74 * HOUR)]).await.unwrap(), [Receipt::Duplicate(Sequence(2))]);
        assert_eq!(log.append(vec![sent("a", 74 * HOUR)]).await.unwrap(), stored([3]));
    });
}

#[test]
fn space_is_given_back_to_the_file_system() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        for _ in 0..10 {
            log.append(vec![of_size(40_000); 100]).await.unwrap();
        }
        log.append(vec![event("last")]).await.unwrap();
        log.close().await;
        let path = folder.path().join("7.db");
        let before = fs::metadata(&path).unwrap().len();
        assert!(before > 40_000_000, "{before}");
        let log = open(&folder).await;
        log.register(P, Start::After(Sequence(1000))).await.unwrap();
        let removed = log.remove(everything(HOUR)).await.unwrap();
        assert_eq!(removed.events, 1000);
        log.close().await;
        let after = fs::metadata(&path).unwrap().len();
        assert!(after <= 10 << 20, "{after} bytes for one event");
        assert!(before - after >= removed.freed_bytes && removed.freed_bytes > 0);
        let log = open(&folder).await;
        assert_eq!(all(&log).await.len(), 1);
    });
}

#[test]
fn a_short_disk_gets_all_space_back() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        log.append(vec![of_size(40_000); 50]).await.unwrap();
        log.append(vec![at(HOUR)]).await.unwrap();
        let first = Removal { keep_bytes: u64::MAX, ..everything(HOUR) };
        let removed = log.remove(first).await.unwrap();
        assert_eq!((removed.events, removed.freed_bytes), (50, 0), "so little is used again");
        log.close().await;
        let log = Log::open(folder.path(), SOURCE, Options { free_bytes_kept: u64::MAX, ..options() }).await.unwrap();
        let removed = log.remove(first).await.unwrap();
        assert!(removed.events == 0 && removed.freed_bytes > 1_900_000, "{removed:?}");
        log.close().await;
        assert!(fs::metadata(folder.path().join("7.db")).unwrap().len() < 100_000);
    });
}

/// Appends come between the steps of a removal: none waits for all of it.
#[test]
fn appends_go_on_while_events_are_removed() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        for _ in 0..20 {
            log.append(vec![of_size(500); 1000]).await.unwrap();
        }
        let removing = tokio::spawn({
            let log = log.clone();
            async move { log.remove(Removal { keep_bytes: u64::MAX, ..everything(HOUR) }).await.unwrap() }
        });
        let mut between = 0;
        while !removing.is_finished() {
            log.append(vec![at(2 * HOUR)]).await.unwrap();
            between += 1;
        }
        assert_eq!(removing.await.unwrap().events, 20_000);
        assert!(between >= 10, "{between}");
        assert_eq!(all(&log).await.len(), between);
    });
}
