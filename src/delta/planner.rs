//! The query planner that knows the plan nodes of Delta scans and writes.

use std::sync::Arc;

use datafusion::execution::context::QueryPlanner;
use deltalake::delta_datafusion::planner::DeltaPlanner;

/// For the session state of every statement.
pub fn query_planner() -> Arc<dyn QueryPlanner + Send + Sync> {
    DeltaPlanner::new()
}
