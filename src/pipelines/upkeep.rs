//! Upkeep of the tables that runs fill: small files are put together, and what nobody can go back to is taken away.
//!
//! It follows runs, beside them and one table at a time, and is given up when the hub closes. A table that nobody else writes to is tended every
//! few runs; what is old is looked for once a day. Each can be switched off, and done by hand with OPTIMIZE and VACUUM.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use weir_catalog::{Kind, Object, ObjectId, TableCommit};

use super::{Runner, dead_letters};
use crate::clock::Micros;
use crate::config::Maintenance;
use crate::delta::{Effort, Facts, Sweep};
use crate::engine::catalog_error;
use crate::error::{Code, Result};

/// Runs after which a table is looked at.
const RUNS: u32 = 32;

/// After a start it is looked at sooner, or a hub that is often started anew would never come to it.
const FIRST_RUNS: u32 = 4;

/// So many small files are worth a commit.
const FILES: usize = 16;

const DAY: Micros = 24 * 60 * 60 * 1_000_000;

/// Who the history names.
const USER: &str = "weir";

pub(super) struct Upkeep {
    wanted: Maintenance,
    tables: Mutex<HashMap<ObjectId, Tended>>,
    /// One table at a time: it is never urgent.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Tended {
    runs_left: Option<u32>,
    swept_at: Option<Micros>,
}

impl Upkeep {
    pub(super) fn new(wanted: Maintenance) -> Self {
        Self { wanted, tables: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// Counts a run; true when it is time.
    fn is_due(&self, table: ObjectId) -> bool {
        let Maintenance { compaction, cleanup } = self.wanted;
        if !compaction && !cleanup {
            return false;
        }
        let mut tables = self.tables.lock();
        let tended = tables.entry(table).or_default();
        let left = tended.runs_left.unwrap_or(FIRST_RUNS).saturating_sub(1);
        tended.runs_left = Some(if left == 0 { RUNS } else { left });
        left == 0
    }

    /// True once a day.
    fn sweeps(&self, table: ObjectId, now: Micros) -> bool {
        let mut tables = self.tables.lock();
        let swept = &mut tables.entry(table).or_default().swept_at;
        let is_due = self.wanted.cleanup && swept.is_none_or(|at| now.saturating_sub(at) >= DAY);
        if is_due {
            *swept = Some(now);
        }
        is_due
    }
}

impl Runner {
    /// Tends what a run wrote to, if it is time. Nobody waits for it.
    pub(super) fn keep_up(self: &Arc<Self>, target: &Object) {
        let (schema, name) = dead_letters::NAME;
        let letters = self.engine.store().object(Kind::Table, schema, name).ok().flatten();
        for table in letters.into_iter().chain([target.clone()]) {
            if !self.upkeep.is_due(table.id) {
                continue;
            }
            let runner = Arc::clone(self);
            self.tasks.spawn(async move {
                let tended = async {
                    let _turn = runner.upkeep.turn.lock().await;
                    runner.tend(&table).await
                };
                let tended = tokio::select! {
                    biased;
                    () = runner.closing.cancelled() => return,
                    tended = tended => tended,
                };
                match tended {
                    // Dropped meanwhile, or of a kind that is read only.
                    Err(error) if matches!(error.code(), Code::UndefinedTable | Code::NotSupported) => {}
                    Err(error) => tracing::warn!(table = %table.full_name(), error = %error.chain(), "upkeep of a table failed"),
                    Ok(()) => {}
                }
            });
        }
    }

    async fn tend(&self, object: &Object) -> Result<()> {
        let table = self.engine.table(object).await?;
        if self.upkeep.wanted.compaction {
            let facts = Facts { run_id: None, user: USER.to_owned(), extra: BTreeMap::new() };
            let done = table.compact(Effort::Worthwhile(FILES), &facts).await?;
            if let Some(committed) = done.committed {
                tracing::info!(table = %object.full_name(), files = done.files_before, into = done.files_after, "small files were put together");
                let commit = TableCommit {
                    table_id: object.id,
                    version: committed.version,
                    committed_at: committed.committed_at,
                    operation: "OPTIMIZE".to_owned(),
                    run_id: None,
                    user: USER.to_owned(),
                };
                self.engine.store().record_commits(&[commit]).map_err(catalog_error)?;
            }
        }
        if self.upkeep.sweeps(object.id, self.clock.now()) {
            let files = table.vacuum(None, Sweep::Remove).await?.len();
            let commits = table.trim_log().await?;
            if files + commits > 0 {
                tracing::info!(table = %object.full_name(), files, commits, "what nobody can go back to was removed");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upkeep(compaction: bool, cleanup: bool) -> Upkeep {
        Upkeep::new(Maintenance { compaction, cleanup })
    }

    #[test]
    fn a_table_is_tended_soon_after_a_start_and_then_now_and_then() {
        let upkeep = upkeep(true, false);
        let due: Vec<usize> = (1..=100).filter(|_| upkeep.is_due(ObjectId(7))).collect();
        assert_eq!(due, [4, 36, 68, 100]);
        assert!(!upkeep.is_due(ObjectId(8)), "each table counts its own runs");
        assert!((0..100).all(|_| !super::Upkeep::new(Maintenance { compaction: false, cleanup: false }).is_due(ObjectId(7))));
    }

    #[test]
    fn what_is_old_is_looked_for_once_a_day() {
        let table = ObjectId(7);
        let on = upkeep(true, true);
        assert_eq!([0, 1, DAY - 1, DAY, DAY + 1].map(|now| on.sweeps(table, now)), [true, false, false, true, false]);
        assert!(!upkeep(true, false).sweeps(table, 0));
    }
}
