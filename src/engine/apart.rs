//! Planning, apart from whoever waits for it.
//!
//! The planner computes without a pause: a second and more for thousands of columns. In a task of its own it holds nobody up, and a
//! statement that is cancelled or out of time answers at once. What the planner has begun it then ends for nobody.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::parser::Statement;
use tokio::task::JoinHandle;

use super::{Engine, errors};
use crate::error::Result;

/// Ends the task with whoever waits for it, at its next pause.
struct Waiting<T>(JoinHandle<T>);

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn apart<T: Send + 'static>(
    work: impl Future<Output = std::result::Result<T, DataFusionError>> + Send + 'static,
) -> std::result::Result<T, DataFusionError> {
    let mut task = Waiting(tokio::spawn(work));
    match (&mut task.0).await {
        Ok(done) => done,
        Err(ended) => Err(DataFusionError::External(Box::new(ended))),
    }
}

/// The unoptimised plan of a statement.
pub(super) async fn bound(state: &Arc<SessionState>, statement: Statement) -> std::result::Result<LogicalPlan, DataFusionError> {
    let state = Arc::clone(state);
    apart(async move { state.statement_to_plan(statement).await }).await
}

impl Engine {
    /// Optimises a plan and makes it ready to run.
    ///
    /// # Errors
    /// Whatever in it cannot be run.
    pub async fn physical(state: &Arc<SessionState>, plan: LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
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
