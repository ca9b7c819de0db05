//! `SHOW RUNS [FOR pipeline]`
//!
//! The newest first, at most a hundred; `hub.runs` has them all.

use arrow::datatypes::SchemaRef;
use weir_catalog::{Kind, Run, RunFilter, Thing};
use weir_sql::statements::show_runs::ShowRuns;

use super::answer::{self, Of};
use super::{names, run_pipeline};
use crate::engine::privileges;
use crate::error::Result;
use crate::session::{Outcome, Session};

const MOST: usize = 100;

pub(super) fn columns() -> SchemaRef {
    answer::schema(&[
        ("run_id", Of::Text),
        ("pipeline", Of::Text),
        ("kind", Of::Text),
        ("status", Of::Text),
        ("started_at", Of::Timestamp),
        ("ended_at", Of::Timestamp),
        ("rows_in", Of::Bigint),
        ("rows_out", Of::Bigint),
        ("rows_quarantined", Of::Bigint),
        ("rows_dropped", Of::Bigint),
        ("error", Of::Text),
    ])
}

pub(super) fn execute(session: &Session, statement: &ShowRuns) -> Result<Outcome> {
    let definitions = session.definitions();
    let (access, role) = (definitions.access()?, session.role());
    let pipeline_id = match &statement.pipeline {
        Some(name) => {
            let pipeline = names::get(session, &*definitions, Kind::Pipeline, name)?;
            privileges::require_any(&*definitions, &role, &pipeline).map_err(|error| error.at(name.position()))?;
            Some(pipeline.id)
        }
        None => None,
    };
    let sees_all = access.is_superuser(&role);
    let limit = if sees_all { Some(MOST) } else { None };
    let mut runs = session.hub().store().runs(&RunFilter { pipeline_id, limit, ..RunFilter::default() })?;
    if !sees_all {
        let pipelines = definitions.objects(Some(Kind::Pipeline), None)?;
        let sees = |run: &Run| pipelines.iter().any(|own| own.id == run.pipeline_id && access.allows_any(&role, Thing::of(own)));
        runs.retain(sees);
        runs.truncate(MOST);
    }
    let count = |of: fn(&Run) -> i64| answer::bigint(runs.iter().map(|run| Some(of(run))));
    let arrays = vec![
        answer::words(runs.iter().map(|run| run.run_id.to_string())),
        answer::words(runs.iter().map(|run| run.pipeline.as_str())),
        answer::words(runs.iter().map(|run| run_pipeline::word(&run.kind))),
        answer::words(runs.iter().map(|run| run_pipeline::word(&run.status))),
        answer::timestamp(runs.iter().map(|run| run.started_at)),
        answer::timestamp(runs.iter().map(|run| run.ended_at)),
        count(|run| run.counts.read),
        count(|run| run.counts.written),
        count(|run| run.counts.quarantined),
        count(|run| run.counts.dropped),
        answer::text(runs.iter().map(|run| run.error.clone())),
    ];
    Ok(Outcome::batch(answer::batch(columns(), arrays)?, "SHOW"))
}
