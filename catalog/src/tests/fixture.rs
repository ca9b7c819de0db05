//! A store in a temporary folder, and short ways to make what goes into it.

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;

use crate::*;

pub(super) const NOW: Micros = 1_700_000_000_000_000;

/// A store over files; the folder goes away after the store.
pub(super) struct Fixture {
    pub(super) store: Arc<dyn Store>,
    pub(super) dir: TempDir,
}

impl Fixture {
    /// With the schema `shop`.
    pub(super) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = open(dir.path(), SecretKeySource::DataDir).unwrap();
        let fixture = Fixture { store, dir };
        fixture.make(Kind::Schema, "shop", &[]);
        fixture
    }

    pub(super) fn reopen(self) -> Self {
        let Fixture { store, dir } = self;
        drop(store);
        Fixture { store: open(dir.path(), SecretKeySource::DataDir).unwrap(), dir }
    }

    pub(super) fn make(&self, kind: Kind, name: &str, depends_on: &[ObjectId]) -> Object {
        make(&*self.store, kind, name, depends_on)
    }
}

/// Creates an object, in `shop` unless it is a schema, and reads it back.
pub(super) fn make<D: Definitions + ?Sized>(to: &D, kind: Kind, name: &str, depends_on: &[ObjectId]) -> Object {
    let object = new(to, kind, name);
    to.stage(&[Change::Create { object: object.clone(), depends_on: depends_on.to_vec() }], "admin", NOW).unwrap();
    to.object_by_id(object.id).unwrap().unwrap()
}

pub(super) fn new<D: Definitions + ?Sized>(to: &D, kind: Kind, name: &str) -> Object {
    Object {
        id: to.next_id().unwrap(),
        kind,
        schema: if kind == Kind::Schema { String::new() } else { "shop".into() },
        name: name.into(),
        owner: "admin".into(),
        version: 1,
        definition: format!("CREATE {} {name}", kind.noun()),
        alters: Vec::new(),
        body: json!({}),
        comment: None,
        created_at: NOW,
        changed_at: NOW,
    }
}

pub(super) fn create(object: &Object) -> Change {
    Change::Create { object: object.clone(), depends_on: Vec::new() }
}

pub(super) fn replace(object: &Object) -> Change {
    Change::Replace { object: object.clone(), depends_on: Vec::new() }
}

pub(super) fn names(objects: &[Object]) -> Vec<&str> {
    objects.iter().map(|object| object.name.as_str()).collect()
}

#[track_caller]
pub(super) fn refused<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind, message: &str) -> Error {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.message()), (kind, message));
    error
}

pub(super) fn run_of(pipeline: ObjectId) -> Run {
    Run {
        run_id: Uuid::now_v7(),
        pipeline_id: pipeline,
        pipeline: "shop.p".into(),
        pipeline_version: 1,
        kind: RunKind::Trigger,
        trigger: "schedule every '5 minutes'".into(),
        params: json!({"day": "2026-01-01"}),
        status: RunStatus::Queued,
        attempt: 1,
        batch: 0,
        created_at: NOW,
        started_at: None,
        ended_at: None,
        counts: Counts::default(),
        error: None,
        sqlstate: None,
        requested_by: "admin".into(),
        inputs: vec![RunInput {
            relation_id: ObjectId(16_500),
            relation: "shop.orders".into(),
            input: Input::Stream { from: None, to: json!({"seq": 3}) },
            schema_version: None,
        }],
    }
}

pub(super) fn end_of(run: &Run, status: RunStatus, ended_at: Micros) -> RunEnd {
    RunEnd {
        run_id: run.run_id,
        status,
        ended_at,
        counts: Counts::default(),
        error: None,
        sqlstate: None,
        outputs: Vec::new(),
        rules: Vec::new(),
        offsets: Vec::new(),
        file_rows: Vec::new(),
        table_commits: Vec::new(),
        schema_versions: Vec::new(),
        lineage: Vec::new(),
        changes: Vec::new(),
    }
}
