//! Columns of sources that are no longer what they were: what is followed, and what somebody has to decide on (`hub.schema_changes`).

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;
use weir_catalog::{ChangeKind, ChangeStatus, Object, SchemaChange};
use weir_sql::Name;

use super::bind::StreamInput;
use crate::engine::{Engine, catalog_error};
use crate::error::{Code, Error, Result};
use crate::sources::{Range, RawRecord, Seen};

/// Records of each rule that are looked at for what would take them.
pub(super) const SAMPLES: usize = 200;

/// Records that were refused, by the rule that refused them; some of each.
pub(super) type Misfits = BTreeMap<String, Vec<RawRecord>>;

/// Lets a source follow what the rows of a range need, and enters what it cannot follow.
///
/// # Errors
/// Why the source takes nothing of the range, with the number of the change to decide on.
pub(super) async fn settle(engine: &Arc<Engine>, stream: &StreamInput, range: &Range) -> Result<()> {
    let drift = stream.source.drift(Some(range)).await?;
    let ids = enter(engine, &stream.object, &drift.seen, None)?;
    if let Some(refused) = drift.refused {
        return Err(decidable(refused, &stream.object, &ids));
    }
    match drift.columns {
        Some(columns) => engine.keep_columns(stream.object.id, &columns),
        None => Ok(()),
    }
}

/// The error of a source that could not be read, with the change of its columns that may be the reason.
pub(super) async fn reason(engine: &Arc<Engine>, streams: &[StreamInput], error: Error) -> Error {
    if !matches!(error.code(), Code::UndefinedColumn | Code::WrongType | Code::DataException) {
        return error;
    }
    for stream in streams {
        let Ok(drift) = stream.source.drift(None).await else { continue };
        let Some(refused) = drift.refused else { continue };
        match enter(engine, &stream.object, &drift.seen, None) {
            Ok(ids) => return decidable(refused, &stream.object, &ids),
            Err(failed) => {
                tracing::warn!(source = %stream.object.full_name(), error = %failed.chain(), "a schema change could not be stored")
            }
        }
    }
    error
}

fn decidable(refused: Error, source: &Object, ids: &[i64]) -> Error {
    let Some(id) = ids.first() else { return refused };
    let ident = |value: &str| weir_sql::Ident { value: value.to_owned(), position: 1 };
    let name = Name { schema: Some(ident(&source.schema)), name: ident(&source.name) };
    let hint = format!("See hub.schema_changes. ALTER SOURCE {name} ACCEPT SCHEMA CHANGE {id} follows it.");
    let hint = refused.hint_text().map_or_else(|| hint.clone(), |known| format!("{known} {hint}"));
    refused.hint(hint)
}

/// Enters changes; answers with the numbers of those that wait for a decision.
fn enter(engine: &Engine, source: &Object, seen: &[Seen], run_id: Option<Uuid>) -> Result<Vec<i64>> {
    if seen.is_empty() {
        return Ok(Vec::new());
    }
    let now = engine.clock().now();
    let change = |seen: &Seen| SchemaChange {
        id: 0,
        relation_id: source.id,
        kind: seen.kind,
        column: seen.column.clone(),
        before: seen.before.clone(),
        after: seen.after.clone(),
        field: seen.field.clone(),
        seen_in: seen.seen_in.clone(),
        status: if seen.is_followed { ChangeStatus::Applied } else { ChangeStatus::Open },
        seen_at: now,
        run_id,
        decided_at: None,
        decided_by: None,
    };
    let changes: Vec<SchemaChange> = seen.iter().map(change).collect();
    let ids = engine.store().propose(&changes).map_err(catalog_error)?;
    let open = ids.into_iter().zip(seen).filter(|(_, seen)| !seen.is_followed);
    Ok(open.filter_map(|(id, _)| id).collect())
}

/// Enters what would take the records that a run refused. The run has landed: whatever goes wrong here is only said.
pub(super) async fn enter_misfits(engine: &Arc<Engine>, streams: &[StreamInput], misfits: &Misfits, run_id: Uuid) {
    for (rule, records) in misfits {
        let Some((what, column)) = rule.split_once(':') else { continue };
        let has_column = |stream: &&StreamInput| stream.source.schema().column_with_name(column).is_some();
        // Of two streams with such a column nobody knows whose record it was.
        let mut of_column = streams.iter().filter(has_column);
        let (Some(stream), None) = (of_column.next(), of_column.next()) else { continue };
        if let Err(error) = misfit(engine, stream, what, column, records, run_id).await {
            tracing::warn!(source = %stream.object.full_name(), column, error = %error.chain(), "a schema change could not be proposed");
        }
    }
}

async fn misfit(engine: &Arc<Engine>, stream: &StreamInput, what: &str, column: &str, records: &[RawRecord], run_id: Uuid) -> Result<()> {
    let seen = match what {
        "type" => stream.source.suits(column, records.to_vec()).await?,
        "not_null" if !is_explained(engine, &stream.object, column)? => Some(Seen {
            kind: ChangeKind::Nullable,
            column: column.to_owned(),
            before: Some("NOT NULL".to_owned()),
            after: "NULL".to_owned(),
            field: None,
            seen_in: records.first().map_or_else(String::new, |record| record.source.clone()),
            is_followed: false,
        }),
        _ => None,
    };
    enter(engine, &stream.object, seen.as_slice(), Some(run_id)).map(drop)
}

/// Whether the column has no values because its field is gone, which is told already.
fn is_explained(engine: &Engine, source: &Object, column: &str) -> Result<bool> {
    let known = engine.store().schema_changes(Some(source.id)).map_err(catalog_error)?;
    let explains = |change: &SchemaChange| {
        let is_gone =
            matches!(change.kind, ChangeKind::Drop | ChangeKind::Rename) || (change.kind == ChangeKind::Nested && change.field.is_none());
        change.status == ChangeStatus::Open && change.column == column && is_gone
    };
    Ok(known.iter().any(explains))
}
