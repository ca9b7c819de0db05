//! The pending changes of a transaction, laid over the store.
//!
//! Look-ups see the store as it is now with the pending changes on top; nobody else sees them. A commit applies them in one step, or fails
//! with `Conflict` when an object they touch has moved meanwhile. Ids drawn here are spent even when the draft is thrown away.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::access::{Access, AuditEntry, Edit};
use crate::change::{self, Look, State, name_space};
use crate::error::{Error, Result};
use crate::events::NewEvent;
use crate::model::{Change, Kind, Micros, Object, ObjectId, ObjectVersion, SecretValue};
use crate::store::{Definitions, Store};

pub struct Draft {
    store: Arc<dyn Store>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    steps: Vec<Change>,
    pending: Pending,
    /// Number of steps and state at each savepoint, oldest first.
    savepoints: Vec<(usize, Pending)>,
}

/// What the staged steps amount to.
#[derive(Clone, Default)]
struct Pending {
    /// Objects as they will be; None = dropped.
    objects: HashMap<ObjectId, Option<Arc<Entry>>>,
    /// Versions in the store of the objects touched, as first seen.
    expected: BTreeMap<ObjectId, i64>,
    history: Vec<ObjectVersion>,
    secrets: HashMap<ObjectId, Option<SecretValue>>,
    /// Laid over the roles and rights of the store as they are then: what others take meanwhile is taken here too.
    access: Vec<Edit>,
}

struct Entry {
    object: Object,
    depends_on: Vec<ObjectId>,
}

impl Draft {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Draft { store, inner: Mutex::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.lock().steps.is_empty()
    }

    /// Marks this moment. The number stays good until an earlier savepoint is rolled back to or released.
    pub fn savepoint(&self) -> usize {
        let mut inner = self.lock();
        let mark = (inner.steps.len(), inner.pending.clone());
        inner.savepoints.push(mark);
        inner.savepoints.len() - 1
    }

    /// Forgets everything staged since the savepoint, which itself stays.
    ///
    /// # Errors
    /// `Internal` if there is no such savepoint.
    pub fn rollback_to(&self, savepoint: usize) -> Result<()> {
        let mut inner = self.lock();
        let Some((steps, pending)) = inner.savepoints.get(savepoint).cloned() else {
            return Err(Error::internal(format!("savepoint {savepoint} does not exist")));
        };
        inner.steps.truncate(steps);
        inner.pending = pending;
        inner.savepoints.truncate(savepoint + 1);
        Ok(())
    }

    /// Forgets the savepoint and those after it; what was staged stays.
    pub fn release(&self, savepoint: usize) {
        self.lock().savepoints.truncate(savepoint);
    }

    /// Applies everything staged in one step and leaves the draft empty. On failure the draft is as before.
    ///
    /// # Errors
    /// `Conflict` when a touched object moved or vanished meanwhile, and whatever `Store::apply` says.
    pub fn commit(&self, by: &str, now: Micros) -> Result<()> {
        self.commit_telling(&[], by, now)
    }

    /// As `commit`; the events are logged with what was staged, or not at all.
    ///
    /// # Errors
    /// As `commit`.
    pub fn commit_telling(&self, events: &[NewEvent], by: &str, now: Micros) -> Result<()> {
        let mut inner = self.lock();
        if !inner.steps.is_empty() {
            let expected: Vec<(ObjectId, i64)> = inner.pending.expected.iter().map(|(id, version)| (*id, *version)).collect();
            let told = events.iter().cloned().map(Change::Event);
            let steps: Vec<Change> = inner.steps.iter().cloned().chain(told).collect();
            self.store.apply_expecting(&expected, &steps, by, now)?;
        } else if !events.is_empty() {
            self.store.add_events(events)?;
        }
        *inner = Inner::default();
        Ok(())
    }

    /// The value of a secret, as staged or as stored.
    pub fn secret(&self, id: ObjectId) -> Result<Option<SecretValue>> {
        let inner = self.lock();
        match (inner.pending.secrets.get(&id), inner.pending.objects.get(&id)) {
            (_, Some(None)) => Ok(None),
            (Some(value), _) => Ok(value.clone()),
            (None, _) => self.store.secret(id),
        }
    }

    /// Nothing is left half done when a holder panics: steps and state are replaced whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look<T>(&self, read: impl FnOnce(&View<'_>) -> Result<T>) -> Result<T> {
        let inner = self.lock();
        read(&View { store: &*self.store, pending: &inner.pending })
    }
}

impl Definitions for Draft {
    fn object(&self, kind: Kind, schema: &str, name: &str) -> Result<Option<Object>> {
        Ok(self.look(|view| view.find(kind, schema, name))?.filter(|object| object.kind == kind))
    }

    fn relation(&self, schema: &str, name: &str) -> Result<Option<Object>> {
        self.look(|view| view.find(Kind::Table, schema, name))
    }

    fn object_by_id(&self, id: ObjectId) -> Result<Option<Object>> {
        self.look(|view| view.get(id))
    }

    fn objects(&self, kind: Option<Kind>, schema: Option<&str>) -> Result<Vec<Object>> {
        self.look(|view| view.list(kind, schema))
    }

    fn versions(&self, id: Option<ObjectId>) -> Result<Vec<ObjectVersion>> {
        self.look(|view| {
            let mut versions = view.store.versions(id)?;
            versions.extend(view.pending.history.iter().filter(|version| id.is_none_or(|id| version.id == id)).cloned());
            versions.sort_by_key(|version| (version.id, version.version));
            Ok(versions)
        })
    }

    fn dependents(&self, id: ObjectId) -> Result<Vec<Object>> {
        self.look(|view| change::dependents(view, id))
    }

    fn depends_on(&self, id: ObjectId) -> Result<Vec<Object>> {
        self.look(|view| {
            let mut found = Vec::new();
            for on in view.depends_on_ids(id)? {
                found.extend(view.get(on)?);
            }
            sort(&mut found);
            Ok(found)
        })
    }

    fn access(&self) -> Result<Arc<Access>> {
        self.look(|view| Look::access(view))
    }

    fn next_id(&self) -> Result<ObjectId> {
        self.store.next_id()
    }

    fn stage(&self, changes: &[Change], by: &str, now: Micros) -> Result<()> {
        let mut inner = self.lock();
        // Worked out on a copy, so that a refused slice leaves nothing behind. Objects are shared between copies.
        let mut pending = inner.pending.clone();
        change::apply(&mut Overlay { store: &*self.store, pending: &mut pending }, changes, by, now)?;
        inner.pending = pending;
        inner.steps.extend_from_slice(changes);
        Ok(())
    }
}

/// Reading through the pending changes.
struct View<'a> {
    store: &'a dyn Store,
    pending: &'a Pending,
}

impl View<'_> {
    fn live(&self) -> impl Iterator<Item = &Entry> {
        self.pending.objects.values().filter_map(Option::as_deref)
    }

    /// Whether the pending changes say something about the object, so that the store's word no longer counts.
    fn hides(&self, id: ObjectId) -> bool {
        self.pending.objects.contains_key(&id)
    }

    fn list(&self, kind: Option<Kind>, schema: Option<&str>) -> Result<Vec<Object>> {
        let mut objects = self.store.objects(kind, schema)?;
        objects.retain(|object| !self.hides(object.id));
        let pending = self.live().map(|entry| &entry.object);
        objects
            .extend(pending.filter(|o| kind.is_none_or(|kind| o.kind == kind) && schema.is_none_or(|schema| o.schema == schema)).cloned());
        sort(&mut objects);
        Ok(objects)
    }

    fn depends_on_ids(&self, id: ObjectId) -> Result<Vec<ObjectId>> {
        match self.pending.objects.get(&id) {
            Some(Some(entry)) => Ok(entry.depends_on.clone()),
            Some(None) => Ok(Vec::new()),
            None => Ok(self.store.depends_on(id)?.into_iter().map(|object| object.id).collect()),
        }
    }
}

impl Look for View<'_> {
    fn get(&self, id: ObjectId) -> Result<Option<Object>> {
        match self.pending.objects.get(&id) {
            Some(entry) => Ok(entry.as_ref().map(|entry| entry.object.clone())),
            None => self.store.object_by_id(id),
        }
    }

    fn find(&self, kind: Kind, schema: &str, name: &str) -> Result<Option<Object>> {
        let same = |o: &Object| name_space(o.kind) == name_space(kind) && o.schema == schema && o.name == name;
        if let Some(entry) = self.live().find(|entry| same(&entry.object)) {
            return Ok(Some(entry.object.clone()));
        }
        let stored = if kind.is_relation() { self.store.relation(schema, name)? } else { self.store.object(kind, schema, name)? };
        Ok(stored.filter(|object| !self.hides(object.id)))
    }

    fn direct_dependents(&self, id: ObjectId) -> Result<Vec<Object>> {
        let mut found: Vec<Object> = self.live().filter(|entry| entry.depends_on.contains(&id)).map(|entry| entry.object.clone()).collect();
        for object in self.store.dependents(id)? {
            if !self.hides(object.id) && self.depends_on_ids(object.id)?.contains(&id) {
                found.push(object);
            }
        }
        sort(&mut found);
        Ok(found)
    }

    fn in_schema(&self, schema: &str) -> Result<Vec<Object>> {
        let mut found = self.list(None, Some(schema))?;
        found.retain(|object| object.kind != Kind::Schema);
        Ok(found)
    }

    fn owned_by(&self, role: &str) -> Result<Vec<Object>> {
        let mut found = self.list(None, None)?;
        found.retain(|object| object.owner == role);
        Ok(found)
    }

    fn access(&self) -> Result<Arc<Access>> {
        let stored = self.store.access()?;
        if self.pending.access.is_empty() {
            return Ok(stored);
        }
        Ok(Arc::new(Access::clone(&stored).edited(&self.pending.access)))
    }

    fn was_used(&self, id: ObjectId) -> Result<bool> {
        Ok(self.hides(id) || !self.store.versions(Some(id))?.is_empty())
    }
}

/// Writing into the pending changes.
struct Overlay<'a> {
    store: &'a dyn Store,
    pending: &'a mut Pending,
}

impl Overlay<'_> {
    fn view(&self) -> View<'_> {
        View { store: self.store, pending: self.pending }
    }

    /// Remembers which version of a stored object the changes start from.
    fn expect(&mut self, id: ObjectId) -> Result<()> {
        if !self.pending.objects.contains_key(&id)
            && let Some(stored) = self.store.object_by_id(id)?
        {
            self.pending.expected.insert(id, stored.version);
        }
        Ok(())
    }
}

impl Look for Overlay<'_> {
    fn get(&self, id: ObjectId) -> Result<Option<Object>> {
        self.view().get(id)
    }

    fn find(&self, kind: Kind, schema: &str, name: &str) -> Result<Option<Object>> {
        self.view().find(kind, schema, name)
    }

    fn direct_dependents(&self, id: ObjectId) -> Result<Vec<Object>> {
        self.view().direct_dependents(id)
    }

    fn in_schema(&self, schema: &str) -> Result<Vec<Object>> {
        self.view().in_schema(schema)
    }

    fn owned_by(&self, role: &str) -> Result<Vec<Object>> {
        self.view().owned_by(role)
    }

    fn access(&self) -> Result<Arc<Access>> {
        self.view().access()
    }

    fn was_used(&self, id: ObjectId) -> Result<bool> {
        self.view().was_used(id)
    }
}

impl State for Overlay<'_> {
    fn put(&mut self, object: &Object, depends_on: Option<&[ObjectId]>) -> Result<()> {
        let depends_on = match depends_on {
            Some(ids) => ids.to_vec(),
            None => self.view().depends_on_ids(object.id)?,
        };
        self.expect(object.id)?;
        self.pending.objects.insert(object.id, Some(Arc::new(Entry { object: object.clone(), depends_on })));
        Ok(())
    }

    fn remove(&mut self, object: &Object) -> Result<()> {
        self.expect(object.id)?;
        self.pending.objects.insert(object.id, None);
        Ok(())
    }

    fn remember(&mut self, version: ObjectVersion) -> Result<()> {
        self.pending.history.push(version);
        Ok(())
    }

    fn put_secret(&mut self, secret: &Object, value: Option<&SecretValue>) -> Result<()> {
        self.expect(secret.id)?;
        self.pending.secrets.insert(secret.id, value.cloned());
        Ok(())
    }

    fn edit_access(&mut self, edits: &[Edit]) -> Result<()> {
        self.pending.access.extend_from_slice(edits);
        Ok(())
    }

    fn note(&mut self, _: &AuditEntry) -> Result<()> {
        Ok(())
    }

    fn tell(&mut self, _: &NewEvent) -> Result<()> {
        Ok(())
    }
}

fn sort(objects: &mut [Object]) {
    objects.sort_by(|a, b| (&a.schema, &a.name, a.id).cmp(&(&b.schema, &b.name, b.id)));
}
