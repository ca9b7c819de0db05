//! `DESCRIBE HISTORY table [LIMIT n]`
//!
//! One row per version that is kept, newest first, from the table's own log.

use arrow::datatypes::SchemaRef;
use weir_catalog::Kind;
use weir_sql::Privilege;
use weir_sql::statements::describe_history::DescribeHistory;

use super::answer::{self, Of};
use super::names;
use crate::error::Result;
use crate::session::{Outcome, Session};

pub(super) fn columns() -> SchemaRef {
    answer::schema(&[
        ("version", Of::Bigint),
        ("timestamp", Of::Timestamp),
        ("operation", Of::Text),
        ("run_id", Of::Text),
        ("user", Of::Text),
        ("detail", Of::Text),
    ])
}

pub(super) async fn execute(session: &Session, statement: &DescribeHistory) -> Result<Outcome> {
    let table = names::with(session, &*session.definitions(), Kind::Table, &statement.name, Privilege::Select)?;
    let limit = statement.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let history = session.hub().engine().table(&table).await?.history(limit).await?;
    let arrays = vec![
        answer::bigint(history.iter().map(|entry| i64::try_from(entry.version).ok())),
        answer::timestamp(history.iter().map(|entry| Some(entry.timestamp))),
        answer::words(history.iter().map(|entry| entry.operation.as_str())),
        answer::text(history.iter().map(|entry| entry.run_id.clone())),
        answer::text(history.iter().map(|entry| entry.user.clone())),
        answer::words(history.iter().map(|entry| entry.detail.as_str())),
    ];
    Ok(Outcome::batch(answer::batch(columns(), arrays)?, "DESCRIBE"))
}
