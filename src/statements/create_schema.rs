//! `CREATE SCHEMA [IF NOT EXISTS] name [AUTHORIZATION role]`

use weir_catalog::{Change, Kind, Object};
use weir_sql::statements::create_schema::CreateSchema;

use super::names::{self, Existing, Wanted};
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};

pub(super) fn execute(session: &Session, statement: &CreateSchema, text: &str) -> Result<Outcome> {
    let CreateSchema { name, if_not_exists, owner } = statement;
    names::refuse_reserved(name)?;
    let owner = match owner {
        Some(role) if session.hub().store().role(&role.value)?.is_none() => {
            return Err(Error::new(Code::UndefinedObject, format!("role \"{}\" does not exist", role.value)).at(role.position));
        }
        Some(role) => role.value.clone(),
        None => session.role().to_owned(),
    };
    let definitions = session.definitions();
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
