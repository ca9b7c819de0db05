//! `ALTER SOURCE [IF EXISTS] name {ACCEPT SCHEMA CHANGE n [RENAME old TO new] | REJECT SCHEMA CHANGE n}`
//!
//! ACCEPT makes a new version of the source's columns, which the next run reads; what was read before stays as it is. REJECT leaves the columns
//! and is not asked again. Both decide at once: a transaction cannot take them back.

use weir_catalog::{ChangeKind, ChangeStatus, Kind, Object, SchemaChange};
use weir_sql::statements::alter_source::{AlterSource, SchemaDecision};

use super::{drop_object, names};
use crate::engine::Verdict;
use crate::error::{Code, Error, Result};
use crate::session::{Notice, Outcome, Session};

pub(super) fn execute(session: &Session, statement: &AlterSource) -> Result<Outcome> {
    let AlterSource { name, if_exists, change, change_position, decision } = statement;
    let done = Outcome::done("ALTER SOURCE");
    let definitions = session.definitions();
    let Some(source) = names::owned(session, &*definitions, Kind::Source, name)? else {
        drop_object::missing(session, &*definitions, Kind::Source, name, *if_exists)?;
        return Ok(done);
    };
    if session.in_block() {
        return Err(Error::new(Code::NotSupported, "a schema change cannot be decided inside a transaction block").at(name.position()));
    }
    let change = open_change(session, &source, *change).map_err(|error| error.at(*change_position))?;
    let audit = session.audit_entry(Some(source.full_name()), None);
    let verdict = match decision {
        SchemaDecision::Reject => Verdict::Reject,
        SchemaDecision::Accept { rename: Some((old, new)) } => {
            Verdict::Accept { column: old.value.as_str(), rename: Some(new.value.as_str()) }
        }
        SchemaDecision::Accept { rename: None } => {
            Verdict::Accept { column: &change.column, rename: (change.kind == ChangeKind::Rename).then_some(change.after.as_str()) }
        }
    };
    session.hub().engine().decide_change(&source, &change, verdict, audit).map_err(|error| error.at(*change_position))?;
    if verdict != Verdict::Reject {
        session.notice(Notice::new("00000", "records that did not fit before come back with REPLAY PIPELINE"));
    }
    session.hub().runner().definitions_changed();
    Ok(done)
}

/// The change of that number, if it is one of the source's and waits for a decision.
fn open_change(session: &Session, source: &Object, number: u64) -> Result<SchemaChange> {
    let known = session.hub().store().schema_changes(Some(source.id))?;
    let mut open = known.iter().filter(|change| change.status == ChangeStatus::Open).map(|change| change.id.to_string());
    match known.iter().find(|change| u64::try_from(change.id) == Ok(number)) {
        Some(change) if change.status == ChangeStatus::Open => Ok(change.clone()),
        Some(_) => {
            Err(Error::new(Code::WrongState, format!("schema change {number} of source \"{}\" is decided already", source.full_name())))
        }
        None => {
            let hint = match open.next() {
                Some(first) => format!("Open: {}.", open.fold(first, |all, next| format!("{all}, {next}"))),
                None => "None waits for a decision; see hub.schema_changes.".to_owned(),
            };
            Err(Error::new(Code::UndefinedObject, format!("source \"{}\" has no schema change {number}", source.full_name())).hint(hint))
        }
    }
}
