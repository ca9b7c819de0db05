//! What a session must plan with, so that plans over Delta tables run.

use std::sync::Arc;

use datafusion::execution::context::QueryPlanner;
use deltalake::delta_datafusion::planner::DeltaPlanner;

/// The planner for sessions that read tables of the lake.
pub fn query_planner() -> Arc<dyn QueryPlanner + Send + Sync> {
    DeltaPlanner::new()
}
