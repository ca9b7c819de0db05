//! Who may do what: roles, memberships, rights on objects and rights of objects to come. Pure data, and questions to it.
//!
//! Every question about a right is answered by `allows`. Nothing here reads a table: the store and a draft both give a whole `Access`, and
//! changes are told as the edits between two of them.

use std::collections::{BTreeMap, BTreeSet};

use weir_sql::{Privilege, Protected};

use crate::model::{Kind, Micros, Object, ObjectId, Role};

/// Everybody, as a grantee.
pub const PUBLIC: ObjectId = ObjectId(0);
/// The database, as what rights are given on.
pub const DATABASE: ObjectId = ObjectId(5);
/// `hub.audit`, likewise.
pub const AUDIT: ObjectId = ObjectId(6);
/// Who gave the rights that a hub begins with.
pub const BOOTSTRAP: ObjectId = ObjectId(10);

pub const READ_ALL_DATA: ObjectId = ObjectId(6181);
pub const WRITE_ALL_DATA: ObjectId = ObjectId(6182);
pub const READ_ALL_STATS: ObjectId = ObjectId(3375);
pub const READ_SERVER_FILES: ObjectId = ObjectId(4569);
pub const SIGNAL_BACKEND: ObjectId = ObjectId(4200);

/// Roles of every hub, under PostgreSQL's names and numbers. Nobody logs in as one of them; they are given.
const PREDEFINED: &[(ObjectId, &str)] = &[
    (READ_ALL_DATA, "pg_read_all_data"),
    (WRITE_ALL_DATA, "pg_write_all_data"),
    (READ_ALL_STATS, "pg_read_all_stats"),
    (READ_SERVER_FILES, "pg_read_server_files"),
    (SIGNAL_BACKEND, "pg_signal_backend"),
];

/// That one role is a member of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub role: ObjectId,
    pub member: ObjectId,
    pub grantor: ObjectId,
    /// May make others members.
    pub admin: bool,
    /// Has the role's rights without SET ROLE.
    pub inherit: bool,
    /// May SET ROLE.
    pub set: bool,
}

/// One right of one role on one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantKey {
    pub object: ObjectId,
    pub grantee: ObjectId,
    pub privilege: Privilege,
    pub grantor: ObjectId,
}

/// One right on objects that `owner` will make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DefaultKey {
    pub owner: ObjectId,
    /// None is every schema.
    pub schema: Option<ObjectId>,
    pub kind: Protected,
    pub grantee: ObjectId,
    pub privilege: Privilege,
}

/// One difference between two states.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    Role(ObjectId, Option<Role>),
    Membership((ObjectId, ObjectId), Option<Membership>),
    /// The flag says whether the right may be passed on.
    Grant(GrantKey, Option<bool>),
    Default(DefaultKey, Option<bool>),
}

/// All of it, at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Access {
    pub(crate) roles: BTreeMap<ObjectId, Role>,
    pub(crate) memberships: BTreeMap<(ObjectId, ObjectId), Membership>,
    pub(crate) grants: BTreeMap<GrantKey, bool>,
    pub(crate) defaults: BTreeMap<DefaultKey, bool>,
}

/// What is asked for: an object and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Thing<'a> {
    pub id: ObjectId,
    pub kind: Protected,
    pub owner: &'a str,
}

impl<'a> Thing<'a> {
    pub fn of(object: &'a Object) -> Self {
        Thing { id: object.id, kind: protected(object.kind), owner: &object.owner }
    }

    /// What belongs to the hub itself.
    pub fn of_hub(id: ObjectId, kind: Protected) -> Self {
        Thing { id, kind, owner: "" }
    }
}

/// The kind of rights that an object knows.
pub fn protected(kind: Kind) -> Protected {
    match kind {
        Kind::Schema => Protected::Schema,
        Kind::Secret => Protected::Secret,
        Kind::Connection => Protected::Connection,
        // What an alert does is done with its owner's rights; whoever may use its schema may use a template. To change either is its owner's right.
        Kind::Pipeline | Kind::Alert | Kind::Template => Protected::Pipeline,
        Kind::Source | Kind::View | Kind::Table => Protected::Relation,
    }
}

/// Which memberships are followed.
#[derive(Clone, Copy)]
enum Follow {
    /// Those whose rights come by themselves.
    Inherited,
    Settable,
    All,
}

impl Access {
    /// A catalog in which no role was ever made: nobody can log in, and what runs there is the hub's own or a check without a hub.
    pub fn has_no_roles(&self) -> bool {
        self.roles.is_empty()
    }

    pub fn role(&self, name: &str) -> Option<Role> {
        self.roles.values().find(|role| role.name == name).cloned().or_else(|| predefined().find(|role| role.name == name))
    }

    pub fn role_by_id(&self, id: ObjectId) -> Option<Role> {
        self.roles.get(&id).cloned().or_else(|| predefined().find(|role| role.id == id))
    }

    /// Every role, those of every hub included, by name.
    pub fn roles(&self) -> Vec<Role> {
        let mut roles: Vec<Role> = self.roles.values().cloned().chain(predefined()).collect();
        roles.sort_by(|a, b| a.name.cmp(&b.name));
        roles
    }

    pub fn memberships(&self) -> impl Iterator<Item = &Membership> {
        self.memberships.values()
    }

    pub fn grants(&self) -> impl Iterator<Item = (&GrantKey, bool)> {
        self.grants.iter().map(|(key, grantable)| (key, *grantable))
    }

    /// The rights on one object.
    pub fn grants_on(&self, object: ObjectId) -> impl Iterator<Item = (&GrantKey, bool)> {
        let first = GrantKey { object, grantee: ObjectId(i64::MIN), privilege: Privilege::Insert, grantor: ObjectId(i64::MIN) };
        self.grants.range(first..).take_while(move |(key, _)| key.object == object).map(|(key, grantable)| (key, *grantable))
    }

    pub fn defaults(&self) -> impl Iterator<Item = (&DefaultKey, bool)> {
        self.defaults.iter().map(|(key, grantable)| (key, *grantable))
    }

    /// Whether the role of that name passes every check.
    pub fn is_superuser(&self, role: &str) -> bool {
        self.has_no_roles() || self.role(role).is_some_and(|role| role.superuser)
    }

    /// The role itself, and every role whose rights it has.
    fn acts_as(&self, role: &Role) -> BTreeSet<ObjectId> {
        self.reached(role, Follow::Inherited)
    }

    fn reached(&self, role: &Role, follow: Follow) -> BTreeSet<ObjectId> {
        let mut seen = BTreeSet::from([role.id]);
        let mut next = vec![role.id];
        while let Some(member) = next.pop() {
            for membership in self.memberships.values().filter(|membership| membership.member == member) {
                let follows = match follow {
                    Follow::Inherited => membership.inherit,
                    Follow::Settable => membership.set,
                    Follow::All => true,
                };
                if follows && seen.insert(membership.role) {
                    next.push(membership.role);
                }
            }
        }
        seen
    }

    /// Whether `role` has all rights of the role `other`: it is the same, a member that inherits, or a superuser.
    pub fn has_rights_of(&self, role: &str, other: &str) -> bool {
        if self.is_superuser(role) {
            return true;
        }
        match (self.role(role), self.role(other)) {
            (Some(role), Some(other)) => self.acts_as(&role).contains(&other.id),
            _ => false,
        }
    }

    /// As [`Access::has_rights_of`], of one of the roles that every hub has.
    pub fn has_rights_of_id(&self, role: &str, other: ObjectId) -> bool {
        self.is_superuser(role) || self.role(role).is_some_and(|role| self.acts_as(&role).contains(&other))
    }

    /// Whether `role` may SET ROLE to `other`, and so make objects `other`'s.
    pub fn can_become(&self, role: &str, other: &str) -> bool {
        if self.is_superuser(role) {
            return true;
        }
        match (self.role(role), self.role(other)) {
            (Some(role), Some(other)) => self.reached(&role, Follow::Settable).contains(&other.id),
            _ => false,
        }
    }

    /// Whether `role` is a member of `other`, however.
    pub fn is_member(&self, role: &str, other: &str) -> bool {
        match (self.role(role), self.role(other)) {
            (Some(role), Some(other)) => self.reached(&role, Follow::All).contains(&other.id),
            _ => false,
        }
    }

    /// Whether `role` may make others members of `other`.
    pub fn is_admin_of(&self, role: &str, other: &Role) -> bool {
        if self.is_superuser(role) {
            return true;
        }
        let Some(role) = self.role(role) else { return false };
        let acts_as = self.acts_as(&role);
        self.memberships.values().any(|m| m.role == other.id && m.admin && acts_as.contains(&m.member))
    }

    /// Whether making `member` a member of `role` would close a circle.
    pub fn would_circle(&self, role: &Role, member: &Role) -> bool {
        self.reached(role, Follow::All).contains(&member.id)
    }

    pub fn is_owner(&self, role: &str, owner: &str) -> bool {
        self.has_rights_of(role, owner)
    }

    /// The one question: whether the role has the right on the thing.
    pub fn allows(&self, role: &str, thing: Thing<'_>, privilege: Privilege) -> bool {
        if self.is_superuser(role) {
            return true;
        }
        // A role that was dropped has no rights, not even those of everybody.
        let Some(known) = self.role(role) else { return false };
        let acts_as = self.acts_as(&known);
        if self.role(thing.owner).is_some_and(|owner| acts_as.contains(&owner.id)) {
            return true;
        }
        if acts_as.contains(&READ_ALL_DATA) && reads(thing.kind, privilege)
            || acts_as.contains(&WRITE_ALL_DATA) && writes(thing.kind, privilege)
        {
            return true;
        }
        self.grants_on(thing.id).any(|(key, _)| key.privilege == privilege && (key.grantee == PUBLIC || acts_as.contains(&key.grantee)))
    }

    /// Whether the role has any right on the thing at all.
    pub fn allows_any(&self, role: &str, thing: Thing<'_>) -> bool {
        thing.kind.privileges().iter().any(|privilege| self.allows(role, thing, *privilege))
    }

    /// The role that gives the right away when `role` does: the owner, or a role that holds it with the option to. None when nobody can.
    pub fn grantor(&self, role: &str, thing: Thing<'_>, privilege: Privilege) -> Option<ObjectId> {
        if self.is_owner(role, thing.owner) {
            return Some(self.owner_id(thing.owner));
        }
        let known = self.role(role)?;
        let acts_as = self.acts_as(&known);
        let mut holders = self
            .grants_on(thing.id)
            .filter(|(key, grantable)| *grantable && key.privilege == privilege && acts_as.contains(&key.grantee))
            .map(|(key, _)| key.grantee);
        let first = holders.next()?;
        Some(if first == known.id || holders.any(|holder| holder == known.id) { known.id } else { first })
    }

    /// The number by which the owner gives rights.
    pub fn owner_id(&self, owner: &str) -> ObjectId {
        self.role(owner).map_or(BOOTSTRAP, |role| role.id)
    }

    /// The name of a role by its number, as access lists print it.
    pub fn name_of(&self, id: ObjectId) -> String {
        match self.role_by_id(id) {
            Some(role) => role.name,
            None if id == PUBLIC => String::new(),
            None => self.roles.values().find(|role| role.superuser).map_or_else(|| "weir".to_owned(), |role| role.name.clone()),
        }
    }

    /// The state after the edit.
    pub fn edited(mut self, edits: &[Edit]) -> Self {
        fn put<K: Ord + Clone, V: Clone>(map: &mut BTreeMap<K, V>, key: &K, value: Option<&V>) {
            match value {
                Some(value) => drop(map.insert(key.clone(), value.clone())),
                None => drop(map.remove(key)),
            }
        }
        for edit in edits {
            match edit {
                Edit::Role(id, role) => put(&mut self.roles, id, role.as_ref()),
                Edit::Membership(key, membership) => put(&mut self.memberships, key, membership.as_ref()),
                Edit::Grant(key, grantable) => put(&mut self.grants, key, grantable.as_ref()),
                Edit::Default(key, grantable) => put(&mut self.defaults, key, grantable.as_ref()),
            }
        }
        self
    }

    /// What leads from this state to the other.
    pub(crate) fn edits_to(&self, after: &Access) -> Vec<Edit> {
        fn between<K: Ord + Clone, V: Clone + PartialEq>(
            before: &BTreeMap<K, V>,
            after: &BTreeMap<K, V>,
            edit: fn(K, Option<V>) -> Edit,
        ) -> Vec<Edit> {
            let gone = before.keys().filter(|key| !after.contains_key(key)).map(|key| edit(key.clone(), None));
            let new = after.iter().filter(|(key, value)| before.get(key) != Some(value));
            gone.chain(new.map(|(key, value)| edit(key.clone(), Some(value.clone())))).collect()
        }
        let mut edits = between(&self.roles, &after.roles, Edit::Role);
        edits.extend(between(&self.memberships, &after.memberships, Edit::Membership));
        edits.extend(between(&self.grants, &after.grants, Edit::Grant));
        edits.extend(between(&self.defaults, &after.defaults, Edit::Default));
        edits
    }
}

fn reads(kind: Protected, privilege: Privilege) -> bool {
    matches!((kind, privilege), (Protected::Relation, Privilege::Select) | (Protected::Schema, Privilege::Usage))
}

fn writes(kind: Protected, privilege: Privilege) -> bool {
    let changes = matches!(privilege, Privilege::Insert | Privilege::Update | Privilege::Delete);
    (kind == Protected::Relation && changes) || (kind == Protected::Schema && privilege == Privilege::Usage)
}

fn predefined() -> impl Iterator<Item = Role> {
    PREDEFINED.iter().map(|(id, name)| Role { id: *id, login: false, ..Role::named(name) })
}

/// One line of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub at: Micros,
    /// The role that was acting.
    pub role: String,
    /// The role that logged in.
    pub session_role: String,
    /// Address of the client.
    pub client: Option<String>,
    /// `CREATE TABLE`, `GRANT`, `log in`, ..
    pub action: String,
    pub object: Option<String>,
    /// As typed, without secrets.
    pub statement: Option<String>,
    /// None when it was done.
    pub sqlstate: Option<String>,
}
