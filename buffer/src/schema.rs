//! The versions of the file's tables. Steps are never edited once released, only added.

use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Error, ErrorKind, Result};

/// Step `n` (from 0) brings a file of version `n` to `n + 1`.
const STEPS: &[&str] = &[include_str!("schema_1.sql")];

/// "WeiB" in ASCII, in the file's header.
const APPLICATION_ID: i64 = 0x5765_6942;

/// Fails on a file that is newer than this program or is no log. Reads only.
pub(crate) fn refuse_foreign(connection: &Connection) -> Result<()> {
    let application: i64 = pragma(connection, "application_id")?;
    let version: i64 = pragma(connection, "user_version")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && (tables > 0 || version > 0) {
        return Err(
            Error::new(ErrorKind::Corrupt, "the file is not an event log").with_hint("Move it away, or choose another data folder.")
        );
    }
    let known = STEPS.len();
    if usize::try_from(version).is_ok_and(|version| version > known) {
        return Err(Error::new(ErrorKind::TooNew, "the event log was written by a newer version of the hub")
            .with_detail(format!("It has version {version}; this hub knows versions up to {known}. Nothing was changed."))
            .with_hint("Start it with the newer hub, or restore a backup that was made before the upgrade."));
    }
    Ok(())
}

/// Brings the file to the newest version, one transaction per step.
pub(crate) fn migrate(connection: &mut Connection) -> Result<()> {
    let mut version: i64 = pragma(connection, "user_version")?;
    for step in STEPS.iter().skip(usize::try_from(version).unwrap_or(usize::MAX)) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        version += 1;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
    }
    Ok(())
}

fn pragma(connection: &Connection, name: &str) -> Result<i64> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}
