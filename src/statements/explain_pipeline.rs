//! `EXPLAIN [(PLAN | RULES | LINEAGE [, FORMAT json])] PIPELINE name`

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use weir_catalog::Kind;
use weir_sql::statements::explain_pipeline::ExplainPipeline;

use super::names;
use crate::engine::privileges;
use crate::error::Result;
use crate::session::{Outcome, Session};

pub(super) async fn columns(session: &Session, statement: &ExplainPipeline) -> Result<SchemaRef> {
    Ok(explain(session, statement).await?.schema())
}

pub(super) async fn execute(session: &Session, statement: &ExplainPipeline) -> Result<Outcome> {
    Ok(Outcome::batch(explain(session, statement).await?, "EXPLAIN"))
}

/// Explaining runs nothing, so it can be done to describe as well.
async fn explain(session: &Session, statement: &ExplainPipeline) -> Result<RecordBatch> {
    let ExplainPipeline { name, what, format } = statement;
    let pipeline = names::get(session, &*session.definitions(), Kind::Pipeline, name)?;
    privileges::require_any(&*session.definitions(), &session.role(), &pipeline).map_err(|error| error.at(name.position()))?;
    let format = format.as_ref().map(|format| format.value.as_str());
    let batch = session.hub().runner().explain(&pipeline, *what, format).await?;
    Ok(batch)
}
