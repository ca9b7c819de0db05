//! What `STREAM(x)` becomes in a plan: the columns of the source, with its provenance columns behind a curtain.
//!
//! The user's query is planned against the visible columns only, so `SELECT *` never shows provenance; `carry` then lifts the curtain.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::sources::{POSITION_COLUMN, SOURCE_COLUMN};

/// A scan whose last two columns, `_source` and `_source_position`, are not shown.
#[derive(Debug)]
pub(super) struct StreamTable {
    whole: Arc<dyn TableProvider>,
    visible: SchemaRef,
}

impl StreamTable {
    pub(super) fn new(whole: Arc<dyn TableProvider>) -> Arc<Self> {
        let schema = whole.schema();
        let shown = schema.fields().len().saturating_sub(2);
        let visible = Arc::new(Schema::new(schema.fields().iter().take(shown).cloned().collect::<Vec<_>>()));
        Arc::new(Self { whole, visible })
    }

    /// The scan with its provenance columns, named [`SOURCE_COLUMN`] and [`POSITION_COLUMN`].
    pub(super) fn whole(&self) -> &Arc<dyn TableProvider> {
        debug_assert!(self.whole.schema().column_with_name(SOURCE_COLUMN).is_some());
        debug_assert!(self.whole.schema().column_with_name(POSITION_COLUMN).is_some());
        &self.whole
    }
}

#[async_trait]
impl TableProvider for StreamTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.visible)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.visible.fields().len()).collect();
        self.whole.scan(state, Some(projection.unwrap_or(&all)), filters, limit).await
    }
}
