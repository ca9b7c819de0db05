//! `SET [SESSION | LOCAL] name {= | TO} {value, .. | DEFAULT}`, `SET TIME ZONE ..`, `RESET name`, `SHOW name`, `DISCARD ..`

use arrow::datatypes::SchemaRef;
use weir_sql::statements::set_variable::{Discard, ResetVariable, SetVariable, ShowVariable, VariableValue};

use super::answer::{self, Of};
use crate::error::{Code, Error, Result};
use crate::session::{Listening, Local, Notice, Outcome, Session, Vars};

pub(super) fn columns(statement: &ShowVariable) -> SchemaRef {
    match &statement.name {
        // PostgreSQL names the column like the variable, in the variable's own spelling.
        Some(name) => answer::schema(&[(Vars::spelling(name), Of::Text)]),
        None => answer::schema(&[("name", Of::Text), ("setting", Of::Text), ("description", Of::Text)]),
    }
}

pub(super) fn set(session: &Session, statement: &SetVariable) -> Result<Outcome> {
    let SetVariable { name, position, local, value } = statement;
    if *local && !session.in_block() {
        session.notice(Notice::warning("25P01", "SET LOCAL can only be used in transaction blocks"));
    }
    let local = if *local { Local::Yes } else { Local::No };
    let change = |vars: &mut Vars| match value {
        VariableValue::Default => vars.reset(name),
        VariableValue::Values(words) => vars.set(name, words),
    };
    session.change_vars(local, change).map_err(|error| error.at(*position))?;
    Ok(Outcome::done("SET"))
}

pub(super) fn reset(session: &Session, statement: &ResetVariable) -> Result<Outcome> {
    let change = |vars: &mut Vars| match &statement.name {
        Some(name) => vars.reset(name),
        None => {
            vars.reset_all();
            Ok(())
        }
    };
    session.change_vars(Local::No, change).map_err(|error| error.at(statement.position))?;
    Ok(Outcome::done("RESET"))
}

pub(super) fn show(session: &Session, statement: &ShowVariable) -> Result<Outcome> {
    let vars = session.vars();
    let arrays = match &statement.name {
        Some(name) => vec![answer::words([vars.show(name).map_err(|error| error.at(statement.position))?])],
        None => {
            let all = vars.all();
            vec![
                answer::words(all.iter().map(|(name, _, _)| name.as_str())),
                answer::words(all.iter().map(|(_, value, _)| value.as_str())),
                answer::words(all.iter().map(|(_, _, about)| *about)),
            ]
        }
    };
    Ok(Outcome::batch(answer::batch(columns(statement), arrays)?, "SHOW"))
}

pub(super) async fn discard(session: &Session, what: Discard) -> Result<Outcome> {
    Ok(Outcome::done(match what {
        Discard::All => {
            if session.in_block() {
                return Err(Error::new(Code::ActiveTransaction, "DISCARD ALL cannot run inside a transaction block"));
            }
            session.change_vars(Local::No, |vars| {
                vars.reset_all();
                vars.reset("role")
            })?;
            session.deallocate(None)?;
            session.close_cursor(None)?;
            session.drop_temporary().await?;
            session.listening(Listening::Nothing);
            "DISCARD ALL"
        }
        Discard::Plans => "DISCARD PLANS",
        Discard::Sequences => "DISCARD SEQUENCES",
        Discard::Temp => {
            session.drop_temporary().await?;
            "DISCARD TEMP"
        }
    }))
}
