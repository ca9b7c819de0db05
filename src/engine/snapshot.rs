//! The lake as one transaction sees it: every table as it was at the first look, with the transaction's own changes on top.
//!
//! The first read or write settles the moment; each table is read at its last version of then. Changes of one table wait for COMMIT, which makes
//! them one commit of that table. Tables that the transaction itself made are named by nobody before COMMIT, so any number of them can be
//! changed. A mark is a point to go back to; going back forgets what was staged since.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::logical_expr::Expr;
use parking_lot::Mutex;
use weir_catalog::{Definitions, Object, ObjectId, TableCommit};

use super::errors::catalog_error;
use super::temporary::is_temporary;
use super::{Engine, Scope};
use crate::clock::Micros;
use crate::delta::{Facts, Matching, RestsOn, Staged, Table, Written};
use crate::error::{Code, Error, Result};

/// What one transaction knows of the lake.
#[derive(Default)]
pub struct Snapshot(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// The moment of the first look.
    at: Option<Micros>,
    versions: HashMap<ObjectId, u64>,
    changed: Changes,
}

type Changes = BTreeMap<ObjectId, Changed>;

/// A table with changes that wait.
#[derive(Clone)]
struct Changed {
    /// As it was defined when it was first changed.
    object: Object,
    is_new: bool,
    staged: Staged,
}

/// A point to go back to.
#[derive(Clone, Default)]
pub struct SnapshotMark(Changes);

impl Snapshot {
    /// The state of the changes now. Versions stay as they were first seen, whatever is undone.
    pub fn mark(&self) -> SnapshotMark {
        SnapshotMark(self.0.lock().changed.clone())
    }

    pub fn go_back(&self, mark: &SnapshotMark) {
        self.0.lock().changed = mark.0.clone();
    }

    /// Whether any table has changes waiting.
    pub fn has_changes(&self) -> bool {
        self.0.lock().changed.values().any(|changed| !changed.staged.is_empty())
    }

    /// Whether tables that others know have changes waiting.
    pub fn changes_known_tables(&self) -> bool {
        self.0.lock().changed.values().any(|changed| !changed.is_new)
    }

    /// The version of a table that this transaction reads.
    pub(super) async fn version(&self, engine: &Engine, object: &Object, table: &Table) -> Result<u64> {
        let at = {
            let mut inner = self.0.lock();
            if let Some(version) = inner.versions.get(&object.id) {
                return Ok(*version);
            }
            *inner.at.get_or_insert_with(|| engine.clock().now())
        };
        let (newest, committed_at) = table.newest().await?;
        let version = match committed_at <= at || is_new(engine, object)? {
            true => newest,
            false => match engine.version_at(object, table, at).await {
                Ok(version) => version,
                // It is younger than the moment: all there can be seen of it is what it is now.
                Err(error) if error.code() == Code::InvalidParameter => newest,
                Err(error) => return Err(error),
            },
        };
        Ok(*self.0.lock().versions.entry(object.id).or_insert(version))
    }

    /// The rows of a table as this transaction sees them, and the version below its own changes.
    pub(super) async fn rows(&self, engine: &Engine, object: &Object) -> Result<(Arc<dyn TableProvider>, u64)> {
        let table = engine.table(object).await?;
        let version = self.version(engine, object, &table).await?;
        let staged = self.0.lock().changed.get(&object.id).map(|changed| changed.staged.clone());
        let rows = match staged {
            Some(staged) => staged.scan().await?,
            None => table.scan(Some(version)).await?,
        };
        Ok((rows, version))
    }

    /// Adds written rows.
    pub(super) async fn append(&self, engine: &Engine, object: &Object, written: Written, rests_on: RestsOn) -> Result<()> {
        let mut changed = self.open(engine, object).await?;
        changed.staged.append(written, rests_on);
        self.keep(changed);
        Ok(())
    }

    pub(super) async fn delete(&self, engine: &Engine, object: &Object, rows: &Matching<'_>) -> Result<i64> {
        let mut changed = self.open(engine, object).await?;
        let count = changed.staged.delete(rows).await.map_err(|error| told(object, error))?;
        self.keep(changed);
        Ok(count)
    }

    pub(super) async fn update(
        &self,
        engine: &Engine,
        object: &Object,
        assignments: &[(String, Expr)],
        rows: &Matching<'_>,
    ) -> Result<i64> {
        let mut changed = self.open(engine, object).await?;
        let count = changed.staged.update(assignments, rows).await.map_err(|error| told(object, error))?;
        self.keep(changed);
        Ok(count)
    }

    /// Whether the table may be changed beside what is changed already.
    ///
    /// # Errors
    /// `NotSupported` for a second table that others know.
    pub(super) fn admit(&self, engine: &Engine, object: &Object) -> Result<()> {
        if is_temporary(&object.schema) {
            return Ok(());
        }
        let inner = self.0.lock();
        let others = || inner.changed.values().filter(|changed| !is_temporary(&changed.object.schema));
        let known = others().find(|changed| changed.object.id != object.id && !changed.staged.is_empty());
        let Some(other) = known else { return Ok(()) };
        let both_new = others().all(|changed| changed.is_new) && is_new(engine, object)?;
        if both_new {
            return Ok(());
        }
        Err(Error::new(Code::NotSupported, "a transaction can change the rows of one table only")
            .detail(format!("It has changed \"{}\" already; \"{}\" would be the second.", other.object.full_name(), object.full_name()))
            .hint("COMMIT first: tables of the lake do not commit together.".to_owned()))
    }

    /// A copy to work on: a statement that fails leaves what was there.
    async fn open(&self, engine: &Engine, object: &Object) -> Result<Changed> {
        let known = self.0.lock().changed.get(&object.id).cloned();
        if let Some(changed) = known {
            return Ok(changed);
        }
        let table = engine.table(object).await?;
        let version = self.version(engine, object, &table).await?;
        Ok(Changed {
            object: object.clone(),
            is_new: is_new(engine, object)?,
            staged: table.stage(version).await.map_err(|error| told(object, error))?,
        })
    }

    fn keep(&self, changed: Changed) {
        self.0.lock().changed.insert(changed.object.id, changed);
    }

    /// Commits what waits, and answers the commits for the hub's index. `definitions` are those of the transaction.
    ///
    /// # Errors
    /// `Conflict` when another writer was faster, or the table was dropped or defined differently meanwhile. Nothing is changed then.
    pub async fn commit(&self, engine: &Engine, definitions: &dyn Definitions, role: &str) -> Result<Vec<TableCommit>> {
        let changed = std::mem::take(&mut self.0.lock().changed);
        let mut commits = Vec::new();
        for Changed { object, is_new, staged } in changed.into_values() {
            if staged.is_empty() {
                continue;
            }
            let Some(now) = definitions.object_by_id(object.id).map_err(catalog_error)? else {
                match is_new {
                    // Made, filled and dropped again.
                    true => continue,
                    false => return Err(overtaken(&object)),
                }
            };
            // Rows were checked by the rules of then.
            if !is_new && now.version != object.version {
                return Err(overtaken(&object));
            }
            let turn = engine.turn_of(object.id);
            let _turn = turn.lock().await;
            let facts = Facts { run_id: None, user: role.to_owned(), extra: BTreeMap::new() };
            let operation = operation(&staged);
            let committed = staged.commit(&facts).await.map_err(|error| told(&object, error))?;
            if let Some(committed) = committed {
                commits.push(TableCommit {
                    table_id: object.id,
                    version: committed.version,
                    committed_at: committed.committed_at,
                    operation: operation.to_owned(),
                    run_id: None,
                    user: role.to_owned(),
                });
            }
        }
        Ok(commits)
    }
}

/// Whether only this transaction knows the table.
fn is_new(engine: &Engine, object: &Object) -> Result<bool> {
    Ok(is_temporary(&object.schema) || engine.store().object_by_id(object.id).map_err(catalog_error)?.is_none())
}

fn operation(staged: &Staged) -> &'static str {
    let rows = staged.rows();
    match (rows.inserted > 0, rows.updated > 0, rows.deleted > 0) {
        (_, false, false) => "INSERT",
        (false, true, false) => "UPDATE",
        (false, false, true) => "DELETE",
        _ => "MERGE",
    }
}

/// That another writer was faster, in the words of a transaction.
fn told(object: &Object, error: Error) -> Error {
    match error.code() {
        Code::UndefinedTable | Code::Conflict => overtaken(object).caused_by(error),
        _ => error,
    }
}

fn overtaken(object: &Object) -> Error {
    Error::new(Code::Conflict, "could not serialize access due to concurrent update")
        .detail(format!("Table \"{}\" was changed by another transaction meanwhile.", object.full_name()))
        .hint("Run the transaction again.".to_owned())
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = self.0.lock();
        f.debug_struct("Snapshot").field("at", &inner.at).field("changed", &inner.changed.len()).finish_non_exhaustive()
    }
}

impl Engine {
    /// The rows of a table as the statement sees them: now, or in its transaction.
    pub(super) async fn seen(&self, object: &Object, scope: &Scope) -> Result<Arc<dyn TableProvider>> {
        match &scope.snapshot {
            Some(snapshot) => Ok(snapshot.rows(self, object).await?.0),
            None => self.table(object).await?.scan(None).await,
        }
    }
}
