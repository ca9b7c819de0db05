//! What a slice of changes means: the rules of names, versions, schemas and dependencies, written once.
//!
//! The same rules run over the tables of the catalog and over the pending changes of a transaction, so what a transaction accepts is what its
//! commit accepts. Atomicity is the business of whoever implements `State`.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::access::{Access, AuditEntry, Edit};
use crate::access_change;
use crate::error::{Error, ErrorKind, Result};
use crate::events::NewEvent;
use crate::model::{Change, Kind, Micros, Object, ObjectId, ObjectVersion, SecretValue};

/// Reading definitions, as the rules need it.
pub(crate) trait Look {
    fn get(&self, id: ObjectId) -> Result<Option<Object>>;
    /// The object of that name in the name space of `kind`: for relations it may be of another relation kind.
    fn find(&self, kind: Kind, schema: &str, name: &str) -> Result<Option<Object>>;
    /// Objects that name `id` among what they depend on.
    fn direct_dependents(&self, id: ObjectId) -> Result<Vec<Object>>;
    /// Everything that lies in a schema, ordered by name.
    fn in_schema(&self, schema: &str) -> Result<Vec<Object>>;
    /// Everything whose owner has that name.
    fn owned_by(&self, role: &str) -> Result<Vec<Object>>;
    /// Roles and rights.
    fn access(&self) -> Result<Arc<Access>>;
    /// Whether an object of that id ever existed.
    fn was_used(&self, id: ObjectId) -> Result<bool>;
}

/// Writing definitions. A failed slice leaves the state in pieces; the caller throws it away.
pub(crate) trait State: Look {
    /// Adds the object or writes it over; `depends_on` None keeps what it depends on.
    fn put(&mut self, object: &Object, depends_on: Option<&[ObjectId]>) -> Result<()>;
    fn remove(&mut self, object: &Object) -> Result<()>;
    fn remember(&mut self, version: ObjectVersion) -> Result<()>;
    fn put_secret(&mut self, secret: &Object, value: Option<&SecretValue>) -> Result<()>;
    fn edit_access(&mut self, edits: &[Edit]) -> Result<()>;
    /// Notes what is done; a draft leaves it to its commit.
    fn note(&mut self, entry: &AuditEntry) -> Result<()>;
    /// Logs an event; a draft leaves it to its commit.
    fn tell(&mut self, event: &NewEvent) -> Result<()>;
}

/// The name space of a kind: sources, views and tables share one.
pub(crate) fn name_space(kind: Kind) -> &'static str {
    if kind.is_relation() { "relation" } else { kind.noun() }
}

pub(crate) fn apply(state: &mut dyn State, changes: &[Change], by: &str, now: Micros) -> Result<()> {
    let mut dropped = Vec::new();
    for change in changes {
        match change {
            Change::Create { object, depends_on } => create(state, object, depends_on, by, now)?,
            Change::Replace { object, depends_on } => replace(state, object, depends_on, by, now)?,
            Change::Body { id, body } => {
                let object = existing(state, *id)?;
                state.put(&Object { body: body.clone(), ..object }, None)?;
            }
            Change::Comment { id, comment } => {
                let object = existing(state, *id)?;
                state.put(&Object { comment: comment.clone(), ..object }, None)?;
            }
            Change::Drop { id } => {
                let object = existing(state, *id)?;
                state.remove(&object)?;
                access_change::dropped(state, &object)?;
                dropped.push(object);
            }
            Change::PutSecret { id, value } => {
                let secret = existing(state, *id)?;
                if secret.kind != Kind::Secret {
                    return Err(Error::internal(format!("{} is not a secret", naming(&secret))));
                }
                state.put_secret(&secret, value.as_ref())?;
            }
            Change::Access(change) => access_change::apply(state, change)?,
            Change::Audit(entry) => state.note(entry)?,
            Change::Event(event) => state.tell(event)?,
        }
    }
    // Only now: dependents may be dropped before or after what they depend on.
    dropped.iter().try_for_each(|object| refuse_if_needed(state, object))
}

/// All that depends on `id`, directly or not, dependents first. Cycles are broken somewhere.
pub(crate) fn dependents(look: &dyn Look, id: ObjectId) -> Result<Vec<Object>> {
    let mut seen = HashSet::from([id]);
    let mut ordered = Vec::new();
    // Depth first with an own stack: a node comes out after everything that depends on it.
    let mut stack = vec![(None, direct(look, id)?.into_iter())];
    while let Some((node, children)) = stack.last_mut() {
        if let Some(child) = children.next() {
            if seen.insert(child.id) {
                let grandchildren = direct(look, child.id)?.into_iter();
                stack.push((Some(child), grandchildren));
            }
        } else {
            ordered.extend(node.take());
            stack.pop();
        }
    }
    Ok(ordered)
}

fn direct(look: &dyn Look, id: ObjectId) -> Result<Vec<Object>> {
    let mut found = look.direct_dependents(id)?;
    if let Some(schema) = look.get(id)?.filter(|object| object.kind == Kind::Schema) {
        found.extend(look.in_schema(&schema.name)?);
    }
    Ok(found)
}

fn create(state: &mut dyn State, object: &Object, depends_on: &[ObjectId], by: &str, now: Micros) -> Result<()> {
    if state.was_used(object.id)? {
        return Err(Error::internal(format!("the id of {} was given before", naming(object))));
    }
    place_is_free(state, object)?;
    let object = Object { version: 1, created_at: now, changed_at: now, ..object.clone() };
    let depends_on = known(state, &object, depends_on)?;
    state.put(&object, Some(&depends_on))?;
    access_change::made(state, &object)?;
    state.remember(version_of(&object, by))
}

fn replace(state: &mut dyn State, object: &Object, depends_on: &[ObjectId], by: &str, now: Micros) -> Result<()> {
    let before = state.get(object.id)?.ok_or_else(|| not_found(object.kind, &object.full_name()))?;
    if before.version != object.version {
        return Err(moved(&before));
    }
    if before.kind != object.kind {
        return Err(Error::internal(format!("{} cannot become a {}", naming(&before), object.kind.noun())));
    }
    let renamed = (&before.schema, &before.name) != (&object.schema, &object.name);
    if renamed {
        place_is_free(state, object)?;
    }
    let after = Object { version: before.version + 1, created_at: before.created_at, changed_at: now, ..object.clone() };
    let depends_on = known(state, &after, depends_on)?;
    state.put(&after, Some(&depends_on))?;
    if before.owner != after.owner {
        access_change::handed_over(state, &before, &after)?;
    }
    state.remember(version_of(&after, by))?;
    if renamed && after.kind == Kind::Schema {
        for content in state.in_schema(&before.name)? {
            state.put(&Object { schema: after.name.clone(), ..content }, None)?;
        }
    }
    Ok(())
}

/// The schema is there and the name in it is not taken.
fn place_is_free(look: &dyn State, object: &Object) -> Result<()> {
    if object.kind == Kind::Schema {
        if !object.schema.is_empty() {
            return Err(Error::internal(format!("{} lies in a schema", naming(object))));
        }
    } else if look.find(Kind::Schema, "", &object.schema)?.is_none() {
        return Err(not_found(Kind::Schema, &object.schema));
    }
    match look.find(object.kind, &object.schema, &object.name)? {
        Some(other) => Err(Error::new(ErrorKind::Duplicate, format!("{} already exists", naming(&other)))),
        None => Ok(()),
    }
}

/// The ids without doubles and without the object itself, each of them there.
fn known(look: &dyn State, object: &Object, depends_on: &[ObjectId]) -> Result<Vec<ObjectId>> {
    let ids: BTreeSet<ObjectId> = depends_on.iter().copied().filter(|id| *id != object.id).collect();
    for id in &ids {
        if look.get(*id)?.is_none() {
            return Err(Error::new(ErrorKind::Conflict, format!("an object that {} depends on was dropped", naming(object)))
                .with_detail(format!("The dropped object had the id {}.", id.0))
                .with_hint("Retry the statement."));
        }
    }
    Ok(ids.into_iter().collect())
}

fn refuse_if_needed(state: &dyn State, dropped: &Object) -> Result<()> {
    let mut needed_by = state.direct_dependents(dropped.id)?;
    if dropped.kind == Kind::Schema && state.find(Kind::Schema, "", &dropped.name)?.is_none() {
        needed_by.extend(state.in_schema(&dropped.name)?);
    }
    if needed_by.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = needed_by.iter().map(|user| format!("{} depends on {}", naming(user), naming(dropped))).collect();
    let error = Error::new(ErrorKind::InUse, format!("cannot drop {} because other objects depend on it", naming(dropped)))
        .with_detail(lines.join("\n"));
    Err(match dropped.kind {
        Kind::Secret => error.with_hint("Drop or change the dependent objects first."),
        _ => error.with_hint("Use DROP ... CASCADE to drop the dependent objects too."),
    })
}

fn existing(state: &dyn State, id: ObjectId) -> Result<Object> {
    state.get(id)?.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("object {} does not exist", id.0)))
}

fn version_of(object: &Object, by: &str) -> ObjectVersion {
    ObjectVersion {
        id: object.id,
        version: object.version,
        definition: object.definition.clone(),
        alters: object.alters.clone(),
        changed_at: object.changed_at,
        changed_by: by.to_owned(),
    }
}

/// Fails unless every object is there with its version.
pub(crate) fn expect_versions(look: &dyn Look, expected: &[(ObjectId, i64)]) -> Result<()> {
    for (id, version) in expected {
        match look.get(*id)? {
            Some(object) if object.version == *version => {}
            Some(object) => return Err(moved(&object)),
            None => {
                return Err(Error::new(ErrorKind::Conflict, "an object of this transaction was dropped by another session")
                    .with_detail(format!("The dropped object had the id {}.", id.0))
                    .with_hint("Retry the transaction."));
            }
        }
    }
    Ok(())
}

/// The changes without facts about objects that are gone: a run may end after somebody dropped what it wrote.
pub(crate) fn without_vanished(look: &dyn Look, changes: &[Change]) -> Result<Vec<Change>> {
    let mut made = HashSet::new();
    let mut kept = Vec::with_capacity(changes.len());
    for change in changes {
        match change {
            Change::Create { object, .. } => {
                made.insert(object.id);
            }
            Change::Body { id, .. } | Change::Comment { id, .. } => {
                if !made.contains(id) && look.get(*id)?.is_none() {
                    continue;
                }
            }
            Change::Replace { .. }
            | Change::Drop { .. }
            | Change::PutSecret { .. }
            | Change::Access(_)
            | Change::Audit(_)
            | Change::Event(_) => {}
        }
        kept.push(change.clone());
    }
    Ok(kept)
}

fn moved(object: &Object) -> Error {
    Error::new(ErrorKind::Conflict, format!("{} was changed by another session", naming(object))).with_hint("Retry the statement.")
}

pub(crate) fn not_found(kind: Kind, name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("{} \"{name}\" does not exist", kind.noun()))
}

/// `source "shop.orders"`.
fn naming(object: &Object) -> String {
    format!("{} \"{}\"", object.kind.noun(), object.full_name())
}
