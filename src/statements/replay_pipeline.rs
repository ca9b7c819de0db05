//! `REPLAY PIPELINE name [WHERE expr] [WITH (..)]`

use weir_catalog::Kind;
use weir_sql::Privilege;
use weir_sql::statements::replay_pipeline::ReplayPipeline;

use super::{names, run_pipeline};
use crate::error::{Code, Error, Result};
use crate::session::{Notice, Outcome, Session};
use crate::spec::Spec;

const SPEC: Spec = Spec { name: "REPLAY PIPELINE", summary: "Puts dead letters back.", options: &[] };

pub(super) async fn execute(session: &Session, statement: &ReplayPipeline) -> Result<Outcome> {
    let ReplayPipeline { name, condition, options } = statement;
    let definitions = session.definitions();
    let pipeline = names::with(session, &*definitions, Kind::Pipeline, name, Privilege::Maintain).map_err(gone)?;
    SPEC.read(options)?;
    names::refuse_temporary(&pipeline, "the dead letters of a temporary pipeline cannot be put back", name.position())?;
    if session.in_block() {
        return Err(Error::new(Code::ActiveTransaction, "REPLAY PIPELINE cannot run inside a transaction block").at(name.position()));
    }
    let report = session.hub().runner().replay(&pipeline, condition.as_ref(), &session.scope(Vec::new())).await?;
    report.notices.into_iter().for_each(|said| session.notice(Notice::new("00000", said)));
    run_pipeline::report(&report.run)
}

/// Who looks for a temporary pipeline of another session finds nothing.
fn gone(error: Error) -> Error {
    match error.code() == Code::UndefinedObject && error.hint_text().is_none() {
        true => error.hint(
            "A temporary pipeline is gone with its session: its dead letters stay to be read, and their file has to be sent again."
                .to_owned(),
        ),
        false => error,
    }
}
