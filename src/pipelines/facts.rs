//! Lineage of a run as the catalog keeps it.

use datafusion::common::TableReference;
use weir_catalog::{Lineage, Object};

use super::assemble::DELETE_COLUMN;
use super::bind::Bound;
use super::history;
use super::lineage::{ColumnEdge, columns};
use crate::engine::{Engine, Used};

/// The edges of a bound pipeline; their target is filled in by [`edges`] once it is known.
pub(super) fn lineage(engine: &Engine, pipeline: &Object, bound: &Bound) -> Vec<Lineage> {
    let _ = engine;
    let mut found = Vec::new();
    let edge = |from: &str| Lineage {
        pipeline_id: pipeline.id,
        pipeline_version: pipeline.version,
        from_relation: from.to_owned(),
        to_relation: String::new(),
        from_column: None,
        to_column: None,
        transformation: None,
        direct: true,
    };
    for used in bound.planned.used.iter().chain(bound.references.used()) {
        let reads = edge(&full_name(used));
        if !found.contains(&reads) {
            found.push(reads);
        }
    }
    for column in columns(&bound.planned.plan, &|table| named(table, &bound.planned.used)) {
        // What DELETE WHEN asks decides which rows there are.
        let column = match column.to_column.as_deref() {
            Some(DELETE_COLUMN) => ColumnEdge { to_column: None, transformation: "filter", direct: false, ..column },
            _ => column,
        };
        for to_column in history::filled_by(bound, column.to_column) {
            found.push(Lineage {
                from_column: Some(column.from_column.clone()),
                to_column,
                transformation: Some(column.transformation.to_owned()),
                direct: column.direct,
                ..edge(&column.from_relation)
            });
        }
    }
    // What a rule asks decides which rows there are, and gives none of them a value.
    for asked in &bound.references.asked {
        for column in columns(&asked.plan, &|table| named(table, &asked.used)) {
            let filter = Some("filter".to_owned());
            found.push(Lineage {
                from_column: Some(column.from_column),
                transformation: filter,
                direct: false,
                ..edge(&column.from_relation)
            });
        }
    }
    found
}

/// The relation that a plan refers to by this name.
fn named(table: &TableReference, used: &[Used]) -> Option<String> {
    let matches = |used: &&Used| used.reference.1 == table.table() && table.schema().is_none_or(|schema| schema == used.reference.0);
    used.iter().find(matches).map(full_name)
}

fn full_name(used: &Used) -> String {
    used.relation.full_name()
}

pub(super) fn edges(target: &Object, mut lineage: Vec<Lineage>) -> Vec<Lineage> {
    for edge in &mut lineage {
        edge.to_relation = target.full_name();
    }
    lineage.sort_by(|a, b| {
        (&a.from_relation, &a.from_column, &a.to_column, &a.transformation).cmp(&(
            &b.from_relation,
            &b.from_column,
            &b.to_column,
            &b.transformation,
        ))
    });
    lineage.dedup();
    lineage
}
