//! What changed from version to version, and going back to one.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, TableProviderFilterPushDown, TableType, cast, ident};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use deltalake::DeltaTable;
use deltalake::delta_datafusion::DeltaCdfTableProvider;
use deltalake::kernel::EagerSnapshot;

use super::commit::{Draft, Reads};
use super::contract::{Committed, Facts, RowCounts};
use super::failure::{delta_failed, plan_failed};
use super::files::LiveFile;
use super::log::Action;
use super::table::Table;
use super::writer::CHANGE_TYPE;
use crate::error::{Code, Error, Result};

/// Columns of `changes` that say which commit made the change.
const COMMIT_VERSION: &str = "_commit_version";
const COMMIT_TIMESTAMP: &str = "_commit_timestamp";

impl Table {
    /// Every row that was inserted, updated or deleted by the versions from `from` to `to`, both included, with the columns `_change_type`
    /// (`insert`, `update_preimage`, `update_postimage`, `delete`), `_commit_version` (Int64) and `_commit_timestamp` (UTC).
    ///
    /// # Errors
    /// `InvalidParameter` when a version does not exist or changes were not recorded at `from`.
    pub async fn changes(&self, from: u64, to: Option<u64>) -> Result<Arc<dyn TableProvider>> {
        let newest = self.refresh().await?.version;
        let to = to.unwrap_or(newest);
        self.check_whole(from).await?;
        let first = self.outline_of(from).await?;
        if from > to {
            return Err(Error::new(Code::InvalidParameter, format!("version {from} comes after version {to}")));
        }
        if !first.metadata()?.is_set("delta.enableChangeDataFeed") {
            let message = format!("table \"{}\" did not record its changes at version {from}", self.location);
            return Err(Error::new(Code::InvalidParameter, message));
        }
        let table = self.table_of(to).await?;
        // The feed puts partition columns last; here they stand where the table has them.
        let stored = table.snapshot().map_err(delta_failed)?.snapshot().arrow_schema();
        let mut columns: Vec<Expr> = stored.fields().iter().map(|field| ident(field.name())).collect();
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        columns.push(ident(CHANGE_TYPE));
        columns.push(cast(ident(COMMIT_VERSION), DataType::Int64).alias(COMMIT_VERSION));
        columns.push(cast(ident(COMMIT_TIMESTAMP), utc).alias(COMMIT_TIMESTAMP));
        let feed = table.scan_cdf().with_starting_version(from).with_ending_version(to);
        let feed: Arc<dyn TableProvider> = Arc::new(Feed(DeltaCdfTableProvider::try_new(feed).map_err(delta_failed)?));
        let plan = LogicalPlanBuilder::scan("changes", provider_as_source(feed), None)
            .and_then(|plan| plan.project(columns))
            .and_then(LogicalPlanBuilder::build)
            .map_err(plan_failed)?;
        Ok(Arc::new(ViewTable::new(plan, None)))
    }

    /// The library's view of a version. The commits before it can be read through it, too.
    async fn table_of(&self, version: u64) -> Result<DeltaTable> {
        if version == self.known().version {
            let loaded = self.loaded().await?;
            if loaded.version() == Some(version) {
                return Ok(loaded);
            }
        }
        self.log_of(version).await?;
        let mut table = DeltaTable::new(self.log.clone());
        table.load_version(version).await.map_err(delta_failed)?;
        Ok(table)
    }

    /// Makes a new version that holds the rows and columns of an old one. It can be undone the same way.
    ///
    /// What keyed writes remember of deleted keys is also that of the old version: deletions after it are void, and those before it count again.
    ///
    /// # Errors
    /// `InvalidParameter` when the version does not exist; `WrongState` when one of its files is gone.
    pub async fn restore(&self, version: u64, facts: &Facts) -> Result<Committed> {
        let _turn = self.turn().await?;
        self.check_writable()?;
        let state = self.refresh().await?;
        self.check_whole(version).await?;
        let outline = self.outline_of(version).await?;
        let then = EagerSnapshot::try_new(&outline.log, Some(version)).await.map_err(delta_failed)?;
        let old = self.live_files(&then).await?;
        let now = self.live_files(&*self.snapshot().await?).await?;
        let names = |files: &[LiveFile]| files.iter().map(|file| file.name.clone()).collect::<HashSet<_>>();
        let (old_names, now_names) = (names(&old), names(&now));

        let mut actions = Vec::new();
        let mut rows = RowCounts::default();
        let metadata = outline.metadata()?;
        if metadata != *state.metadata {
            actions.push(Action::MetaData(metadata));
        }
        for file in now.iter().filter(|file| !old_names.contains(&file.name)) {
            rows.deleted += file.rows()?;
            actions.push(file.remove(self.clock.now())?);
        }
        for file in old.iter().filter(|file| !now_names.contains(&file.name)) {
            if !file.data.path.exists() {
                return Err(Error::new(Code::WrongState, format!("version {version} of table \"{}\" has lost files", self.location)));
            }
            rows.inserted += file.rows()?;
            actions.push(file.add()?);
        }
        let tombstones = self.publish_tombstones_of(&outline).await?;
        let draft = Draft {
            actions,
            tombstones,
            parameters: vec![("version", version.to_string())],
            reads: Reads::Rows(state.version),
            rows,
            ..Draft::new("RESTORE", facts)
        };
        self.commit(draft).await
    }
}

/// The library's feed. It reads three lists of files, of which some are mostly empty: such a scan has no partition at all, which nothing that
/// sorts above it can stand.
#[derive(Debug)]
struct Feed(DeltaCdfTableProvider);

#[async_trait]
impl TableProvider for Feed {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        self.0.table_type()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        self.0.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let plan = self.0.scan(state, projection, filters, limit).await?;
        let filled = plan.transform_up(|node| {
            if node.children().is_empty() && node.output_partitioning().partition_count() == 0 {
                let nothing: Arc<dyn ExecutionPlan> = Arc::new(EmptyExec::new(node.schema()));
                return Ok(Transformed::yes(nothing));
            }
            Ok(Transformed::no(node))
        });
        Ok(filled?.data)
    }
}
