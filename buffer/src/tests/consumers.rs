//! Consumers: where they begin, and that they only move forward.

use super::fixture::*;
use crate::*;

const P: ConsumerId = ConsumerId(1);
const Q: ConsumerId = ConsumerId(-2);

#[test]
fn consumers_begin_where_they_are_told() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        log.append([10, 20, 30].map(at).to_vec()).await.unwrap();
        let starts = [
            (Start::Earliest, 0),
            (Start::Latest, 3),
            (Start::At(20), 1),
            (Start::At(31), 3),
            (Start::At(0), 0),
            (Start::After(Sequence(2)), 2),
            (Start::After(Sequence(3)), 3),
        ];
        for (id, (start, position)) in (10..).zip(starts) {
            assert_eq!(log.register(ConsumerId(id), start).await.unwrap(), Sequence(position), "{start:?}");
        }
        let beyond = log.register(P, Start::After(Sequence(4))).await;
        refused(beyond, ErrorKind::Invalid, "the position is beyond the newest event");
        assert_eq!(log.consumers().await.unwrap().len(), starts.len());
        assert_eq!(log.register(ConsumerId(10), Start::Latest).await.unwrap(), Sequence(0), "who is there keeps its position");
    });
}

#[test]
fn positions_move_forward_unless_a_rewind_is_asked_for() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        log.append(vec![event("x"); 5]).await.unwrap();
        refused(log.advance(P, Sequence(1)).await, ErrorKind::NotFound, "consumer 1 is not registered");
        refused(log.rewind(P, Sequence(1)).await, ErrorKind::NotFound, "consumer 1 is not registered");
        log.register(P, Start::Earliest).await.unwrap();
        log.register(Q, Start::Latest).await.unwrap();
        assert_eq!(log.advance(P, Sequence(3)).await.unwrap(), Sequence(3));
        assert_eq!(log.advance(P, Sequence(2)).await.unwrap(), Sequence(3));
        refused(log.advance(P, Sequence(6)).await, ErrorKind::Invalid, "the position is beyond the newest event");
        assert_eq!(log.rewind(P, Sequence(1)).await.unwrap(), Sequence(1));
        log.close().await;
        let log = open(&folder).await;
        let expected = [Consumer { id: Q, position: Sequence(5) }, Consumer { id: P, position: Sequence(1) }];
        assert_eq!(log.consumers().await.unwrap(), expected);
        log.drop_consumer(Q).await.unwrap();
        log.drop_consumer(Q).await.unwrap();
        assert_eq!(log.consumers().await.unwrap(), expected[1..]);
    });
}

#[test]
fn a_position_whose_events_are_gone_is_refused() {
    run(async {
        let folder = folder();
        let log = open(&folder).await;
        log.append(vec![event("x"); 5]).await.unwrap();
        log.register(P, Start::After(Sequence(3))).await.unwrap();
        log.remove(Removal { keep_for: 0, ..Removal::at(HOUR) }).await.unwrap();
        assert_eq!(log.start(), Sequence(3));
        let message = "the events asked for were removed";
        refused(log.rewind(P, Sequence(2)).await, ErrorKind::Gone, message);
        refused(log.register(Q, Start::After(Sequence(2))).await, ErrorKind::Gone, message);
        let error = refused(log.read(Sequence(2), ReadLimit::default()).await, ErrorKind::Gone, message);
        assert_eq!(error.detail(), Some("Events after 2 were asked for; everything up to 3 is gone."));
        assert_eq!(log.register(Q, Start::Earliest).await.unwrap(), Sequence(3));
        assert_eq!(numbers(&log.read(Sequence(3), ReadLimit::default()).await.unwrap()), [4, 5]);
    });
}
