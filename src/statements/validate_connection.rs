//! `VALIDATE CONNECTION name`
//!
//! Dials out and answers one row per check; a check that fails is a row, not an error.

use arrow::datatypes::SchemaRef;
use weir_catalog::{Kind, Object};
use weir_sql::Privilege;
use weir_sql::statements::validate_connection::ValidateConnection;

use super::answer::{self, Of};
use super::names;
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};
use crate::sources::Check;

pub(super) fn columns() -> SchemaRef {
    answer::schema(&[("check", Of::Text), ("ok", Of::Boolean), ("detail", Of::Text)])
}

pub(super) async fn execute(session: &Session, statement: &ValidateConnection) -> Result<Outcome> {
    let connection = names::with(session, &*session.definitions(), Kind::Connection, &statement.name, Privilege::Usage)?;
    let checks = run(session, &connection).await?;
    let arrays = vec![
        answer::words(checks.iter().map(|check| check.check.as_str())),
        answer::boolean(checks.iter().map(|check| check.ok)),
        answer::words(checks.iter().map(|check| check.detail.as_str())),
    ];
    Ok(Outcome::batch(answer::batch(columns(), arrays)?, "VALIDATE CONNECTION"))
}

/// Refuses a connection that does not work, for `validate = true`.
///
/// # Errors
/// `SourceUnavailable` with the first check that failed.
pub(super) async fn must_work(session: &Session, connection: &Object) -> Result<()> {
    match run(session, connection).await?.into_iter().find(|check| !check.ok) {
        Some(failed) => {
            let message = format!("connection \"{}\" does not work: check {} failed", connection.name, failed.check);
            Err(Error::new(Code::SourceUnavailable, message)
                .detail(failed.detail)
                .hint("Leave validate out to make the connection all the same.".to_owned()))
        }
        None => Ok(()),
    }
}

/// A secret that cannot be had is a failed check like any other.
async fn run(session: &Session, connection: &Object) -> Result<Vec<Check>> {
    match session.hub().engine().connection(connection) {
        Ok((connector, options)) => Ok(connector.validate(&options).await),
        Err(error) if error.code() == Code::SourceUnavailable => {
            Ok(vec![Check { check: "secret".to_owned(), ok: false, detail: error.message().to_owned() }])
        }
        Err(error) => Err(error),
    }
}
