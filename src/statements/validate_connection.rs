//! `VALIDATE CONNECTION name`
//!
//! Dials out and answers one row per check; a check that fails is a row, not an error.

use arrow::datatypes::SchemaRef;
use weir_catalog::Kind;
use weir_sql::statements::validate_connection::ValidateConnection;

use super::answer::{self, Of};
use super::{create_connection, names};
use crate::engine::definition;
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};
use crate::sources::{Check, Connector};
use crate::spec::Options;

pub(super) fn columns() -> SchemaRef {
    answer::schema(&[("check", Of::Text), ("ok", Of::Boolean), ("detail", Of::Text)])
}

pub(super) async fn execute(session: &Session, statement: &ValidateConnection) -> Result<Outcome> {
    let definitions = session.definitions();
    let connection = names::get(session, &*definitions, Kind::Connection, &statement.name)?;
    let checked = create_connection::check(session, &*definitions, &definition::connection(&connection)?)?;
    let checks = run(session, checked.connector, &checked.options).await?;
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
pub(super) async fn must_work(session: &Session, connector: &'static dyn Connector, options: &Options) -> Result<()> {
    match run(session, connector, options).await?.into_iter().find(|check| !check.ok) {
        Some(failed) => Err(Error::new(Code::SourceUnavailable, format!("the connection does not work: {} failed", failed.check))
            .detail(failed.detail)
            .hint("Leave validate out to make the connection all the same.".to_owned())),
        None => Ok(()),
    }
}

/// A secret that cannot be had is a failed check like any other.
async fn run(session: &Session, connector: &'static dyn Connector, options: &Options) -> Result<Vec<Check>> {
    let definitions = session.definitions();
    match session.hub().engine().reveal(options, &*definitions) {
        Ok(revealed) => Ok(connector.validate(&revealed).await),
        Err(error) if error.code() == Code::SourceUnavailable => {
            Ok(vec![Check { check: "secret".to_owned(), ok: false, detail: error.message().to_owned() }])
        }
        Err(error) => Err(error),
    }
}
