//! `ALTER PIPELINE [IF EXISTS] name {SUSPEND | RESUME | SET .. | RESET .. | ADD trigger | DROP .. | RESET OFFSETS ..}`
//!
//! A new trigger or option is bound together with all that stays. SUSPEND lets a running run finish.

use weir_catalog::{Change, Definitions, Kind, Object, PipelineBody};
use weir_sql::Privilege;
use weir_sql::statements::alter_object::ObjectChange;
use weir_sql::statements::alter_pipeline::{AlterPipeline, PipelineChange};

use super::{alter_object, columns, create_pipeline, drop_object, instance, names};
use crate::engine::{Scope, definition as effective, privileges};
use crate::error::{Code, Error, Result};
use crate::pipelines;
use crate::session::{Notice, Outcome, Session};

pub(super) async fn execute(session: &Session, statement: &AlterPipeline, text: &str) -> Result<Outcome> {
    let AlterPipeline { name, if_exists, change } = statement;
    let done = Outcome::done("ALTER PIPELINE");
    let definitions = session.definitions();
    let Some(pipeline) = names::find(session, &*definitions, Kind::Pipeline, name)? else {
        drop_object::missing(session, &*definitions, Kind::Pipeline, name, *if_exists)?;
        return Ok(done);
    };
    names::refuse_temporary(&pipeline, "a temporary pipeline cannot be altered", name.position())?;
    let role = session.role();
    match change {
        PipelineChange::Suspend | PipelineChange::Resume | PipelineChange::ResetOffsets { .. } => {
            privileges::require(&*definitions, &role, &pipeline, Privilege::Maintain)
        }
        PipelineChange::Object(_)
        | PipelineChange::AddTrigger(_)
        | PipelineChange::SetTrigger(_)
        | PipelineChange::DropSchedule
        | PipelineChange::DropTriggers
        | PipelineChange::RefreshFromTemplate => privileges::require_owner(&*definitions, &role, &pipeline),
    }
    .map_err(|error| error.at(name.position()))?;
    match change {
        PipelineChange::Suspend => suspend(session, &pipeline, State::Suspended)?,
        PipelineChange::Resume => suspend(session, &pipeline, State::Enabled)?,
        PipelineChange::ResetOffsets { source, to } => {
            if session.in_block() {
                return Err(Error::new(Code::NotSupported, "RESET OFFSETS cannot run inside a transaction block").at(name.position()));
            }
            session.hub().runner().reset_offsets(&pipeline, source.as_ref(), to, &session.scope(Vec::new())).await?;
        }
        PipelineChange::Object(change @ (ObjectChange::RenameTo(_) | ObjectChange::SetSchema(_) | ObjectChange::OwnerTo(_))) => {
            let change = alter_object::placement(session, &*definitions, pipeline, change, text)?;
            session.stage(&[change])?;
        }
        PipelineChange::Object(options @ (ObjectChange::Set(_) | ObjectChange::Reset(_))) => {
            let result = definition(session, &*definitions, pipeline, text).await;
            session.stage(&[result.map_err(|error| alter_object::in_this_text(error, options))?])?;
        }
        PipelineChange::RefreshFromTemplate => instance::refresh(session, &pipeline, name.position()).await?,
        PipelineChange::AddTrigger(_) | PipelineChange::SetTrigger(_) | PipelineChange::DropSchedule | PipelineChange::DropTriggers => {
            let result = definition(session, &*definitions, pipeline, text).await;
            session.stage(&[result.map_err(Error::without_position)?])?;
        }
    }
    Ok(done)
}

/// The pipeline as it is and as the statement would make it, for who explains it.
///
/// # Errors
/// What is wrong with the name, and `NoPrivilege`.
pub(super) fn altered(session: &Session, statement: &AlterPipeline, text: &str) -> Result<(Object, Object)> {
    let definitions = session.definitions();
    let Some(old) = names::find(session, &*definitions, Kind::Pipeline, &statement.name)? else {
        return Err(names::undefined(&*definitions, Kind::Pipeline, &statement.name)?);
    };
    privileges::require_owner(&*definitions, &session.role(), &old).map_err(|error| error.at(statement.name.position()))?;
    let mut new = old.clone();
    let is_definition = matches!(
        statement.change,
        PipelineChange::Object(ObjectChange::Set(_) | ObjectChange::Reset(_))
            | PipelineChange::AddTrigger(_)
            | PipelineChange::SetTrigger(_)
            | PipelineChange::DropSchedule
            | PipelineChange::DropTriggers
    );
    if is_definition {
        new.alters.push(text.to_owned());
    }
    Ok((old, new))
}

/// The definition with one more ALTER, bound anew.
async fn definition(session: &Session, definitions: &dyn Definitions, mut pipeline: Object, text: &str) -> Result<Change> {
    pipeline.alters.push(text.to_owned());
    pipeline.changed_at = session.now();
    let bound = effective::pipeline(&pipeline)?;
    let place = names::Place { schema: pipeline.schema.clone(), name: pipeline.name.clone() };
    let watched = create_pipeline::check_triggers(definitions, &bound, &place, &pipeline.owner, Some(pipeline.id))?;
    // It will run as its owner, whoever changes it.
    let search_path = pipelines::search_path(&pipeline.schema);
    let scope = Scope { search_path, rights_of: Some(pipeline.owner.clone()), ..session.scope(Vec::new()) };
    let mut checked = session.hub().runner().check(&bound, &scope, definitions).await?;
    checked.depends_on.extend(watched);
    for notice in checked.notices {
        session.notice(Notice::new("00000", notice));
    }
    Ok(Change::Replace { object: pipeline, depends_on: checked.depends_on })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Enabled,
    Suspended,
}

/// No new version: the definition stays as it is.
fn suspend(session: &Session, pipeline: &Object, state: State) -> Result<()> {
    let mut body: PipelineBody = columns::read_body(pipeline)?;
    body.suspended = state == State::Suspended;
    session.stage(&[Change::Body { id: pipeline.id, body: columns::body(&body)? }])
}
