//! The catalog as a frozen run sees it: sources and streamed tables with the columns they had when it was frozen.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use weir_catalog::{
    Change, Definitions, Kind, Micros, Object, ObjectId, ObjectVersion, RelationBody, Result as Outcome, Run, Store, TableBody,
};

use crate::engine::catalog_error;
use crate::error::{Error, Result};

pub(super) struct Pinned {
    store: Arc<dyn Store>,
    columns: HashMap<ObjectId, SchemaRef>,
}

impl Pinned {
    /// # Errors
    /// When the catalog cannot be read, or no longer has a version that the run was frozen with.
    pub(super) fn new(store: Arc<dyn Store>, run: &Run) -> Result<Self> {
        let mut columns = HashMap::new();
        for input in &run.inputs {
            let Some(version) = input.schema_version else { continue };
            let known = store.schema_versions(Some(input.relation_id)).map_err(catalog_error)?;
            let then = known.into_iter().find(|known| known.version == version);
            let then = then.ok_or_else(|| Error::internal(format!("version {version} of the columns of {} is gone", input.relation)))?;
            columns.insert(input.relation_id, then.columns);
        }
        Ok(Self { store, columns })
    }

    fn then(&self, object: Object) -> Object {
        let Some(columns) = self.columns.get(&object.id) else { return object };
        if object.kind == Kind::Table {
            let Ok(body) = serde_json::from_value::<TableBody>(object.body.clone()) else { return object };
            let body = serde_json::to_value(TableBody { columns: Arc::clone(columns), ..body });
            return body.map_or(object.clone(), |body| Object { body, ..object });
        }
        let body: RelationBody = serde_json::from_value(object.body.clone()).unwrap_or_default();
        let body = RelationBody { columns: Some(Arc::clone(columns)), ..body };
        match serde_json::to_value(body) {
            Ok(body) => Object { body, ..object },
            Err(_) => object,
        }
    }
}

impl Definitions for Pinned {
    fn object(&self, kind: Kind, schema: &str, name: &str) -> Outcome<Option<Object>> {
        Ok(self.store.object(kind, schema, name)?.map(|object| self.then(object)))
    }

    fn relation(&self, schema: &str, name: &str) -> Outcome<Option<Object>> {
        Ok(self.store.relation(schema, name)?.map(|object| self.then(object)))
    }

    fn object_by_id(&self, id: ObjectId) -> Outcome<Option<Object>> {
        Ok(self.store.object_by_id(id)?.map(|object| self.then(object)))
    }

    fn objects(&self, kind: Option<Kind>, schema: Option<&str>) -> Outcome<Vec<Object>> {
        Ok(self.store.objects(kind, schema)?.into_iter().map(|object| self.then(object)).collect())
    }

    fn versions(&self, id: Option<ObjectId>) -> Outcome<Vec<ObjectVersion>> {
        self.store.versions(id)
    }

    fn dependents(&self, id: ObjectId) -> Outcome<Vec<Object>> {
        self.store.dependents(id)
    }

    fn depends_on(&self, id: ObjectId) -> Outcome<Vec<Object>> {
        self.store.depends_on(id)
    }

    fn access(&self) -> weir_catalog::Result<Arc<weir_catalog::Access>> {
        self.store.access()
    }

    fn next_id(&self) -> Outcome<ObjectId> {
        self.store.next_id()
    }

    fn stage(&self, changes: &[Change], by: &str, now: Micros) -> Outcome<()> {
        self.store.stage(changes, by, now)
    }
}
