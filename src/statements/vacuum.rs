//! `VACUUM table [RETAIN interval] [DRY RUN]`
//!
//! Takes away, or lists, the files that no version within the retention needs. Answers one row a file.

use arrow::datatypes::SchemaRef;
use weir_catalog::Kind;
use weir_sql::Privilege;
use weir_sql::statements::vacuum::Vacuum;

use super::answer::{self, Of};
use super::names;
use crate::delta::Sweep;
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};

pub(super) fn columns() -> SchemaRef {
    answer::schema(&[("path", Of::Text), ("bytes", Of::Bigint)])
}

pub(super) async fn execute(session: &Session, statement: &Vacuum) -> Result<Outcome> {
    let Vacuum { name, retain, dry_run } = statement;
    let object = names::with(session, &*session.definitions(), Kind::Table, name, Privilege::Maintain)?;
    names::refuse_system(&object, name.position())?;
    if session.in_block() {
        return Err(Error::new(Code::ActiveTransaction, "VACUUM cannot run inside a transaction block").at(name.position()));
    }
    let retain = match retain {
        Some(retain) => Some(retain.as_micros().filter(|micros| *micros >= 0).ok_or_else(|| {
            Error::new(Code::InvalidParameter, "RETAIN takes days, hours, minutes or seconds, not less than none").at(name.position())
        })?),
        None => None,
    };
    let sweep = if *dry_run { Sweep::List } else { Sweep::Remove };
    let files = session.hub().engine().table(&object).await?.vacuum(retain, sweep).await?;
    let arrays = vec![
        answer::words(files.iter().map(|file| file.path.as_str())),
        answer::bigint(files.iter().map(|file| i64::try_from(file.bytes).ok())),
    ];
    Ok(Outcome::batch(answer::batch(columns(), arrays)?, "VACUUM"))
}
