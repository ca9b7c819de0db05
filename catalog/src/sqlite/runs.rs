//! Runs: frozen, marked, ended; what they wrote, what their rules found, and the positions they move.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde_json::Value as Json;
use uuid::Uuid;

use super::definitions::Rows;
use super::row::{all, first, from_word, json, run, signed, to_json, unsigned, word};
use super::{events, files, history};
use crate::change;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Micros, ObjectId, Offset, RuleResult, Run, RunEnd, RunOutput, RunStatus};
use crate::secret::SecretKey;
use crate::store::{Health, RunFilter};

const COLUMNS: &str =
    "run_id, pipeline_id, pipeline, pipeline_version, kind, trigger, params, status, attempt, batch, created_at, started_at,
    ended_at, counts, error, sqlstate, requested_by, inputs";

/// As the index of unfinished runs spells it.
const UNFINISHED: &str = "status IN ('queued', 'running')";

pub(super) fn freeze(db: &Connection, frozen: &Run) -> Result<Run> {
    refuse_second(db, frozen)?;
    let sql =
        "INSERT INTO batches (pipeline_id, last) VALUES (?1, 1) ON CONFLICT (pipeline_id) DO UPDATE SET last = last + 1 RETURNING last";
    let batch = db.prepare_cached(sql)?.query_row([frozen.pipeline_id.0], |row| row.get(0))?;
    let frozen = Run { batch, ..frozen.clone() };
    let Run {
        run_id,
        pipeline_id,
        pipeline,
        pipeline_version,
        kind,
        trigger,
        params,
        status,
        attempt,
        batch,
        created_at,
        started_at,
        ended_at,
        counts,
        error,
        sqlstate,
        requested_by,
        inputs,
    } = &frozen;
    let sql =
        format!("INSERT INTO runs ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)");
    run(
        db,
        &sql,
        params![
            run_id,
            pipeline_id.0,
            pipeline,
            pipeline_version,
            word(kind)?,
            trigger,
            to_json(params)?,
            word(status)?,
            attempt,
            batch,
            created_at,
            started_at,
            ended_at,
            to_json(counts)?,
            error,
            sqlstate,
            requested_by,
            to_json(inputs)?,
        ],
    )?;
    events::started(db, &frozen)?;
    Ok(frozen)
}

fn refuse_second(db: &Connection, frozen: &Run) -> Result<()> {
    let taken = db.prepare_cached("SELECT 1 FROM runs WHERE run_id = ?1")?.exists([frozen.run_id])?;
    if taken {
        return Err(Error::new(ErrorKind::Duplicate, format!("run \"{}\" already exists", frozen.run_id)));
    }
    let sql = format!("SELECT run_id FROM runs WHERE pipeline_id = ?1 AND {UNFINISHED}");
    let other: Option<Uuid> = db.prepare_cached(&sql)?.query_row([frozen.pipeline_id.0], |row| row.get(0)).optional()?;
    match other {
        None => Ok(()),
        Some(other) => Err(Error::new(ErrorKind::Conflict, format!("pipeline \"{}\" already has a run that is not over", frozen.pipeline))
            .with_detail(format!("The other run is {other}."))
            .with_hint("Wait for it or stop it with CANCEL RUN.")),
    }
}

pub(super) struct Mark<'a> {
    pub(super) run_id: Uuid,
    pub(super) status: RunStatus,
    pub(super) attempt: i64,
    pub(super) now: Micros,
    pub(super) error: Option<&'a str>,
    pub(super) sqlstate: Option<&'a str>,
}

/// The first start counts; an error stays until another one, or the run's end, takes its place.
pub(super) fn mark(db: &Connection, mark: &Mark<'_>) -> Result<()> {
    let Some(status) = status(db, mark.run_id)? else { return Err(no_run(mark.run_id)) };
    if status.is_over() {
        return Ok(());
    }
    let started = (mark.status == RunStatus::Running).then_some(mark.now);
    let ended = mark.status.is_over().then_some(mark.now);
    let sql =
        "UPDATE runs SET status = ?2, attempt = ?3, started_at = coalesce(started_at, ?4), ended_at = ?5, error = coalesce(?6, error),
        sqlstate = coalesce(?7, sqlstate) WHERE run_id = ?1";
    run(db, sql, params![mark.run_id, word(mark.status)?, mark.attempt, started, ended, mark.error, mark.sqlstate])?;
    Ok(())
}

/// Tells whether definitions changed. A run that is over stays as it is.
pub(super) fn end(db: &Connection, key: &SecretKey, end: &RunEnd) -> Result<bool> {
    // No `..`: whatever a run's end comes to hold must be stored here.
    let RunEnd {
        run_id,
        status,
        ended_at,
        counts,
        error,
        sqlstate,
        outputs,
        rules,
        offsets,
        file_rows,
        table_commits,
        schema_versions,
        lineage,
        changes,
    } = end;
    let filter = RunFilter { run_id: Some(*run_id), ..RunFilter::default() };
    let Some(before) = list(db, &filter)?.into_iter().next() else { return Err(no_run(*run_id)) };
    if before.status.is_over() {
        return Ok(false);
    }
    if !status.is_over() {
        return Err(Error::internal(format!("run \"{run_id}\" cannot end as {}", word(status)?)));
    }
    let sql = "UPDATE runs SET status = ?2, ended_at = ?3, counts = ?4, error = ?5, sqlstate = ?6 WHERE run_id = ?1";
    run(db, sql, params![run_id, word(status)?, ended_at, to_json(counts)?, error, sqlstate])?;
    for (ordinal, output) in (0_i64..).zip(outputs) {
        insert_output(db, ordinal, *run_id, output)?;
    }
    for (ordinal, rule) in (0_i64..).zip(rules) {
        insert_rule(db, ordinal, *run_id, rule)?;
    }
    for (relation, position) in offsets {
        set_offset(db, before.pipeline_id, *relation, Some(position), *ended_at)?;
    }
    for (source, seq, rows) in file_rows {
        files::set_rows(db, *source, *seq, *rows)?;
    }
    table_commits.iter().try_for_each(|commit| history::record_commit(db, commit))?;
    schema_versions.iter().try_for_each(|version| history::append_schema(db, version))?;
    history::replace_lineage(db, lineage)?;
    events::ended(db, &before, end)?;
    let mut rows = Rows::new(db, key);
    let changes = change::without_vanished(&rows, changes)?;
    change::apply(&mut rows, &changes, &before.requested_by, *ended_at)?;
    Ok(!changes.is_empty())
}

pub(super) fn list(db: &Connection, filter: &RunFilter) -> Result<Vec<Run>> {
    let RunFilter { pipeline_id, run_id, unfinished, moves_offsets, limit } = filter;
    let mut sql = format!("SELECT {COLUMNS} FROM runs WHERE true");
    let mut values = Vec::new();
    if let Some(id) = pipeline_id {
        sql.push_str(" AND pipeline_id = ?");
        values.push(Value::Integer(id.0));
    }
    if let Some(id) = run_id {
        sql.push_str(" AND run_id = ?");
        values.push(Value::Blob(id.as_bytes().to_vec()));
    }
    if *unfinished {
        sql.push_str(" AND ");
        sql.push_str(UNFINISHED);
    }
    if *moves_offsets {
        // One that failed before it had an input is none of these.
        sql.push_str(
            " AND kind IN ('trigger', 'manual', 'full_refresh')
            AND (inputs <> '[]' OR EXISTS (SELECT 1 FROM run_outputs o WHERE o.run_id = runs.run_id))",
        );
    }
    sql.push_str(" ORDER BY seq DESC");
    if let Some(limit) = limit {
        sql.push_str(" LIMIT ?");
        values.push(Value::Integer(signed(*limit as u64)?));
    }
    all(db, &sql, params_from_iter(values), read)
}

pub(super) fn outputs(db: &Connection, run_id: Option<Uuid>) -> Result<Vec<RunOutput>> {
    let by_run = if run_id.is_some() { "o.run_id = ?1" } else { "?1 IS NULL" };
    let sql = format!(
        "SELECT o.run_id, step, output, target_id, target, mode, rows, table_version_before, table_version
        FROM run_outputs o JOIN runs r ON r.run_id = o.run_id WHERE {by_run} ORDER BY r.seq DESC, ordinal"
    );
    all(db, &sql, [run_id], |row| {
        Ok(RunOutput {
            run_id: row.get(0)?,
            step: row.get(1)?,
            output: row.get(2)?,
            target_id: ObjectId(row.get(3)?),
            target: row.get(4)?,
            mode: row.get(5)?,
            rows: row.get(6)?,
            table_version_before: row.get::<_, Option<i64>>(7)?.map(unsigned).transpose()?,
            table_version: row.get::<_, Option<i64>>(8)?.map(unsigned).transpose()?,
        })
    })
}

pub(super) fn rule_results(db: &Connection, run_id: Option<Uuid>) -> Result<Vec<RuleResult>> {
    let by_run = if run_id.is_some() { "o.run_id = ?1" } else { "?1 IS NULL" };
    let sql = format!(
        "SELECT o.run_id, output, rule, action, checked, failed
        FROM rule_results o JOIN runs r ON r.run_id = o.run_id WHERE {by_run} ORDER BY r.seq DESC, ordinal"
    );
    all(db, &sql, [run_id], |row| {
        Ok(RuleResult {
            run_id: row.get(0)?,
            output: row.get(1)?,
            rule: row.get(2)?,
            action: row.get(3)?,
            checked: row.get(4)?,
            failed: row.get(5)?,
        })
    })
}

/// Dry runs say nothing about a pipeline's health.
pub(super) fn health(db: &Connection, pipeline: ObjectId) -> Result<Health> {
    let id = [pipeline.0];
    let last_success = "SELECT seq, ended_at FROM runs WHERE pipeline_id = ?1 AND status = 'succeeded' AND kind <> 'dry_run'
        ORDER BY seq DESC LIMIT 1";
    let (success_seq, last_success_at) = first(db, last_success, id, |row| Ok((row.get(0)?, row.get(1)?)))?.unwrap_or((0_i64, None));
    let failures = "SELECT count(*) FROM runs WHERE pipeline_id = ?1 AND status = 'failed' AND kind <> 'dry_run' AND seq > ?2";
    let consecutive_failures = db.prepare_cached(failures)?.query_row([pipeline.0, success_seq], |row| row.get(0))?;
    let last =
        "SELECT run_id, status, error, sqlstate, attempt FROM runs WHERE pipeline_id = ?1 AND kind <> 'dry_run' ORDER BY seq DESC LIMIT 1";
    let health = Health { last_success_at, consecutive_failures, ..Health::default() };
    let last = first(db, last, id, |row| {
        Ok(Health {
            last_run_id: Some(row.get(0)?),
            last_status: Some(from_word(row.get(1)?)?),
            last_error: row.get(2)?,
            last_sqlstate: row.get(3)?,
            last_attempt: row.get(4)?,
            ..Health::default()
        })
    })?;
    Ok(match last {
        Some(last) => Health { last_success_at, consecutive_failures, ..last },
        None => health,
    })
}

pub(super) fn offsets(db: &Connection, pipeline: Option<ObjectId>) -> Result<Vec<Offset>> {
    let by_pipeline = if pipeline.is_some() { "pipeline_id = ?1" } else { "?1 IS NULL" };
    let sql = format!(
        "SELECT pipeline_id, relation_id, position, committed_at FROM offsets WHERE {by_pipeline} ORDER BY pipeline_id, relation_id"
    );
    all(db, &sql, [pipeline.map(|id| id.0)], |row| {
        Ok(Offset {
            pipeline_id: ObjectId(row.get(0)?),
            relation_id: ObjectId(row.get(1)?),
            position: json(row, 2)?,
            committed_at: row.get(3)?,
        })
    })
}

pub(super) fn offset(db: &Connection, pipeline: ObjectId, relation: ObjectId) -> Result<Option<Json>> {
    first(db, "SELECT position FROM offsets WHERE pipeline_id = ?1 AND relation_id = ?2", [pipeline.0, relation.0], |row| json(row, 0))
}

pub(super) fn set_offset(db: &Connection, pipeline: ObjectId, relation: ObjectId, position: Option<&Json>, now: Micros) -> Result<()> {
    let Some(position) = position else {
        run(db, "DELETE FROM offsets WHERE pipeline_id = ?1 AND relation_id = ?2", [pipeline.0, relation.0])?;
        return Ok(());
    };
    let sql = "INSERT INTO offsets (pipeline_id, relation_id, position, committed_at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (pipeline_id, relation_id) DO UPDATE SET position = excluded.position, committed_at = excluded.committed_at";
    run(db, sql, params![pipeline.0, relation.0, to_json(position)?, now])?;
    Ok(())
}

pub(super) fn trigger_state(db: &Connection, pipeline: ObjectId, trigger: &str) -> Result<Option<Json>> {
    first(db, "SELECT state FROM trigger_states WHERE pipeline_id = ?1 AND trigger = ?2", params![pipeline.0, trigger], |row| json(row, 0))
}

pub(super) fn set_trigger_state(db: &Connection, pipeline: ObjectId, trigger: &str, state: &Json) -> Result<()> {
    let sql = "INSERT INTO trigger_states (pipeline_id, trigger, state) VALUES (?1, ?2, ?3)
        ON CONFLICT (pipeline_id, trigger) DO UPDATE SET state = excluded.state";
    run(db, sql, params![pipeline.0, trigger, to_json(state)?])?;
    Ok(())
}

fn insert_output(db: &Connection, ordinal: i64, ended: Uuid, output: &RunOutput) -> Result<()> {
    let RunOutput { run_id: _, step, output, target_id, target, mode, rows, table_version_before, table_version } = output;
    let sql = "INSERT INTO run_outputs (run_id, ordinal, step, output, target_id, target, mode, rows, table_version_before, table_version)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let before = table_version_before.map(signed).transpose()?;
    let after = table_version.map(signed).transpose()?;
    run(db, sql, params![ended, ordinal, step, output, target_id.0, target, mode, rows, before, after])?;
    Ok(())
}

fn insert_rule(db: &Connection, ordinal: i64, ended: Uuid, result: &RuleResult) -> Result<()> {
    let RuleResult { run_id: _, output, rule, action, checked, failed } = result;
    let sql = "INSERT INTO rule_results (run_id, ordinal, output, rule, action, checked, failed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    run(db, sql, params![ended, ordinal, output, rule, action, checked, failed])?;
    Ok(())
}

fn status(db: &Connection, run_id: Uuid) -> Result<Option<RunStatus>> {
    first(db, "SELECT status FROM runs WHERE run_id = ?1", [run_id], |row| from_word(row.get(0)?))
}

fn no_run(run_id: Uuid) -> Error {
    Error::new(ErrorKind::NotFound, format!("run \"{run_id}\" does not exist"))
}

fn read(row: &Row<'_>) -> Result<Run> {
    Ok(Run {
        run_id: row.get(0)?,
        pipeline_id: ObjectId(row.get(1)?),
        pipeline: row.get(2)?,
        pipeline_version: row.get(3)?,
        kind: from_word(row.get(4)?)?,
        trigger: row.get(5)?,
        params: json(row, 6)?,
        status: from_word(row.get(7)?)?,
        attempt: row.get(8)?,
        batch: row.get(9)?,
        created_at: row.get(10)?,
        started_at: row.get(11)?,
        ended_at: row.get(12)?,
        counts: json(row, 13)?,
        error: row.get(14)?,
        sqlstate: row.get(15)?,
        requested_by: row.get(16)?,
        inputs: json(row, 17)?,
    })
}
