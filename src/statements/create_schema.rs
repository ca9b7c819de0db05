//! `CREATE SCHEMA [IF NOT EXISTS] name [AUTHORIZATION role]`

use weir_catalog::access::DATABASE;
use weir_catalog::{Change, Kind, Object, Thing};
use weir_sql::statements::create_schema::CreateSchema;
use weir_sql::{Privilege, Protected};

use super::names::{self, Existing, Wanted};
use crate::engine::privileges;
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};

pub(super) fn execute(session: &Session, statement: &CreateSchema, text: &str) -> Result<Outcome> {
    let CreateSchema { name, if_not_exists, owner } = statement;
    names::refuse_reserved(name)?;
    let owner = match owner {
        Some(role) if session.definitions().access()?.role(&role.value).is_none() => {
            return Err(Error::new(Code::UndefinedObject, format!("role \"{}\" does not exist", role.value)).at(role.position));
        }
        Some(role) => role.value.clone(),
        None => session.role(),
    };
    let definitions = session.definitions();
    let (access, role) = (definitions.access()?, session.role());
    if !access.allows(&role, Thing::of_hub(DATABASE, Protected::Database), Privilege::Create) {
        return Err(privileges::denied(&format!("database {}", session.hub().database())));
    }
    if !access.can_become(&role, &owner) {
        return Err(Error::new(Code::NoPrivilege, format!("must be able to SET ROLE \"{owner}\"")));
    }
    let occupant = definitions.object(Kind::Schema, "", &name.value)?;
    let wanted = Wanted { kind: Kind::Schema, or_replace: false, if_not_exists: *if_not_exists, position: name.position };
    if let Existing::Free = names::existing(session, occupant, &wanted)? {
        let now = session.now();
        let object = Object {
            id: definitions.next_id()?,
            kind: Kind::Schema,
            schema: String::new(),
            name: name.value.clone(),
            owner,
            version: 1,
            definition: text.to_owned(),
            alters: Vec::new(),
            body: serde_json::Value::Null,
            comment: None,
            created_at: now,
            changed_at: now,
        };
        session.stage(&[Change::Create { object, depends_on: Vec::new() }])?;
    }
    Ok(Outcome::done("CREATE SCHEMA"))
}
