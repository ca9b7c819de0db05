//! The columns of sources that do not declare them, or that grow: stored, so that nobody has to open a file or ask a server to know them.
//!
//! Every set of columns that a source ever had is a version of its schema. A run is frozen with the number of one and reads by it however
//! often it is tried, whatever has been found since.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use serde_json::json;
use weir_catalog::{
    AuditEntry, Change, ChangeStatus, Decision, ErrorKind, NewEvent, Object, ObjectId, RelationBody, SchemaChange, SchemaVersion,
    TableBody, events,
};

use super::Engine;
use super::engine::table_body;
use super::errors::catalog_error;
use crate::error::{Code, Error, Result};
use crate::sources::amended;

impl Engine {
    /// Makes these the columns of a source, with any that somebody else found meanwhile. An object that only an open transaction knows keeps
    /// none: they are found again.
    ///
    /// # Errors
    /// Whatever the catalog says.
    pub fn keep_columns(&self, source: ObjectId, columns: &SchemaRef) -> Result<()> {
        let _turn = self.keeping_columns.lock();
        let store = self.store();
        let Some(object) = store.object_by_id(source).map_err(catalog_error)? else { return Ok(()) };
        let body: RelationBody = serde_json::from_value(object.body.clone()).unwrap_or_default();
        let columns = match &body.columns {
            Some(known) => together(known, columns),
            None => Arc::clone(columns),
        };
        if body.columns.as_ref() == Some(&columns) {
            return Ok(());
        }
        let now = self.clock().now();
        let version = self.schema_version(source)?.unwrap_or(0) + 1;
        let kept = SchemaVersion { relation_id: source, version, columns: Arc::clone(&columns), valid_from: now, run_id: None };
        // The version first: a crash in between leaves one that nobody reads by.
        store.add_schema_version(&kept).map_err(catalog_error)?;
        // Those of the first look are no change.
        let told = body.columns.as_ref().map(|known| {
            let names: Vec<&String> = columns.fields().iter().map(|field| field.name()).collect();
            let new: Vec<&&String> = names.iter().filter(|name| known.column_with_name(name).is_none()).collect();
            Change::Event(NewEvent {
                time: now,
                kind: events::SCHEMA_CHANGED.to_owned(),
                source: events::HUB.to_owned(),
                subject: Some(object.full_name()),
                object: Some(source),
                data: json!({ "version": version, "columns": names, "new": new }).to_string(),
            })
        });
        let body = serde_json::to_value(RelationBody { columns: Some(columns), ..body })
            .map_err(|error| Error::internal("the body of a source cannot be written").caused_by(error))?;
        let changes: Vec<Change> = std::iter::once(Change::Body { id: source, body }).chain(told).collect();
        store.apply(&changes, &object.owner, now).map_err(catalog_error)
    }

    /// Follows or refuses a change of a source's columns that waits for a decision. The decision, the columns and the audit's line become true
    /// together.
    ///
    /// # Errors
    /// `WrongState` when somebody else decided meanwhile or nothing was read of the source yet; `UndefinedColumn` when the column is not there.
    pub fn decide_change(&self, source: &Object, change: &SchemaChange, verdict: Verdict<'_>, audit: AuditEntry) -> Result<()> {
        let _turn = self.keeping_columns.lock();
        let now = self.clock().now();
        let by = audit.role.clone();
        let mut changes = vec![Change::Audit(audit)];
        let (mut status, mut version) = (ChangeStatus::Rejected, None);
        if let Verdict::Accept { column, rename } = verdict {
            let object = self.store().object_by_id(source.id).map_err(catalog_error)?;
            let object = object.ok_or_else(|| Error::new(Code::UndefinedObject, "the source was dropped"))?;
            let body: RelationBody = serde_json::from_value(object.body).unwrap_or_default();
            let known = body.columns.as_ref().ok_or_else(|| Error::new(Code::WrongState, "nobody knows the source's columns yet"))?;
            let columns = amended(known, change.kind, column, rename, change.field.as_ref())?;
            let number = self.schema_version(source.id)?.unwrap_or(0) + 1;
            let columns_then = Arc::clone(&columns);
            version = Some(SchemaVersion { relation_id: source.id, version: number, columns: columns_then, valid_from: now, run_id: None });
            let body = serde_json::to_value(RelationBody { columns: Some(columns), ..body })
                .map_err(|error| Error::internal("the body of a source cannot be written").caused_by(error))?;
            changes.push(Change::Body { id: source.id, body });
            status = ChangeStatus::Accepted;
        }
        let decision = Decision { id: change.id, status, by: &by, at: now, changes: &changes, version: version.as_ref() };
        self.store().decide(&decision).map_err(|error| match error.kind() {
            ErrorKind::Conflict => Error::new(Code::WrongState, format!("schema change {} is decided already", change.id)).caused_by(error),
            _ => catalog_error(error),
        })
    }

    /// Tells the catalog of columns that a table has and that it does not know: another program may have added them.
    ///
    /// # Errors
    /// As [`Engine::table`], and whatever the catalog says.
    pub async fn keep_table_columns(&self, table: &Object) -> Result<()> {
        let columns = self.table(table).await?.schema();
        let _turn = self.keeping_columns.lock();
        let Some(object) = self.store().object_by_id(table.id).map_err(catalog_error)? else { return Ok(()) };
        let body = table_body(&object)?;
        let known = self.store().schema_versions(Some(table.id)).map_err(catalog_error)?;
        let shape = |columns: &SchemaRef| {
            columns.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect::<Vec<_>>()
        };
        let newest = known.iter().max_by_key(|known| known.version);
        let is_told = newest.is_some_and(|newest| shape(&newest.columns) == shape(&body.columns));
        if is_told && shape(&body.columns) == shape(&columns) {
            return Ok(());
        }
        // What the catalog says of a column beside its type stays.
        let field = |field: &FieldRef| {
            body.columns.field_with_name(field.name()).ok().filter(|known| known.data_type() == field.data_type()).cloned()
        };
        let fields: Vec<Field> = columns.fields().iter().map(|own| field(own).unwrap_or_else(|| own.as_ref().clone())).collect();
        let columns: SchemaRef = Arc::new(Schema::new(fields));
        let now = self.clock().now();
        let body = serde_json::to_value(TableBody { columns: Arc::clone(&columns), ..body })
            .map_err(|error| Error::internal("a table's body cannot be written").caused_by(error))?;
        self.store().apply(&[Change::Body { id: table.id, body }], &object.owner, now).map_err(catalog_error)?;
        let version = newest.map_or(0, |newest| newest.version) + 1;
        let kept = SchemaVersion { relation_id: table.id, version, columns, valid_from: now, run_id: None };
        self.store().add_schema_version(&kept).map_err(catalog_error)
    }

    /// The newest version of a relation's schema.
    ///
    /// # Errors
    /// Whatever the catalog says.
    pub fn schema_version(&self, relation: ObjectId) -> Result<Option<i64>> {
        let known = self.store().schema_versions(Some(relation)).map_err(catalog_error)?;
        Ok(known.iter().map(|known| known.version).max())
    }
}

/// What somebody says to a change of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// The column, and what its field is called now if that is what changed.
    Accept {
        column: &'a str,
        rename: Option<&'a str>,
    },
    Reject,
}

/// The wanted columns, and before the first of them that is new those that only the other side knows.
fn together(known: &Schema, wanted: &SchemaRef) -> SchemaRef {
    let missing: Vec<FieldRef> = known.fields().iter().filter(|field| wanted.column_with_name(field.name()).is_none()).cloned().collect();
    if missing.is_empty() {
        return Arc::clone(wanted);
    }
    let is_new = |field: &FieldRef| known.column_with_name(field.name()).is_none();
    let place = wanted.fields().iter().position(is_new).unwrap_or(wanted.fields().len());
    let mut fields: Vec<FieldRef> = wanted.fields().iter().cloned().collect();
    fields.splice(place..place, missing);
    Arc::new(Schema::new(fields))
}
