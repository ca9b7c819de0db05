//! The dead letters that a role may see, as a table that nothing is pushed into.
//!
//! A condition of the query must not be evaluated on rows that are hidden: an error of it would tell what they hold. So the rows are filtered
//! by a plan of their own, and what the query does begins behind it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::DataFusionError;
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{LogicalPlanBuilder, col};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use weir_catalog::{Definitions, Object};
use weir_sql::Privilege;

use super::{Engine, errors, privileges};
use crate::error::Result;

/// Whether the object is the table of dead letters.
pub fn are(object: &Object) -> bool {
    object.schema == "hub" && object.name == "dead_letters"
}

/// Those of `all` that the role may see.
pub(super) async fn seen_by(
    role: &str,
    definitions: &dyn Definitions,
    all: Arc<dyn TableProvider>,
    state: &Arc<SessionState>,
) -> Result<Arc<dyn TableProvider>> {
    let rights = [Privilege::Select, Privilege::Maintain];
    let Some(filter) = privileges::letters_filter(definitions, role, &rights, &|name| col(name))? else { return Ok(all) };
    let plan = LogicalPlanBuilder::scan("dead_letters", provider_as_source(all), None)
        .and_then(|plan| plan.filter(filter))
        .and_then(LogicalPlanBuilder::build)
        .map_err(errors::error)?;
    let plan = Engine::physical(state, plan).await?;
    let schema = plan.schema();
    let table = StreamingTable::try_new(Arc::clone(&schema), vec![Arc::new(Seen { schema, plan })]).map_err(errors::error)?;
    Ok(Arc::new(table))
}

struct Seen {
    schema: SchemaRef,
    plan: Arc<dyn ExecutionPlan>,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").finish_non_exhaustive()
    }
}

impl PartitionStream for Seen {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        // Another execution of the same statement reads anew.
        let plan = match Arc::clone(&self.plan).reset_state() {
            Ok(plan) => plan,
            Err(error) => return failed(&self.schema, error),
        };
        match execute_stream(plan, context) {
            Ok(rows) => rows,
            Err(error) => failed(&self.schema, error),
        }
    }
}

fn failed(schema: &SchemaRef, error: DataFusionError) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), futures::stream::iter([Err(error)])))
}
