//! What tables and schemas were, and where columns come from.

use std::collections::HashMap;

use weir_catalog::{Kind as Noun, Lineage, ObjectId, RunStatus};

use super::super::errors::catalog_error;
use super::super::openlineage::Teller;
use super::super::schema_json;
use super::runs::{name_of, wanted, word};
use super::table::{Asked, Kind, Row, Rows, SystemTable, time};
use crate::error::Result;

pub(super) const TABLES: &[SystemTable] = &[
    SystemTable {
        schema: "hub",
        name: "schema_versions",
        comment: "Every set of columns that a relation has had.",
        columns: &[
            ("relation", Kind::Text),
            ("version", Kind::Big),
            ("columns", Kind::Json),
            ("valid_from", Kind::Time),
            ("run_id", Kind::Uuid),
        ],
        rows: Rows::Now(schema_versions),
    },
    SystemTable {
        schema: "hub",
        name: "schema_changes",
        comment: "What sources were seen to have become: open ones wait for ALTER SOURCE .. ACCEPT or REJECT SCHEMA CHANGE.",
        columns: &[
            ("id", Kind::Big),
            ("relation", Kind::Text),
            ("kind", Kind::Text),
            ("column_name", Kind::Text),
            ("proposal", Kind::Json),
            ("status", Kind::Text),
            ("seen_at", Kind::Time),
            ("run_id", Kind::Uuid),
            ("decided_at", Kind::Time),
            ("decided_by", Kind::Text),
        ],
        rows: Rows::Now(schema_changes),
    },
    SystemTable {
        schema: "hub",
        name: "table_history",
        comment: "Every version of every lake table that the hub committed.",
        columns: &[
            ("relation", Kind::Text),
            ("version", Kind::Big),
            ("timestamp", Kind::Time),
            ("operation", Kind::Text),
            ("run_id", Kind::Uuid),
            ("user", Kind::Text),
        ],
        rows: Rows::Now(table_history),
    },
    SystemTable {
        schema: "hub",
        name: "lineage",
        comment: "Which relation feeds which, and through which pipeline.",
        columns: &[
            ("from_relation", Kind::Text),
            ("to_relation", Kind::Text),
            ("pipeline", Kind::Text),
            ("last_run", Kind::Uuid),
            ("pipeline_version", Kind::Big),
        ],
        rows: Rows::Now(lineage),
    },
    SystemTable {
        schema: "hub",
        name: "column_lineage",
        comment: "Which column comes from which; indirect ones pass through a filter, a join, a grouping or an order.",
        columns: &[
            ("from_relation", Kind::Text),
            ("from_column", Kind::Text),
            ("to_relation", Kind::Text),
            ("to_column", Kind::Text),
            ("pipeline", Kind::Text),
            ("transformation", Kind::Text),
            ("direct", Kind::Bool),
            ("pipeline_version", Kind::Big),
        ],
        rows: Rows::Now(column_lineage),
    },
    SystemTable {
        schema: "hub",
        name: "openlineage",
        comment: "Runs as OpenLineage tells them: one event per state.",
        columns: &[
            ("event", Kind::Json),
            ("run_id", Kind::Uuid),
            ("event_type", Kind::Text),
            ("event_time", Kind::Time),
            ("pipeline", Kind::Text),
        ],
        rows: Rows::Now(openlineage),
    },
    SystemTable {
        schema: "hub",
        name: "lineage_history",
        comment: "Lineage by table and by column of every version of a pipeline that has run.",
        columns: &[
            ("pipeline", Kind::Text),
            ("pipeline_version", Kind::Big),
            ("from_relation", Kind::Text),
            ("from_column", Kind::Text),
            ("to_relation", Kind::Text),
            ("to_column", Kind::Text),
            ("transformation", Kind::Text),
            ("direct", Kind::Bool),
        ],
        rows: Rows::Now(lineage_history),
    },
];

fn schema_versions(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let store = asked.engine.store();
    let row = |version: weir_catalog::SchemaVersion| {
        Ok(vec![
            name_of(store.as_ref(), version.relation_id)?.into(),
            version.version.into(),
            schema_json(&version.columns).into(),
            time(version.valid_from),
            version.run_id.into(),
        ])
    };
    let may = |version: &weir_catalog::SchemaVersion| asked.sees_id(version.relation_id);
    Asked::keep(store.schema_versions(None).map_err(catalog_error)?, may)?.into_iter().map(row).collect()
}

fn schema_changes(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let store = asked.engine.store();
    let row = |change: weir_catalog::SchemaChange| {
        let proposal = serde_json::json!({"column": change.column, "from": change.before, "to": change.after, "seen_in": change.seen_in});
        Ok(vec![
            change.id.into(),
            name_of(store.as_ref(), change.relation_id)?.into(),
            word(change.kind),
            change.column.into(),
            proposal.to_string().into(),
            word(change.status),
            time(change.seen_at),
            change.run_id.into(),
            time(change.decided_at),
            change.decided_by.into(),
        ])
    };
    let may = |change: &weir_catalog::SchemaChange| asked.sees_id(change.relation_id);
    Asked::keep(store.schema_changes(None).map_err(catalog_error)?, may)?.into_iter().map(row).collect()
}

fn table_history(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let store = asked.engine.store();
    let mut rows = Vec::new();
    for table in store.objects(Some(Noun::Table), None).map_err(catalog_error)? {
        if !asked.sees(&table)? {
            continue;
        }
        for commit in store.table_commits(table.id).map_err(catalog_error)? {
            rows.push(vec![
                table.full_name().into(),
                commit.version.into(),
                time(commit.committed_at),
                commit.operation.into(),
                commit.run_id.into(),
                commit.user.into(),
            ]);
        }
    }
    Ok(rows)
}

/// The lineage of each pipeline's newest version that has any.
fn newest(asked: &Asked<'_>) -> Result<Vec<Lineage>> {
    let edges = asked.engine.store().lineage().map_err(catalog_error)?;
    let mut versions: HashMap<ObjectId, i64> = HashMap::new();
    for edge in &edges {
        let newest = versions.entry(edge.pipeline_id).or_insert(edge.pipeline_version);
        *newest = (*newest).max(edge.pipeline_version);
    }
    let mut seen: HashMap<ObjectId, bool> = HashMap::new();
    for pipeline in versions.keys() {
        seen.insert(*pipeline, asked.sees_id(*pipeline)?);
    }
    let is_newest = |edge: &Lineage| versions.get(&edge.pipeline_id) == Some(&edge.pipeline_version);
    Ok(edges.into_iter().filter(|edge| is_newest(edge) && seen.get(&edge.pipeline_id) == Some(&true)).collect())
}

fn lineage(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let store = asked.engine.store();
    let mut rows = Vec::new();
    for edge in newest(asked)?.into_iter().filter(|edge| edge.from_column.is_none() && edge.to_column.is_none()) {
        let health = store.pipeline_health(edge.pipeline_id).map_err(catalog_error)?;
        let last_run = health.last_run_id.filter(|_| health.last_status != Some(RunStatus::Skipped));
        rows.push(vec![
            edge.from_relation.into(),
            edge.to_relation.into(),
            name_of(store.as_ref(), edge.pipeline_id)?.into(),
            last_run.into(),
            edge.pipeline_version.into(),
        ]);
    }
    Ok(rows)
}

fn column_lineage(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let store = asked.engine.store();
    let mut rows = Vec::new();
    for edge in newest(asked)?.into_iter().filter(|edge| edge.from_column.is_some() || edge.to_column.is_some()) {
        rows.push(vec![
            edge.from_relation.into(),
            edge.from_column.into(),
            edge.to_relation.into(),
            edge.to_column.into(),
            name_of(store.as_ref(), edge.pipeline_id)?.into(),
            edge.transformation.into(),
            edge.direct.into(),
            edge.pipeline_version.into(),
        ]);
    }
    Ok(rows)
}

fn openlineage(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let teller = Teller::new(asked.engine.store().as_ref())?;
    let mut rows = Vec::new();
    for run in wanted(asked)? {
        for event in teller.events(&run)? {
            rows.push(vec![
                event.json.to_string().into(),
                run.run_id.into(),
                event.kind.into(),
                time(event.at),
                run.pipeline.clone().into(),
            ]);
        }
    }
    Ok(rows)
}

fn lineage_history(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let store = asked.engine.store();
    let row = |edge: Lineage| {
        Ok(vec![
            name_of(store.as_ref(), edge.pipeline_id)?.into(),
            edge.pipeline_version.into(),
            edge.from_relation.into(),
            edge.from_column.into(),
            edge.to_relation.into(),
            edge.to_column.into(),
            edge.transformation.into(),
            edge.direct.into(),
        ])
    };
    let may = |edge: &Lineage| asked.sees_id(edge.pipeline_id);
    Asked::keep(store.lineage().map_err(catalog_error)?, may)?.into_iter().map(row).collect()
}
