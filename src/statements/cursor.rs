//! `DECLARE name CURSOR FOR query`, `FETCH`, `MOVE`, `CLOSE`
//!
//! Forward only, inside a transaction or WITH HOLD; rows come from the running query, never from memory. A held cursor goes on to read the
//! versions that it began with, so it cannot show rows that were not committed when it was declared.

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use futures::StreamExt;
use weir_sql::statements::cursor::{CloseCursor, DeclareCursor, FetchCount, FetchCursor};

use super::query;
use crate::engine::Engine;
use crate::error::{Code, Error, Result};
use crate::session::{Cursor, Hold, Outcome, Session};

pub(super) async fn declare(session: &Session, statement: &DeclareCursor, parameters: Vec<ScalarValue>) -> Result<Outcome> {
    // BINARY is a matter of the protocol: clients that want it ask for it there.
    let DeclareCursor { name, binary: _, scroll, hold, query } = statement;
    if *scroll {
        return Err(Error::new(Code::NotSupported, "cursors that go backwards are not supported").at(name.position));
    }
    if *hold && session.has_changed_rows() {
        return Err(Error::new(Code::NotSupported, "DECLARE CURSOR WITH HOLD is not supported after rows were changed in the transaction")
            .hint("COMMIT first, or leave out WITH HOLD.".to_owned())
            .at(name.position));
    }
    if !*hold && !session.in_block() {
        return Err(Error::new(Code::NoTransaction, "DECLARE CURSOR can only be used in transaction blocks").at(name.position));
    }
    let planned = query::plan(session, query, parameters).await?;
    let rows = session.hub().engine().rows(planned).await?;
    session
        .open_cursor(&name.value, Cursor::new(rows, if *hold { Hold::Yes } else { Hold::No }))
        .map_err(|error| error.at(name.position))?;
    Ok(Outcome::done("DECLARE CURSOR"))
}

pub(super) fn columns(session: &Session, statement: &FetchCursor) -> Result<Option<SchemaRef>> {
    if statement.move_only {
        return Ok(None);
    }
    Ok(Some(session.cursor(&statement.name.value)?.schema()))
}

pub(super) async fn fetch(session: &Session, statement: &FetchCursor) -> Result<Outcome> {
    let FetchCursor { name, count, move_only } = statement;
    let cursor = session.cursor(&name.value).map_err(|error| error.at(name.position))?;
    let count = match count {
        FetchCount::Forward(count) => Some(*count),
        FetchCount::All => None,
        FetchCount::Backward => {
            return Err(Error::new(Code::WrongState, "cursor can only scan forward").at(name.position));
        }
    };
    let mut rows = cursor.fetch(count);
    if !move_only {
        return Ok(Outcome::rows(rows, "FETCH"));
    }
    let mut passed = 0;
    while let Some(batch) = rows.next().await {
        passed += batch.map_err(Engine::error)?.num_rows();
    }
    Ok(Outcome::done(format!("MOVE {passed}")))
}

pub(super) fn close(session: &Session, statement: &CloseCursor) -> Result<Outcome> {
    match &statement.name {
        Some(name) => session.close_cursor(Some(&name.value)).map_err(|error| error.at(name.position))?,
        None => session.close_cursor(None)?,
    }
    Ok(Outcome::done(if statement.name.is_none() { "CLOSE CURSOR ALL" } else { "CLOSE CURSOR" }))
}
