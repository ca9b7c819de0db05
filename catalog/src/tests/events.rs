//! The log of events: in the transaction of what it tells, told after the commit, numbered without end.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::fixture::{Fixture, NOW, create, end_of, new, refused, run_of};
use crate::*;

fn said(kind: &str, time: Micros) -> NewEvent {
    NewEvent { time, kind: kind.into(), source: "/roles/ana".into(), subject: None, object: None, data: json!({"n": 1}).to_string() }
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

fn data(event: &Event) -> serde_json::Value {
    serde_json::from_str(&event.data).unwrap()
}

fn all(store: &dyn Store) -> Vec<Event> {
    store.events(&EventFilter::default()).unwrap()
}

#[test]
fn a_run_logs_its_start_and_its_end() {
    let f = Fixture::new();
    let p = f.make(Kind::Pipeline, "p", &[]).id;
    let run = f.store.freeze_run(&run_of(p)).unwrap();
    let output = RunOutput {
        run_id: run.run_id,
        step: String::new(),
        output: "t".into(),
        target_id: ObjectId(20_000),
        target: "shop.t".into(),
        mode: "append".into(),
        rows: 4,
        table_version_before: Some(1),
        table_version: Some(2),
    };
    let counts = Counts { read: 5, written: 4, quarantined: 1, ..Counts::default() };
    let end = RunEnd { counts, outputs: vec![output], ..end_of(&run, RunStatus::Succeeded, NOW + 5) };
    f.store.end_run(&end).unwrap();
    // Ending it again says nothing more.
    f.store.end_run(&end).unwrap();
    let events = all(&*f.store);
    assert_eq!(kinds(&events), ["hub.run.started", "hub.batch.committed", "hub.records.quarantined", "hub.run.completed"]);
    assert!(events.iter().all(|event| event.subject.as_deref() == Some("shop.p") && event.object == Some(p) && event.source == "/hub"));
    assert_eq!((events[0].time, events[3].time), (NOW, NOW + 5));
    assert_eq!(data(&events[1])["table_version"], 2);
    assert_eq!((&data(&events[3])["rows_out"], &data(&events[3])["status"]), (&json!(4), &json!("succeeded")));
    for (status, kind) in [(RunStatus::Failed, "hub.run.failed"), (RunStatus::Cancelled, "hub.run.cancelled")] {
        let run = f.store.freeze_run(&run_of(p)).unwrap();
        f.store.end_run(&RunEnd { counts, ..end_of(&run, status, NOW) }).unwrap();
        let events = all(&*f.store);
        assert_eq!(kinds(&events[events.len() - 2..]), ["hub.run.started", kind], "a run that did not land has quarantined nothing");
    }
}

#[test]
fn what_is_not_committed_is_neither_logged_nor_told() {
    let f = Fixture::new();
    let p = f.make(Kind::Pipeline, "p", &[]).id;
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    f.store.when_events(Box::new(move |events| heard.lock().unwrap().extend(events.iter().map(|event| (event.seq, event.kind.clone())))));
    let run = f.store.freeze_run(&run_of(p)).unwrap();
    refused(f.store.freeze_run(&run_of(p)), ErrorKind::Conflict, "pipeline \"shop.p\" already has a run that is not over");
    // The event comes before the change that fails: it goes with it.
    let view = new(&*f.store, Kind::View, "v");
    let nowhere = Object { schema: "nowhere".into(), ..view.clone() };
    let changes = [Change::Event(said("lost", NOW)), create(&nowhere)];
    f.store.apply(&changes, "admin", NOW).unwrap_err();
    f.store.apply(&[create(&view), Change::Event(said("kept", NOW))], "admin", NOW).unwrap();
    f.store.end_run(&end_of(&run, RunStatus::Succeeded, NOW)).unwrap();
    let logged: Vec<(i64, String)> = all(&*f.store).into_iter().map(|event| (event.seq, event.kind)).collect();
    assert_eq!(logged, [(1, "hub.run.started".to_owned()), (2, "kept".to_owned()), (3, "hub.run.completed".to_owned())]);
    assert_eq!(*told.lock().unwrap(), logged);
}

#[test]
fn a_draft_logs_its_events_with_its_commit() {
    let f = Fixture::new();
    let draft = Draft::new(Arc::clone(&f.store));
    draft.stage(&[create(&new(&draft, Kind::View, "v"))], "admin", NOW).unwrap();
    assert!(all(&*f.store).is_empty());
    draft.commit_telling(&[said("with", NOW)], "admin", NOW).unwrap();
    assert!(f.store.relation("shop", "v").unwrap().is_some());
    // The name is taken now: neither the view nor the event.
    let second = Draft::new(Arc::clone(&f.store));
    let other = new(&second, Kind::View, "w");
    second.stage(&[create(&other)], "admin", NOW).unwrap();
    f.make(Kind::View, "w", &[]);
    second.commit_telling(&[said("without", NOW)], "admin", NOW).unwrap_err();
    // Nothing but an event.
    Draft::new(Arc::clone(&f.store)).commit_telling(&[said("alone", NOW)], "admin", NOW).unwrap();
    assert_eq!(kinds(&all(&*f.store)), ["with", "alone"]);
}

#[test]
fn what_a_trigger_saw_is_stored_with_the_run_or_not_at_all() {
    let f = Fixture::new();
    let p = f.make(Kind::Pipeline, "p", &[]).id;
    let mark = |seen: i64| TriggerMark { pipeline_id: p, trigger: "TRIGGER ON EVENT e".into(), state: json!({ "seen": seen }) };
    f.store.freeze_triggered(&run_of(p), &[mark(1)]).unwrap();
    f.store.freeze_triggered(&run_of(p), &[mark(2)]).unwrap_err();
    let f = f.reopen();
    assert_eq!(f.store.trigger_state(p, "TRIGGER ON EVENT e").unwrap(), Some(json!({"seen": 1})));
}

#[test]
fn events_can_be_narrowed_and_old_ones_go() {
    let f = Fixture::new();
    for n in 1..=6 {
        f.store.add_events(&[said(if n % 2 == 0 { "even" } else { "odd" }, NOW + n)]).unwrap();
    }
    let seqs = |filter: EventFilter| f.store.events(&filter).unwrap().iter().map(|event| event.seq).collect::<Vec<_>>();
    let even = Some("even".to_owned());
    assert_eq!(seqs(EventFilter { after: 2, ..EventFilter::default() }), [3, 4, 5, 6]);
    assert_eq!(seqs(EventFilter { after: 1, to: Some(5), kind: even, ..EventFilter::default() }), [2, 4]);
    assert_eq!(seqs(EventFilter { limit: Some(2), ..EventFilter::default() }), [1, 2]);
    // Somebody still has to read the third.
    assert_eq!(f.store.forget_events(NOW + 6, 2, 100).unwrap(), 2);
    assert_eq!(f.store.forget_events(NOW + 5, i64::MAX, 100).unwrap(), 2);
    assert_eq!(seqs(EventFilter::default()), [5, 6]);
    assert_eq!(f.store.forgotten_events().unwrap(), 4);
    assert_eq!(f.store.forget_events(NOW + 100, i64::MAX, 1).unwrap(), 1);
    assert_eq!(f.store.forget_events(NOW + 100, i64::MAX, 100).unwrap(), 1);
    // The numbers go on after all are gone, and after a restart.
    let f = f.reopen();
    assert_eq!(f.store.newest_event().unwrap(), 6);
    assert_eq!(f.store.forgotten_events().unwrap(), 6);
    f.store.add_events(&[said("next", NOW)]).unwrap();
    assert_eq!(all(&*f.store)[0].seq, 7);
}
