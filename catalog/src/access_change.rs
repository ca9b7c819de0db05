//! What a change of roles and rights means: the rules, written once for the store and for drafts.

use std::sync::Arc;

use weir_sql::{Privilege, Protected};

use crate::access::{AUDIT, Access, BOOTSTRAP, DATABASE, DefaultKey, GrantKey, Membership, PUBLIC, protected};
use crate::change::{State, not_found};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Kind, Object, ObjectId, Role};

/// One step of a change of roles and rights.
#[derive(Debug, Clone, PartialEq)]
pub enum AccessChange {
    /// A new role, or a known one as it is to be; `id` is drawn beforehand.
    PutRole(Role),
    DropRole(ObjectId),
    PutMember(Membership),
    DropMember {
        role: ObjectId,
        member: ObjectId,
    },
    /// `grantable` is added, never taken.
    Grant {
        key: GrantKey,
        grantable: bool,
    },
    Revoke {
        key: GrantKey,
        what: Revoked,
        cascade: bool,
    },
    PutDefault {
        key: DefaultKey,
        grantable: bool,
    },
    DropDefault {
        key: DefaultKey,
        what: Revoked,
    },
}

/// What is taken: the right, or only the option to pass it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    Right,
    OptionOnly,
}

/// Works the change out and hands the state its edits.
pub(crate) fn apply(state: &mut dyn State, change: &AccessChange) -> Result<()> {
    let before = state.access()?;
    let mut after = Access::clone(&before);
    match change {
        AccessChange::PutRole(role) => put_role(state, &mut after, role)?,
        AccessChange::DropRole(id) => drop_role(state, &mut after, *id)?,
        AccessChange::PutMember(membership) => {
            let (role, member) = (known(&after, membership.role)?, known(&after, membership.member)?);
            if after.would_circle(&role, &member) {
                let message = format!("role \"{}\" is a member of role \"{}\"", role.name, member.name);
                return Err(Error::new(ErrorKind::InvalidGrant, message));
            }
            after.memberships.insert((role.id, member.id), membership.clone());
        }
        AccessChange::DropMember { role, member } => drop(after.memberships.remove(&(*role, *member))),
        AccessChange::Grant { key, grantable } => {
            thing(state, &after, key)?;
            *after.grants.entry(*key).or_insert(false) |= *grantable;
        }
        AccessChange::Revoke { key, what, cascade } => revoke(state, &mut after, key, *what, *cascade)?,
        AccessChange::PutDefault { key, grantable } => {
            known(&after, key.owner)?;
            grantee(&after, key.grantee)?;
            *after.defaults.entry(*key).or_insert(false) |= *grantable;
        }
        AccessChange::DropDefault { key, what } => match what {
            Revoked::Right => drop(after.defaults.remove(key)),
            Revoked::OptionOnly => {
                if let Some(grantable) = after.defaults.get_mut(key) {
                    *grantable = false;
                }
            }
        },
    }
    state.edit_access(&before.edits_to(&after))
}

fn known(access: &Access, id: ObjectId) -> Result<Role> {
    access.role_by_id(id).ok_or_else(|| {
        Error::new(ErrorKind::Conflict, "a role of this statement was dropped by another session").with_hint("Retry the statement.")
    })
}

fn grantee(access: &Access, id: ObjectId) -> Result<()> {
    if id == PUBLIC { Ok(()) } else { known(access, id).map(|_| ()) }
}

/// Whose the object of a right is, which must be there, as must whom it is given to.
fn thing(state: &dyn State, access: &Access, key: &GrantKey) -> Result<ObjectId> {
    grantee(access, key.grantee)?;
    if key.object == DATABASE || key.object == AUDIT {
        return Ok(BOOTSTRAP);
    }
    let object = state.get(key.object)?.ok_or_else(|| {
        Error::new(ErrorKind::Conflict, "an object of this statement was dropped by another session").with_hint("Retry the statement.")
    })?;
    if !protected(object.kind).privileges().contains(&key.privilege) {
        return Err(Error::internal(format!("{} has no right {}", object.full_name(), key.privilege)));
    }
    Ok(access.owner_id(&object.owner))
}

fn put_role(state: &mut dyn State, access: &mut Access, role: &Role) -> Result<()> {
    let before = access.roles.get(&role.id).cloned();
    if let Some(other) = access.role(&role.name).filter(|other| other.id != role.id) {
        return Err(Error::new(ErrorKind::Duplicate, format!("role \"{}\" already exists", other.name)));
    }
    access.roles.insert(role.id, role.clone());
    let Some(before) = before else { return Ok(()) };
    keep_one_superuser(access, &before)?;
    if before.name != role.name {
        // Objects name their owner.
        for object in state.owned_by(&before.name)? {
            state.put(&Object { owner: role.name.clone(), ..object }, None)?;
        }
    }
    Ok(())
}

/// Somebody must be left who can do everything, if there was anybody.
fn keep_one_superuser(access: &Access, changed: &Role) -> Result<()> {
    let was_one = changed.superuser && changed.login;
    if !was_one || access.roles.values().any(|role| role.superuser && role.login) {
        return Ok(());
    }
    let message = format!("role \"{}\" is the last superuser that can log in", changed.name);
    Err(Error::new(ErrorKind::InUse, message).with_hint("Make another one first."))
}

fn drop_role(state: &dyn State, access: &mut Access, id: ObjectId) -> Result<()> {
    let role = known(access, id)?;
    let mut lines: Vec<String> =
        state.owned_by(&role.name)?.iter().map(|object| format!("owner of {} {}", object.kind.noun(), object.full_name())).collect();
    let mut objects: Vec<ObjectId> =
        access.grants.keys().filter(|key| key.grantee == id || key.grantor == id).map(|key| key.object).collect();
    objects.dedup();
    for object in objects {
        lines.push(match state.get(object)? {
            Some(object) => format!("privileges for {} {}", object.kind.noun(), object.full_name()),
            None if object == DATABASE => "privileges for the database".to_owned(),
            None => "privileges for hub.audit".to_owned(),
        });
    }
    for key in access.defaults.keys().filter(|key| key.owner == id || key.grantee == id) {
        let owner = access.name_of(key.owner);
        lines.push(format!("privileges for default privileges on new {}s belonging to role {owner}", key.kind.noun()));
    }
    lines.dedup();
    if !lines.is_empty() {
        const LISTED: usize = 100;
        let more = lines.len().saturating_sub(LISTED);
        lines.truncate(LISTED);
        if more > 0 {
            lines.push(format!("and {more} other objects"));
        }
        let message = format!("role \"{}\" cannot be dropped because some objects depend on it", role.name);
        return Err(Error::new(ErrorKind::InUse, message).with_detail(lines.join("\n")));
    }
    access.roles.remove(&id);
    access.memberships.retain(|(role, member), _| *role != id && *member != id);
    keep_one_superuser(access, &role)
}

/// Takes one right, and what was passed on by whoever can no longer pass it on.
fn revoke(state: &dyn State, access: &mut Access, key: &GrantKey, what: Revoked, cascade: bool) -> Result<()> {
    // The object may be gone: then so are its rights.
    let owner = match key.object {
        DATABASE | AUDIT => BOOTSTRAP,
        id => match state.get(id)? {
            Some(object) => access.owner_id(&object.owner),
            None => return Err(not_found(Kind::Table, &id.0.to_string())),
        },
    };
    match what {
        Revoked::Right => drop(access.grants.remove(key)),
        Revoked::OptionOnly => {
            if let Some(grantable) = access.grants.get_mut(key) {
                *grantable = false;
            }
        }
    }
    loop {
        let on = |other: &GrantKey| other.object == key.object && other.privilege == key.privilege;
        let holds = |role: ObjectId| access.grants.iter().any(|(other, grantable)| on(other) && *grantable && other.grantee == role);
        let without_ground = |other: &&GrantKey| on(other) && other.grantor != owner && other.grantor != BOOTSTRAP && !holds(other.grantor);
        let Some(dependent) = access.grants.keys().find(without_ground).copied() else { return Ok(()) };
        if !cascade {
            return Err(Error::new(ErrorKind::InUse, "dependent privileges exist").with_hint("Use CASCADE to revoke them too."));
        }
        access.grants.remove(&dependent);
    }
}

/// The rights that a new object begins with: those that its owner said new objects should have.
pub(crate) fn made(state: &mut dyn State, object: &Object) -> Result<()> {
    let access = state.access()?;
    if access.has_no_roles() {
        return Ok(());
    }
    // Nothing may belong to a role that was dropped meanwhile: another of the same name would find it its own.
    let Some(owner) = access.role(&object.owner) else {
        return Err(Error::new(ErrorKind::NotFound, format!("role \"{}\" does not exist", object.owner)));
    };
    let schema = state.find(Kind::Schema, "", &object.schema)?.map(|schema| schema.id);
    let kind = protected(object.kind);
    let applies = |key: &&DefaultKey| key.owner == owner.id && key.kind == kind && (key.schema.is_none() || key.schema == schema);
    if !access.defaults.keys().any(|key| applies(&key)) {
        return Ok(());
    }
    let mut after = Access::clone(&access);
    for (key, grantable) in access.defaults.iter().filter(|(key, _)| applies(key)) {
        let grant = GrantKey { object: object.id, grantee: key.grantee, privilege: key.privilege, grantor: owner.id };
        *after.grants.entry(grant).or_insert(false) |= *grantable;
    }
    state.edit_access(&access.edits_to(&after))
}

/// An object that changes hands: what its owner gave is given by the new one.
pub(crate) fn handed_over(state: &mut dyn State, before: &Object, after: &Object) -> Result<()> {
    let access = state.access()?;
    if access.has_no_roles() {
        return Ok(());
    }
    if access.role(&after.owner).is_none() {
        return Err(Error::new(ErrorKind::NotFound, format!("role \"{}\" does not exist", after.owner)));
    }
    let (from, to) = (access.owner_id(&before.owner), access.owner_id(&after.owner));
    let mut edited = Access::clone(&access);
    for (key, grantable) in access.grants_on(after.id) {
        let swap = |id: ObjectId| if id == from { to } else { id };
        let moved = GrantKey { grantee: swap(key.grantee), grantor: swap(key.grantor), ..*key };
        edited.grants.remove(key);
        if moved.grantee != to {
            *edited.grants.entry(moved).or_insert(false) |= grantable;
        }
    }
    state.edit_access(&access.edits_to(&edited))
}

/// An object that is gone takes its rights along.
pub(crate) fn dropped(state: &mut dyn State, object: &Object) -> Result<()> {
    let access: Arc<Access> = state.access()?;
    let named = access.defaults.keys().any(|key| key.schema == Some(object.id));
    if !named && access.grants_on(object.id).next().is_none() {
        return Ok(());
    }
    let mut after = Access::clone(&access);
    after.grants.retain(|key, _| key.object != object.id);
    after.defaults.retain(|key, _| key.schema != Some(object.id));
    state.edit_access(&access.edits_to(&after))
}

/// Whether the right means anything for objects of that kind.
pub fn fits(kind: Protected, privilege: Privilege) -> bool {
    kind.privileges().contains(&privilege)
}
