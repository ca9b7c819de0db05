//! `BEGIN`, `COMMIT`, `ROLLBACK`, `SAVEPOINT` and their kin
//!
//! Definitions of a transaction commit together or not at all, and so do its changes of one table. Whatever level is asked for, rows are read as
//! they were at the first look (REPEATABLE READ); SERIALIZABLE is refused rather than promised.

use weir_sql::statements::transaction::{Isolation, Transaction, TransactionModes};

use crate::error::{Code, Error, Result};
use crate::session::{Local, Modes, Notice, Outcome, Session, Vars};

pub(super) async fn execute(session: &Session, statement: &Transaction) -> Result<Outcome> {
    Ok(Outcome::done(match statement {
        Transaction::Begin(modes) => {
            refuse_stronger(modes)?;
            if !session.begin(Modes { read_only: modes.read_only, isolation: modes.isolation.map(level) })? {
                session.notice(Notice::warning("25001", "there is already a transaction in progress"));
            }
            "BEGIN"
        }
        Transaction::Commit { chain } => {
            let tag = match session.commit().await? {
                Some(true) => "COMMIT",
                Some(false) => "ROLLBACK",
                None => {
                    no_transaction(session);
                    "COMMIT"
                }
            };
            again(session, *chain)?;
            tag
        }
        Transaction::Rollback { chain } => {
            if !session.rollback().await? {
                no_transaction(session);
            }
            again(session, *chain)?;
            "ROLLBACK"
        }
        Transaction::Savepoint(name) => {
            session.savepoint(&name.value)?;
            "SAVEPOINT"
        }
        Transaction::Release(name) => {
            session.release(&name.value)?;
            "RELEASE"
        }
        Transaction::RollbackTo(name) => {
            session.rollback_to(&name.value).await?;
            "ROLLBACK"
        }
        Transaction::SetModes { modes, session: whole_session } => {
            set_modes(session, modes, *whole_session)?;
            "SET"
        }
    }))
}

fn no_transaction(session: &Session) {
    session.notice(Notice::warning("25P01", "there is no transaction in progress"));
}

/// AND CHAIN: the next transaction begins at once.
fn again(session: &Session, chain: bool) -> Result<()> {
    if chain {
        session.begin(Modes::default())?;
    }
    Ok(())
}

fn refuse_stronger(modes: &TransactionModes) -> Result<()> {
    match modes.isolation {
        None | Some(Isolation::ReadUncommitted | Isolation::ReadCommitted | Isolation::RepeatableRead) => Ok(()),
        Some(Isolation::Serializable) => Err(Error::new(Code::NotSupported, "isolation level SERIALIZABLE is not supported yet")
            .hint("REPEATABLE READ gives one fixed state of the lake.".to_owned())),
    }
}

fn level(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::ReadUncommitted => "read uncommitted",
        Isolation::ReadCommitted => "read committed",
        Isolation::RepeatableRead => "repeatable read",
        Isolation::Serializable => "serializable",
    }
}

/// The words of a `SET TRANSACTION` are variables under other names.
fn set_modes(session: &Session, modes: &TransactionModes, whole_session: bool) -> Result<()> {
    refuse_stronger(modes)?;
    if !whole_session && !session.in_block() {
        session.notice(Notice::warning("25P01", "SET TRANSACTION can only be used in transaction blocks"));
        return Ok(());
    }
    let (prefix, local) = if whole_session { ("default_transaction", Local::No) } else { ("transaction", Local::Yes) };
    let flag = |value: bool| vec![if value { "on" } else { "off" }.to_owned()];
    session.change_vars(local, |vars: &mut Vars| {
        if let Some(isolation) = modes.isolation {
            vars.set(&format!("{prefix}_isolation"), &[level(isolation).to_owned()])?;
        }
        if let Some(read_only) = modes.read_only {
            vars.set(&format!("{prefix}_read_only"), &flag(read_only))?;
        }
        if let Some(deferrable) = modes.deferrable {
            vars.set(&format!("{prefix}_deferrable"), &flag(deferrable))?;
        }
        Ok(())
    })
}
