//! Whatever is done to a log, in whatever order, it does what a list would do.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::Config;
use tempfile::TempDir;

use super::fixture::{HOUR, SOURCE, folder, open, options, run};
use crate::*;

/// The log that everybody can see is right.
#[derive(Default)]
struct Model {
    /// All events ever; the first `removed` are gone.
    events: Vec<Event>,
    removed: usize,
    /// Delivery ids that are known, by the place of their event.
    ids: BTreeMap<u64, Bytes>,
    consumers: BTreeMap<i64, u64>,
}

#[derive(Debug, Clone)]
enum Act {
    Append(Vec<Event>),
    Read { back: u64, most_events: u64, most_bytes: u64 },
    FirstAt(Micros),
    Backlog { back: u64 },
    Register(i64, Start),
    Advance { consumer: i64, by: u64 },
    Rewind { consumer: i64, back: u64 },
    DropConsumer(i64),
    Remove(Removal),
    Reopen,
}

fn any_event() -> impl Strategy<Value = Event> {
    // Few ids, so that many are alike; times that go back and forth, some far ahead.
    let id = prop::option::weighted(0.7, (0..20_u8).prop_map(|id| Bytes::from(vec![id; 3])));
    let time = prop_oneof![9 => 0..100 * HOUR, 1 => 1000 * HOUR..1001 * HOUR];
    let size = prop_oneof![9 => 0..200_usize, 1 => 3000..20_000_usize];
    (time, id, size).prop_map(|(received_at, delivery_id, size)| Event {
        received_at,
        delivery_id,
        body: Bytes::from(vec![size as u8; size]),
        ..Event::default()
    })
}

fn any_act() -> impl Strategy<Value = Act> {
    let consumer = 0..3_i64;
    let start = prop_oneof![
        Just(Start::Earliest),
        Just(Start::Latest),
        (0..100 * HOUR).prop_map(Start::At),
        (0..40_u64).prop_map(|after| Start::After(Sequence(after))),
    ];
    let span = || prop_oneof![Just(0), Just(HOUR), Just(40 * HOUR), Just(1000 * HOUR)];
    let removal = (0..150 * HOUR, span(), prop_oneof![Just(u64::MAX), 0..20_000_u64], span());
    prop_oneof![
        10 => prop::collection::vec(any_event(), 0..8).prop_map(Act::Append),
        4 => (0..30_u64, 0..20_u64, 0..30_000_u64)
            .prop_map(|(back, most_events, most_bytes)| Act::Read { back, most_events, most_bytes }),
        2 => (0..110 * HOUR).prop_map(Act::FirstAt),
        2 => (0..30_u64).prop_map(|back| Act::Backlog { back }),
        2 => (consumer.clone(), start).prop_map(|(consumer, start)| Act::Register(consumer, start)),
        4 => (consumer.clone(), 0..20_u64).prop_map(|(consumer, by)| Act::Advance { consumer, by }),
        1 => (consumer.clone(), 0..30_u64).prop_map(|(consumer, back)| Act::Rewind { consumer, back }),
        1 => consumer.prop_map(Act::DropConsumer),
        4 => removal.prop_map(|(now, keep_for, keep_bytes, remember_ids_for)| Act::Remove(Removal { now, keep_for, keep_bytes, remember_ids_for })),
        2 => Just(Act::Reopen),
    ]
}

impl Model {
    fn latest(&self) -> u64 {
        self.events.len() as u64
    }

    fn append(&mut self, events: Vec<Event>) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for event in events {
            let known = self.ids.iter().find(|(_, id)| Some(*id) == event.delivery_id.as_ref());
            if let Some((first, _)) = known {
                receipts.push(Receipt::Duplicate(Sequence(*first)));
                continue;
            }
            let number = self.latest() + 1;
            if let Some(id) = &event.delivery_id {
                self.ids.insert(number, id.clone());
            }
            self.events.push(event);
            receipts.push(Receipt::Stored(Sequence(number)));
        }
        receipts
    }

    fn reachable(&self, position: u64) -> std::result::Result<(), ErrorKind> {
        match position {
            _ if position < self.removed as u64 => Err(ErrorKind::Gone),
            _ if position > self.latest() => Err(ErrorKind::Invalid),
            _ => Ok(()),
        }
    }

    /// What is after a position and still there, with the numbers.
    fn after(&self, position: u64) -> impl Iterator<Item = (u64, &Event)> {
        let skipped = (position as usize).max(self.removed);
        (1..).zip(&self.events).skip(skipped)
    }

    fn read(&self, after: u64, most_events: u64, most_bytes: u64) -> std::result::Result<Vec<StoredEvent>, ErrorKind> {
        self.reachable(after)?;
        let mut bytes = 0;
        let fits = |(place, (_, event)): &(usize, (u64, &Event))| {
            bytes += event.size_bytes();
            *place == 0 || bytes <= most_bytes
        };
        let events = self.after(after).take(most_events as usize).enumerate().take_while(fits);
        Ok(events.map(|(_, (number, event))| StoredEvent { sequence: Sequence(number), event: event.clone() }).collect())
    }

    /// The latest time so far may be that of an event that is gone.
    fn first_at(&self, time: Micros) -> Option<u64> {
        let mut newest = Micros::MIN;
        let reached = self.events.iter().position(|event| {
            newest = newest.max(event.received_at);
            newest >= time
        })?;
        let first = reached.max(self.removed) + 1;
        (first <= self.events.len()).then_some(first as u64)
    }

    fn register(&mut self, consumer: i64, start: Start) -> std::result::Result<u64, ErrorKind> {
        if let Some(position) = self.consumers.get(&consumer) {
            return Ok(*position);
        }
        let position = match start {
            Start::Earliest => self.removed as u64,
            Start::Latest => self.latest(),
            Start::At(time) => self.first_at(time).map_or(self.latest(), |first| first - 1),
            Start::After(position) => position.0,
        };
        self.reachable(position)?;
        self.consumers.insert(consumer, position);
        Ok(position)
    }

    fn remove(&mut self, removal: &Removal) -> u64 {
        let passed = self.consumers.values().min().copied().unwrap_or(self.latest());
        let total: u64 = self.events.iter().map(Event::size_bytes).sum();
        let mut before: u64 = self.events[..self.removed].iter().map(Event::size_bytes).sum();
        let mut through = self.removed;
        for (number, event) in self.after(0).take_while(|(number, _)| *number <= passed) {
            let beyond = total - before > removal.keep_bytes;
            before += event.size_bytes();
            match event.received_at {
                _ if beyond => through = number as usize,
                time if time < removal.now - removal.keep_for => through = number as usize,
                time if time <= removal.now => break,
                _ => {}
            }
        }
        let count = through - self.removed;
        self.removed = through;
        let mut forgotten = 0;
        for number in self.ids.keys() {
            match self.events[*number as usize - 1].received_at {
                time if time < removal.now - removal.remember_ids_for => forgotten = *number,
                time if time <= removal.now => break,
                _ => {}
            }
        }
        self.ids.retain(|number, _| *number > forgotten);
        count as u64
    }
}

fn kind<T>(result: Result<T>) -> std::result::Result<T, ErrorKind> {
    result.map_err(|error| error.kind())
}

async fn follow(folder: &TempDir, acts: Vec<Act>) {
    let mut log = open(folder).await;
    let mut model = Model::default();
    for act in acts {
        let told = format!("{act:?}");
        match act {
            Act::Append(events) => assert_eq!(log.append(events.clone()).await.unwrap(), model.append(events), "{told}"),
            Act::Read { back, most_events, most_bytes } => {
                let after = (model.latest() + 1).saturating_sub(back);
                let limit = ReadLimit { most_events, most_bytes, ..ReadLimit::default() };
                let page = kind(log.read(Sequence(after), limit).await);
                assert_eq!(page.map(|page| page.events), model.read(after, most_events, most_bytes), "{told}");
            }
            Act::FirstAt(time) => assert_eq!(log.first_at_or_after(time).await.unwrap(), model.first_at(time).map(Sequence), "{told}"),
            Act::Backlog { back } => {
                let after = model.latest().saturating_sub(back);
                let waiting: Vec<_> = model.after(after).map(|(_, event)| event).collect();
                let bytes = waiting.iter().map(|event| event.size_bytes()).sum();
                let oldest_at = waiting.first().map(|event| event.received_at);
                let expected = Backlog { events: waiting.len() as u64, bytes, oldest_at };
                assert_eq!(log.backlog(Sequence(after)).await.unwrap(), expected, "{told}");
            }
            Act::Register(consumer, start) => {
                let position = kind(log.register(ConsumerId(consumer), start).await);
                assert_eq!(position, model.register(consumer, start).map(Sequence), "{told}");
            }
            Act::Advance { consumer, by } => {
                let current = model.consumers.get(&consumer).copied();
                let to = (current.unwrap_or(0) + by).saturating_sub(2);
                let expected = match current {
                    None => Err(ErrorKind::NotFound),
                    Some(current) if to <= current => Ok(current),
                    Some(_) => model.reachable(to).map(|()| to),
                };
                assert_eq!(kind(log.advance(ConsumerId(consumer), Sequence(to)).await), expected.map(Sequence), "{told}");
                if let Ok(to) = expected {
                    model.consumers.insert(consumer, to);
                }
            }
            Act::Rewind { consumer, back } => {
                let to = (model.latest() + 1).saturating_sub(back);
                let known = model.consumers.get(&consumer).ok_or(ErrorKind::NotFound);
                let expected = known.and_then(|_| model.reachable(to)).map(|()| to);
                assert_eq!(kind(log.rewind(ConsumerId(consumer), Sequence(to)).await), expected.map(Sequence), "{told}");
                if let Ok(to) = expected {
                    model.consumers.insert(consumer, to);
                }
            }
            Act::DropConsumer(consumer) => {
                log.drop_consumer(ConsumerId(consumer)).await.unwrap();
                model.consumers.remove(&consumer);
            }
            Act::Remove(removal) => assert_eq!(log.remove(removal).await.unwrap().events, model.remove(&removal), "{told}"),
            Act::Reopen => {
                log.close().await;
                log = Log::open(folder.path(), SOURCE, options()).await.unwrap();
            }
        }
        assert_eq!((log.latest().0, log.start().0), (model.latest(), model.removed as u64), "{told}");
    }
    let consumers: Vec<_> = log.consumers().await.unwrap().iter().map(|consumer| (consumer.id.0, consumer.position.0)).collect();
    assert_eq!(consumers, model.consumers.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_log_does_what_a_list_would_do() {
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    proptest!(config, |(acts in prop::collection::vec(any_act(), 1..60))| {
        let folder = folder();
        run(follow(&folder, acts));
    });
}
