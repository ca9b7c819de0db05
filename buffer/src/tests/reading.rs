//! Reading: pages, times, backlogs.

use super::fixture::*;
use crate::*;

#[test]
fn pages_end_where_their_limits_are() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        log.append(vec![of_size(100), of_size(100), of_size(5000), of_size(100)]).await.unwrap();
        let size = of_size(100).size_bytes();
        let read = |after: u64, most_events: u64, most_bytes: u64| {
            let log = log.clone();
            async move { log.read(Sequence(after), ReadLimit { most_events, most_bytes, ..ReadLimit::default() }).await.unwrap() }
        };
        assert_eq!(numbers(&read(0, 2, u64::MAX).await), [1, 2]);
        assert_eq!(numbers(&read(0, 9, 2 * size).await), [1, 2]);
        assert_eq!(numbers(&read(0, 9, 2 * size - 1).await), [1]);
        assert_eq!(numbers(&read(2, 9, 1).await), [3], "one that is too large is given alone");
        assert_eq!(numbers(&read(3, u64::MAX, u64::MAX).await), [4]);
        let end = read(4, 9, 9).await;
        assert_eq!((end.events.len(), end.through, end.latest), (0, Sequence(4), Sequence(4)));
        let range = ReadLimit { through: Sequence(3), ..ReadLimit::default() };
        assert_eq!(numbers(&log.read(Sequence(1), range).await.unwrap()), [2, 3]);
        let error = log.read(Sequence(5), ReadLimit::default()).await;
        refused(error, ErrorKind::Invalid, "the position is beyond the newest event");
    });
}

/// The hub's clock was an hour ahead for one event.
#[test]
fn a_time_is_found_also_when_the_clock_went_back() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        assert_eq!(log.first_at_or_after(0).await.unwrap(), None);
        log.append([10, 20, 20, 50, 30, 40, 60].map(at).to_vec()).await.unwrap();
        for (time, first) in [(i64::MIN, 1), (10, 1), (11, 2), (20, 2), (21, 4), (30, 4), (50, 4), (51, 7), (60, 7)] {
            assert_eq!(log.first_at_or_after(time).await.unwrap(), Some(Sequence(first)), "{time}");
        }
        assert_eq!(log.first_at_or_after(61).await.unwrap(), None);
    });
}

#[test]
fn a_backlog_is_counted_from_any_position() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        assert_eq!(log.backlog(Sequence(0)).await.unwrap(), Backlog::default());
        log.append([10, 20, 30].map(at).to_vec()).await.unwrap();
        let size = at(0).size_bytes();
        let of = |events: u64, oldest_at| Backlog { events, bytes: events * size, oldest_at };
        assert_eq!(log.backlog(Sequence(0)).await.unwrap(), of(3, Some(10)));
        assert_eq!(log.backlog(Sequence(2)).await.unwrap(), of(1, Some(30)));
        assert_eq!(log.backlog(Sequence(3)).await.unwrap(), of(0, None));
        assert_eq!(log.backlog(Sequence(9)).await.unwrap(), of(0, None));
        log.remove(Removal { keep_for: 0, ..Removal::at(25) }).await.unwrap();
        assert_eq!(log.backlog(Sequence(0)).await.unwrap(), of(1, Some(30)));
        assert_eq!(log.bytes(), size);
    });
}

/// A reader has its snapshot; the writer neither waits for it nor disturbs it.
#[test]
fn readers_and_the_writer_do_not_disturb_each_other() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        let mut readers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let log = log.clone();
            readers.spawn(async move {
                let mut after = Sequence(0);
                while after < Sequence(400) {
                    log.wait_beyond(after).await.unwrap();
                    let page = log.read(after, ReadLimit { most_events: 7, ..ReadLimit::default() }).await.unwrap();
                    assert!(!page.events.is_empty(), "what was told is there");
                    after = page.through;
                }
            });
        }
        for _ in 0..400 {
            log.append(vec![event("x")]).await.unwrap();
        }
        readers.join_all().await;
    });
}
