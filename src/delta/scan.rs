//! A version's rows as DataFusion reads them: deltalake's scan, kept from conditions that it cannot take.
//!
//! It turns `IN (..)` into a chain of ORs as deep as the list is long, and walks it by calling itself: a list of ten thousand ends the process.
//! Such a condition stays above the scan.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNode;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

/// Longest list that the scan is given.
const LONGEST_LIST: usize = 200;

#[derive(Debug)]
pub(super) struct Scan {
    inner: Arc<dyn TableProvider>,
}

impl Scan {
    pub(super) fn over(inner: Arc<dyn TableProvider>) -> Arc<dyn TableProvider> {
        Arc::new(Self { inner })
    }
}

fn is_too_long(filter: &Expr) -> bool {
    let long = |expr: &Expr| Ok(matches!(expr, Expr::InList(list) if list.list.len() > LONGEST_LIST));
    filter.exists(long).unwrap_or(true)
}

#[async_trait]
impl TableProvider for Scan {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn table_type(&self) -> TableType {
        self.inner.table_type()
    }

    fn statistics(&self) -> Option<Statistics> {
        self.inner.statistics()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let short: Vec<&Expr> = filters.iter().copied().filter(|filter| !is_too_long(filter)).collect();
        let mut of_short = self.inner.supports_filters_pushdown(&short)?.into_iter();
        let none = TableProviderFilterPushDown::Unsupported;
        let answer = |filter: &&Expr| if is_too_long(filter) { none.clone() } else { of_short.next().unwrap_or(none.clone()) };
        Ok(filters.iter().map(answer).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let short: Vec<Expr> = filters.iter().filter(|filter| !is_too_long(filter)).cloned().collect();
        // A limit counts rows after all conditions.
        let limit = if short.len() == filters.len() { limit } else { None };
        self.inner.scan(state, projection, &short, limit).await
    }
}
