//! `ALTER SECRET [IF EXISTS] name { AS 'value' | FROM .. }`
//!
//! Rotation: whoever uses the secret gets the new value at its next connect.

use weir_catalog::Kind;
use weir_sql::statements::create_secret::AlterSecret;

use super::{create_secret, definition, drop_object, names, redact};
use crate::error::Result;
use crate::session::{Outcome, Session};

pub(super) fn execute(session: &Session, statement: &AlterSecret, text: &str) -> Result<Outcome> {
    let AlterSecret { name, if_exists, value } = statement;
    create_secret::check(value, name.position())?;
    let definitions = session.definitions();
    create_secret::refuse_server(session, &*definitions, value)?;
    let Some(secret) = names::owned(session, &*definitions, Kind::Secret, name)? else {
        drop_object::missing(session, &*definitions, Kind::Secret, name, *if_exists)?;
        return Ok(Outcome::done("ALTER SECRET"));
    };
    let id = secret.id;
    let change = definition::alter(session, &*definitions, secret, &redact::alter_secret(statement, text), Vec::new())?;
    session.stage(&[change, create_secret::sealed(id, value)])?;
    Ok(Outcome::done("ALTER SECRET"))
}
