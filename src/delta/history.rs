//! The table's past: which versions are kept, when each was made, and by whom.
//!
//! Times come from the commits themselves. A file's own time says when it was copied, not when it was committed.

use deltalake::kernel::Version;
use futures::TryStreamExt;
use serde_json::json;

use super::contract::HistoryEntry;
use super::failure::{delta_failed, store_failed};
use super::log::Entry;
use super::table::Table;
use crate::clock::Micros;
use crate::error::{Code, Error, Result};

impl Table {
    /// The kept commits, newest first.
    pub async fn history(&self, limit: Option<usize>) -> Result<Vec<HistoryEntry>> {
        let newest = self.refresh().await?.version;
        let mut entries = Vec::new();
        let mut version = Some(newest);
        while let Some(at) = version.filter(|_| limit.is_none_or(|limit| entries.len() < limit)) {
            let Some(entry) = self.entry(at).await? else { break };
            let part = |key: &str| entry.info.get(key).cloned().unwrap_or_else(|| json!({}));
            entries.push(HistoryEntry {
                version: at,
                timestamp: entry.committed_at().unwrap_or(0),
                operation: entry.text("operation").unwrap_or_default(),
                run_id: entry.text("runId"),
                user: entry.text("userName"),
                detail:
                    json!({"parameters": part("operationParameters"), "metrics": part("operationMetrics"), "facts": entry.facts().extra})
                        .to_string(),
            });
            version = at.checked_sub(1);
        }
        Ok(entries)
    }

    /// The version that was the newest at a time.
    ///
    /// # Errors
    /// `InvalidParameter` for a time before the oldest kept version or later than now.
    pub async fn version_at(&self, at: Micros) -> Result<u64> {
        if at > self.clock.now() {
            return Err(Error::new(Code::InvalidParameter, format!("time {} lies in the future", spell(at))));
        }
        let newest = self.refresh().await?.version;
        let oldest = self.oldest().await?;
        let (mut low, mut high) = (oldest, newest);
        while low < high {
            let middle = high - (high - low) / 2;
            if self.made_at(middle).await? <= at { low = middle } else { high = middle - 1 }
        }
        let first = self.made_at(low).await?;
        if first > at {
            return Err(Error::new(Code::InvalidParameter, format!("the table has no version at {}", spell(at)))
                .detail(format!("The oldest kept version is {low} of {}.", spell(first))));
        }
        Ok(low)
    }

    /// The oldest version that can still be read.
    pub(super) async fn oldest(&self) -> Result<Version> {
        let store = self.log.object_store(None);
        let files: Vec<_> = store.list(Some(self.log.log_path())).try_collect().await.map_err(store_failed)?;
        let mut commits = Vec::new();
        let mut checkpoints = Vec::new();
        for file in files {
            let Some((digits, kind)) = file.location.filename().and_then(|name| name.split_once('.')) else { continue };
            let Ok(version) = digits.parse::<Version>() else { continue };
            if kind == "json" {
                commits.push(version);
            } else if kind.starts_with("checkpoint") {
                checkpoints.push(version);
            }
        }
        let first_commit = commits.into_iter().min().unwrap_or(0);
        if first_commit == 0 {
            return Ok(0);
        }
        // Without its beginning the log can be replayed only from a checkpoint that all later commits follow.
        Ok(checkpoints.into_iter().filter(|version| version + 1 >= first_commit).min().unwrap_or(first_commit))
    }

    pub(super) async fn check_kept(&self, version: Version) -> Result<()> {
        let newest = self.known().version;
        let oldest = self.oldest().await?;
        if (oldest..=newest).contains(&version) {
            return Ok(());
        }
        Err(Error::new(Code::InvalidParameter, format!("version {version} does not exist"))
            .detail(format!("Versions {oldest} to {newest} are kept.")))
    }

    pub(super) async fn entry(&self, version: Version) -> Result<Option<Entry>> {
        let bytes = self.log.read_commit_entry(version).await.map_err(delta_failed)?;
        bytes.map(|bytes| Entry::parse(&bytes)).transpose()
    }

    /// When a version was made. One that is kept only by its checkpoint counts as older than all times.
    async fn made_at(&self, version: Version) -> Result<Micros> {
        Ok(self.entry(version).await?.and_then(|entry| entry.committed_at()).unwrap_or(Micros::MIN))
    }
}

fn spell(at: Micros) -> String {
    chrono::DateTime::from_timestamp_micros(at).map_or_else(|| at.to_string(), |time| time.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string())
}
