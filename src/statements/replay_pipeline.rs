//! `REPLAY PIPELINE name [WHERE expr] [WITH (..)]`

use weir_catalog::Kind;
use weir_sql::Privilege;
use weir_sql::statements::replay_pipeline::ReplayPipeline;

use super::{names, run_pipeline};
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};
use crate::spec::Spec;

const SPEC: Spec = Spec { name: "REPLAY PIPELINE", summary: "Puts dead letters back.", options: &[] };

pub(super) async fn execute(session: &Session, statement: &ReplayPipeline) -> Result<Outcome> {
    let ReplayPipeline { name, condition, options } = statement;
    let definitions = session.definitions();
    let pipeline = names::with(session, &*definitions, Kind::Pipeline, name, Privilege::Maintain)?;
    SPEC.read(options)?;
    if session.in_block() {
        return Err(Error::new(Code::ActiveTransaction, "REPLAY PIPELINE cannot run inside a transaction block").at(name.position()));
    }
    let report = session.hub().runner().replay(&pipeline, condition.as_ref(), &session.scope(Vec::new())).await?;
    run_pipeline::report(&report.run)
}
