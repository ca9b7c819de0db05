//! The log of events as a stream: who sees what, what makes a run, and what was forgotten.

use futures::TryStreamExt;
use serde_json::{Value as Json, json};
use weir_catalog::{Kind, NewEvent, ObjectId};

use super::*;
use crate::error::Code;
use crate::sources::{BatchLimit, Range, ScanRequest, Source, StartPoint};

const ALL: BatchLimit = BatchLimit { files: usize::MAX, bytes: u64::MAX };
const HOUR: Micros = 60 * MINUTE;

fn publish(bench: &Bench, kind: &str, object: Option<ObjectId>) {
    let event = NewEvent {
        time: bench.clock.now(),
        kind: kind.to_owned(),
        source: "/roles/ana".to_owned(),
        subject: None,
        object,
        data: "{}".to_owned(),
    };
    bench.store().add_events(&[event]).unwrap();
}

async fn kinds(stream: &dyn Source, from: Option<Json>, to: i64) -> Vec<String> {
    let request = ScanRequest { provenance: true, rejects: None, ordered: true, partitions: 1 };
    let table = stream.scan(Some(Range { from, to: json!({ "seq": to }) }), request).await.unwrap();
    let context = datafusion::prelude::SessionContext::new();
    let plan = table.scan(&context.state(), Some(&vec![0, 3]), &[], None).await.unwrap();
    let rows = datafusion::physical_plan::execute_stream(plan, context.task_ctx()).unwrap();
    rows.try_collect::<Vec<_>>().await.unwrap().iter().flat_map(lines).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_hears_others_and_not_itself() {
    let bench = Bench::new();
    let pipeline = |name: &str, query: &str| {
        bench.create(Kind::Pipeline, "public", name, &format!("CREATE PIPELINE {name} INTO t_{name} APPEND AS {query}"), Json::Null)
    };
    let reader = pipeline("reader", "SELECT seq FROM STREAM(hub.events)");
    let other = pipeline("other", "SELECT type FROM STREAM(hub.events)");
    let plain = pipeline("plain", "SELECT 1 AS a");
    let from = Some(json!({ "seq": bench.store().newest_event().unwrap() }));
    let first = bench.store().newest_event().unwrap() + 1;
    let stream = bench.engine.event_stream("ana", Some(reader.id));
    assert_eq!(stream.next(from.as_ref(), &ALL).await.unwrap(), None);

    publish(&bench, "own", Some(reader.id));
    assert_eq!(stream.next(from.as_ref(), &ALL).await.unwrap(), None, "its own run would make another");
    assert_eq!(stream.passes_over(from.as_ref().unwrap()).await.unwrap(), Some(json!({ "seq": first })));
    publish(&bench, "other", Some(other.id));
    assert_eq!(stream.next(from.as_ref(), &ALL).await.unwrap(), None, "two readers would set each other off");
    assert_eq!(stream.passes_over(from.as_ref().unwrap()).await.unwrap(), None, "it is still to be read");
    publish(&bench, "plain", Some(plain.id));
    let to = first + 2;
    assert_eq!(stream.next(from.as_ref(), &ALL).await.unwrap(), Some(json!({ "seq": to })));
    assert_eq!(kinds(stream.as_ref(), from.clone(), to).await, [format!("{}|other", first + 1), format!("{to}|plain")]);

    // Alone it waits for an hour.
    publish(&bench, "again", Some(other.id));
    let read = Some(json!({ "seq": to }));
    assert_eq!(stream.next(read.as_ref(), &ALL).await.unwrap(), None);
    bench.clock.advance_to(bench.clock.now() + HOUR);
    assert_eq!(stream.next(read.as_ref(), &ALL).await.unwrap(), Some(json!({ "seq": to + 1 })));

    // Whoever may not know of a pipeline hears nothing of it.
    publish(&bench, "said", None);
    bench.store().put_role(&Role::named("bob")).unwrap();
    let stranger = bench.engine.event_stream("bob", None);
    assert_eq!(kinds(stranger.as_ref(), from, to + 2).await, [format!("{}|said", to + 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forgotten_is_an_error() {
    let bench = Bench::new();
    let stream = bench.engine.event_stream("ana", None);
    for _ in 0..2500 {
        publish(&bench, "said", None);
    }
    let newest = bench.store().newest_event().unwrap();
    let read = json!({ "seq": newest - 2000 });
    assert_eq!(kinds(stream.as_ref(), Some(read.clone()), newest).await.len(), 2000, "page after page");
    assert_eq!(bench.store().forget_events(bench.clock.now() + 1, newest - 1000, 10_000).unwrap() as i64, newest - 1000);
    let next = stream.next(Some(&read), &ALL).await.unwrap_err();
    let range = Range { from: Some(read), to: json!({ "seq": newest }) };
    for error in [next, stream.scan(Some(range), ScanRequest::default()).await.unwrap_err()] {
        assert_eq!(error.code(), Code::WrongState);
        assert_eq!(error.message(), format!("events {} to {} are no longer kept", newest - 1999, newest - 1000));
        assert!(error.hint_text().unwrap().contains("RESET OFFSETS FOR hub.events TO EARLIEST"), "{error:?}");
    }
    let earliest = stream.position_at(&StartPoint::Earliest).await.unwrap().unwrap();
    assert_eq!(stream.next(Some(&earliest), &ALL).await.unwrap(), Some(json!({ "seq": newest })));
    assert_eq!(kinds(stream.as_ref(), None, newest).await.len(), 1000);
}
