//! `CREATE [OR REPLACE] TEMPLATE [IF NOT EXISTS] name (parameters) [COMMENT '..'] AS 'statements'`
//!
//! Only the text is kept. Whether its statements mean anything is known when an instance is made, and then all of them are or none.

use serde_json::json;
use weir_catalog::Kind;
use weir_sql::statements::create_template::CreateTemplate;

use super::definition::{self, New};
use super::names::{self, Existing, Wanted};
use crate::error::Result;
use crate::session::{Outcome, Session};

pub(super) fn execute(session: &Session, statement: &CreateTemplate, text: &str) -> Result<Outcome> {
    let CreateTemplate { name, or_replace, if_not_exists, parameters: _, comment, body: _ } = statement;
    let definitions = session.definitions();
    let place = names::place(session, &*definitions, name)?;
    let occupant = names::occupant(&*definitions, Kind::Template, &place)?;
    let wanted = Wanted { kind: Kind::Template, or_replace: *or_replace, if_not_exists: *if_not_exists, position: name.position() };
    let old = match names::existing(session, occupant, &wanted)? {
        Existing::Skip => return Ok(Outcome::done("CREATE TEMPLATE")),
        Existing::Free => None,
        Existing::Replace(old) => Some(*old),
    };
    let new = New { kind: Kind::Template, place, definition: text, body: json!({}), comment: comment.clone(), depends_on: Vec::new() };
    let (_, change) = definition::put(session, &*definitions, new, old)?;
    session.stage(&[change])?;
    Ok(Outcome::done("CREATE TEMPLATE"))
}
