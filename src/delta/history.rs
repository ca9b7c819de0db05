//! The table's past: which versions are kept, when each was made, and by whom.
//!
//! Times come from the commits themselves. A file's own time says when it was copied, not when it was committed.

use deltalake::kernel::Version;
use serde_json::json;

use super::contract::HistoryEntry;
use super::failure::{blocking_failed, delta_failed, io_failed};
use super::log::Entry;
use super::segment::{self, log_folder};
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
        let log = log_folder(&self.root);
        let oldest = tokio::task::spawn_blocking(move || segment::oldest(&log)).await.map_err(blocking_failed)?;
        let oldest = oldest.map_err(|source| io_failed("the table's log cannot be read", source))?;
        Ok(oldest.unwrap_or_else(|| self.known().version).max(segment::whole_from(&log_folder(&self.root))))
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
