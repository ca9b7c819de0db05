//! `EXPLAIN [(FORMAT json)] {CREATE [OR REPLACE] PIPELINE .. | ALTER PIPELINE .. | ALTER TABLE ..}`
//!
//! The statement is bound as if it were to run, with the rights that it needs; then it is told what it would touch. Nothing is changed.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use weir_catalog::Kind;
use weir_sql::StatementKind;
use weir_sql::statements::alter_table::{AlterTable, TableChange};
use weir_sql::statements::create_pipeline::{Body, CreatePipeline};
use weir_sql::statements::explain_change::ExplainChange;

use super::{alter_pipeline, alter_table, create_pipeline, names};
use crate::engine::{Scope, definition as effective};
use crate::error::{Code, Error, Result};
use crate::pipelines::{self, explained};
use crate::session::{Outcome, Session};

pub(super) fn columns() -> SchemaRef {
    pipelines::explain_columns()
}

pub(super) async fn execute(session: &Session, statement: &ExplainChange) -> Result<Outcome> {
    let ExplainChange { change, text, format } = statement;
    let lines = match change.as_ref() {
        StatementKind::CreatePipeline(pipeline) => create(session, pipeline).await?,
        StatementKind::AlterPipeline(alter) => {
            let (old, new) = alter_pipeline::altered(session, alter, text)?;
            let definition = effective::pipeline(&new)?;
            let scope =
                Scope { search_path: pipelines::search_path(&old.schema), rights_of: Some(old.owner.clone()), ..session.scope(Vec::new()) };
            session.hub().runner().impact(&definition, Some(&old), &scope, &*session.definitions()).await?
        }
        StatementKind::AlterTable(alter) => table(session, alter).await?,
        _ => return Err(Error::new(Code::NotSupported, "EXPLAIN of this statement is not supported yet")),
    };
    let batch: RecordBatch = explained(lines, format.as_ref().map(|format| format.value.as_str()))?;
    Ok(Outcome::batch(batch, "EXPLAIN"))
}

async fn create(session: &Session, pipeline: &CreatePipeline) -> Result<Vec<(String, String)>> {
    if matches!(pipeline.body, Body::Template { .. }) {
        return Err(Error::new(Code::NotSupported, "EXPLAIN CREATE PIPELINE .. FROM TEMPLATE is not supported yet"));
    }
    let Some((place, old)) = create_pipeline::placed(session, pipeline)? else { return Ok(Vec::new()) };
    let owner = old.as_ref().map_or_else(|| session.role(), |old| old.owner.clone());
    let definitions = session.definitions();
    create_pipeline::check_triggers(&*definitions, pipeline, &place, &owner, old.as_ref().map(|old| old.id))?;
    let scope = Scope { search_path: pipelines::search_path(&place.schema), rights_of: Some(owner), ..session.scope(Vec::new()) };
    session.hub().runner().impact(pipeline, old.as_ref(), &scope, &*definitions).await
}

async fn table(session: &Session, alter: &AlterTable) -> Result<Vec<(String, String)>> {
    let definitions = session.definitions();
    let Some(table) = names::owned(session, &*definitions, Kind::Table, &alter.name)? else {
        return Err(names::undefined(&*definitions, Kind::Table, &alter.name)?);
    };
    alter_table::check_only(session, &*definitions, &table, &alter.changes).await?;
    let rules: Vec<_> = alter
        .changes
        .iter()
        .filter_map(|change| match change {
            TableChange::AddRule(rule) => Some(rule.clone()),
            _ => None,
        })
        .collect();
    session.hub().runner().rules_impact(&table, &rules, &session.scope(Vec::new()), &*definitions).await
}
