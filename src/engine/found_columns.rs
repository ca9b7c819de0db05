//! The columns of sources that do not declare them, or that grow: stored, so that nobody has to open a file or ask a server to know them.
//!
//! Every set of columns that a source ever had is a version of its schema. A run is frozen with the number of one and reads by it however
//! often it is tried, whatever has been found since.

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use serde_json::json;
use weir_catalog::{Change, NewEvent, ObjectId, RelationBody, SchemaVersion, events};

use super::Engine;
use super::errors::catalog_error;
use crate::error::{Error, Result};

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

    /// The newest version of a relation's schema.
    ///
    /// # Errors
    /// Whatever the catalog says.
    pub fn schema_version(&self, relation: ObjectId) -> Result<Option<i64>> {
        let known = self.store().schema_versions(Some(relation)).map_err(catalog_error)?;
        Ok(known.iter().map(|known| known.version).max())
    }
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
