//! DELETE, UPDATE and REPLACE: rows chosen by a condition, taken out or put differently, in one commit with their changes.
//!
//! A row for which the condition is NULL is not chosen. All rows are meant only where the caller gives no condition.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{filter_record_batch, not, or};
use arrow::datatypes::{Int32Type, Int64Type, SchemaRef};
use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::physical_plan::execute_stream;
use deltalake::kernel::Version;
use futures::StreamExt;

use super::addressed::{Addressed, FILE, Gone, ROW, still_there};
use super::commit::{Draft, Reads};
use super::contract::{Committed, Facts, RowCounts, Token};
use super::failure::{blocking_failed, plan_failed};
use super::files::{DataFile, LiveFile};
use super::log::Action;
use super::schema;
use super::table::{State, Table};
use super::tombstones::Deletions;
use super::writer::{Purpose, Writer, WriterOptions, Written, as_changes};
use crate::error::{Code, Error, Result};

/// Rows of a table by a condition, which may hold subqueries.
pub struct Matching<'a> {
    pub session: &'a SessionState,
    /// The name under which the condition speaks of the table.
    pub relation: TableReference,
    /// None means every row.
    pub predicate: Option<Expr>,
    /// Columns that tell rows apart: a row that an update gives another key is recorded as deleted and inserted, for whoever keeps a copy by it.
    pub key: &'a [String],
}

/// A rewrite under way: what is read, and the files that come of it.
pub(super) struct Rewrite {
    pub version: Version,
    pub columns: SchemaRef,
    pub files: Arc<Vec<LiveFile>>,
    /// Files behind those of the version: what a transaction wrote before.
    pub own: Vec<DataFile>,
    /// Rows that were gone before, in files of the version and behind.
    pub before: Gone,
    pub data: Writer,
    pub changes: Option<Writer>,
    /// Rows that leave their file, by file.
    pub gone: BTreeMap<usize, Vec<bool>>,
    pub count: i64,
}

impl Table {
    /// Removes the matching rows.
    ///
    /// # Errors
    /// `Conflict` when another writer changed the table meanwhile. A failing condition keeps its own error as the source.
    pub async fn delete(&self, rows: &Matching<'_>, token: Option<&Token>, facts: &Facts) -> Result<Committed> {
        let _turn = self.turn().await?;
        if let Some(done) = self.repeated(token).await? {
            return Ok(done);
        }
        let mut rewrite = self.begin_rewrite().await?;
        let mut actions = Vec::new();
        if rows.predicate.is_none() {
            rewrite.count = count_rows(&rewrite.files)?;
            actions = self.remove_all(&rewrite.files)?;
        } else {
            rewrite.take_out(rows, None).await?;
        }
        let counts = RowCounts { deleted: rewrite.count, ..RowCounts::default() };
        let version = rewrite.version;
        actions.extend(self.end_rewrite(rewrite).await?);
        self.land(Draft { actions, reads: Reads::Rows(version), rows: counts, token, ..Draft::new("DELETE", facts) }).await
    }

    /// Puts new values into columns of the matching rows; the new values may speak of the old.
    ///
    /// # Errors
    /// As `delete`; `UndefinedColumn` for a column that the table does not have.
    pub async fn update(
        &self,
        assignments: &[(String, Expr)],
        rows: &Matching<'_>,
        token: Option<&Token>,
        facts: &Facts,
    ) -> Result<Committed> {
        let _turn = self.turn().await?;
        if let Some(done) = self.repeated(token).await? {
            return Ok(done);
        }
        let mut rewrite = self.begin_rewrite().await?;
        if let Some((name, _)) = assignments.iter().find(|(name, _)| rewrite.columns.field_with_name(name).is_err()) {
            return Err(Error::new(Code::UndefinedColumn, format!("column \"{name}\" does not exist in the table")));
        }
        rewrite.take_out(rows, Some(assignments)).await?;
        let counts = RowCounts { updated: rewrite.count, ..RowCounts::default() };
        let version = rewrite.version;
        let actions = self.end_rewrite(rewrite).await?;
        self.land(Draft { actions, reads: Reads::Rows(version), rows: counts, token, ..Draft::new("UPDATE", facts) }).await
    }

    /// Puts written rows in the place of the matching ones, or of all, in one commit; with new columns if they are given.
    ///
    /// Readers see the old rows or the new ones, never neither. What keyed writes remember of deleted keys goes with the rows: `deletions`
    /// takes the place of it where all rows are replaced.
    ///
    /// # Errors
    /// `InvalidDefinition` for new columns together with a condition: rows that stay keep their columns.
    pub async fn replace(
        &self,
        written: Vec<Written>,
        deletions: Option<Deletions>,
        new_schema: Option<&SchemaRef>,
        matching: Option<&Matching<'_>>,
        token: Option<&Token>,
        facts: &Facts,
    ) -> Result<Committed> {
        let _turn = self.turn().await?;
        if let Some(done) = self.repeated(token).await? {
            return Ok(done);
        }
        let mut rewrite = self.begin_rewrite().await?;
        let mut actions = match new_schema {
            Some(_) if matching.is_some() => {
                return Err(Error::new(Code::InvalidDefinition, "columns can only change when all rows are replaced"));
            }
            Some(new) if schema::normalise(new) != rewrite.columns => self.reshape(&schema::normalise(new))?,
            _ => Vec::new(),
        };
        let columns = new_schema.map_or_else(|| rewrite.columns.clone(), |new| schema::normalise(new));
        if written.iter().any(|files| !same_columns(&files.schema, &columns)) {
            return Err(Error::new(Code::Conflict, "the table's columns changed while rows were written")
                .hint("Run the statement again.".to_owned()));
        }
        match matching {
            None => {
                rewrite.count = count_rows(&rewrite.files)?;
                actions.extend(self.remove_all(&rewrite.files)?);
            }
            Some(rows) => {
                rewrite.take_out(rows, None).await?;
                rewrite = rewrite
                    .record_inserts(written.iter().flat_map(|files| files.files.iter().map(|file| self.own_file(file))).collect())
                    .await?;
            }
        }
        let counts = RowCounts { inserted: written.iter().map(Written::rows).sum(), deleted: rewrite.count, ..RowCounts::default() };
        let version = rewrite.version;
        actions.extend(self.end_rewrite(rewrite).await?);
        let tombstones = match (matching, deletions) {
            (None, Some(deletions)) => self.publish_deletions(deletions).await?,
            (None, None) => self.publish_without_tombstones().await?,
            (Some(_), _) => None,
        };
        actions.extend(written.into_iter().flat_map(Written::hand_over).map(Action::Add));
        self.land(Draft { actions, reads: Reads::Rows(version), rows: counts, token, tombstones, ..Draft::new("REPLACE", facts) }).await
    }

    pub(super) async fn begin_rewrite(&self) -> Result<Rewrite> {
        let files = self.live_files(&*self.snapshot().await?).await?;
        self.rewrite_of(Arc::new(files))
    }

    /// A rewrite of those files of the newest known version.
    pub(super) fn rewrite_of(&self, files: Arc<Vec<LiveFile>>) -> Result<Rewrite> {
        self.check_writable()?;
        let State { version, schema: columns, metadata, .. } = self.known();
        if metadata.is_set("delta.appendOnly") {
            return Err(Error::new(Code::NotSupported, format!("table \"{}\" only takes new rows", self.location)));
        }
        let data = Writer::new(self.layout(), WriterOptions::default(), Purpose::Data)?;
        let changes = match metadata.is_set("delta.enableChangeDataFeed") {
            true => Some(Writer::new(self.layout(), WriterOptions::default(), Purpose::Changes)?),
            false => None,
        };
        Ok(Rewrite { version, columns, files, own: Vec::new(), before: Gone::new(), data, changes, gone: BTreeMap::new(), count: 0 })
    }

    fn remove_all(&self, files: &[LiveFile]) -> Result<Vec<Action>> {
        files.iter().map(|file| file.remove(self.clock.now())).collect()
    }

    /// Writes the files that lost rows again, and gives the actions of the whole.
    async fn end_rewrite(&self, rewrite: Rewrite) -> Result<Vec<Action>> {
        let Rewrite { columns, files, mut data, changes, gone, .. } = rewrite;
        let mut actions = Vec::new();
        let mut sources: Vec<(DataFile, Vec<bool>)> = Vec::new();
        for (number, rows) in gone {
            let Some(file) = files.get(number) else { continue };
            actions.push(file.remove(self.clock.now())?);
            sources.push((file.data.clone(), rows));
        }
        let work = move || {
            sources.iter().try_for_each(|(file, gone)| copy_rest(file, &columns, gone, &mut data))?;
            Ok::<_, Error>(data)
        };
        let data = tokio::task::spawn_blocking(work).await.map_err(blocking_failed)??;
        actions.extend(data.finish().await?.hand_over().into_iter().map(Action::Add));
        if let Some(changes) = changes {
            actions.extend(changes.finish().await?.hand_over().into_iter().map(|file| Action::Cdc(file.into())));
        }
        Ok(actions)
    }

    /// Makes the commit, unless it would say nothing.
    pub(super) async fn land(&self, draft: Draft<'_>) -> Result<Committed> {
        if draft.actions.is_empty() && draft.token.is_none() && draft.tombstones.is_none() {
            let State { version, committed_at, .. } = self.known();
            return Ok(Committed { version, committed_at, repeated: false, rows: draft.rows, facts: draft.facts.clone() });
        }
        self.commit(draft).await
    }
}

impl Rewrite {
    /// Runs the query for the matching rows and marks them as gone; with assignments their new form is written.
    pub(super) async fn take_out(&mut self, rows: &Matching<'_>, assignments: Option<&[(String, Expr)]>) -> Result<()> {
        let Matching { session, relation, predicate, key } = rows;
        let files =
            self.files.iter().map(|file| (file.data.clone(), file.stats.clone())).chain(self.own.iter().map(|own| (own.clone(), None)));
        let addressed = Addressed::new(&self.columns, files.collect(), self.before.clone());
        let column = |name: &str| Expr::Column(Column::new(Some(relation.clone()), name));
        let mut output = vec![column(FILE), column(ROW)];
        output.extend(self.columns.fields().iter().map(|field| column(field.name())));
        for (index, (_, value)) in assignments.unwrap_or_default().iter().enumerate() {
            output.push(value.clone().alias(new_name(index)));
        }
        let mut plan = LogicalPlanBuilder::scan(relation.clone(), provider_as_source(Arc::new(addressed)), None).map_err(plan_failed)?;
        if let Some(predicate) = predicate {
            plan = plan.filter(predicate.clone()).map_err(plan_failed)?;
        }
        let plan = plan.project(output).and_then(LogicalPlanBuilder::build).map_err(plan_failed)?;
        let plan = session.create_physical_plan(&plan).await.map_err(plan_failed)?;
        let mut stream = execute_stream(plan, session.task_ctx()).map_err(plan_failed)?;
        while let Some(batch) = stream.next().await {
            self.change(&batch.map_err(plan_failed)?, assignments, key)?;
        }
        Ok(())
    }

    fn change(&mut self, batch: &RecordBatch, assignments: Option<&[(String, Expr)]>, key: &[String]) -> Result<()> {
        self.mark(batch)?;
        // The address stands before the table's columns, the new values after them.
        let width = self.columns.fields().len();
        let before = batch.project(&(2..2 + width).collect::<Vec<_>>()).map_err(broken)?;
        let before = schema::exact(&before, &self.columns)?;
        let Some(assignments) = assignments else {
            return match &mut self.changes {
                Some(changes) => changes.push(&as_changes(&before, "delete")?),
                None => Ok(()),
            };
        };
        let mut columns = before.columns().to_vec();
        for (index, (name, _)) in assignments.iter().enumerate() {
            let at = self.columns.index_of(name).map_err(broken)?;
            if let (Some(column), Some(value)) = (columns.get_mut(at), batch.column_by_name(&new_name(index))) {
                *column = schema::cast(value, &column.data_type().clone(), name)?;
            }
        }
        let after = RecordBatch::try_new(before.schema(), columns).map_err(broken)?;
        self.data.push(&after)?;
        let Some(changes) = &mut self.changes else { return Ok(()) };
        let mut record = |rows: &RecordBatch, chosen: &BooleanArray, change: &str| {
            changes.push(&as_changes(&filter_record_batch(rows, chosen).map_err(broken)?, change)?)
        };
        let moved = moved(&before, &after, key)?;
        let stayed = not(&moved).map_err(broken)?;
        record(&before, &stayed, "update_preimage")?;
        record(&after, &stayed, "update_postimage")?;
        record(&before, &moved, "delete")?;
        record(&after, &moved, "insert")
    }

    fn mark(&mut self, batch: &RecordBatch) -> Result<()> {
        let address = |name: &str| batch.column_by_name(name).ok_or_else(|| Error::internal("rows came without their address"));
        let (files, rows) = (address(FILE)?.clone(), address(ROW)?.clone());
        let (Some(files), Some(rows)) = (files.as_primitive_opt::<Int32Type>(), rows.as_primitive_opt::<Int64Type>()) else {
            return Err(Error::internal("rows came with a strange address"));
        };
        for (file, row) in files.values().iter().zip(rows.values()) {
            let (Ok(file), Ok(row)) = (usize::try_from(*file), usize::try_from(*row)) else {
                return Err(Error::internal("a row has a negative address"));
            };
            let gone = self.gone.entry(file).or_default();
            if gone.len() <= row {
                gone.resize(row + 1, false);
            }
            match gone.get_mut(row) {
                Some(gone) if !*gone => *gone = true,
                _ => return Err(Error::internal("a row was chosen twice")),
            }
            self.count += 1;
        }
        Ok(())
    }

    /// Where a commit lists changes, those are all its changes: the rows of added files must be among them.
    async fn record_inserts(mut self, files: Vec<DataFile>) -> Result<Self> {
        let Some(mut changes) = self.changes.take() else { return Ok(self) };
        let columns = self.columns.clone();
        let work = move || {
            for file in files {
                for batch in file.read(&columns)? {
                    changes.push(&as_changes(&batch?, "insert")?)?;
                }
            }
            Ok::<_, Error>(changes)
        };
        self.changes = Some(tokio::task::spawn_blocking(work).await.map_err(blocking_failed)??);
        Ok(self)
    }
}

/// The rows that have another key than before.
fn moved(before: &RecordBatch, after: &RecordBatch, key: &[String]) -> Result<BooleanArray> {
    let mut moved = BooleanArray::from(vec![false; before.num_rows()]);
    for name in key {
        if let (Some(old), Some(new)) = (before.column_by_name(name), after.column_by_name(name)) {
            moved = or(&moved, &distinct(old, new).map_err(broken)?).map_err(broken)?;
        }
    }
    Ok(moved)
}

fn new_name(index: usize) -> String {
    format!("_weir_new_{index}")
}

/// Writes the rows of a file that are not gone.
pub(super) fn copy_rest(file: &DataFile, columns: &SchemaRef, gone: &[bool], data: &mut Writer) -> Result<()> {
    rows_of(file, columns, |first, rows| still_there(gone, first, rows), |batch| data.push(&batch))
}

/// Hands on the chosen rows of a file, batch by batch.
pub(super) fn rows_of(
    file: &DataFile,
    columns: &SchemaRef,
    chosen: impl Fn(usize, usize) -> BooleanArray,
    mut take: impl FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    let mut first = 0;
    for batch in file.read(columns)? {
        let batch = batch?;
        take(filter_record_batch(&batch, &chosen(first, batch.num_rows())).map_err(broken)?)?;
        first += batch.num_rows();
    }
    Ok(())
}

fn count_rows(files: &[LiveFile]) -> Result<i64> {
    files.iter().map(LiveFile::rows).sum()
}

pub(super) fn same_columns(left: &SchemaRef, right: &SchemaRef) -> bool {
    left.fields().len() == right.fields().len()
        && left
            .fields()
            .iter()
            .zip(right.fields())
            .all(|(left, right)| left.name() == right.name() && left.data_type() == right.data_type())
}

fn broken(source: arrow::error::ArrowError) -> Error {
    Error::internal("rewritten rows cannot be put together").caused_by(source)
}
