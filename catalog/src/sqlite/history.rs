//! What happened to tables and relations: commits, schemas, lineage.

use std::collections::{BTreeMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::row::{all, first, from_json, json, run, signed, to_json, unsigned};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Lineage, Micros, ObjectId, SchemaVersion, TableCommit};

const LINEAGE: &str = "pipeline_id, pipeline_version, from_relation, to_relation, from_column, to_column, transformation, direct";

pub(super) fn record_commit(db: &Connection, commit: &TableCommit) -> Result<()> {
    let TableCommit { table_id, version, committed_at, operation, run_id, user } = commit;
    let sql = "INSERT INTO table_commits (table_id, version, committed_at, operation, run_id, user) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (table_id, version) DO UPDATE SET committed_at = excluded.committed_at, operation = excluded.operation,
            run_id = excluded.run_id, user = excluded.user";
    run(db, sql, params![table_id.0, signed(*version)?, committed_at, operation, run_id, user])?;
    Ok(())
}

pub(super) fn commits(db: &Connection, table: ObjectId) -> Result<Vec<TableCommit>> {
    let sql = "SELECT table_id, version, committed_at, operation, run_id, user FROM table_commits WHERE table_id = ?1 ORDER BY version";
    all(db, sql, [table.0], commit)
}

pub(super) fn commits_after(db: &Connection, table: ObjectId, version: u64) -> Result<Vec<TableCommit>> {
    let sql = "SELECT table_id, version, committed_at, operation, run_id, user FROM table_commits
        WHERE table_id = ?1 AND version > ?2 ORDER BY version";
    all(db, sql, [table.0, signed(version)?], commit)
}

/// Newest by version: a clock that was set back does not hide what was committed later.
pub(super) fn commit_at(db: &Connection, table: ObjectId, at: Micros) -> Result<Option<TableCommit>> {
    let sql = "SELECT table_id, version, committed_at, operation, run_id, user FROM table_commits
        WHERE table_id = ?1 AND committed_at <= ?2 ORDER BY version DESC LIMIT 1";
    first(db, sql, [table.0, at], commit)
}

/// Adds a version under its own number; the same version again changes nothing.
pub(super) fn add_schema(db: &Connection, version: &SchemaVersion) -> Result<()> {
    let sql = "SELECT columns FROM schema_versions WHERE relation_id = ?1 AND version = ?2";
    let params = [version.relation_id.0, version.version];
    let stored: Option<String> = db.prepare_cached(sql)?.query_row(params, |row| row.get(0)).optional()?;
    match stored {
        None => insert_schema(db, version, version.version),
        Some(columns) if from_json::<arrow_schema::SchemaRef>(&columns)? == version.columns => Ok(()),
        Some(_) => Err(Error::new(
            ErrorKind::Conflict,
            format!("schema version {} of object {} is already another one", version.version, version.relation_id.0),
        )),
    }
}

/// Adds a version behind the newest, unless the newest has the same columns: the end of a run must not fail over a number.
pub(super) fn append_schema(db: &Connection, version: &SchemaVersion) -> Result<()> {
    let sql = "SELECT relation_id, version, columns, valid_from, run_id FROM schema_versions
        WHERE relation_id = ?1 ORDER BY version DESC LIMIT 1";
    match first(db, sql, [version.relation_id.0], schema)? {
        Some(newest) if newest.columns == version.columns => Ok(()),
        Some(newest) => insert_schema(db, version, version.version.max(newest.version + 1)),
        None => insert_schema(db, version, version.version),
    }
}

fn insert_schema(db: &Connection, added: &SchemaVersion, number: i64) -> Result<()> {
    let SchemaVersion { relation_id, version: _, columns, valid_from, run_id } = added;
    let sql = "INSERT INTO schema_versions (relation_id, version, columns, valid_from, run_id) VALUES (?1, ?2, ?3, ?4, ?5)";
    run(db, sql, params![relation_id.0, number, to_json(columns)?, valid_from, run_id])?;
    Ok(())
}

pub(super) fn schemas(db: &Connection, relation: Option<ObjectId>) -> Result<Vec<SchemaVersion>> {
    let by_relation = if relation.is_some() { "relation_id = ?1" } else { "?1 IS NULL" };
    let sql = format!(
        "SELECT relation_id, version, columns, valid_from, run_id FROM schema_versions WHERE {by_relation} ORDER BY relation_id, version"
    );
    all(db, &sql, [relation.map(|id| id.0)], schema)
}

/// The edges become the whole lineage of each pipeline version and target they speak of. Nothing is written when they already are.
pub(super) fn replace_lineage(db: &Connection, edges: &[Lineage]) -> Result<()> {
    let mut by_version: BTreeMap<(ObjectId, i64, &str), HashSet<&Lineage>> = BTreeMap::new();
    for edge in edges {
        by_version.entry((edge.pipeline_id, edge.pipeline_version, &edge.to_relation)).or_default().insert(edge);
    }
    for ((pipeline, version, target), wanted) in by_version {
        let key = params![pipeline.0, version, target];
        // A run that lands only some of the outputs says nothing of the others.
        let of_target = "pipeline_id = ?1 AND pipeline_version = ?2 AND to_relation = ?3";
        let stored = all(db, &format!("SELECT {LINEAGE} FROM lineage WHERE {of_target}"), key, edge)?;
        if stored.iter().collect::<HashSet<_>>() == wanted {
            continue;
        }
        run(db, &format!("DELETE FROM lineage WHERE {of_target}"), key)?;
        let mut left = wanted;
        // In the order given, which is the query's own, each once.
        for edge in edges {
            if left.remove(edge) {
                insert_edge(db, edge)?;
            }
        }
    }
    Ok(())
}

fn insert_edge(db: &Connection, edge: &Lineage) -> Result<()> {
    let Lineage { pipeline_id, pipeline_version, from_relation, to_relation, from_column, to_column, transformation, direct } = edge;
    run(
        db,
        &format!("INSERT INTO lineage ({LINEAGE}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"),
        params![pipeline_id.0, pipeline_version, from_relation, to_relation, from_column, to_column, transformation, direct],
    )?;
    Ok(())
}

pub(super) fn lineage(db: &Connection) -> Result<Vec<Lineage>> {
    all(db, &format!("SELECT {LINEAGE} FROM lineage ORDER BY pipeline_id, pipeline_version, rowid"), [], edge)
}

fn commit(row: &Row<'_>) -> Result<TableCommit> {
    Ok(TableCommit {
        table_id: ObjectId(row.get(0)?),
        version: unsigned(row.get(1)?)?,
        committed_at: row.get(2)?,
        operation: row.get(3)?,
        run_id: row.get(4)?,
        user: row.get(5)?,
    })
}

fn schema(row: &Row<'_>) -> Result<SchemaVersion> {
    Ok(SchemaVersion {
        relation_id: ObjectId(row.get(0)?),
        version: row.get(1)?,
        columns: json(row, 2)?,
        valid_from: row.get(3)?,
        run_id: row.get(4)?,
    })
}

fn edge(row: &Row<'_>) -> Result<Lineage> {
    Ok(Lineage {
        pipeline_id: ObjectId(row.get(0)?),
        pipeline_version: row.get(1)?,
        from_relation: row.get(2)?,
        to_relation: row.get(3)?,
        from_column: row.get(4)?,
        to_column: row.get(5)?,
        transformation: row.get(6)?,
        direct: row.get(7)?,
    })
}
