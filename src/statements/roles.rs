//! `CREATE ROLE`, `ALTER ROLE`, `DROP ROLE`, with USER and GROUP for ROLE
//!
//! Who may: superusers; with CREATEROLE whoever has ADMIN OPTION on the role; everybody their own password. Of a password only what SCRAM
//! needs is kept.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use weir_catalog::{Access, AccessChange, Change, Definitions, Membership, ObjectId, Role};
use weir_sql::statements::roles::{AlterRole, CreateRole, DropRole, RoleChange, RoleOption, RoleSpec, Who};

use crate::clock::Micros;
use crate::config::Password;
use crate::error::{Code, Error, Result};
use crate::session::{Notice, Outcome, Session, is_md5, with_password};

pub(super) fn create(session: &Session, statement: &CreateRole) -> Result<Outcome> {
    let CreateRole { name, if_not_exists, is_user, options } = statement;
    let done = Outcome::done("CREATE ROLE");
    let definitions = session.definitions();
    let (access, me) = (definitions.access()?, session.role());
    refuse_reserved(&name.value, name.position)?;
    if !may_make_roles(&access, &me) {
        return Err(refused("create role").detail("Only roles with the CREATEROLE attribute may create roles."));
    }
    if access.role(&name.value).is_some() {
        let message = format!("role \"{}\" already exists", name.value);
        if *if_not_exists {
            session.notice(Notice::new(Code::DuplicateObject.sqlstate(), format!("{message}, skipping")));
            return Ok(done);
        }
        return Err(Error::new(Code::DuplicateObject, message).at(name.position));
    }
    let new = Role { id: definitions.next_id()?, login: *is_user, ..Role::named(&name.value) };
    let role = with_options(session, &access, new.clone(), options)?;
    let mut changes = vec![Change::Access(AccessChange::PutRole(role.clone()))];
    let mut members = memberships(session, &*definitions, &role, options)?;
    let grantor = access.owner_id(&me);
    if !access.is_superuser(&me) {
        // Whoever makes a role can give it to others; its rights he does not get by that.
        members.push(Membership { role: role.id, member: grantor, grantor, admin: true, inherit: false, set: false });
    }
    changes.extend(members.into_iter().map(|membership| Change::Access(AccessChange::PutMember(membership))));
    session.stage(&changes)?;
    Ok(done)
}

pub(super) fn alter(session: &Session, statement: &AlterRole) -> Result<Outcome> {
    let AlterRole { role: spec, change } = statement;
    let definitions = session.definitions();
    let (access, me) = (definitions.access()?, session.role());
    let role = find(session, &access, spec)?;
    refuse_reserved(&role.name, spec.position)?;
    let is_only_password = |options: &[RoleOption]| options.iter().all(|option| matches!(option, RoleOption::Password(_)));
    let own_password = matches!(change, RoleChange::Options(options) if is_only_password(options)) && role.name == me;
    if !own_password {
        may_change(&access, &me, &role, "alter role")?;
    }
    let changed = match change {
        RoleChange::Options(options) => {
            if options.iter().any(|option| matches!(option, RoleOption::InRole(_) | RoleOption::Members { .. })) {
                return Err(Error::new(Code::Syntax, "members cannot be changed by ALTER ROLE").hint("Use GRANT and REVOKE.".to_owned()));
            }
            with_options(session, &access, role, options)?
        }
        RoleChange::RenameTo(name) => {
            refuse_reserved(&name.value, name.position)?;
            if role.name == me || role.name == session.session_role() {
                return Err(Error::new(Code::NotSupported, "session user cannot be renamed").at(spec.position));
            }
            if access.role(&name.value).is_some() {
                return Err(Error::new(Code::DuplicateObject, format!("role \"{}\" already exists", name.value)).at(name.position));
            }
            Role { name: name.value.clone(), ..role }
        }
    };
    session.stage(&[Change::Access(AccessChange::PutRole(changed))])?;
    Ok(Outcome::done("ALTER ROLE"))
}

pub(super) fn drop(session: &Session, statement: &DropRole) -> Result<Outcome> {
    let definitions = session.definitions();
    let (access, me) = (definitions.access()?, session.role());
    let mut changes = Vec::new();
    for spec in &statement.roles {
        if let (Who::Role(name), true) = (&spec.who, statement.if_exists)
            && access.role(name).is_none()
        {
            session.notice(Notice::new("00000", format!("role \"{name}\" does not exist, skipping")));
            continue;
        }
        let role = find(session, &access, spec)?;
        refuse_reserved(&role.name, spec.position)?;
        for (who, name) in [("current", me.as_str()), ("session", session.session_role())] {
            if role.name == name {
                return Err(Error::new(Code::WrongState, format!("{who} user cannot be dropped")).at(spec.position));
            }
        }
        may_change(&access, &me, &role, "drop role")?;
        changes.push(Change::Access(AccessChange::DropRole(role.id)));
    }
    if !changes.is_empty() {
        session.stage(&changes)?;
    }
    Ok(Outcome::done("DROP ROLE"))
}

/// The role that a statement names.
///
/// # Errors
/// `UndefinedObject`; `Syntax` for PUBLIC, which is no role.
pub(super) fn find(session: &Session, access: &Access, spec: &RoleSpec) -> Result<Role> {
    let name = match &spec.who {
        Who::Role(name) => name.clone(),
        Who::Current => session.role(),
        Who::Session => session.session_role().to_owned(),
        Who::Public => return Err(Error::new(Code::ReservedName, "role name \"public\" is reserved").at(spec.position)),
    };
    access.role(&name).ok_or_else(|| {
        let roles = access.roles();
        let near = weir_sql::nearest(&name, roles.iter().map(|role| role.name.as_str()));
        Error::new(Code::UndefinedObject, format!("role \"{name}\" does not exist"))
            .hint(near.map(|near| format!("Did you mean \"{near}\"?")))
            .at(spec.position)
    })
}

/// As [`find`], where PUBLIC may stand for everybody.
///
/// # Errors
/// `UndefinedObject`.
pub(super) fn grantee(session: &Session, access: &Access, spec: &RoleSpec) -> Result<ObjectId> {
    match spec.who {
        Who::Public => Ok(weir_catalog::access::PUBLIC),
        _ => Ok(find(session, access, spec)?.id),
    }
}

fn refused(what: &str) -> Error {
    Error::new(Code::NoPrivilege, format!("permission denied to {what}"))
}

fn refuse_reserved(name: &str, position: usize) -> Result<()> {
    if name.starts_with("pg_") || matches!(name, "public" | "none") {
        return Err(Error::new(Code::ReservedName, format!("role name \"{name}\" is reserved"))
            .detail("Role names starting with \"pg_\" are reserved.")
            .at(position));
    }
    Ok(())
}

fn may_make_roles(access: &Access, me: &str) -> bool {
    access.is_superuser(me) || access.role(me).is_some_and(|role| role.createrole)
}

/// Whether the role may be altered or dropped.
fn may_change(access: &Access, me: &str, role: &Role, what: &str) -> Result<()> {
    if access.is_superuser(me) {
        return Ok(());
    }
    if role.superuser {
        return Err(refused(what).detail("Only roles with the SUPERUSER attribute may change roles with the SUPERUSER attribute."));
    }
    if !(may_make_roles(access, me) && access.is_admin_of(me, role)) {
        let detail = format!("Only roles with the CREATEROLE attribute and the ADMIN option on role \"{}\" may do this.", role.name);
        return Err(refused(what).detail(detail));
    }
    Ok(())
}

fn with_options(session: &Session, access: &Access, mut role: Role, options: &[RoleOption]) -> Result<Role> {
    let is_superuser = access.is_superuser(&session.role());
    for option in options {
        match option {
            RoleOption::Superuser(superuser) => {
                if !is_superuser && (*superuser || role.superuser) {
                    return Err(refused("change the SUPERUSER attribute")
                        .detail("Only roles with the SUPERUSER attribute may change the SUPERUSER attribute."));
                }
                role.superuser = *superuser;
            }
            RoleOption::CreateRole(createrole) => role.createrole = *createrole,
            RoleOption::Inherit(inherit) => role.inherit = *inherit,
            RoleOption::Login(login) => role.login = *login,
            RoleOption::Password(None) => {
                role.salt.clear();
                role.stored_key.clear();
                role.server_key.clear();
                role.iterations = 0;
            }
            RoleOption::Password(Some(password)) if password.0.is_empty() => {
                // As PostgreSQL: an empty password is none, since clients differ about what it means.
                session.notice(Notice::new("00000", "empty string is not a valid password, clearing password"));
                role.salt.clear();
                role.stored_key.clear();
                role.server_key.clear();
                role.iterations = 0;
            }
            RoleOption::Password(Some(password)) if is_md5(&password.0) => {
                return Err(Error::new(Code::NotSupported, "a password that is hashed with MD5 is not supported")
                    .hint("Give the password itself, or what SCRAM-SHA-256 keeps of it.".to_owned()));
            }
            RoleOption::Password(Some(password)) => role = with_password(role, &Password::new(password.0.clone()))?,
            RoleOption::ValidUntil { until, position } => role.valid_until = moment(until).map_err(|error| error.at(*position))?,
            RoleOption::ConnectionLimit(limit) => role.connection_limit = *limit,
            RoleOption::InRole(_) | RoleOption::Members { .. } | RoleOption::Nothing => {}
        }
    }
    Ok(role)
}

fn moment(text: &str) -> Result<Option<Micros>> {
    if text.eq_ignore_ascii_case("infinity") {
        return Ok(None);
    }
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    match ScalarValue::from(text).cast_to(&utc) {
        Ok(ScalarValue::TimestampMicrosecond(Some(at), _)) => Ok(Some(at)),
        _ => Err(Error::new(Code::InvalidText, format!("invalid input syntax for type timestamp with time zone: \"{text}\""))),
    }
}

/// What IN ROLE, ROLE and ADMIN ask for.
fn memberships(session: &Session, definitions: &dyn Definitions, role: &Role, options: &[RoleOption]) -> Result<Vec<Membership>> {
    let (access, me) = (definitions.access()?, session.role());
    let grantor = access.owner_id(&me);
    let mut found = Vec::new();
    for option in options {
        match option {
            RoleOption::InRole(roles) => {
                for spec in roles {
                    let other = find(session, &access, spec)?;
                    super::grant_role::may_give(&access, &me, &other)?;
                    found.push(Membership { role: other.id, member: role.id, grantor, admin: false, inherit: role.inherit, set: true });
                }
            }
            RoleOption::Members { members, admin } => {
                for spec in members {
                    let member = find(session, &access, spec)?;
                    found.push(Membership { role: role.id, member: member.id, grantor, admin: *admin, inherit: member.inherit, set: true });
                }
            }
            _ => {}
        }
    }
    Ok(found)
}
