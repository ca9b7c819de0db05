//! `GRANT role TO role [WITH ADMIN OPTION]`, `REVOKE [ADMIN OPTION FOR] role FROM role`

use weir_catalog::{Access, AccessChange, Change, Membership, Role};
use weir_sql::statements::grant::{Direction, GrantRole};
use weir_sql::statements::roles::{RoleSpec, Who};

use super::roles;
use crate::error::{Code, Error, Result};
use crate::session::{Notice, Outcome, Session};

pub(super) fn execute(session: &Session, statement: &GrantRole) -> Result<Outcome> {
    let GrantRole { direction, roles: given, members, admin, inherit, set, cascade: _ } = statement;
    let definitions = session.definitions();
    let (access, me) = (definitions.access()?, session.role());
    let mut changes = Vec::new();
    for name in given {
        let spec = RoleSpec { who: Who::Role(name.value.clone()), position: name.position };
        let role = roles::find(session, &access, &spec)?;
        for member in members {
            let member = roles::find(session, &access, member)?;
            let known = access.memberships().find(|known| known.role == role.id && known.member == member.id).cloned();
            // Leaving a role is everybody's own business.
            if !(*direction == Direction::Revoke && member.name == me) {
                may_give(&access, &me, &role)?;
            }
            match direction {
                Direction::Grant => {
                    let before = known.unwrap_or(Membership {
                        role: role.id,
                        member: member.id,
                        grantor: access.owner_id(&me),
                        admin: false,
                        inherit: member.inherit,
                        set: true,
                    });
                    // Without options it is a plain membership, also for whoever had none of its rights as the role's maker.
                    let is_plain = admin.is_none() && inherit.is_none() && set.is_none();
                    let after = Membership {
                        admin: admin.unwrap_or(before.admin),
                        inherit: inherit.unwrap_or(before.inherit || (is_plain && member.inherit)),
                        set: set.unwrap_or(before.set || is_plain),
                        ..before
                    };
                    changes.push(AccessChange::PutMember(after));
                }
                Direction::Revoke => {
                    let Some(known) = known else {
                        let message = format!("role \"{}\" has not been granted membership in role \"{}\"", member.name, role.name);
                        session.notice(Notice::warning("01000", message));
                        continue;
                    };
                    changes.push(match (admin, inherit, set) {
                        (None, None, None) => AccessChange::DropMember { role: role.id, member: member.id },
                        _ => AccessChange::PutMember(Membership {
                            admin: known.admin && admin.is_none(),
                            inherit: known.inherit && inherit.is_none(),
                            set: known.set && set.is_none(),
                            ..known
                        }),
                    });
                }
            }
        }
    }
    if !changes.is_empty() {
        let changes: Vec<Change> = changes.into_iter().map(Change::Access).collect();
        session.stage(&changes)?;
    }
    Ok(Outcome::done(if *direction == Direction::Grant { "GRANT ROLE" } else { "REVOKE ROLE" }))
}

/// Whether the role may be given to others and taken from them.
///
/// # Errors
/// `NoPrivilege`.
pub(super) fn may_give(access: &Access, me: &str, role: &Role) -> Result<()> {
    if access.is_superuser(me) {
        return Ok(());
    }
    let refused = || Error::new(Code::NoPrivilege, format!("permission denied to grant role \"{}\"", role.name));
    if role.superuser {
        return Err(refused().detail("Only roles with the SUPERUSER attribute may grant roles with the SUPERUSER attribute."));
    }
    if !access.is_admin_of(me, role) {
        return Err(refused().detail(format!("Only roles with the ADMIN option on role \"{}\" may grant this role.", role.name)));
    }
    Ok(())
}
