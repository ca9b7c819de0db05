//! Names, versions, dependencies, roles and settings.

use serde_json::json;

use super::fixture::{Fixture, NOW, create, names, new, refused, replace};
use crate::*;

#[test]
fn objects_come_back_as_stored_also_after_reopening() {
    let f = Fixture::new();
    let source = f.make(Kind::Source, "orders", &[]);
    assert_eq!((source.version, source.created_at), (1, NOW));
    let altered =
        Object { alters: vec!["ALTER SOURCE orders SET (a = 1)".into()], body: json!({"columns": null, "n": 1.5}), ..source.clone() };
    f.store.apply(&[replace(&altered), Change::Comment { id: source.id, comment: Some("all orders".into()) }], "bob", NOW + 5).unwrap();
    let f = f.reopen();
    let read = f.store.object(Kind::Source, "shop", "orders").unwrap().unwrap();
    assert_eq!(read, Object { version: 2, comment: Some("all orders".into()), changed_at: NOW + 5, ..altered });
    assert_eq!(f.store.object_by_id(source.id).unwrap(), Some(read.clone()));
    assert_eq!(f.store.relation("shop", "orders").unwrap(), Some(read));
    let versions = f.store.versions(Some(source.id)).unwrap();
    let seen: Vec<_> = versions.iter().map(|v| (v.version, v.changed_by.as_str(), v.alters.len(), v.changed_at)).collect();
    assert_eq!(seen, [(1, "admin", 0, NOW), (2, "bob", 1, NOW + 5)]);
}

#[test]
fn ids_start_at_16384_and_are_never_given_twice() {
    let f = Fixture::new();
    let shop = f.store.object(Kind::Schema, "", "shop").unwrap().unwrap();
    assert_eq!(shop.id, ObjectId(16_384));
    let mut last = shop.id;
    for _ in 0..100 {
        let id = f.store.next_id().unwrap();
        assert!(id > last);
        last = id;
    }
    let f = f.reopen();
    assert!(f.store.next_id().unwrap() > last);
    // An id that was used by a dropped object is refused.
    let view = f.make(Kind::View, "v", &[]);
    f.store.apply(&[Change::Drop { id: view.id }], "admin", NOW).unwrap();
    refused(f.store.apply(&[create(&view)], "admin", NOW), ErrorKind::Internal, "the id of view \"shop.v\" was given before");
    // An id from elsewhere pushes the counter.
    let far = Object { id: ObjectId(900_000), ..new(&*f.store, Kind::View, "far") };
    f.store.apply(&[create(&far)], "admin", NOW).unwrap();
    assert!(f.reopen().store.next_id().unwrap() > far.id);
}

#[test]
fn relations_share_one_name_space_and_other_kinds_have_their_own() {
    let f = Fixture::new();
    f.make(Kind::Source, "x", &[]);
    for kind in [Kind::Source, Kind::View, Kind::Table] {
        let error = f.store.apply(&[create(&new(&*f.store, kind, "x"))], "admin", NOW);
        refused(error, ErrorKind::Duplicate, "source \"shop.x\" already exists");
    }
    for kind in [Kind::Pipeline, Kind::Connection, Kind::Secret] {
        f.make(kind, "x", &[]);
    }
    assert_eq!(f.store.object(Kind::View, "shop", "x").unwrap(), None);
    assert_eq!(f.store.relation("shop", "x").unwrap().unwrap().kind, Kind::Source);
    assert_eq!(f.store.object(Kind::Pipeline, "shop", "x").unwrap().unwrap().kind, Kind::Pipeline);
    assert_eq!(f.store.objects(None, Some("shop")).unwrap().len(), 4);
    assert_eq!(f.store.objects(Some(Kind::Secret), None).unwrap().len(), 1);
    assert_eq!(names(&f.store.objects(None, None).unwrap()), ["shop", "x", "x", "x", "x"]);
    let twin = Object { schema: String::new(), ..new(&*f.store, Kind::Schema, "shop") };
    refused(f.store.apply(&[create(&twin)], "admin", NOW), ErrorKind::Duplicate, "schema \"shop\" already exists");
}

#[test]
fn a_missing_schema_and_missing_objects_are_told() {
    let f = Fixture::new();
    let lost = Object { schema: "nowhere".into(), ..new(&*f.store, Kind::View, "v") };
    refused(f.store.apply(&[create(&lost)], "admin", NOW), ErrorKind::NotFound, "schema \"nowhere\" does not exist");
    let never = new(&*f.store, Kind::View, "v");
    refused(f.store.apply(&[replace(&never)], "admin", NOW), ErrorKind::NotFound, "view \"shop.v\" does not exist");
    for change in [
        Change::Drop { id: never.id },
        Change::Body { id: never.id, body: json!({}) },
        Change::Comment { id: never.id, comment: None },
        Change::PutSecret { id: never.id, value: None },
    ] {
        assert_eq!(f.store.apply(&[change], "admin", NOW).unwrap_err().kind(), ErrorKind::NotFound);
    }
    let change = Change::Create { object: never.clone(), depends_on: vec![ObjectId(99_999)] };
    let message = "an object that view \"shop.v\" depends on was dropped";
    refused(f.store.apply(&[change], "admin", NOW), ErrorKind::Conflict, message);
    assert_eq!(f.store.object_by_id(never.id).unwrap(), None);
    assert!(f.store.versions(Some(never.id)).unwrap().is_empty());
}

#[test]
fn replace_asks_for_the_version_that_was_read() {
    let f = Fixture::new();
    let view = f.make(Kind::View, "v", &[]);
    let mine = Object { definition: "mine".into(), ..view.clone() };
    let theirs = Object { definition: "theirs".into(), ..view.clone() };
    f.store.apply(&[replace(&theirs)], "bob", NOW).unwrap();
    let error =
        refused(f.store.apply(&[replace(&mine)], "admin", NOW), ErrorKind::Conflict, "view \"shop.v\" was changed by another session");
    assert_eq!(error.hint(), Some("Retry the statement."));
    // Facts found while running make no version and meet no conflict.
    f.store.apply(&[Change::Body { id: view.id, body: json!({"last_error": "x"}) }], "hub", NOW).unwrap();
    let now = f.store.object_by_id(view.id).unwrap().unwrap();
    assert_eq!((now.version, now.definition.as_str(), &now.body), (2, "theirs", &json!({"last_error": "x"})));
    let other = Object { kind: Kind::Table, ..now };
    assert_eq!(f.store.apply(&[replace(&other)], "admin", NOW).unwrap_err().kind(), ErrorKind::Internal);
}

#[test]
fn a_slice_is_applied_whole_or_not_at_all() {
    let f = Fixture::new();
    let before = f.store.generation();
    let (a, b) = (new(&*f.store, Kind::View, "a"), new(&*f.store, Kind::View, "a"));
    refused(f.store.apply(&[create(&a), create(&b)], "admin", NOW), ErrorKind::Duplicate, "view \"shop.a\" already exists");
    assert_eq!(f.store.object_by_id(a.id).unwrap(), None);
    assert_eq!(f.store.generation(), before);
    f.store.apply(&[create(&a)], "admin", NOW).unwrap();
    assert!(f.store.generation() > before);
}

#[test]
fn renames_keep_identity_and_a_renamed_schema_takes_its_objects_along() {
    let f = Fixture::new();
    let table = f.make(Kind::Table, "t", &[]);
    f.make(Kind::View, "taken", &[]);
    let clash = Object { name: "taken".into(), ..table.clone() };
    refused(f.store.apply(&[replace(&clash)], "admin", NOW), ErrorKind::Duplicate, "view \"shop.taken\" already exists");
    let lost = Object { schema: "nowhere".into(), ..table.clone() };
    refused(f.store.apply(&[replace(&lost)], "admin", NOW), ErrorKind::NotFound, "schema \"nowhere\" does not exist");
    f.store.apply(&[replace(&Object { name: "renamed".into(), ..table.clone() })], "admin", NOW).unwrap();
    assert_eq!(f.store.relation("shop", "t").unwrap(), None);
    assert_eq!(f.store.relation("shop", "renamed").unwrap().unwrap().id, table.id);
    let schema = f.store.object(Kind::Schema, "", "shop").unwrap().unwrap();
    f.store.apply(&[replace(&Object { name: "store".into(), ..schema })], "admin", NOW).unwrap();
    assert!(f.store.objects(None, Some("shop")).unwrap().is_empty());
    assert_eq!(names(&f.store.objects(None, Some("store")).unwrap()), ["renamed", "taken"]);
}

#[test]
fn dependents_block_a_drop_and_come_out_in_the_order_to_drop_them() {
    let f = Fixture::new();
    let connection = f.make(Kind::Connection, "files", &[]);
    let source = f.make(Kind::Source, "orders", &[connection.id]);
    let view = f.make(Kind::View, "v", &[source.id]);
    let pipeline = f.make(Kind::Pipeline, "p", &[source.id, view.id]);
    f.make(Kind::Table, "aside", &[]);
    assert_eq!(names(&f.store.dependents(connection.id).unwrap()), ["p", "v", "orders"]);
    assert_eq!(names(&f.store.depends_on(pipeline.id).unwrap()), ["orders", "v"]);
    let error = refused(
        f.store.apply(&[Change::Drop { id: source.id }], "admin", NOW),
        ErrorKind::InUse,
        "cannot drop source \"shop.orders\" because other objects depend on it",
    );
    let detail = "pipeline \"shop.p\" depends on source \"shop.orders\"\nview \"shop.v\" depends on source \"shop.orders\"";
    assert_eq!(error.detail(), Some(detail));
    // In any order, as long as all go.
    let drops = [source.id, pipeline.id, view.id].map(|id| Change::Drop { id });
    f.store.apply(&drops, "admin", NOW).unwrap();
    assert!(f.store.dependents(connection.id).unwrap().is_empty());
    assert!(!f.store.versions(Some(pipeline.id)).unwrap().is_empty());
}

#[test]
fn or_replace_changes_what_an_object_depends_on() {
    let f = Fixture::new();
    let (a, b) = (f.make(Kind::Table, "a", &[]), f.make(Kind::Table, "b", &[]));
    let view = f.make(Kind::View, "v", &[a.id]);
    f.store.apply(&[Change::Replace { object: view.clone(), depends_on: vec![b.id, b.id, view.id] }], "admin", NOW).unwrap();
    f.store.apply(&[Change::Drop { id: a.id }], "admin", NOW).unwrap();
    assert_eq!(f.store.apply(&[Change::Drop { id: b.id }], "admin", NOW).unwrap_err().kind(), ErrorKind::InUse);
    assert_eq!(names(&f.store.depends_on(view.id).unwrap()), ["b"]);
}

#[test]
fn a_schema_with_objects_is_in_use_until_they_go_too() {
    let f = Fixture::new();
    let schema = f.store.object(Kind::Schema, "", "shop").unwrap().unwrap();
    let table = f.make(Kind::Table, "t", &[]);
    let view = f.make(Kind::View, "v", &[table.id]);
    assert_eq!(names(&f.store.dependents(schema.id).unwrap()), ["v", "t"]);
    let drop_schema = Change::Drop { id: schema.id };
    let message = "cannot drop schema \"shop\" because other objects depend on it";
    refused(f.store.apply(std::slice::from_ref(&drop_schema), "admin", NOW), ErrorKind::InUse, message);
    f.store.apply(&[drop_schema, Change::Drop { id: table.id }, Change::Drop { id: view.id }], "admin", NOW).unwrap();
    assert!(f.store.objects(None, None).unwrap().is_empty());
}

#[test]
fn expected_versions_are_checked_in_the_same_transaction() {
    let f = Fixture::new();
    let (a, b) = (f.make(Kind::View, "a", &[]), new(&*f.store, Kind::View, "b"));
    refused(
        f.store.apply_expecting(&[(a.id, 7)], &[create(&b)], "admin", NOW),
        ErrorKind::Conflict,
        "view \"shop.a\" was changed by another session",
    );
    refused(
        f.store.apply_expecting(&[(ObjectId(77), 1)], &[create(&b)], "admin", NOW),
        ErrorKind::Conflict,
        "an object of this transaction was dropped by another session",
    );
    f.store.apply_expecting(&[(a.id, 1)], &[create(&b)], "admin", NOW).unwrap();
}

#[test]
fn roles_and_settings_are_kept() {
    let f = Fixture::new();
    let role = Role {
        superuser: true,
        salt: vec![1, 2],
        iterations: 4096,
        stored_key: vec![9; 32],
        server_key: vec![8; 32],
        ..Role::named("admin")
    };
    f.store.put_role(&role).unwrap();
    let first = f.store.role("admin").unwrap().unwrap();
    assert!(first.id >= ObjectId(16_384));
    f.store.put_role(&Role { iterations: 8192, superuser: false, ..role.clone() }).unwrap();
    f.store.put_role(&Role { name: "Bob".into(), ..role.clone() }).unwrap();
    f.store.set_setting("hub.retention", "30 days").unwrap();
    f.store.set_setting("hub.retention", "40 days").unwrap();
    let f = f.reopen();
    let again = f.store.role("admin").unwrap().unwrap();
    assert_eq!(again, Role { id: first.id, iterations: 8192, superuser: false, ..role });
    assert_eq!(f.store.role("nobody").unwrap(), None);
    let roles = f.store.roles().unwrap();
    assert_eq!(roles.iter().map(|role| role.name.as_str()).collect::<Vec<_>>(), ["Bob", "admin"]);
    assert_ne!(roles[0].id, roles[1].id);
    assert_eq!(f.store.setting("hub.retention").unwrap().as_deref(), Some("40 days"));
    assert_eq!(f.store.setting("other").unwrap(), None);
    assert_eq!(f.store.settings().unwrap(), [("hub.retention".to_owned(), "40 days".to_owned())]);
}
