//! `EXPLAIN [ANALYZE] [VERBOSE] query`
//!
//! ANALYZE runs the query, throws its rows away and shows what each operator did.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use futures::StreamExt;
use weir_sql::statements::explain::Explain;

use super::answer::{self, Of};
use super::query;
use crate::engine::Engine;
use crate::error::{Code, Error, Result};
use crate::session::{Outcome, Session};

pub(super) fn columns() -> SchemaRef {
    answer::schema(&[("QUERY PLAN", Of::Text)])
}

pub(super) async fn execute(session: &Session, statement: &Explain, parameters: Vec<ScalarValue>) -> Result<Outcome> {
    let Explain { analyze, verbose, format, query } = statement;
    if let Some(format) = format.as_ref().filter(|format| format.value != "text") {
        return Err(Error::new(Code::NotSupported, format!("EXPLAIN (FORMAT {}) is not supported", format.value)).at(format.position));
    }
    let planned = query::plan(session, query, parameters).await?;
    let mut text = String::new();
    if *verbose {
        let optimised = Engine::optimised(&planned.state, planned.plan.clone()).await?;
        text.push_str(&format!("{}\n\n", optimised.display_indent_schema()));
    }
    let physical = Engine::physical(&planned.state, planned.plan).await?;
    if *analyze {
        let (physical, abandoned) = Engine::paced(physical)?;
        let mut rows = session.hub().engine().run_paced(Arc::clone(&physical), abandoned, Engine::context(&planned.state))?;
        while let Some(batch) = rows.next().await {
            batch.map_err(Engine::error)?;
        }
        text.push_str(&DisplayableExecutionPlan::with_metrics(physical.as_ref()).indent(*verbose).to_string());
    } else {
        text.push_str(&DisplayableExecutionPlan::new(physical.as_ref()).indent(*verbose).to_string());
    }
    let lines: Vec<&str> = text.trim_end().lines().collect();
    Ok(Outcome::batch(answer::batch(columns(), vec![answer::words(lines)])?, "EXPLAIN"))
}
