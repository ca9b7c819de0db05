//! Between rows and plain data: SQLite's errors, stored JSON, words and numbers.

use rusqlite::{Connection, Params, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};

impl From<rusqlite::Error> for Error {
    /// SQLite's own text never holds bound values, so it may go into the source chain.
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let failed = match error.sqlite_error_code() {
            Some(Code::DiskFull) => Error::new(ErrorKind::Io, "the disk of the catalog is full")
                .with_detail("Nothing of this statement was stored.")
                .with_hint("Free some space in the data folder and retry."),
            Some(Code::SystemIoFailure | Code::CannotOpen | Code::ReadOnly | Code::PermissionDenied) => {
                Error::new(ErrorKind::Io, "the catalog cannot be read or written")
                    .with_hint("Look at the disk of the data folder and at who owns its files.")
            }
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Error::new(ErrorKind::Io, "the catalog is locked by another process")
                .with_hint("Only the hub may open catalog.db for writing."),
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => {
                Error::new(ErrorKind::Corrupt, "the catalog is damaged").with_hint("Restore the data folder from a backup.")
            }
            _ => Error::internal("the catalog could not run a statement of its own"),
        };
        failed.with_source(error)
    }
}

pub(super) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::internal("a value of the catalog has no JSON form").with_source(e))
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Error::new(ErrorKind::Corrupt, "a stored value of the catalog cannot be read").with_source(e))
}

/// A text column, borrowed.
pub(super) fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

/// A column that holds JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    from_json(text(row, column)?)
}

/// The word of an enum value, as serde spells it.
pub(super) fn word<T: Serialize>(value: T) -> Result<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(Error::internal("a value of the catalog has no word")),
    }
}

pub(super) fn from_word<T: DeserializeOwned>(word: String) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(word))
        .map_err(|e| Error::new(ErrorKind::Corrupt, "a stored word of the catalog is not known").with_source(e))
}

/// SQLite has signed integers only.
pub(super) fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|e| Error::internal("a number is too large for the catalog").with_source(e))
}

pub(super) fn unsigned(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|e| Error::new(ErrorKind::Corrupt, "a stored number of the catalog is negative").with_source(e))
}

/// All rows of a query, read one by one.
pub(super) fn all<T>(db: &Connection, sql: &str, params: impl Params, read: fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// The first row of a query, if there is one.
pub(super) fn first<T>(db: &Connection, sql: &str, params: impl Params, read: fn(&Row<'_>) -> Result<T>) -> Result<Option<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

/// Runs a statement that returns nothing; gives the number of rows it touched.
pub(super) fn run(db: &Connection, sql: &str, params: impl Params) -> Result<usize> {
    Ok(db.prepare_cached(sql)?.execute(params)?)
}
