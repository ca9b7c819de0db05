//! `INSERT`, `UPDATE`, `DELETE` on lake tables
//!
//! Each commits its own table version.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use weir_sql::Dml;

use super::query;
use crate::error::{Code, Error, Result};
use crate::session::{Description, Outcome, Session};

pub(super) async fn describe(session: &Session, dml: &Dml, hints: &[Option<DataType>]) -> Result<Description> {
    let found = session.hub().engine().dml_parameters(dml, &session.scope(Vec::new()), &*session.definitions()).await?;
    Ok(Description { parameters: query::parameters(&found, hints), columns: None })
}

pub(super) async fn execute(session: &Session, dml: &Dml, parameters: Vec<ScalarValue>) -> Result<Outcome> {
    if session.in_block() {
        return Err(Error::new(Code::NotSupported, "changing rows inside a transaction is not supported yet")
            .detail("Each statement commits its own version of the table.")
            .hint("Run it outside BEGIN, with autocommit on.".to_owned())
            .at(dml.position));
    }
    let done = session.hub().engine().dml(dml, &session.scope(parameters), &*session.definitions()).await?;
    Ok(Outcome::done(match done.kind {
        crate::engine::DmlKind::Insert => format!("INSERT 0 {}", done.rows),
        crate::engine::DmlKind::Update => format!("UPDATE {}", done.rows),
        crate::engine::DmlKind::Delete => format!("DELETE {}", done.rows),
    }))
}
