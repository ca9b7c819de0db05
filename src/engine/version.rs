//! From a point in time to a version of a lake table.
//!
//! The hub's own index of commits answers when it knows every version of the table; a table that others write to as well is asked itself.

use weir_catalog::{Object, TableCommit};

use super::Engine;
use super::errors::catalog_error;
use crate::clock::Micros;
use crate::delta::Table;
use crate::error::{Code, Error, Result};

impl Engine {
    /// The last version committed at or before `at`. Between the last commit and now that is the newest one.
    ///
    /// # Errors
    /// `InvalidParameter` before the oldest kept version, naming it, and for a time that is yet to come.
    pub(super) async fn version_at(&self, object: &Object, table: &Table, at: Micros) -> Result<u64> {
        let now = self.clock().now();
        if at > now {
            return Err(
                Error::new(Code::InvalidParameter, format!("{} lies in the future", shown(at))).hint(format!("It is {} now.", shown(now)))
            );
        }
        match self.complete_index(object, table).await? {
            Some(commits) => match commits.iter().rev().find(|commit| commit.committed_at <= at) {
                Some(commit) => Ok(commit.version),
                None => Err(too_early(object, &commits, at)),
            },
            None => table.version_at(at).await,
        }
    }

    /// The first version committed at or after `at`.
    pub(super) async fn first_version_from(&self, object: &Object, table: &Table, at: Micros) -> Result<u64> {
        match self.complete_index(object, table).await? {
            Some(commits) => match commits.iter().find(|commit| commit.committed_at >= at) {
                Some(commit) => Ok(commit.version),
                None => Err(none_from(object, at)),
            },
            None => {
                let history = table.history(None).await?;
                let first = history.iter().filter(|entry| entry.timestamp >= at).map(|entry| entry.version).min();
                first.ok_or_else(|| none_from(object, at))
            }
        }
    }

    /// Every version of the table in order, if the catalog has them all.
    async fn complete_index(&self, object: &Object, table: &Table) -> Result<Option<Vec<TableCommit>>> {
        let mut commits = self.store().table_commits(object.id).map_err(catalog_error)?;
        commits.sort_by_key(|commit| commit.version);
        let newest = table.version().await?;
        let oldest = commits.first().map(|commit| commit.version);
        let whole = oldest == Some(0)
            && commits.last().map(|commit| commit.version) == Some(newest)
            && u64::try_from(commits.len()).is_ok_and(|count| count == newest + 1);
        Ok(whole.then_some(commits))
    }
}

fn none_from(object: &Object, at: Micros) -> Error {
    Error::new(Code::InvalidParameter, format!("table \"{}\" has no version from {} on", object.full_name(), shown(at)))
}

fn too_early(object: &Object, commits: &[TableCommit], at: Micros) -> Error {
    let error = Error::new(Code::InvalidParameter, format!("table \"{}\" has no version from {} or before", object.full_name(), shown(at)));
    match commits.first() {
        Some(oldest) => error.hint(format!("Its oldest version is {} of {}.", oldest.version, shown(oldest.committed_at))),
        None => error,
    }
}

fn shown(at: Micros) -> String {
    chrono::DateTime::from_timestamp_micros(at).map_or_else(|| at.to_string(), |time| time.format("%Y-%m-%d %H:%M:%S%.6f UTC").to_string())
}
