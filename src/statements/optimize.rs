//! `OPTIMIZE table`
//!
//! Puts small files together in a commit that changes no row. A writer that is faster is no error: then nothing happens.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use weir_catalog::{Kind, TableCommit};
use weir_sql::Privilege;
use weir_sql::statements::optimize::Optimize;

use super::answer::{self, Of};
use super::names;
use crate::delta::{Effort, Facts};
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};

pub(super) fn columns() -> SchemaRef {
    answer::schema(&[
        ("table", Of::Text),
        ("files_removed", Of::Bigint),
        ("files_added", Of::Bigint),
        ("bytes_removed", Of::Bigint),
        ("bytes_added", Of::Bigint),
        ("new_version", Of::Bigint),
    ])
}

pub(super) async fn execute(session: &Session, statement: &Optimize) -> Result<Outcome> {
    let Optimize { name } = statement;
    let object = names::with(session, &*session.definitions(), Kind::Table, name, Privilege::Maintain)?;
    names::refuse_system(&object, name.position())?;
    if session.in_block() {
        return Err(Error::new(Code::ActiveTransaction, "OPTIMIZE cannot run inside a transaction block").at(name.position()));
    }
    let facts = Facts { run_id: None, user: session.role(), extra: BTreeMap::new() };
    let done = session.hub().engine().table(&object).await?.compact(Effort::All, &facts).await?;
    if let Some(committed) = &done.committed {
        session.record_commits(vec![TableCommit {
            table_id: object.id,
            version: committed.version,
            committed_at: committed.committed_at,
            operation: "OPTIMIZE".to_owned(),
            run_id: None,
            user: session.role(),
        }])?;
    }
    let arrays = vec![
        answer::words([object.full_name()]),
        answer::bigint([i64::try_from(done.files_before).ok()]),
        answer::bigint([i64::try_from(done.files_after).ok()]),
        answer::bigint([Some(done.bytes_before)]),
        answer::bigint([Some(done.bytes_after)]),
        answer::bigint([done.committed.and_then(|committed| i64::try_from(committed.version).ok())]),
    ];
    Ok(Outcome::batch(answer::batch(columns(), arrays)?, "OPTIMIZE"))
}
