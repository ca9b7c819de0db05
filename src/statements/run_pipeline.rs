//! `RUN PIPELINE name [(args)] [DRY RUN [LIMIT n] | FULL REFRESH | STARTING AT expr [UNTIL expr]] [WITH (wait = ..)]`
//!
//! Waits for the end and answers one row; a run that fails is an error with the run's own code. A dry run answers the rows themselves.

use arrow::datatypes::SchemaRef;
use serde::Serialize;
use weir_catalog::{Kind, Object, Run, RunStatus};
use weir_sql::Privilege;
use weir_sql::statements::run_pipeline::{RunHow, RunPipeline};

use super::answer::{self, Of};
use super::names;
use crate::engine::privileges;
use crate::error::{Code, Error, Result};
use crate::pipelines::RunRequest;
use crate::session::{Notice, Outcome, Session};
use crate::spec::{Opt, Spec};

const SPEC: Spec = Spec {
    name: "RUN PIPELINE",
    summary: "A run by hand.",
    options: &[Opt::bool("wait").default("true").doc("Answer when the run has ended.")],
};

pub(super) fn report_columns() -> SchemaRef {
    answer::schema(&[
        ("run_id", Of::Text),
        ("status", Of::Text),
        ("rows_in", Of::Bigint),
        ("rows_out", Of::Bigint),
        ("rows_quarantined", Of::Bigint),
        ("rows_dropped", Of::Bigint),
        ("rows_duplicate", Of::Bigint),
        ("rows_filtered", Of::Bigint),
        ("error", Of::Text),
    ])
}

pub(super) async fn columns(session: &Session, statement: &RunPipeline) -> Result<SchemaRef> {
    match &statement.how {
        RunHow::Dry { limit: _ } => {
            let pipeline = pipeline(session, statement)?;
            session.hub().runner().dry_run_columns(&pipeline).await
        }
        RunHow::New | RunHow::FullRefresh | RunHow::Backfill { .. } => Ok(report_columns()),
    }
}

pub(super) async fn execute(session: &Session, statement: &RunPipeline) -> Result<Outcome> {
    let pipeline = pipeline(session, statement)?;
    let options = SPEC.read(&statement.options)?;
    let scope = session.scope(Vec::new());
    if let RunHow::Dry { limit } = &statement.how {
        let (schema, rows) = session.hub().runner().dry_run(&pipeline, &statement.arguments, *limit, &scope).await?;
        return Ok(Outcome::Rows { schema, rows, tag: "SELECT" });
    }
    if session.in_block() {
        let message = "RUN PIPELINE cannot run inside a transaction block";
        return Err(Error::new(Code::ActiveTransaction, message).at(statement.name.position()));
    }
    let wait = options.flag("wait");
    let request = RunRequest { pipeline, arguments: statement.arguments.clone(), how: statement.how.clone(), wait, scope };
    let done = session.hub().runner().run(request).await?;
    done.notices.into_iter().for_each(|said| session.notice(Notice::new("00000", said)));
    report(&done.run)
}

fn pipeline(session: &Session, statement: &RunPipeline) -> Result<Object> {
    let definitions = session.definitions();
    let pipeline = names::with(session, &*definitions, Kind::Pipeline, &statement.name, Privilege::Execute)?;
    names::refuse_temporary(&pipeline, "a temporary pipeline is run by COPY PIPELINE only", statement.name.position())?;
    if let RunHow::Dry { .. } = statement.how {
        // Its rows are shown, and they were read with the owner's rights.
        let judged = privileges::require(&*definitions, &session.role(), &pipeline, Privilege::Select);
        judged.map_err(|error| error.at(statement.name.position()))?;
    }
    Ok(pipeline)
}

/// The one row of a run.
///
/// # Errors
/// That of the run itself, when it failed or was cancelled.
pub(super) fn report(run: &Run) -> Result<Outcome> {
    if matches!(run.status, RunStatus::Failed | RunStatus::Cancelled) {
        let fallback = if run.status == RunStatus::Cancelled { Code::Cancelled } else { Code::Internal };
        let code = run.sqlstate.as_deref().and_then(Code::from_sqlstate).unwrap_or(fallback);
        let message = run.error.clone().unwrap_or_else(|| format!("the run of pipeline \"{}\" was cancelled", run.pipeline));
        return Err(Error::new(code, message).detail(format!("run {}; see hub.runs", run.run_id)));
    }
    let counts = &run.counts;
    let number = |value: i64| answer::bigint([Some(value)]);
    let arrays = vec![
        answer::words([run.run_id.to_string()]),
        answer::words([word(&run.status)]),
        number(counts.read),
        number(counts.written),
        number(counts.quarantined),
        number(counts.dropped),
        number(counts.duplicates),
        number(counts.filtered),
        answer::text([run.error.clone()]),
    ];
    Ok(Outcome::batch(answer::batch(report_columns(), arrays)?, "RUN PIPELINE"))
}

/// A state's word as the catalog writes it: one spelling everywhere.
pub(super) fn word(state: &impl Serialize) -> String {
    match serde_json::to_value(state) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
