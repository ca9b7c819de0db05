//! An open transaction: pending definitions, the lake as it sees it, what to undo, and the marks to go back to.
//!
//! Folders in the lake are no part of the catalog's transaction: a table's folder is made at once and taken away again when the transaction
//! does not commit; the folder of a dropped table goes after the commit. A crash in between leaves a folder that nothing names.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use weir_catalog::{Draft, ObjectId, SchemaVersion, Store, TableCommit};

use super::vars::Vars;
use crate::clock::Micros;
use crate::engine::{Notification, Snapshot, SnapshotMark};
use crate::error::{Code, Error, Result};

/// How a transaction was asked to behave.
#[derive(Debug, Clone, Copy, Default)]
pub struct Modes {
    pub read_only: Option<bool>,
    /// As the variable `transaction_isolation` has it.
    pub isolation: Option<&'static str>,
}

/// BEGIN .. COMMIT.
pub struct Block {
    pub draft: Arc<Draft>,
    /// Rows of the lake: what is read, and what is changed and waits.
    pub snapshot: Arc<Snapshot>,
    /// `now()` of every statement in it.
    pub started_at: Micros,
    /// Set by a failed statement, also by one whose rows fail after it was answered.
    pub failed: Arc<AtomicBool>,
    /// Variables as they were at BEGIN, for ROLLBACK.
    before: Vars,
    /// Variables as COMMIT leaves them: without SET LOCAL.
    pub kept: Vars,
    /// Folders made and folders to remove, as places in the lake.
    created: Vec<String>,
    dropped: Vec<String>,
    /// Facts about tables that the catalog will know only after the commit.
    commits: Vec<TableCommit>,
    schemas: Vec<SchemaVersion>,
    /// For others and for this session itself, once it is committed.
    pub notifications: Vec<Notification>,
    pub listening: Vec<Listening>,
    savepoints: Vec<Savepoint>,
    /// Cursors that were open at BEGIN: a rollback leaves them.
    cursors: BTreeSet<String>,
    /// Temporary tables that were made in it.
    pub temporary: Vec<ObjectId>,
}

/// LISTEN and UNLISTEN, which take effect at COMMIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listening {
    To(String),
    NotTo(String),
    Nothing,
}

struct Savepoint {
    name: String,
    notifications: usize,
    listening: usize,
    draft: usize,
    snapshot: SnapshotMark,
    /// Cursors that were open: those opened later read what would be gone.
    cursors: BTreeSet<String>,
    vars: Vars,
    kept: Vars,
    created: usize,
    dropped: usize,
    commits: usize,
    schemas: usize,
}

/// What is left to do once a transaction is over.
pub struct Ended {
    pub vars: Vars,
    pub folders_to_remove: Vec<String>,
    pub commits: Vec<TableCommit>,
    pub schemas: Vec<SchemaVersion>,
}

impl Ended {
    fn undone(vars: Vars, folders_to_remove: Vec<String>) -> Self {
        Self { vars, folders_to_remove, commits: Vec::new(), schemas: Vec::new() }
    }
}

impl Block {
    pub fn new(store: Arc<dyn Store>, started_at: Micros, vars: &Vars, cursors: BTreeSet<String>) -> Self {
        Self {
            draft: Arc::new(Draft::new(store)),
            snapshot: Arc::default(),
            started_at,
            failed: Arc::default(),
            before: vars.clone(),
            kept: vars.clone(),
            temporary: Vec::new(),
            created: Vec::new(),
            dropped: Vec::new(),
            commits: Vec::new(),
            schemas: Vec::new(),
            notifications: Vec::new(),
            listening: Vec::new(),
            savepoints: Vec::new(),
            cursors,
        }
    }

    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// The same message twice in one transaction is one, as in PostgreSQL.
    pub fn notify(&mut self, notification: Notification) {
        if !self.notifications.contains(&notification) {
            self.notifications.push(notification);
        }
    }

    pub fn had_cursor(&self, name: &str) -> bool {
        self.cursors.contains(name)
    }

    pub fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    pub fn folder_created(&mut self, location: String) {
        self.created.push(location);
    }

    pub fn folder_dropped(&mut self, location: String) {
        self.dropped.push(location);
    }

    pub fn record_commits(&mut self, commits: Vec<TableCommit>) {
        self.commits.extend(commits);
    }

    pub fn record_schema(&mut self, version: SchemaVersion) {
        self.schemas.push(version);
    }

    pub fn savepoint(&mut self, name: &str, vars: &Vars, cursors: BTreeSet<String>) {
        self.savepoints.push(Savepoint {
            name: name.to_owned(),
            notifications: self.notifications.len(),
            listening: self.listening.len(),
            draft: self.draft.savepoint(),
            snapshot: self.snapshot.mark(),
            cursors,
            vars: vars.clone(),
            kept: self.kept.clone(),
            created: self.created.len(),
            dropped: self.dropped.len(),
            commits: self.commits.len(),
            schemas: self.schemas.len(),
        });
    }

    /// # Errors
    /// `UndefinedSavepoint`.
    pub fn release(&mut self, name: &str) -> Result<()> {
        let index = self.find(name)?;
        if let Some(savepoint) = self.savepoints.get(index) {
            self.draft.release(savepoint.draft);
        }
        self.savepoints.truncate(index);
        Ok(())
    }

    /// Goes back to the savepoint, which stays. Answers the variables of then, the folders to remove, and the cursors that stay open.
    ///
    /// # Errors
    /// `UndefinedSavepoint`.
    pub fn rollback_to(&mut self, name: &str) -> Result<(Ended, BTreeSet<String>)> {
        let index = self.find(name)?;
        self.savepoints.truncate(index + 1);
        let Some(savepoint) = self.savepoints.last() else { return Err(no_savepoint(name)) };
        self.draft.rollback_to(savepoint.draft)?;
        self.snapshot.go_back(&savepoint.snapshot);
        self.kept = savepoint.kept.clone();
        let folders_to_remove = self.created.split_off(savepoint.created.min(self.created.len()));
        self.dropped.truncate(savepoint.dropped);
        self.commits.truncate(savepoint.commits);
        self.schemas.truncate(savepoint.schemas);
        self.notifications.truncate(savepoint.notifications);
        self.listening.truncate(savepoint.listening);
        self.failed.store(false, Ordering::Release);
        Ok((Ended::undone(savepoint.vars.clone(), folders_to_remove), savepoint.cursors.clone()))
    }

    /// What a successful commit leaves to do.
    pub fn committed(self) -> Ended {
        Ended { vars: self.kept, folders_to_remove: self.dropped, commits: self.commits, schemas: self.schemas }
    }

    /// What a rollback, or a commit that failed, leaves to do.
    pub fn rolled_back(self) -> Ended {
        Ended::undone(self.before, self.created)
    }

    fn find(&self, name: &str) -> Result<usize> {
        self.savepoints.iter().rposition(|savepoint| savepoint.name == name).ok_or_else(|| no_savepoint(name))
    }
}

fn no_savepoint(name: &str) -> Error {
    Error::new(Code::UndefinedSavepoint, format!("savepoint \"{name}\" does not exist"))
}
