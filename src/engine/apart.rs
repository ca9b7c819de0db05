//! Planning of large statements, apart from whoever waits for it.
//!
//! The planner computes without a pause: seconds for thousands of columns. On a thread that serves clients it would hold up all of them, and
//! no cancel or time limit would be heard. On a thread of its own it holds nobody up, and a statement that is given up answers at once;
//! what the planner has begun it then ends for nobody. A small statement is planned on the spot, which is faster than changing threads.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::parser::Statement;
use tokio::runtime::Handle;

use super::{Engine, errors};
use crate::error::Result;

/// So many columns are planned within milliseconds.
const SMALL: usize = 300;
/// A text that is no longer cannot name more.
const SMALL_TEXT: usize = 10 * SMALL;

type PlanResult<T> = std::result::Result<T, DataFusionError>;

async fn apart<T: Send + 'static>(work: impl Future<Output = PlanResult<T>> + Send + 'static) -> PlanResult<T> {
    let runtime = Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(work)).await;
    done.map_err(|ended| DataFusionError::External(Box::new(ended)))?
}

/// Whether a text over relations with that many columns is planned on the spot.
pub(super) fn is_small(text: usize, columns: usize) -> bool {
    text <= SMALL_TEXT && columns <= SMALL
}

/// The unoptimised plan of a statement.
pub(super) async fn bound(state: &Arc<SessionState>, statement: Statement, is_small: bool) -> PlanResult<LogicalPlan> {
    if is_small {
        return state.statement_to_plan(statement).await;
    }
    let state = Arc::clone(state);
    apart(async move { state.statement_to_plan(statement).await }).await
}

fn has_few_columns(plan: &LogicalPlan) -> bool {
    let mut columns = 0;
    let counted = plan.apply_with_subqueries(|node| {
        columns += node.schema().fields().len();
        Ok(if columns > 4 * SMALL { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    counted.is_ok() && columns <= 4 * SMALL
}

impl Engine {
    /// Optimises a plan and makes it ready to run.
    ///
    /// # Errors
    /// Whatever in it cannot be run.
    pub async fn physical(state: &Arc<SessionState>, plan: LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        if has_few_columns(&plan) {
            return state.create_physical_plan(&plan).await.map_err(errors::error);
        }
        let state = Arc::clone(state);
        apart(async move { state.create_physical_plan(&plan).await }).await.map_err(errors::error)
    }

    /// Optimises a plan.
    ///
    /// # Errors
    /// As [`Engine::physical`].
    pub async fn optimised(state: &Arc<SessionState>, plan: LogicalPlan) -> Result<LogicalPlan> {
        let state = Arc::clone(state);
        apart(async move { state.optimize(&plan) }).await.map_err(errors::error)
    }
}
