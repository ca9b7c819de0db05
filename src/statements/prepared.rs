//! `PREPARE name [(types)] AS statement`, `EXECUTE name [(args)]`, `DEALLOCATE [PREPARE] {name | ALL}`

use weir_sql::StatementKind;
use weir_sql::statements::prepared::{Deallocate, Execute, Prepare};

use super::effect::{Effect, effect};
use super::{constant, dispatch};
use crate::error::{Code, Error, Result};
use crate::formats;
use crate::session::{Description, Outcome, Prepared, Session};

pub(super) fn prepare(session: &Session, statement: &Prepare) -> Result<Outcome> {
    let Prepare { name, types, statement } = statement;
    match &statement.kind {
        StatementKind::Query(_) | StatementKind::Dml(_) => {}
        _ => {
            return Err(Error::new(Code::Syntax, "only SELECT, INSERT, UPDATE and DELETE can be prepared").at(statement.position));
        }
    }
    let types = types.iter().map(|given| formats::arrow_type(&given.ast).map(Some).map_err(|error| error.at(given.position)));
    let prepared = Prepared { statement: statement.as_ref().clone(), types: types.collect::<Result<_>>()? };
    session.prepare(&name.value, prepared)?;
    Ok(Outcome::done("PREPARE"))
}

pub(super) async fn describe(session: &Session, statement: &Execute) -> Result<Description> {
    let prepared = session.prepared(&statement.name.value)?;
    let inner = dispatch::describe_kind(session, &prepared.statement.kind, &prepared.types).await?;
    Ok(Description { columns: inner.columns, ..Description::default() })
}

pub(super) async fn execute(session: &Session, statement: &Execute) -> Result<Outcome> {
    let Execute { name, arguments } = statement;
    let prepared = session.prepared(&name.value)?;
    if let Effect::Writes(command) = effect(&prepared.statement.kind) {
        session.refuse_write(command)?;
    }
    let wanted = dispatch::describe_kind(session, &prepared.statement.kind, &prepared.types).await?.parameters;
    if wanted.len() != arguments.len() {
        let message = format!("wrong number of parameters for prepared statement \"{}\"", name.value);
        return Err(Error::new(Code::Syntax, message)
            .detail(format!("Expected {} parameters but got {}.", wanted.len(), arguments.len()))
            .at(name.position));
    }
    let mut parameters = Vec::with_capacity(arguments.len());
    for (argument, data_type) in arguments.iter().zip(&wanted) {
        let value = constant::value(session, argument).await?;
        let cast = value.cast_to(data_type).map_err(|error| crate::engine::Engine::error(error).at(argument.position))?;
        parameters.push(cast);
    }
    dispatch::execute_kind(session, &prepared.statement, parameters).await
}

pub(super) fn deallocate(session: &Session, statement: &Deallocate) -> Result<Outcome> {
    match &statement.name {
        Some(name) => session.deallocate(Some(&name.value)).map_err(|error| error.at(name.position))?,
        None => session.deallocate(None)?,
    }
    Ok(Outcome::done(if statement.name.is_none() { "DEALLOCATE ALL" } else { "DEALLOCATE" }))
}
