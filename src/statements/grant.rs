//! `GRANT privileges ON what TO roles`, `REVOKE ..`, `ALTER DEFAULT PRIVILEGES ..`

use weir_catalog::access::{AUDIT, DATABASE, protected};
use weir_catalog::{Access, AccessChange, Change, DefaultKey, Definitions, GrantKey, Kind, Object, ObjectId, Revoked, Thing, fits};
use weir_sql::statements::grant::{DefaultPrivileges, Direction, Grant, GrantOn};
use weir_sql::{Ident, Name, Privilege, Protected};

use super::{names, roles};
use crate::engine::privileges;
use crate::error::{Code, Error, Result};
use crate::session::{Notice, Outcome, Session};

/// Something that rights are given on.
struct On {
    id: ObjectId,
    kind: Protected,
    owner: String,
    /// As messages name it.
    shown: String,
}

impl On {
    fn of(object: &Object) -> Self {
        On {
            id: object.id,
            kind: protected(object.kind),
            owner: object.owner.clone(),
            shown: format!("{} {}", object.kind.noun(), object.name),
        }
    }

    fn of_hub(id: ObjectId, kind: Protected, shown: &str) -> Self {
        On { id, kind, owner: String::new(), shown: shown.to_owned() }
    }

    fn thing(&self) -> Thing<'_> {
        Thing { id: self.id, kind: self.kind, owner: &self.owner }
    }
}

pub(super) fn execute(session: &Session, statement: &Grant) -> Result<Outcome> {
    let Grant { direction, privileges: wanted, on, roles: specs, grant_option, cascade } = statement;
    let definitions = session.definitions();
    let access = definitions.access()?;
    let grantees = specs.iter().map(|spec| roles::grantee(session, &access, spec)).collect::<Result<Vec<_>>>()?;
    if *grant_option && *direction == Direction::Grant && grantees.contains(&weir_catalog::access::PUBLIC) {
        return Err(Error::new(Code::InvalidGrant, "grant options can only be granted to roles"));
    }
    let mut changes = Vec::new();
    for on in objects(session, &*definitions, on)? {
        let held = grantors(session, &access, &on, wanted.as_deref())?;
        for (privilege, grantor) in held {
            for grantee in &grantees {
                match direction {
                    // The owner has every right already.
                    Direction::Grant if access.role(&on.owner).is_some_and(|owner| owner.id == *grantee) => {}
                    Direction::Grant => {
                        let key = GrantKey { object: on.id, grantee: *grantee, privilege, grantor };
                        changes.push(AccessChange::Grant { key, grantable: *grant_option });
                    }
                    Direction::Revoke => {
                        let what = if *grant_option { Revoked::OptionOnly } else { Revoked::Right };
                        // What the hub began with was given by nobody: an owner takes it like his own.
                        let given = access.grants_on(on.id).map(|(key, _)| key).filter(|known| {
                            let same = known.grantee == *grantee && known.privilege == privilege;
                            let is_owners = access.is_owner(&session.role(), &on.owner) && known.grantor == weir_catalog::access::BOOTSTRAP;
                            same && (known.grantor == grantor || is_owners)
                        });
                        changes.extend(given.map(|key| AccessChange::Revoke { key: *key, what, cascade: *cascade }));
                    }
                }
            }
        }
    }
    if !changes.is_empty() {
        let changes: Vec<Change> = changes.into_iter().map(Change::Access).collect();
        session.stage(&changes)?;
    }
    Ok(Outcome::done(if *direction == Direction::Grant { "GRANT" } else { "REVOKE" }))
}

/// The wanted rights that the session can give on the object, each with the role that gives it.
fn grantors(session: &Session, access: &Access, on: &On, wanted: Option<&[Privilege]>) -> Result<Vec<(Privilege, ObjectId)>> {
    let me = session.role();
    if let Some(wrong) = wanted.and_then(|wanted| wanted.iter().find(|privilege| !fits(on.kind, **privilege))) {
        return Err(Error::new(Code::InvalidGrant, format!("invalid privilege type {wrong} for {}", on.kind.noun())));
    }
    let asked: &[Privilege] = match wanted {
        Some(wanted) => wanted,
        None if on.id == AUDIT => &[Privilege::Select],
        None => on.kind.privileges(),
    };
    let held: Vec<(Privilege, ObjectId)> =
        asked.iter().filter_map(|privilege| Some((*privilege, access.grantor(&me, on.thing(), *privilege)?))).collect();
    if held.is_empty() && !access.allows_any(&me, on.thing()) {
        return Err(privileges::denied(&on.shown));
    }
    let name = on.shown.rsplit(' ').next().unwrap_or_default();
    if held.is_empty() {
        session.notice(Notice::warning("01007", format!("no privileges were granted for \"{name}\"")));
    } else if held.len() < asked.len() && wanted.is_some() {
        session.notice(Notice::warning("01007", format!("not all privileges were granted for \"{name}\"")));
    }
    Ok(held)
}

fn objects(session: &Session, definitions: &dyn Definitions, on: &GrantOn) -> Result<Vec<On>> {
    match on {
        GrantOn::Objects { kind, names } => names.iter().map(|name| object(session, definitions, *kind, name)).collect(),
        GrantOn::AllIn { kind, schemas } => {
            let mut found = Vec::new();
            for schema in schemas {
                let known = schema_named(definitions, schema)?;
                names::refuse_reserved(schema)?;
                privileges::require_usage(definitions, &session.role(), &known.name).map_err(|error| error.at(schema.position))?;
                let objects = definitions.objects(None, Some(&known.name))?;
                found.extend(objects.iter().filter(|object| object.kind != Kind::Schema && protected(object.kind) == *kind).map(On::of));
            }
            Ok(found)
        }
    }
}

fn object(session: &Session, definitions: &dyn Definitions, kind: Protected, name: &Name) -> Result<On> {
    let is_audit = name.schema.as_ref().is_some_and(|schema| schema.value == "hub") && name.name.value == "audit";
    let object = match kind {
        Protected::Database => {
            let database = session.hub().database();
            if name.name.value != database || name.schema.is_some() {
                let message = format!("database \"{}\" does not exist", names::plain(name));
                return Err(Error::new(Code::UndefinedDatabase, message).at(name.position()));
            }
            return Ok(On::of_hub(DATABASE, kind, &format!("database {database}")));
        }
        Protected::Relation if is_audit => return Ok(On::of_hub(AUDIT, kind, "table audit")),
        Protected::Relation => names::relation(session, definitions, name)?,
        Protected::Schema => schema_named(definitions, &name.name)?,
        Protected::Secret => names::get(session, definitions, Kind::Secret, name)?,
        Protected::Connection => names::get(session, definitions, Kind::Connection, name)?,
        Protected::Pipeline => names::get(session, definitions, Kind::Pipeline, name)?,
    };
    names::refuse_system(&object, name.position())?;
    Ok(On::of(&object))
}

fn schema_named(definitions: &dyn Definitions, schema: &Ident) -> Result<Object> {
    let found = definitions.object(Kind::Schema, "", &schema.value)?;
    found.ok_or_else(|| Error::new(Code::UndefinedSchema, format!("schema \"{}\" does not exist", schema.value)).at(schema.position))
}

pub(super) fn defaults(session: &Session, statement: &DefaultPrivileges) -> Result<Outcome> {
    let DefaultPrivileges { for_roles, in_schemas, direction, privileges: wanted, kind, roles: specs, grant_option } = statement;
    let definitions = session.definitions();
    let (access, me) = (definitions.access()?, session.role());
    let mut owners = vec![access.owner_id(&me)];
    if !for_roles.is_empty() {
        owners.clear();
        for spec in for_roles {
            let role = roles::find(session, &access, spec)?;
            if !access.has_rights_of(&me, &role.name) {
                return Err(Error::new(Code::NoPrivilege, "permission denied to change default privileges").at(spec.position));
            }
            owners.push(role.id);
        }
    }
    if let Some(wrong) = wanted.iter().flatten().find(|privilege| !fits(*kind, **privilege)) {
        return Err(Error::new(Code::InvalidGrant, format!("invalid privilege type {wrong} for {}", kind.noun())));
    }
    let mut schemas = vec![None];
    if !in_schemas.is_empty() {
        schemas.clear();
        for schema in in_schemas {
            schemas.push(Some(schema_named(&*definitions, schema)?.id));
        }
    }
    let grantees = specs.iter().map(|spec| roles::grantee(session, &access, spec)).collect::<Result<Vec<_>>>()?;
    let privileges = wanted.as_deref().unwrap_or_else(|| kind.privileges());
    let mut changes = Vec::new();
    for owner in &owners {
        for schema in &schemas {
            for grantee in &grantees {
                for privilege in privileges {
                    let key = DefaultKey { owner: *owner, schema: *schema, kind: *kind, grantee: *grantee, privilege: *privilege };
                    changes.push(Change::Access(match (direction, grant_option) {
                        (Direction::Grant, _) => AccessChange::PutDefault { key, grantable: *grant_option },
                        (Direction::Revoke, true) => AccessChange::DropDefault { key, what: Revoked::OptionOnly },
                        (Direction::Revoke, false) => AccessChange::DropDefault { key, what: Revoked::Right },
                    }));
                }
            }
        }
    }
    session.stage(&changes)?;
    Ok(Outcome::done("ALTER DEFAULT PRIVILEGES"))
}
