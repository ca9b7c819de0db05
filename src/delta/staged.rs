//! What an open transaction did to one table: files written, rows gone, nothing committed.
//!
//! The table is that of one version. Rows that are added lie in files of their own; rows that leave a file are marked, and a file is only written
//! anew at the commit, however many statements took rows out of it. Dropped before the commit, all written files are removed. A clone is a
//! point to go back to: it shares the files and keeps its own marks.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as PlanResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use deltalake::kernel::Version;

use super::addressed::{Gone, partitions};
use super::commit::{Draft, Reads};
use super::contract::{Committed, Facts, RowCounts};
use super::failure::blocking_failed;
use super::files::{DataFile, LiveFile};
use super::log::Action;
use super::rewrite::{Matching, Rewrite, copy_rest, rows_of};
use super::table::Table;
use super::writer::{Purpose, Writer, WriterOptions, Written, as_changes};
use crate::error::Result;

/// Files of a transaction that are together smaller than this are put into one before they are committed.
const TOGETHER_BYTES: i64 = 128 << 20;

/// What must still hold at the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestsOn {
    /// The columns: others may have added and removed rows.
    Columns,
    /// Every row of the version, because rows were checked against them.
    Rows,
}

/// Changes of one table that wait for their commit.
#[derive(Clone)]
pub struct Staged {
    table: Arc<Table>,
    version: Version,
    columns: SchemaRef,
    /// Files of the version; read when rows of it are first changed.
    base: Option<Arc<Vec<LiveFile>>>,
    /// Keeps those files in the table.
    lease: Option<Arc<()>>,
    own: Vec<Own>,
    /// Rows of the version that are gone.
    gone: Gone,
    /// What the statements recorded for the change feed, unless one of them changed rows of another.
    changes: Vec<Arc<Written>>,
    is_layered: bool,
    rests_on: RestsOn,
    rows: RowCounts,
}

/// A file of the transaction.
#[derive(Clone)]
struct Own {
    written: Arc<Written>,
    /// Which of the written files.
    index: usize,
    is_insert: bool,
    gone: Option<Arc<Vec<bool>>>,
}

impl Table {
    /// Begins to change the table as it was at that version.
    ///
    /// # Errors
    /// `Conflict` when its columns changed since.
    pub async fn stage(self: &Arc<Self>, version: u64) -> Result<Staged> {
        self.check_writable()?;
        let state = self.refresh().await?;
        if state.version > version && state.shaped_at > version {
            return Err(self.overtaken());
        }
        Ok(Staged {
            table: Arc::clone(self),
            version,
            columns: state.schema,
            base: None,
            lease: None,
            own: Vec::new(),
            gone: Gone::new(),
            changes: Vec::new(),
            is_layered: false,
            rests_on: RestsOn::Columns,
            rows: RowCounts::default(),
        })
    }
}

impl Table {
    /// The rows of files that are not part of the table yet.
    pub fn rows_of(&self, written: &Written) -> Arc<dyn TableProvider> {
        let files = written.files.iter().map(|file| self.own_file(file)).collect();
        let columns = Arc::clone(&written.schema);
        Arc::new(StagedRows { base: Base::Marked(Arc::clone(&columns)), columns, files, gone: Gone::new() })
    }
}

impl Staged {
    /// Adds written rows.
    pub fn append(&mut self, written: Written, rests_on: RestsOn) {
        self.rows.inserted += written.rows();
        self.add(written, true);
        self.need(rests_on);
    }

    /// Removes the matching rows and answers how many they were.
    ///
    /// # Errors
    /// `Conflict` when another writer changed the table since the version. A failing condition keeps its own error as the source.
    pub async fn delete(&mut self, rows: &Matching<'_>) -> Result<i64> {
        let count = self.rewrite(rows, None).await?;
        self.rows.deleted += count;
        Ok(count)
    }

    /// Puts new values into columns of the matching rows, and answers how many they were.
    ///
    /// # Errors
    /// As `delete`.
    pub async fn update(&mut self, assignments: &[(String, Expr)], rows: &Matching<'_>) -> Result<i64> {
        let count = self.rewrite(rows, Some(assignments)).await?;
        self.rows.updated += count;
        Ok(count)
    }

    /// Whether a commit would do nothing.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.gone.is_empty()
    }

    /// The statements' counts so far.
    pub fn rows(&self) -> RowCounts {
        self.rows
    }

    /// The rows of the version with all changes so far.
    ///
    /// # Errors
    /// As [`Table::scan`].
    pub async fn scan(&self) -> Result<Arc<dyn TableProvider>> {
        let base = self.table.scan(Some(self.version)).await?;
        if self.is_empty() {
            return Ok(base);
        }
        let (files, gone) = match self.gone.is_empty() {
            // The version's files are read in the usual way.
            true => (self.own_files(), self.gone_of_own(0)),
            false => (self.all_files(), self.all_gone()),
        };
        let base = if self.gone.is_empty() { Base::Whole(base) } else { Base::Marked(base.schema()) };
        Ok(Arc::new(StagedRows { columns: Arc::clone(&self.columns), base, files, gone }))
    }

    async fn rewrite(&mut self, rows: &Matching<'_>, assignments: Option<&[(String, Expr)]>) -> Result<i64> {
        let base = self.load().await?;
        let mut rewrite = self.table.rewrite_of(Arc::clone(&base))?;
        rewrite.own = self.own_files();
        rewrite.before = self.all_gone();
        rewrite.take_out(rows, assignments).await?;
        let Rewrite { data, changes, gone, count, .. } = rewrite;
        if count == 0 {
            return Ok(0);
        }
        let data = data.finish().await?;
        let changes = match changes {
            Some(changes) => Some(changes.finish().await?),
            None => None,
        };
        for (number, rows) in gone {
            self.mark(base.len(), number, rows);
        }
        self.add(data, false);
        self.changes.extend(changes.map(Arc::new));
        self.need(RestsOn::Rows);
        Ok(count)
    }

    /// The files of the version. It is still the newest: whoever changes its rows later would only find out at the commit.
    async fn load(&mut self) -> Result<Arc<Vec<LiveFile>>> {
        let _gate = self.table.gate().await;
        let now = self.table.refresh().await?;
        if let Some(base) = self.base.as_ref().filter(|_| now.version == self.version) {
            return Ok(Arc::clone(base));
        }
        // The same rows may lie in other files by now.
        if now.changed_at > self.version || self.base.is_some() {
            return Err(self.table.overtaken());
        }
        let base = Arc::new(self.table.live_files(&*self.table.snapshot().await?).await?);
        if self.table.known().version != now.version {
            return Err(self.table.overtaken());
        }
        self.version = now.version;
        self.lease = Some(self.table.lease());
        self.base = Some(Arc::clone(&base));
        Ok(base)
    }

    fn mark(&mut self, base: usize, number: usize, rows: Vec<bool>) {
        match number.checked_sub(base) {
            None => {
                let known = self.gone.remove(&number);
                self.gone.insert(number, both(known, rows));
            }
            Some(own) => {
                self.is_layered = true;
                if let Some(own) = self.own.get_mut(own) {
                    own.gone = Some(both(own.gone.take(), rows));
                }
            }
        }
    }

    fn add(&mut self, written: Written, is_insert: bool) {
        let written = Arc::new(written);
        for index in 0..written.files.len() {
            self.own.push(Own { written: Arc::clone(&written), index, is_insert, gone: None });
        }
    }

    fn need(&mut self, rests_on: RestsOn) {
        if rests_on == RestsOn::Rows {
            self.rests_on = RestsOn::Rows;
        }
    }

    fn own_files(&self) -> Vec<DataFile> {
        let files = self.own.iter().filter_map(|own| own.written.files.get(own.index));
        files.map(|file| self.table.own_file(file)).collect()
    }

    fn all_files(&self) -> Vec<DataFile> {
        let base = self.base.iter().flat_map(|base| base.iter().map(|file| file.data.clone()));
        base.chain(self.own_files()).collect()
    }

    /// The marks of own files, numbered from `first` on.
    fn gone_of_own(&self, first: usize) -> Gone {
        let marked = self.own.iter().enumerate();
        marked.filter_map(|(index, own)| own.gone.clone().map(|gone| (first + index, gone))).collect()
    }

    fn all_gone(&self) -> Gone {
        let mut gone = self.gone_of_own(self.base.as_ref().map_or(0, |base| base.len()));
        gone.extend(self.gone.iter().map(|(number, rows)| (*number, Arc::clone(rows))));
        gone
    }

    /// Makes one commit of everything. None when there was nothing to do.
    ///
    /// # Errors
    /// `Conflict` when another writer was faster and what it did matters here: nothing is changed then, and the written files are removed.
    pub async fn commit(self, facts: &Facts) -> Result<Option<Committed>> {
        let table = Arc::clone(&self.table);
        let _turn = table.turn().await?;
        let now = table.refresh().await?;
        let changed_at = if self.base.is_some() { now.version } else { now.changed_at };
        let is_overtaken = (self.rests_on == RestsOn::Rows && changed_at > self.version) || now.shaped_at > self.version;
        if is_overtaken {
            return Err(table.overtaken());
        }
        let mut actions = Vec::new();
        for number in self.gone.keys() {
            if let Some(file) = self.base.iter().find_map(|base| base.get(*number)) {
                actions.push(file.remove(table.clock.now())?);
            }
        }
        let only_inserts = self.gone.is_empty();
        let (added, fresh) = self.final_files().await?;
        let changes = if only_inserts { Vec::new() } else { self.final_changes().await? };
        actions.extend(added.into_iter().map(Action::Add));
        actions.extend(changes.iter().flat_map(|written| written.files.iter().cloned()).map(|file| Action::Cdc(file.into())));
        if actions.is_empty() {
            return Ok(None);
        }
        let reads = if self.rests_on == RestsOn::Rows { Reads::Rows(now.version) } else { Reads::Shape };
        let operation = operation(self.rows);
        let parameters = if operation == "WRITE" { vec![("mode", "Append".to_owned())] } else { Vec::new() };
        let draft = Draft { actions, parameters, reads, rows: self.rows, ..Draft::new(operation, facts) };
        let kept: Vec<&Written> = fresh.iter().chain(self.kept_whole()).chain(changes.iter().map(Arc::as_ref)).collect();
        kept.iter().for_each(|written| written.keep(true));
        let result = table.commit(draft).await;
        // Only then is it certain that no reader will ever see the files.
        if result.as_ref().is_err_and(|error| error.code() == crate::error::Code::Conflict) {
            kept.iter().for_each(|written| written.keep(false));
        }
        result.map(Some)
    }

    /// Own files that go into the table as they are.
    fn kept_whole(&self) -> impl Iterator<Item = &Written> {
        let is_small = self.is_small();
        self.own.iter().filter(move |own| own.gone.is_none() && !is_small).map(|own| own.written.as_ref())
    }

    /// Several small files that are worth putting together.
    fn is_small(&self) -> bool {
        let sizes = self.own.iter().filter_map(|own| own.written.files.get(own.index)).map(|file| file.size);
        self.own.len() > 1 && sizes.sum::<i64>() < TOGETHER_BYTES
    }

    /// The files to add: own ones as they are, and those written now from what is left of others.
    async fn final_files(&self) -> Result<(Vec<super::log::AddFile>, Option<Written>)> {
        let is_small = self.is_small();
        let mut added = Vec::new();
        let mut sources: Vec<(DataFile, Arc<Vec<bool>>)> = Vec::new();
        for (number, gone) in &self.gone {
            if let Some(file) = self.base.iter().find_map(|base| base.get(*number)) {
                sources.push((file.data.clone(), Arc::clone(gone)));
            }
        }
        for own in &self.own {
            let Some(file) = own.written.files.get(own.index) else { continue };
            match &own.gone {
                None if !is_small => added.push(file.clone()),
                gone => sources.push((self.table.own_file(file), gone.clone().unwrap_or_default())),
            }
        }
        if sources.is_empty() {
            return Ok((added, None));
        }
        let mut data = Writer::new(self.table.layout(), WriterOptions::default(), Purpose::Data)?;
        let columns = Arc::clone(&self.columns);
        let work = move || {
            sources.iter().try_for_each(|(file, gone)| copy_rest(file, &columns, gone, &mut data))?;
            Ok::<_, crate::error::Error>(data)
        };
        let data = tokio::task::spawn_blocking(work).await.map_err(blocking_failed)??;
        let fresh = data.finish().await?;
        added.extend(fresh.files.iter().cloned());
        Ok((added, Some(fresh)))
    }

    /// Every row that changed, once: what the statements recorded, or what is different in the end when they changed each other's rows.
    async fn final_changes(&self) -> Result<Vec<Arc<Written>>> {
        if !self.table.known().metadata.is_set("delta.enableChangeDataFeed") {
            return Ok(Vec::new());
        }
        let mut changes = Writer::new(self.table.layout(), WriterOptions::default(), Purpose::Changes)?;
        let mut leaving: Vec<(DataFile, Arc<Vec<bool>>)> = Vec::new();
        if self.is_layered {
            let base =
                self.gone.iter().filter_map(|(number, gone)| Some((self.base.as_ref()?.get(*number)?.data.clone(), Arc::clone(gone))));
            leaving.extend(base);
        }
        let coming = self.own.iter().filter(|own| own.is_insert || self.is_layered);
        let coming: Vec<(DataFile, Arc<Vec<bool>>)> = coming
            .filter_map(|own| Some((self.table.own_file(own.written.files.get(own.index)?), own.gone.clone().unwrap_or_default())))
            .collect();
        let columns = Arc::clone(&self.columns);
        let work = move || {
            for (file, gone) in &leaving {
                let is_gone = |first: usize, rows: usize| -> BooleanArray {
                    (first..first + rows).map(|row| Some(gone.get(row).copied().unwrap_or(false))).collect()
                };
                rows_of(file, &columns, is_gone, |batch| changes.push(&as_changes(&batch, "delete")?))?;
            }
            for (file, gone) in &coming {
                let is_there = |first: usize, rows: usize| super::addressed::still_there(gone, first, rows);
                rows_of(file, &columns, is_there, |batch| changes.push(&as_changes(&batch, "insert")?))?;
            }
            Ok::<_, crate::error::Error>(changes)
        };
        let changes = tokio::task::spawn_blocking(work).await.map_err(blocking_failed)??;
        let mut all = if self.is_layered { Vec::new() } else { self.changes.clone() };
        all.push(Arc::new(changes.finish().await?));
        Ok(all)
    }
}

fn both(known: Option<Arc<Vec<bool>>>, rows: Vec<bool>) -> Arc<Vec<bool>> {
    let Some(known) = known else { return Arc::new(rows) };
    let length = known.len().max(rows.len());
    let at = |list: &[bool], row: usize| list.get(row).copied().unwrap_or(false);
    Arc::new((0..length).map(|row| at(&known, row) || at(&rows, row)).collect())
}

/// What the log calls the commit.
fn operation(rows: RowCounts) -> &'static str {
    match (rows.inserted > 0, rows.updated > 0, rows.deleted > 0) {
        (_, false, false) => "WRITE",
        (false, true, false) => "UPDATE",
        (false, false, true) => "DELETE",
        _ => "MERGE",
    }
}

/// The table as the transaction sees it.
struct StagedRows {
    columns: SchemaRef,
    base: Base,
    files: Vec<DataFile>,
    gone: Gone,
}

enum Base {
    /// No row of the version is gone: it is read in the usual way, before `files`.
    Whole(Arc<dyn TableProvider>),
    /// The version's files are among `files`. The columns are those that the usual way shows.
    Marked(SchemaRef),
}

impl std::fmt::Debug for StagedRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StagedRows").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for StagedRows {
    fn schema(&self) -> SchemaRef {
        match &self.base {
            Base::Whole(base) => base.schema(),
            Base::Marked(schema) => Arc::clone(schema),
        }
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Conditions help to read less of the version; own rows do not know them, so all are asked again above.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        match &self.base {
            Base::Whole(base) => {
                let told = base.supports_filters_pushdown(filters)?.into_iter().map(|told| match told {
                    TableProviderFilterPushDown::Exact => TableProviderFilterPushDown::Inexact,
                    other => other,
                });
                Ok(told.collect())
            }
            Base::Marked(_) => Ok(vec![TableProviderFilterPushDown::Unsupported; filters.len()]),
        }
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let output = match projection {
            Some(projection) => Arc::new(self.schema().project(projection)?),
            None => self.schema(),
        };
        let files: Vec<_> = self.files.iter().enumerate().collect();
        let mut parts = partitions(&self.columns, &output, &files, &self.gone, state.config().target_partitions());
        if let Base::Whole(base) = &self.base {
            let plan = base.scan(state, projection, filters, None).await?;
            for number in 0..plan.output_partitioning().partition_count() {
                parts.push(Arc::new(Below { plan: Arc::clone(&plan), number, output: Arc::clone(&output) }));
            }
        }
        Ok(Arc::new(StreamingTableExec::try_new(output, parts, None, [], false, None)?))
    }
}

/// One partition of the version's own scan.
#[derive(Debug)]
struct Below {
    plan: Arc<dyn ExecutionPlan>,
    number: usize,
    output: SchemaRef,
}

impl PartitionStream for Below {
    fn schema(&self) -> &SchemaRef {
        &self.output
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let output = Arc::clone(&self.output);
        match self.plan.execute(self.number, context) {
            Ok(rows) => Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.output), rows)),
            Err(error) => Box::pin(RecordBatchStreamAdapter::new(output, futures::stream::iter([Err(error)]))),
        }
    }
}
