//! What ran, what came of it, and how far each pipeline has read.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;
use uuid::Uuid;
use weir_catalog::{Input, Kind as Noun, ObjectId, Run, RunFilter, RunKind, RunStatus, Store, events};

use super::super::errors::catalog_error;
use super::table::{Asked, Cell, Kind, Row, Rows, SystemTable, time};
use crate::error::Result;

pub(super) const TABLES: &[SystemTable] = &[
    SystemTable {
        schema: "hub",
        name: "runs",
        comment: "Every run of every pipeline, newest first.",
        columns: &[
            ("run_id", Kind::Uuid),
            ("pipeline", Kind::Text),
            ("version", Kind::Big),
            ("kind", Kind::Text),
            ("trigger", Kind::Text),
            ("params", Kind::Json),
            ("status", Kind::Text),
            ("attempt", Kind::Big),
            ("batch", Kind::Big),
            ("created_at", Kind::Time),
            ("started_at", Kind::Time),
            ("ended_at", Kind::Time),
            ("rows_in", Kind::Big),
            ("rows_out", Kind::Big),
            ("rows_quarantined", Kind::Big),
            ("rows_dropped", Kind::Big),
            ("rows_duplicate", Kind::Big),
            ("rows_filtered", Kind::Big),
            ("error", Kind::Text),
            ("sqlstate", Kind::Text),
            ("requested_by", Kind::Text),
            ("inputs", Kind::Json),
        ],
        rows: Rows::Now(runs),
    },
    SystemTable {
        schema: "hub",
        name: "run_outputs",
        comment: "What each run wrote where.",
        columns: &[
            ("run_id", Kind::Uuid),
            ("step", Kind::Text),
            ("output", Kind::Text),
            ("target", Kind::Text),
            ("mode", Kind::Text),
            ("rows", Kind::Big),
            ("table_version_before", Kind::Big),
            ("table_version", Kind::Big),
        ],
        rows: Rows::Now(run_outputs),
    },
    SystemTable {
        schema: "hub",
        name: "rule_results",
        comment: "How many rows each rule saw and refused, per run.",
        columns: &[
            ("run_id", Kind::Uuid),
            ("output", Kind::Text),
            ("rule", Kind::Text),
            ("action", Kind::Text),
            ("checked", Kind::Big),
            ("failed", Kind::Big),
        ],
        rows: Rows::Now(rule_results),
    },
    SystemTable {
        schema: "hub",
        name: "source_offsets",
        comment: "How far each pipeline has read each of its streams.",
        columns: &[("source", Kind::Text), ("pipeline", Kind::Text), ("position", Kind::Json), ("committed_at", Kind::Time)],
        rows: Rows::Now(source_offsets),
    },
    SystemTable {
        schema: "hub",
        name: "files",
        comment: "The files that each source has seen.",
        columns: &[
            ("source", Kind::Text),
            ("seq", Kind::Big),
            ("path", Kind::Text),
            ("etag", Kind::Text),
            ("size", Kind::Big),
            ("modified_at", Kind::Time),
            ("seen_at", Kind::Time),
            ("status", Kind::Text),
            ("rows", Kind::Big),
            ("run_id", Kind::Uuid),
        ],
        rows: Rows::Now(files),
    },
];

/// The word that the catalog stores for a value of an enum.
pub(super) fn word<T: serde::Serialize>(value: T) -> Cell {
    match serde_json::to_value(value) {
        Ok(Json::String(word)) => word.into(),
        _ => Cell::Null,
    }
}

/// The runs that the query asks for.
pub(super) fn wanted(asked: &Asked<'_>) -> Result<Vec<Run>> {
    let store = asked.engine.store();
    let sees_all = asked.sees_all()?;
    // What is hidden does not count.
    let limit = asked.limit.filter(|_| sees_all);
    let mut filter = RunFilter { run_id: asked.run_id, limit, ..RunFilter::default() };
    if let Some((schema, name)) = asked.pipeline.as_deref().and_then(|full| full.split_once('.')) {
        filter.pipeline_id = store.object(Noun::Pipeline, schema, name).map_err(catalog_error)?.map(|pipeline| pipeline.id);
    }
    let runs = store.runs(&filter).map_err(catalog_error)?;
    if sees_all {
        return Ok(runs);
    }
    let mut seen: HashMap<ObjectId, bool> = HashMap::new();
    for run in &runs {
        if let Entry::Vacant(unknown) = seen.entry(run.pipeline_id) {
            unknown.insert(asked.sees_id(run.pipeline_id)?);
        }
    }
    Ok(runs.into_iter().filter(|run| seen.get(&run.pipeline_id) == Some(&true)).collect())
}

/// The runs that the role may know of; None is all.
fn seen_runs(asked: &Asked<'_>) -> Result<Option<HashSet<Uuid>>> {
    if asked.sees_all()? {
        return Ok(None);
    }
    let of_one = Asked { pipeline: None, kind: None, limit: None, ..*asked };
    Ok(Some(wanted(&of_one)?.into_iter().map(|run| run.run_id).collect()))
}

fn runs(asked: &Asked<'_>) -> Result<Vec<Row>> {
    Ok(wanted(asked)?.into_iter().map(run_row).collect())
}

fn run_row(run: Run) -> Row {
    let kind: RunKind = run.kind;
    let status: RunStatus = run.status;
    vec![
        run.run_id.into(),
        run.pipeline.into(),
        run.pipeline_version.into(),
        word(kind),
        run.trigger.into(),
        run.params.to_string().into(),
        word(status),
        run.attempt.into(),
        run.batch.into(),
        time(run.created_at),
        time(run.started_at),
        time(run.ended_at),
        run.counts.read.into(),
        run.counts.written.into(),
        run.counts.quarantined.into(),
        run.counts.dropped.into(),
        run.counts.duplicates.into(),
        run.counts.filtered.into(),
        run.error.into(),
        run.sqlstate.into(),
        run.requested_by.into(),
        serde_json::to_string(&run.inputs).ok().into(),
    ]
}

fn run_outputs(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let mut outputs = asked.engine.store().run_outputs(asked.run_id).map_err(catalog_error)?;
    if let Some(seen) = seen_runs(asked)? {
        outputs.retain(|output| seen.contains(&output.run_id));
    }
    let row = |output: weir_catalog::RunOutput| {
        vec![
            output.run_id.into(),
            output.step.into(),
            output.output.into(),
            output.target.into(),
            output.mode.into(),
            output.rows.into(),
            output.table_version_before.into(),
            output.table_version.into(),
        ]
    };
    Ok(outputs.into_iter().map(row).collect())
}

fn rule_results(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let mut results = asked.engine.store().rule_results(asked.run_id).map_err(catalog_error)?;
    if let Some(seen) = seen_runs(asked)? {
        results.retain(|result| seen.contains(&result.run_id));
    }
    let row = |result: weir_catalog::RuleResult| {
        vec![
            result.run_id.into(),
            result.output.into(),
            result.rule.into(),
            result.action.into(),
            result.checked.into(),
            result.failed.into(),
        ]
    };
    Ok(results.into_iter().map(row).collect())
}

/// `schema.name` of an object, or its number when it is gone.
pub(super) fn name_of(store: &dyn Store, id: ObjectId) -> Result<String> {
    if id == events::RELATION {
        return Ok("hub.events".to_owned());
    }
    let object = store.object_by_id(id).map_err(catalog_error)?;
    Ok(object.map_or_else(|| format!("#{}", id.0), |object| object.full_name()))
}

fn source_offsets(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let store = asked.engine.store();
    let row = |offset: weir_catalog::Offset| {
        Ok(vec![
            name_of(store.as_ref(), offset.relation_id)?.into(),
            name_of(store.as_ref(), offset.pipeline_id)?.into(),
            offset.position.to_string().into(),
            time(offset.committed_at),
        ])
    };
    let may = |offset: &weir_catalog::Offset| asked.sees_id(offset.pipeline_id);
    Asked::keep(store.offsets(None).map_err(catalog_error)?, may)?.into_iter().map(row).collect()
}

fn files(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let store = asked.engine.store();
    let runs = store.runs(&RunFilter::default()).map_err(catalog_error)?;
    let mut rows = Vec::new();
    for source in store.objects(Some(Noun::Source), None).map_err(catalog_error)? {
        if !asked.sees(&source)? {
            continue;
        }
        let readers: Vec<(&Run, i64, i64)> =
            runs.iter().filter_map(|run| read_files(run, source.id).map(|(from, to)| (run, from, to))).collect();
        for entry in store.files(source.id, 0, None, None).map_err(catalog_error)? {
            // Newest first: the last run that took it.
            let run = readers.iter().find(|(_, from, to)| *from < entry.seq && entry.seq <= *to).map(|(run, ..)| *run);
            let status = match (run, entry.replaced) {
                _ if entry.gone => "gone",
                (Some(run), _) if run.status == RunStatus::Succeeded => "read",
                (Some(run), _) if run.status == RunStatus::Failed => "failed",
                (Some(_), _) => "reading",
                (None, true) => "replaced",
                (None, false) => "new",
            };
            rows.push(vec![
                source.full_name().into(),
                entry.seq.into(),
                entry.file.path.into(),
                entry.file.etag.into(),
                entry.file.size.into(),
                time(entry.file.modified_at),
                time(entry.seen_at),
                status.into(),
                entry.rows.into(),
                run.map(|run| run.run_id).into(),
            ]);
        }
    }
    Ok(rows)
}

/// The ledger range that a run reads of a file source.
fn read_files(run: &Run, source: ObjectId) -> Option<(i64, i64)> {
    let seq = |position: &Json| position.as_i64().or_else(|| position.get("seq").and_then(Json::as_i64));
    let input = run.inputs.iter().find(|input| input.relation_id == source)?;
    match &input.input {
        Input::Stream { from, to } => Some((from.as_ref().and_then(seq).unwrap_or(0), seq(to)?)),
        _ => None,
    }
}
