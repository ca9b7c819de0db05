//! `EXPLAIN [ANALYZE] [VERBOSE] query`
//!
//! ANALYZE runs the query, throws its rows away and shows what each operator did.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
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

/// What PostgreSQL's planner says behind the first line, in its form: clients read it there, such as a PostgreSQL that plans a join with
/// tables of this hub. Without statistics it is PostgreSQL's guess for a table that it knows nothing of.
fn estimate(plan: &dyn ExecutionPlan) -> String {
    const UNKNOWN_ROWS: usize = 1000;
    const COST_OF_ROW: f64 = 0.01;
    let known = StatisticsContext::new().compute(plan, &StatisticsArgs::new()).ok();
    let rows = known.as_ref().and_then(|known| known.num_rows.get_value().copied()).unwrap_or(UNKNOWN_ROWS);
    let width = plan.schema().fields().iter().map(|field| field.data_type().primitive_width().unwrap_or(32)).sum::<usize>();
    format!("  (cost=0.00..{:.2} rows={rows} width={width})", cost(rows) * COST_OF_ROW)
}

fn cost(rows: usize) -> f64 {
    u32::try_from(rows).map_or(f64::from(u32::MAX), f64::from)
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
    let estimate = estimate(physical.as_ref());
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
    let mut lines = text.trim_end().lines().map(str::to_owned);
    let first = lines.next().map(|line| format!("{line}{estimate}"));
    let lines: Vec<String> = first.into_iter().chain(lines).collect();
    Ok(Outcome::batch(answer::batch(columns(), vec![answer::words(lines)])?, "EXPLAIN"))
}
