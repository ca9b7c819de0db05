//! `RESTORE TABLE name TO {VERSION | TIMESTAMP} AS OF ..`
//!
//! Makes a new version with the rows of an old one: it can be undone by another RESTORE.

use std::collections::BTreeMap;

use arrow::compute::CastOptions;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::common::ScalarValue;
use weir_catalog::{Change, Kind, Object, TableBody, TableCommit};
use weir_sql::statements::restore_table::RestoreTable;
use weir_sql::{Privilege, TemporalPoint};

use super::answer::{self, Of};
use super::{columns as column_list, constant, names};
use crate::clock::Micros;
use crate::delta::{Facts, Table};
use crate::engine::Engine;
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};

pub(super) fn columns() -> SchemaRef {
    answer::schema(&[("table", Of::Text), ("restored_version", Of::Bigint), ("new_version", Of::Bigint)])
}

pub(super) async fn execute(session: &Session, statement: &RestoreTable) -> Result<Outcome> {
    let RestoreTable { name, to } = statement;
    let object = names::with(session, &*session.definitions(), Kind::Table, name, Privilege::Maintain)?;
    names::refuse_system(&object, name.position())?;
    if session.in_block() {
        return Err(Error::new(Code::ActiveTransaction, "RESTORE TABLE cannot run inside a transaction block").at(name.position()));
    }
    let table = session.hub().engine().table(&object).await?;
    let version = version(session, &object, &table, to).await?;
    let facts = Facts { run_id: None, user: session.role(), extra: BTreeMap::new() };
    let committed = table.restore(version, &facts).await?;
    session.record_commits(vec![TableCommit {
        table_id: object.id,
        version: committed.version,
        committed_at: committed.committed_at,
        operation: "RESTORE".to_owned(),
        run_id: None,
        user: session.role(),
    }])?;
    let mut body: TableBody = column_list::read_body(&object)?;
    let restored = column_list::as_known(&table.schema(), &body.columns);
    if body.columns != restored {
        body.columns = restored;
        session.stage(&[Change::Body { id: object.id, body: column_list::body(&body)? }])?;
    }
    let arrays = vec![
        answer::words([object.full_name()]),
        answer::bigint([i64::try_from(version).ok()]),
        answer::bigint([i64::try_from(committed.version).ok()]),
    ];
    Ok(Outcome::batch(answer::batch(columns(), arrays)?, "RESTORE"))
}

async fn version(session: &Session, object: &Object, table: &Table, to: &TemporalPoint) -> Result<u64> {
    match to {
        TemporalPoint::Version(expr) => {
            let value = constant::value(session, expr).await?;
            let number = value.cast_to(&DataType::Int64).map_err(|error| Engine::error(error).at(expr.position))?;
            match number {
                ScalarValue::Int64(Some(number)) if number >= 0 => Ok(u64::try_from(number).unwrap_or(0)),
                _ => Err(Error::new(Code::InvalidParameter, format!("version {value} is not a version number")).at(expr.position)),
            }
        }
        TemporalPoint::Timestamp(expr) => {
            let at = moment(&constant::value(session, expr).await?).map_err(|error| error.at(expr.position))?;
            at_time(session, object, table, at).await.map_err(|error| error.at(expr.position))
        }
        TemporalPoint::Offset(expr) => Err(Error::new(Code::NotSupported, "RESTORE takes a version or a time").at(expr.position)),
    }
}

async fn at_time(session: &Session, object: &Object, table: &Table, at: Micros) -> Result<u64> {
    if at > session.now() {
        return Err(Error::new(Code::InvalidParameter, "the time lies in the future"));
    }
    match session.hub().store().table_version_at(object.id, at)? {
        Some(commit) => Ok(commit.version),
        None => table.version_at(at).await,
    }
}

/// A date or a time, as a point in time.
fn moment(value: &ScalarValue) -> Result<Micros> {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    match value.cast_to_with_options(&utc, &strict).map_err(Engine::error)? {
        ScalarValue::TimestampMicrosecond(Some(at), _) => Ok(at),
        _ => Err(Error::new(Code::InvalidParameter, "the time is NULL")),
    }
}
