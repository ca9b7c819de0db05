//! `CANCEL RUN 'id'`

use uuid::Uuid;
use weir_catalog::RunFilter;
use weir_sql::Privilege;
use weir_sql::statements::cancel_run::CancelRun;

use crate::engine::privileges;
use crate::error::{Code, Error, Result};
use crate::session::{Notice, Outcome, Session};

pub(super) fn execute(session: &Session, statement: &CancelRun) -> Result<Outcome> {
    let CancelRun { run_id, position } = statement;
    let id: Uuid = run_id
        .parse()
        .map_err(|_| Error::new(Code::InvalidText, format!("invalid input syntax for type uuid: \"{run_id}\"")).at(*position))?;
    let known = session.hub().store().runs(&RunFilter { run_id: Some(id), ..RunFilter::default() })?;
    let Some(run) = known.first() else {
        return Err(Error::new(Code::UndefinedObject, format!("run \"{run_id}\" does not exist")).at(*position));
    };
    let (definitions, role) = (session.definitions(), session.role());
    match definitions.object_by_id(run.pipeline_id)? {
        // Whoever may run it may end a run of his own.
        Some(pipeline) if run.requested_by == role && privileges::require(&*definitions, &role, &pipeline, Privilege::Execute).is_ok() => {}
        Some(pipeline) => privileges::require(&*definitions, &role, &pipeline, Privilege::Maintain)?,
        None if definitions.access()?.is_superuser(&role) => {}
        None => return Err(privileges::denied(&format!("pipeline {}", run.pipeline))),
    }
    if !session.hub().runner().cancel(id)? {
        session.notice(Notice::new("00000", format!("run \"{run_id}\" is over already")));
    }
    Ok(Outcome::done("CANCEL RUN"))
}
