//! Runs from freezing to their end, positions, and the history they leave.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use serde_json::json;
use uuid::Uuid;

use super::fixture::{Fixture, NOW, create, end_of, new, refused, run_of};
use crate::*;

#[test]
fn a_run_is_frozen_once_per_pipeline_and_numbered_without_gaps() {
    let f = Fixture::new();
    let (p, q) = (f.make(Kind::Pipeline, "p", &[]).id, f.make(Kind::Pipeline, "q", &[]).id);
    let first = f.store.freeze_run(&run_of(p)).unwrap();
    assert_eq!(first.batch, 1);
    let error = refused(f.store.freeze_run(&run_of(p)), ErrorKind::Conflict, "pipeline \"shop.p\" already has a run that is not over");
    assert_eq!(error.detail(), Some(format!("The other run is {}.", first.run_id).as_str()));
    assert_eq!(f.store.freeze_run(&run_of(q)).unwrap().batch, 1);
    f.store.end_run(&end_of(&first, RunStatus::Failed, NOW + 1)).unwrap();
    assert_eq!(f.store.freeze_run(&first).unwrap_err().kind(), ErrorKind::Duplicate);
    let second = f.store.freeze_run(&run_of(p)).unwrap();
    assert_eq!(second.batch, 2);
    f.store.end_run(&end_of(&second, RunStatus::Succeeded, NOW + 2)).unwrap();
    // Starting again from the beginning does not start the numbers again.
    f.store.set_offset(p, ObjectId(16_500), None, NOW).unwrap();
    let f = f.reopen();
    assert_eq!(f.store.freeze_run(&run_of(p)).unwrap().batch, 3);
}

#[test]
fn a_run_comes_back_as_frozen_and_marked() {
    let f = Fixture::new();
    let p = f.make(Kind::Pipeline, "p", &[]).id;
    let inputs = [
        Input::Version { version: 7 },
        Input::DeadLetters { ids: vec!["a".into()] },
        Input::Live,
        Input::Stream { from: Some(json!(1)), to: json!(2) },
    ];
    let inputs = inputs.map(|input| RunInput { relation_id: ObjectId(1), relation: "shop.r".into(), input, schema_version: None });
    let frozen = f.store.freeze_run(&Run { inputs: inputs.to_vec(), ..run_of(p) }).unwrap();
    let f = f.reopen();
    let unfinished = RunFilter { unfinished: true, ..RunFilter::default() };
    assert_eq!(f.store.runs(&unfinished).unwrap(), std::slice::from_ref(&frozen));
    f.store.mark_run(frozen.run_id, RunStatus::Running, 1, NOW + 1, None, None).unwrap();
    f.store.mark_run(frozen.run_id, RunStatus::Queued, 2, NOW + 2, Some("source is down"), Some("08001")).unwrap();
    f.store.mark_run(frozen.run_id, RunStatus::Running, 2, NOW + 3, None, None).unwrap();
    let marked = Run {
        status: RunStatus::Running,
        attempt: 2,
        started_at: Some(NOW + 1),
        error: Some("source is down".into()),
        sqlstate: Some("08001".into()),
        ..frozen.clone()
    };
    assert_eq!(f.store.runs(&unfinished).unwrap(), std::slice::from_ref(&marked));
    f.store.mark_run(frozen.run_id, RunStatus::Cancelled, 2, NOW + 4, None, None).unwrap();
    f.store.mark_run(frozen.run_id, RunStatus::Running, 3, NOW + 5, None, None).unwrap();
    let over = Run { status: RunStatus::Cancelled, ended_at: Some(NOW + 4), ..marked };
    assert_eq!(f.store.runs(&RunFilter::default()).unwrap(), [over]);
    assert!(f.store.runs(&unfinished).unwrap().is_empty());
    let unknown = Uuid::from_u128(5);
    let message = format!("run \"{unknown}\" does not exist");
    refused(f.store.mark_run(unknown, RunStatus::Running, 1, NOW, None, None), ErrorKind::NotFound, &message);
    let end = RunEnd { run_id: unknown, ..end_of(&frozen, RunStatus::Failed, NOW) };
    refused(f.store.end_run(&end), ErrorKind::NotFound, &message);
}

#[test]
fn runs_come_newest_first_and_can_be_narrowed() {
    let f = Fixture::new();
    let (p, q) = (f.make(Kind::Pipeline, "p", &[]).id, f.make(Kind::Pipeline, "q", &[]).id);
    let mut made = Vec::new();
    for pipeline in [p, q, p, q, p] {
        let run = f.store.freeze_run(&run_of(pipeline)).unwrap();
        f.store.end_run(&end_of(&run, RunStatus::Succeeded, NOW)).unwrap();
        made.push(run);
    }
    let ids = |filter: RunFilter| f.store.runs(&filter).unwrap().iter().map(|run| run.run_id).collect::<Vec<_>>();
    let wanted: Vec<_> = made.iter().rev().map(|run| run.run_id).collect();
    assert_eq!(ids(RunFilter::default()), wanted);
    let of_p = RunFilter { pipeline_id: Some(p), limit: Some(2), ..RunFilter::default() };
    assert_eq!(ids(of_p), [made[4].run_id, made[2].run_id]);
    let one = RunFilter { run_id: Some(made[1].run_id), ..RunFilter::default() };
    assert_eq!(ids(one), [made[1].run_id]);
    assert!(ids(RunFilter { limit: Some(0), ..RunFilter::default() }).is_empty());
}

fn columns(names: &[&str]) -> arrow_schema::SchemaRef {
    Arc::new(Schema::new(names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>()))
}

fn edge(pipeline: ObjectId, from: &str, column: Option<&str>) -> Lineage {
    Lineage {
        pipeline_id: pipeline,
        pipeline_version: 1,
        from_relation: from.into(),
        to_relation: "shop.t".into(),
        from_column: column.map(Into::into),
        to_column: column.map(Into::into),
        transformation: column.map(|_| "identity".into()),
        direct: true,
    }
}

/// An end with something in every field.
fn full_end(f: &Fixture, run: &Run, source: ObjectId, table: &Object) -> RunEnd {
    let commit = TableCommit {
        table_id: table.id,
        version: 3,
        committed_at: NOW + 9,
        operation: "WRITE".into(),
        run_id: Some(run.run_id),
        user: "admin".into(),
    };
    let schema = SchemaVersion { relation_id: table.id, version: 1, columns: columns(&["a"]), valid_from: NOW, run_id: Some(run.run_id) };
    let output = RunOutput {
        run_id: run.run_id,
        step: "main".into(),
        output: "t".into(),
        target_id: table.id,
        target: "shop.t".into(),
        mode: "append".into(),
        rows: 8,
        table_version_before: Some(2),
        table_version: Some(3),
    };
    let rule = RuleResult {
        run_id: run.run_id,
        output: "t".into(),
        rule: "total_positive".into(),
        action: "quarantine".into(),
        checked: 10,
        failed: 1,
    };
    f.store.register_files(source, &[super::ledger::file("a.csv", "1")], NOW).unwrap();
    RunEnd {
        counts: Counts { read: 10, written: 8, quarantined: 1, dropped: 1, duplicates: 0, filtered: 0 },
        outputs: vec![output],
        rules: vec![rule],
        offsets: vec![(source, json!({"seq": 1}))],
        file_rows: vec![(source, 1, 10)],
        table_commits: vec![commit],
        schema_versions: vec![schema],
        lineage: vec![edge(run.pipeline_id, "shop.s", None), edge(run.pipeline_id, "shop.s", Some("a"))],
        changes: vec![create(table), Change::Body { id: table.id, body: json!({"location": "shop/t"}) }],
        ..end_of(run, RunStatus::Succeeded, NOW + 10)
    }
}

#[test]
fn everything_of_a_run_becomes_true_when_it_ends_and_only_once() {
    let f = Fixture::new();
    let (p, source) = (f.make(Kind::Pipeline, "p", &[]).id, f.make(Kind::Source, "s", &[]).id);
    let table = new(&*f.store, Kind::Table, "t");
    let run = f.store.freeze_run(&run_of(p)).unwrap();
    let end = full_end(&f, &run, source, &table);
    let generation = f.store.generation();
    f.store.end_run(&end).unwrap();
    assert!(f.store.generation() > generation);
    // Once more, with other facts: nothing moves.
    let other = RunEnd { status: RunStatus::Failed, offsets: vec![(source, json!({"seq": 99}))], ..end.clone() };
    f.store.end_run(&other).unwrap();
    let f = f.reopen();
    let over = Run { status: RunStatus::Succeeded, ended_at: Some(NOW + 10), counts: end.counts, ..run.clone() };
    assert_eq!(f.store.runs(&RunFilter::default()).unwrap(), [over]);
    assert_eq!(f.store.run_outputs(Some(run.run_id)).unwrap(), end.outputs);
    assert_eq!(f.store.run_outputs(None).unwrap(), end.outputs);
    assert!(f.store.run_outputs(Some(Uuid::nil())).unwrap().is_empty());
    assert_eq!(f.store.rule_results(None).unwrap(), end.rules);
    assert_eq!(f.store.rule_results(Some(run.run_id)).unwrap(), end.rules);
    assert_eq!(f.store.offset(p, source).unwrap(), Some(json!({"seq": 1})));
    let offset = Offset { pipeline_id: p, relation_id: source, position: json!({"seq": 1}), committed_at: NOW + 10 };
    assert_eq!(f.store.offsets(Some(p)).unwrap(), std::slice::from_ref(&offset));
    assert_eq!(f.store.offsets(None).unwrap(), [offset]);
    assert_eq!(f.store.files(source, 0, None, None).unwrap()[0].rows, Some(10));
    assert_eq!(f.store.table_commits(table.id).unwrap(), end.table_commits);
    assert_eq!(f.store.schema_versions(Some(table.id)).unwrap(), end.schema_versions);
    assert_eq!(f.store.schema_versions(None).unwrap(), end.schema_versions);
    assert_eq!(f.store.lineage().unwrap(), end.lineage);
    assert_eq!(f.store.relation("shop", "t").unwrap().unwrap().body, json!({"location": "shop/t"}));
}

#[test]
fn an_end_that_cannot_be_stored_stores_nothing() {
    let f = Fixture::new();
    let (p, source) = (f.make(Kind::Pipeline, "p", &[]).id, f.make(Kind::Source, "s", &[]).id);
    f.make(Kind::View, "t", &[]);
    let run = f.store.freeze_run(&run_of(p)).unwrap();
    let table = new(&*f.store, Kind::Table, "t");
    let end = full_end(&f, &run, source, &table);
    refused(f.store.end_run(&end), ErrorKind::Duplicate, "view \"shop.t\" already exists");
    assert_eq!(f.store.runs(&RunFilter::default()).unwrap(), [run]);
    assert_eq!(f.store.offset(p, source).unwrap(), None);
    assert!(f.store.run_outputs(None).unwrap().is_empty() && f.store.lineage().unwrap().is_empty());
}

#[test]
fn a_run_ends_although_what_it_wrote_was_dropped() {
    let f = Fixture::new();
    let (p, table) = (f.make(Kind::Pipeline, "p", &[]), f.make(Kind::Table, "t", &[]));
    let run = f.store.freeze_run(&run_of(p.id)).unwrap();
    f.store.apply(&[Change::Drop { id: table.id }], "admin", NOW).unwrap();
    let end = RunEnd { changes: vec![Change::Body { id: table.id, body: json!({}) }], ..end_of(&run, RunStatus::Succeeded, NOW) };
    f.store.end_run(&end).unwrap();
    assert_eq!(f.store.runs(&RunFilter::default()).unwrap()[0].status, RunStatus::Succeeded);
    let unfinished = RunEnd { status: RunStatus::Running, ..end_of(&f.store.freeze_run(&run_of(p.id)).unwrap(), RunStatus::Failed, NOW) };
    assert_eq!(f.store.end_run(&unfinished).unwrap_err().kind(), ErrorKind::Internal);
}

#[test]
fn schemas_and_lineage_are_written_only_when_they_change() {
    let f = Fixture::new();
    let p = f.make(Kind::Pipeline, "p", &[]).id;
    let version = |number, names: &[&str]| SchemaVersion {
        relation_id: ObjectId(7),
        version: number,
        columns: columns(names),
        valid_from: NOW,
        run_id: None,
    };
    let end_with = |lineage: Vec<Lineage>, versions: Vec<SchemaVersion>| {
        let run = f.store.freeze_run(&run_of(p)).unwrap();
        f.store.end_run(&RunEnd { lineage, schema_versions: versions, ..end_of(&run, RunStatus::Succeeded, NOW) }).unwrap();
    };
    end_with(vec![edge(p, "a", None), edge(p, "b", None), edge(p, "a", None)], vec![version(1, &["x"])]);
    assert_eq!(f.store.lineage().unwrap(), [edge(p, "a", None), edge(p, "b", None)]);
    end_with(vec![edge(p, "b", None), edge(p, "a", None)], vec![version(2, &["x"])]);
    end_with(Vec::new(), Vec::new());
    assert_eq!(f.store.lineage().unwrap(), [edge(p, "a", None), edge(p, "b", None)]);
    let next = Lineage { pipeline_version: 2, ..edge(p, "c", None) };
    end_with(vec![edge(p, "b", Some("x")), next.clone()], vec![version(1, &["x", "y"])]);
    assert_eq!(f.store.lineage().unwrap(), [edge(p, "b", Some("x")), next]);
    let numbers = |f: &Fixture| f.store.schema_versions(Some(ObjectId(7))).unwrap().iter().map(|v| v.version).collect::<Vec<_>>();
    assert_eq!(numbers(&f), [1, 2]);
    // By hand: the same again is nothing, another one under the number is refused.
    f.store.add_schema_version(&version(2, &["x", "y"])).unwrap();
    assert_eq!(f.store.add_schema_version(&version(2, &["z"])).unwrap_err().kind(), ErrorKind::Conflict);
    f.store.add_schema_version(&version(3, &["z"])).unwrap();
    assert_eq!(numbers(&f), [1, 2, 3]);
}

#[test]
fn health_counts_failures_since_the_last_success() {
    let f = Fixture::new();
    let p = f.make(Kind::Pipeline, "p", &[]).id;
    assert_eq!(f.store.pipeline_health(p).unwrap(), Health::default());
    let ended = |kind, status, error: Option<&str>, at| {
        let run = f.store.freeze_run(&Run { kind, ..run_of(p) }).unwrap();
        f.store.end_run(&RunEnd { error: error.map(Into::into), ..end_of(&run, status, at) }).unwrap();
        run.run_id
    };
    ended(RunKind::Trigger, RunStatus::Failed, Some("old"), NOW + 1);
    ended(RunKind::Trigger, RunStatus::Succeeded, None, NOW + 2);
    ended(RunKind::Trigger, RunStatus::Failed, Some("one"), NOW + 3);
    ended(RunKind::Trigger, RunStatus::Cancelled, None, NOW + 4);
    let last = ended(RunKind::Manual, RunStatus::Failed, Some("two"), NOW + 5);
    ended(RunKind::DryRun, RunStatus::Succeeded, None, NOW + 6);
    let wanted = Health {
        last_success_at: Some(NOW + 2),
        last_run_id: Some(last),
        last_status: Some(RunStatus::Failed),
        last_error: Some("two".into()),
        last_sqlstate: None,
        last_attempt: 1,
        consecutive_failures: 2,
    };
    assert_eq!(f.store.pipeline_health(p).unwrap(), wanted);
}

#[test]
fn positions_and_trigger_states_go_with_their_pipeline() {
    let f = Fixture::new();
    let (p, source) = (f.make(Kind::Pipeline, "p", &[]).id, f.make(Kind::Source, "s", &[]).id);
    f.store.set_offset(p, source, Some(&json!({"lsn": "0/1"})), NOW).unwrap();
    f.store.set_offset(p, source, Some(&json!({"lsn": "0/2"})), NOW + 1).unwrap();
    f.store.set_trigger_state(p, "every", &json!({"due": 1})).unwrap();
    f.store.set_trigger_state(p, "every", &json!({"due": 2})).unwrap();
    assert_eq!(f.store.offset(p, source).unwrap(), Some(json!({"lsn": "0/2"})));
    assert_eq!(f.store.trigger_state(p, "every").unwrap(), Some(json!({"due": 2})));
    assert_eq!(f.store.trigger_state(p, "cron").unwrap(), None);
    f.store.set_offset(p, source, None, NOW).unwrap();
    assert_eq!(f.store.offset(p, source).unwrap(), None);
    f.store.set_offset(p, source, Some(&json!(1)), NOW).unwrap();
    f.store.apply(&[Change::Drop { id: p }], "admin", NOW).unwrap();
    assert!(f.store.offsets(None).unwrap().is_empty());
    assert_eq!(f.store.trigger_state(p, "every").unwrap(), None);
}

#[test]
fn table_versions_are_found_by_time_also_when_the_clock_was_set_back() {
    let f = Fixture::new();
    let table = ObjectId(20_000);
    let commit = |version, at| TableCommit {
        table_id: table,
        version,
        committed_at: at,
        operation: "WRITE".into(),
        run_id: None,
        user: "admin".into(),
    };
    f.store.record_commits(&[commit(0, 10), commit(1, 20), commit(2, 15), commit(3, 40)]).unwrap();
    f.store.record_commits(&[TableCommit { user: "bob".into(), ..commit(3, 40) }]).unwrap();
    let at = |at| f.store.table_version_at(table, at).unwrap().map(|commit| commit.version);
    assert_eq!([at(9), at(10), at(14), at(15), at(39), at(40), at(99)], [None, Some(0), Some(0), Some(2), Some(2), Some(3), Some(3)]);
    let commits = f.store.table_commits(table).unwrap();
    assert_eq!((commits.len(), commits[3].user.as_str()), (4, "bob"));
    assert_eq!(f.store.table_version_at(ObjectId(1), 99).unwrap(), None);
    let huge = f.store.record_commits(&[commit(5, 50), commit(u64::MAX, 50)]);
    assert_eq!(huge.unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(at(99), Some(3));
}
