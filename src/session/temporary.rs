//! Temporary tables: tables in a schema of the session's own, which goes with the session.
//!
//! They are made at once, also inside a transaction, which is undone by dropping those that it made. So they are no part of what a transaction
//! changes, and may be filled beside a table that others know. What a crash leaves is dropped at the next start.

use std::sync::atomic::Ordering;

use weir_catalog::{Change, Kind, Object, ObjectId};

use super::client::Session;
use crate::engine::drop_tables;
use crate::error::Result;

impl Session {
    /// The schema of the session's temporary tables.
    pub fn temporary_schema(&self) -> &str {
        &self.link().temporary
    }

    /// The same, once there is one.
    pub fn used_temporary_schema(&self) -> Option<&str> {
        self.link().has_temporary.load(Ordering::Acquire).then(|| self.temporary_schema())
    }

    /// Makes the schema unless it is there.
    ///
    /// # Errors
    /// Whatever the catalog says.
    pub fn make_temporary_schema(&self) -> Result<()> {
        let store = self.hub().store();
        let name = self.temporary_schema();
        if store.object(Kind::Schema, "", name)?.is_none() {
            let now = self.now();
            let object = Object {
                id: store.next_id()?,
                kind: Kind::Schema,
                schema: String::new(),
                name: name.to_owned(),
                owner: self.role(),
                version: 1,
                definition: format!("CREATE SCHEMA {name}"),
                alters: Vec::new(),
                body: serde_json::Value::Null,
                comment: None,
                created_at: now,
                changed_at: now,
            };
            store.apply(&[Change::Create { object, depends_on: Vec::new() }], &self.role(), now)?;
        }
        self.link().has_temporary.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether all changes are about temporary tables.
    pub(super) fn are_temporary(&self, changes: &[Change]) -> Result<bool> {
        if self.used_temporary_schema().is_none() {
            return Ok(false);
        }
        for change in changes {
            let schema = match change {
                Change::Create { object, .. } | Change::Replace { object, .. } => Some(object.schema.clone()),
                Change::Body { id, .. } | Change::Comment { id, .. } | Change::Drop { id } => {
                    self.definitions().object_by_id(*id)?.map(|object| object.schema)
                }
                Change::PutSecret { .. } | Change::Access(_) | Change::Audit(_) | Change::Event(_) => None,
            };
            if schema.as_deref() != Some(self.temporary_schema()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Changes them now, whatever transaction is open.
    pub(super) fn stage_temporary(&self, changes: &[Change]) -> Result<()> {
        self.hub().store().apply(changes, &self.role(), self.now())?;
        let made = changes.iter().filter_map(|change| match change {
            Change::Create { object, .. } => Some(object.id),
            _ => None,
        });
        self.note_temporary(made.collect());
        Ok(())
    }

    /// Drops all temporary tables.
    ///
    /// # Errors
    /// Whatever the catalog says.
    pub async fn drop_temporary(&self) -> Result<()> {
        self.drop_temporary_of(|_| true).await
    }

    pub(super) async fn drop_temporary_of(&self, chosen: impl Fn(ObjectId) -> bool) -> Result<()> {
        let Some(schema) = self.used_temporary_schema() else { return Ok(()) };
        let mut tables = self.hub().store().objects(None, Some(schema))?;
        tables.retain(|table| chosen(table.id));
        drop_tables(self.hub().store(), self.hub().engine().lake(), tables, self.now()).await
    }
}
