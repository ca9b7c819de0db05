//! `TRUNCATE table`
//!
//! A commit without rows; earlier versions keep theirs. Several tables do not commit together, so they are refused.

use weir_catalog::Kind;
use weir_sql::statements::truncate::Truncate;
use weir_sql::{Privilege, StatementKind, quote_ident};

use super::{dml, names};
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};

pub(super) async fn execute(session: &Session, statement: &Truncate) -> Result<Outcome> {
    let [name] = statement.names.as_slice() else {
        let position = statement.names.get(1).map(|name| name.name.position);
        return Err(Error::new(Code::NotSupported, "TRUNCATE of several tables is not supported: they do not commit together").at(position));
    };
    let table = names::with(session, &*session.definitions(), Kind::Table, name, Privilege::Truncate)?;
    let text = format!("DELETE FROM {}.{}", quote_ident(&table.schema), quote_ident(&table.name));
    for statement in weir_sql::parse(&text)? {
        if let StatementKind::Dml(delete) = &statement.kind {
            dml::execute(session, delete, Vec::new()).await.map_err(|error| error.at(name.name.position))?;
        }
    }
    Ok(Outcome::done("TRUNCATE TABLE"))
}
