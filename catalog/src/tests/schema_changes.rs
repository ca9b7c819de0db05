//! Changes of columns: seen once, decided once, and what follows from a decision stands or falls with it.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use serde_json::json;

use super::fixture::{Fixture, NOW};
use crate::*;

fn widened(relation_id: ObjectId) -> SchemaChange {
    SchemaChange {
        id: 0,
        relation_id,
        kind: ChangeKind::Widen,
        column: "total".into(),
        before: Some("integer".into()),
        after: "bigint".into(),
        field: Some(Field::new("total", DataType::Int64, true)),
        seen_in: "2.csv".into(),
        status: ChangeStatus::Open,
        seen_at: NOW,
        run_id: None,
        decided_at: None,
        decided_by: None,
    }
}

fn decision<'a>(id: i64, status: ChangeStatus, changes: &'a [Change]) -> Decision<'a> {
    Decision { id, status, by: "ana", at: NOW + 1, changes, version: None }
}

#[test]
fn a_change_is_entered_once_until_it_is_accepted() {
    let f = Fixture::new();
    let source = f.make(Kind::Source, "s", &[]);
    let seen = widened(source.id);
    let first = f.store.propose(std::slice::from_ref(&seen)).unwrap();
    assert_eq!(f.store.propose(&[SchemaChange { seen_in: "3.csv".into(), seen_at: NOW + 9, ..seen.clone() }]).unwrap(), first);
    let id = first[0].unwrap();
    assert_eq!(f.store.schema_changes(Some(source.id)).unwrap(), vec![SchemaChange { id, ..seen.clone() }]);

    f.store.decide(&decision(id, ChangeStatus::Accepted, &[])).unwrap();
    let again = f.store.propose(std::slice::from_ref(&seen)).unwrap()[0].unwrap();
    assert!(again > id, "what comes after it was accepted is something new");
    f.store.decide(&decision(again, ChangeStatus::Rejected, &[])).unwrap();
    assert_eq!(f.store.propose(std::slice::from_ref(&seen)).unwrap(), vec![None]);
    let f = f.reopen();
    let stored: Vec<_> =
        f.store.schema_changes(None).unwrap().into_iter().map(|change| (change.id, change.status, change.decided_by)).collect();
    assert_eq!(stored, vec![(id, ChangeStatus::Accepted, Some("ana".into())), (again, ChangeStatus::Rejected, Some("ana".into()))]);
}

#[test]
fn a_decision_and_what_follows_from_it_are_one_step() {
    let f = Fixture::new();
    let source = f.make(Kind::Source, "s", &[]);
    let id = f.store.propose(&[widened(source.id)]).unwrap()[0].unwrap();
    let body = [Change::Body { id: source.id, body: json!({"decided": true}) }];
    let version = SchemaVersion {
        relation_id: source.id,
        version: 1,
        columns: Arc::new(Schema::new(vec![Field::new("total", DataType::Int64, true)])),
        valid_from: NOW,
        run_id: None,
    };
    let whole = Decision { version: Some(&version), ..decision(id, ChangeStatus::Accepted, &body) };
    let broken = [body[0].clone(), Change::Drop { id: ObjectId(1) }];
    assert!(f.store.decide(&Decision { changes: &broken, ..whole.clone() }).is_err());
    assert_eq!(f.store.schema_changes(None).unwrap()[0].status, ChangeStatus::Open);
    assert_eq!(f.store.object_by_id(source.id).unwrap().unwrap().body, json!({}));
    assert!(f.store.schema_versions(None).unwrap().is_empty());

    f.store.decide(&whole).unwrap();
    assert_eq!(f.store.object_by_id(source.id).unwrap().unwrap().body, json!({"decided": true}));
    assert_eq!(f.store.schema_versions(None).unwrap(), vec![version.clone()]);
    let error = f.store.decide(&whole).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}
