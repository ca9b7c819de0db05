//! `COMMENT ON {noun name | COLUMN table.column} IS {'text' | NULL}`

use weir_catalog::Change;
use weir_sql::statements::comment_on::{CommentOn, CommentTarget};

use super::names;
use crate::engine::privileges;
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};

pub(super) fn execute(session: &Session, statement: &CommentOn) -> Result<Outcome> {
    let (kind, name) = match &statement.target {
        CommentTarget::Object { kind, name } => (*kind, name),
        CommentTarget::Column { table, .. } => {
            return Err(Error::new(Code::NotSupported, "COMMENT ON COLUMN is not supported yet")
                .hint("Write COMMENT '..' beside the column when the table is made.".to_owned())
                .at(table.position()));
        }
    };
    names::refuse_reserved_name(names::kind_of(kind), name)?;
    let definitions = session.definitions();
    let object = names::get(session, &*definitions, names::kind_of(kind), name)?;
    names::refuse_system(&object, name.position())?;
    privileges::require_owner(&*definitions, &session.role(), &object).map_err(|error| error.at(name.position()))?;
    session.stage(&[Change::Comment { id: object.id, comment: statement.comment.clone() }])?;
    Ok(Outcome::done("COMMENT"))
}
