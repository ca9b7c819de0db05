//! Dead letters after their run: those of a replay that failed are opened again, settled ones are removed in time.
//!
//! Open letters are never removed, whatever their age: a record that is neither in a table nor a letter would be lost.

use std::collections::BTreeMap;

use weir_catalog::{Object, ObjectId, Run};
use weir_sql::statements::create_pipeline::Output;

use super::bind::label;
use super::options::Settings;
use super::runner::Runner;
use super::{dead_letters, execute, target};
use crate::clock::Micros;
use crate::delta::Facts;
use crate::engine::definition;
use crate::error::Result;

/// Settled letters are looked at this often at least, by the next run.
const LONGEST_BETWEEN_SWEEPS: Micros = 3_600_000_000;

impl Runner {
    /// The letters of a replay change before its rows land. Where the rows then did not, they change back: only the tables know.
    pub(super) async fn reopen_letters(&self, pipeline: &Object, run: &Run, facts: &Facts) -> Result<()> {
        let filled = target::filled(pipeline, self.engine.store().as_ref())?;
        let outputs: Vec<&Output> = filled.iter().map(|(output, _)| output).collect();
        let mut landed = Vec::new();
        for (output, table) in &filled {
            let applied = self.engine.table(table).await?.applied(&execute::app_id(pipeline, table)).await?;
            if applied.is_some_and(|batch| batch >= run.batch) {
                landed.push(label(output, &outputs));
            }
        }
        dead_letters::reopen(&self.engine, &self.owner_scope(pipeline), run.run_id, &landed, facts).await
    }

    /// Removes settled letters that are older than the pipeline keeps them, once in a while. Whatever goes wrong is only said: they can wait.
    pub(super) async fn sweep_letters(&self, pipeline: ObjectId) {
        let Ok(Some(pipeline)) = self.engine.store().object_by_id(pipeline) else { return };
        let settings = definition::pipeline(&pipeline).and_then(|definition| Settings::read(&definition.header.options));
        let Some(keeps) = settings.ok().and_then(|settings| settings.dead_letter_retention) else { return };
        let (now, keeps) = (self.clock.now(), i64::try_from(keeps.as_micros()).unwrap_or(i64::MAX));
        let pause = (keeps / 4).min(LONGEST_BETWEEN_SWEEPS);
        {
            let mut swept = self.swept.lock();
            if swept.get(&pipeline.id).is_some_and(|last| now.saturating_sub(*last) < pause) {
                return;
            }
            swept.insert(pipeline.id, now);
        }
        let facts = Facts { run_id: None, user: pipeline.owner.clone(), extra: BTreeMap::new() };
        let name = pipeline.full_name();
        match dead_letters::sweep(&self.engine, &self.owner_scope(&pipeline), &name, now.saturating_sub(keeps), &facts).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(pipeline = %name, count, "settled dead letters were removed"),
            Err(error) => tracing::warn!(pipeline = %name, error = %error.chain(), "settled dead letters could not be removed"),
        }
    }
}
