//! Pending changes: seen by their transaction only, undone, committed, refused; and equal to applying them one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::fixture::{Fixture, NOW, create, make, names, new, refused, replace};
use crate::*;

#[test]
fn a_draft_shows_its_changes_and_the_store_does_not() {
    let f = Fixture::new();
    let (old, gone) = (f.make(Kind::Table, "old", &[]), f.make(Kind::View, "gone", &[]));
    let draft = Draft::new(Arc::clone(&f.store));
    assert!(draft.is_empty());
    let view = make(&draft, Kind::View, "v", &[old.id]);
    draft.stage(&[replace(&Object { name: "renamed".into(), ..old.clone() }), Change::Drop { id: gone.id }], "admin", NOW + 1).unwrap();
    draft.stage(&[Change::Body { id: view.id, body: json!(1) }], "admin", NOW + 1).unwrap();
    assert_eq!(names(&draft.objects(None, Some("shop")).unwrap()), ["renamed", "v"]);
    assert_eq!(names(&f.store.objects(None, Some("shop")).unwrap()), ["gone", "old"]);
    assert_eq!(draft.relation("shop", "old").unwrap(), None);
    assert_eq!(draft.object(Kind::View, "shop", "gone").unwrap(), None);
    assert_eq!(draft.object(Kind::Table, "shop", "v").unwrap(), None);
    assert_eq!(draft.relation("shop", "renamed").unwrap().unwrap().version, 2);
    assert_eq!(draft.object_by_id(gone.id).unwrap(), None);
    assert_eq!(names(&draft.dependents(old.id).unwrap()), ["v"]);
    assert_eq!(names(&draft.depends_on(view.id).unwrap()), ["renamed"]);
    assert_eq!(draft.versions(Some(old.id)).unwrap().len(), 2);
    assert_eq!((draft.versions(None).unwrap().len(), f.store.versions(None).unwrap().len()), (5, 3));
    draft.commit("admin", NOW + 2).unwrap();
    assert!(draft.is_empty());
    assert_eq!(names(&f.store.objects(None, Some("shop")).unwrap()), ["renamed", "v"]);
    let stored = f.store.object_by_id(view.id).unwrap().unwrap();
    assert_eq!((stored.body, stored.created_at), (json!(1), NOW + 2));
    draft.commit("admin", NOW).unwrap();
}

#[test]
fn a_refused_slice_leaves_the_draft_as_it_was() {
    let f = Fixture::new();
    let draft = Draft::new(Arc::clone(&f.store));
    let table = make(&draft, Kind::Table, "t", &[]);
    make(&draft, Kind::View, "v", &[table.id]);
    let (a, t) = (new(&draft, Kind::View, "a"), new(&draft, Kind::View, "t"));
    let slice = [create(&a), create(&t)];
    refused(draft.stage(&slice, "admin", NOW), ErrorKind::Duplicate, "table \"shop.t\" already exists");
    assert_eq!(draft.stage(&[Change::Drop { id: table.id }], "admin", NOW).unwrap_err().kind(), ErrorKind::InUse);
    assert_eq!(draft.stage(&[replace(&Object { version: 9, ..table.clone() })], "admin", NOW).unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(names(&draft.objects(None, Some("shop")).unwrap()), ["t", "v"]);
    draft.commit("admin", NOW).unwrap();
    assert_eq!(names(&f.store.objects(None, Some("shop")).unwrap()), ["t", "v"]);
}

#[test]
fn savepoints_take_back_what_came_after_them() {
    let f = Fixture::new();
    let draft = Draft::new(Arc::clone(&f.store));
    make(&draft, Kind::View, "a", &[]);
    let first = draft.savepoint();
    make(&draft, Kind::View, "b", &[]);
    let second = draft.savepoint();
    make(&draft, Kind::View, "c", &[]);
    draft.rollback_to(first).unwrap();
    assert_eq!(draft.rollback_to(second).unwrap_err().kind(), ErrorKind::Internal);
    make(&draft, Kind::View, "d", &[]);
    draft.rollback_to(first).unwrap();
    make(&draft, Kind::View, "e", &[]);
    draft.release(first);
    assert_eq!(draft.rollback_to(first).unwrap_err().kind(), ErrorKind::Internal);
    draft.commit("admin", NOW).unwrap();
    assert_eq!(names(&f.store.objects(None, Some("shop")).unwrap()), ["a", "e"]);
}

#[test]
fn a_commit_conflicts_when_a_changed_object_moved() {
    let f = Fixture::new();
    let (a, b, c) = (f.make(Kind::View, "a", &[]), f.make(Kind::View, "b", &[]), f.make(Kind::View, "c", &[]));
    let draft = Draft::new(Arc::clone(&f.store));
    make(&draft, Kind::View, "new", &[]);
    draft.stage(&[Change::Drop { id: a.id }], "admin", NOW).unwrap();
    // Others change something else: no matter. Then the same object: conflict, and nothing of the draft lands.
    f.store.apply(&[replace(&b)], "bob", NOW).unwrap();
    f.store.apply(&[replace(&a)], "bob", NOW).unwrap();
    refused(draft.commit("admin", NOW), ErrorKind::Conflict, "view \"shop.a\" was changed by another session");
    assert_eq!(names(&f.store.objects(None, Some("shop")).unwrap()), ["a", "b", "c"]);
    // Dropped by somebody else.
    let draft = Draft::new(Arc::clone(&f.store));
    draft.stage(&[Change::Comment { id: c.id, comment: Some("mine".into()) }], "admin", NOW).unwrap();
    f.store.apply(&[Change::Drop { id: c.id }], "bob", NOW).unwrap();
    assert_eq!(draft.commit("admin", NOW).unwrap_err().kind(), ErrorKind::Conflict);
    // A name taken meanwhile, and a dependent that came meanwhile.
    let draft = Draft::new(Arc::clone(&f.store));
    make(&draft, Kind::View, "n", &[]);
    f.make(Kind::Table, "n", &[]);
    refused(draft.commit("admin", NOW), ErrorKind::Duplicate, "table \"shop.n\" already exists");
    let draft = Draft::new(Arc::clone(&f.store));
    draft.stage(&[Change::Drop { id: b.id }], "admin", NOW).unwrap();
    f.make(Kind::Pipeline, "p", &[b.id]);
    assert_eq!(draft.commit("admin", NOW).unwrap_err().kind(), ErrorKind::InUse);
}

#[test]
fn a_schema_made_renamed_and_filled_in_one_draft_lands_whole() {
    let f = Fixture::new();
    f.make(Kind::Table, "t", &[]);
    let draft = Draft::new(Arc::clone(&f.store));
    let shop = draft.object(Kind::Schema, "", "shop").unwrap().unwrap();
    draft.stage(&[replace(&Object { name: "store".into(), ..shop.clone() })], "admin", NOW).unwrap();
    assert!(draft.objects(None, Some("shop")).unwrap().is_empty());
    let view = Object { schema: "store".into(), ..new(&draft, Kind::View, "v") };
    draft.stage(&[create(&view)], "admin", NOW).unwrap();
    assert_eq!(names(&draft.dependents(shop.id).unwrap()), ["t", "v"]);
    assert_eq!(draft.stage(&[Change::Drop { id: shop.id }], "admin", NOW).unwrap_err().kind(), ErrorKind::InUse);
    draft.commit("admin", NOW).unwrap();
    assert_eq!(names(&f.store.objects(None, Some("store")).unwrap()), ["t", "v"]);
}

#[test]
fn secrets_of_a_draft_are_read_through_it() {
    let f = Fixture::new();
    let stored = f.make(Kind::Secret, "stored", &[]);
    let put = |id, value: &str| Change::PutSecret { id, value: Some(SecretValue(value.into())) };
    f.store.apply(&[put(stored.id, "one")], "admin", NOW).unwrap();
    let draft = Draft::new(Arc::clone(&f.store));
    let secret = new(&draft, Kind::Secret, "s");
    draft.stage(&[create(&secret), put(secret.id, "two"), put(stored.id, "three")], "admin", NOW).unwrap();
    let read = |id| draft.secret(id).unwrap().map(|value| value.0);
    assert_eq!((read(secret.id).as_deref(), read(stored.id).as_deref()), (Some("two"), Some("three")));
    assert_eq!(f.store.secret(stored.id).unwrap().unwrap().0, "one");
    draft.stage(&[Change::Drop { id: stored.id }], "admin", NOW).unwrap();
    assert_eq!(read(stored.id), None);
    draft.commit("admin", NOW).unwrap();
    assert_eq!(f.store.secret(secret.id).unwrap().unwrap().0, "two");
}

/// A step in terms of places in the list of objects made so far, so that most steps mean something.
#[derive(Debug, Clone)]
enum Step {
    Create { kind: usize, schema: usize, name: u8, depends_on: Vec<usize> },
    Replace { on: usize, stale: bool, name: Option<u8>, schema: Option<usize>, depends_on: Vec<usize> },
    Body { on: usize, body: u8 },
    Comment { on: usize, comment: Option<String> },
    Drop { on: Vec<usize> },
}

fn any_step() -> impl Strategy<Value = Step> {
    let deps = || prop::collection::vec(0..40_usize, 0..3);
    prop_oneof![
        4 => (0..7_usize, 0..4_usize, 0..6_u8, deps())
            .prop_map(|(kind, schema, name, depends_on)| Step::Create { kind, schema, name, depends_on }),
        2 => (0..40_usize, prop::bool::weighted(0.1), prop::option::of(0..6_u8), prop::option::of(0..4_usize), deps())
            .prop_map(|(on, stale, name, schema, depends_on)| Step::Replace { on, stale, name, schema, depends_on }),
        1 => (0..40_usize, any::<u8>()).prop_map(|(on, body)| Step::Body { on, body }),
        1 => (0..40_usize, prop::option::of("[a-z]{0,3}")).prop_map(|(on, comment)| Step::Comment { on, comment }),
        2 => prop::collection::vec(0..40_usize, 1..4).prop_map(|on| Step::Drop { on }),
    ]
}

const KINDS: [Kind; 7] = [Kind::Schema, Kind::Secret, Kind::Connection, Kind::Source, Kind::View, Kind::Table, Kind::Pipeline];

/// The slice of a step against what `to` now holds. Ids are drawn in the same order everywhere, so they are the same.
fn slice(to: &dyn Definitions, made: &mut Vec<ObjectId>, step: &Step) -> Vec<Change> {
    let pick = |made: &[ObjectId], place: usize| made.get(place % made.len().max(1)).copied().unwrap_or(ObjectId(1));
    let schema_name = |place: usize| format!("n{place}");
    match step {
        Step::Create { kind, schema, name, depends_on } => {
            let kind = KINDS[*kind];
            let depends_on = depends_on.iter().map(|place| pick(made, *place)).collect();
            let mut object = new(to, kind, &format!("n{name}"));
            if kind != Kind::Schema {
                object.schema = schema_name(*schema);
            }
            made.push(object.id);
            vec![Change::Create { object, depends_on }]
        }
        Step::Replace { on, stale, name, schema, depends_on } => {
            let Some(mut object) = to.object_by_id(pick(made, *on)).unwrap() else { return Vec::new() };
            object.version -= i64::from(*stale);
            object.alters.push("ALTER".into());
            if let Some(name) = name {
                object.name = format!("n{name}");
            }
            if let Some(schema) = schema.filter(|_| object.kind != Kind::Schema) {
                object.schema = schema_name(schema);
            }
            vec![Change::Replace { object, depends_on: depends_on.iter().map(|place| pick(made, *place)).collect() }]
        }
        Step::Body { on, body } => vec![Change::Body { id: pick(made, *on), body: json!(body) }],
        Step::Comment { on, comment } => vec![Change::Comment { id: pick(made, *on), comment: comment.clone() }],
        Step::Drop { on } => {
            let ids: std::collections::BTreeSet<_> = on.iter().map(|place| pick(made, *place)).collect();
            ids.into_iter().map(|id| Change::Drop { id }).collect()
        }
    }
}

/// All that can be looked up; of each object what it depends on and what depends on it.
#[derive(Debug, PartialEq)]
struct Picture {
    objects: Vec<Object>,
    versions: Vec<ObjectVersion>,
    edges: BTreeMap<ObjectId, [Vec<ObjectId>; 2]>,
}

fn picture(of: &dyn Definitions) -> Picture {
    let ids = |objects: Vec<Object>| objects.into_iter().map(|object| object.id).collect::<Vec<_>>();
    let objects = of.objects(None, None).unwrap();
    let mut edges = BTreeMap::new();
    for object in &objects {
        assert_eq!(of.object(object.kind, &object.schema, &object.name).unwrap().as_ref(), Some(object));
        let mut dependents = ids(of.dependents(object.id).unwrap());
        dependents.sort();
        edges.insert(object.id, [ids(of.depends_on(object.id).unwrap()), dependents]);
    }
    Picture { objects, versions: of.versions(None).unwrap(), edges }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Whatever is staged in a draft and committed equals the same steps applied one by one; each step is accepted or refused alike.
    #[test]
    fn a_draft_equals_applying_one_by_one(before in prop::collection::vec(any_step(), 0..15), steps in prop::collection::vec(any_step(), 1..30)) {
        let (plain, drafted) = (open_in_memory().unwrap(), open_in_memory().unwrap());
        let (mut made_plain, mut made_drafted) = (Vec::new(), Vec::new());
        for step in &before {
            let on_plain = plain.apply(&slice(&*plain, &mut made_plain, step), "admin", NOW).map_err(|e| e.to_string());
            let on_drafted = drafted.apply(&slice(&*drafted, &mut made_drafted, step), "admin", NOW).map_err(|e| e.to_string());
            prop_assert_eq!(on_plain, on_drafted);
        }
        let untouched = picture(&*drafted);
        let draft = Draft::new(Arc::clone(&drafted));
        for step in &steps {
            let on_plain = plain.apply(&slice(&*plain, &mut made_plain, step), "admin", NOW).map_err(|e| e.to_string());
            let on_draft = draft.stage(&slice(&draft, &mut made_drafted, step), "admin", NOW).map_err(|e| e.to_string());
            prop_assert_eq!(on_plain, on_draft);
            prop_assert_eq!(picture(&*plain), picture(&draft));
        }
        prop_assert_eq!(picture(&*drafted), untouched);
        draft.commit("admin", NOW).unwrap();
        prop_assert_eq!(picture(&*plain), picture(&*drafted));
    }
}
