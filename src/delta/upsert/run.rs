//! One keyed write from the incoming rows to the commit.

use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;

use super::super::commit::{Draft, Reads};
use super::super::contract::{Committed, Facts, Token, UpsertSpec};
use super::super::failure::blocking_failed;
use super::super::log::Action;
use super::super::table::Table;
use super::super::writer::{Purpose, Writer, WriterOptions};
use super::apply::{Plan, touched};
use super::fold::fold;
use super::incoming::Incoming;
use super::probe::probe;
use crate::error::{Code, Error, Result};

/// Facts of a commit that are known only when the last row was read.
pub type FactsAtEnd<'a> = dyn Fn() -> Facts + Send + Sync + 'a;

impl Table {
    /// Inserts, updates and deletes by key in one commit, and records every change for `changes`.
    ///
    /// Of equal keys in the input the highest sequence wins, of equal sequences the later row; input older than the stored row is ignored.
    /// The counts add up to the rows given. Called again with the same token it reads no row and answers with the first commit.
    ///
    /// # Errors
    /// `NotNullViolated` for a NULL key; `Conflict` when another writer changed the table meanwhile.
    pub async fn upsert(
        &self,
        rows: SendableRecordBatchStream,
        spec: &UpsertSpec,
        token: Option<&Token>,
        facts: &FactsAtEnd<'_>,
    ) -> Result<Committed> {
        let _turn = self.turn().await?;
        if let Some(done) = self.repeated(token).await? {
            return Ok(done);
        }
        self.check_writable()?;
        let state = self.known();
        let incoming = Incoming::collect(rows, spec, &state.schema).await?;
        let facts = &facts();
        let files = self.live_files(&*self.snapshot().await?).await?;
        let stored_sequence = spec.sequence.as_deref().filter(|name| state.schema.field_with_name(name).is_ok());
        let incoming = probe(incoming, &files, stored_sequence, &state.schema).await?;
        let (outcomes, counts) = fold(&incoming, spec);
        let changed = touched(&incoming, &outcomes, &files);

        if !changed.is_empty() && state.metadata.is_set("delta.appendOnly") {
            return Err(Error::new(Code::NotSupported, format!("table \"{}\" only takes new rows", self.location())));
        }
        let mut data = Writer::new(self.layout(), WriterOptions::default(), Purpose::Data)?;
        let records_changes = !changed.is_empty() && state.metadata.is_set("delta.enableChangeDataFeed");
        let mut changes = match records_changes {
            // Without changed rows the added files are the changes.
            false => None,
            true => Some(Writer::new(self.layout(), WriterOptions::default(), Purpose::Changes)?),
        };
        let plan = Plan { incoming, outcomes, files: changed, table: Arc::clone(&state.schema) };
        let removed: Vec<u32> = plan.files.iter().map(|(number, _)| *number).collect();
        let work = move || plan.apply(&mut data, changes.as_mut()).map(|()| (data, changes));
        let (data, changes) = tokio::task::spawn_blocking(work).await.map_err(blocking_failed)??;

        let mut actions = Vec::new();
        for number in removed {
            if let Some(file) = files.get(number as usize) {
                actions.push(file.remove(self.clock.now())?);
            }
        }
        actions.extend(data.finish().await?.hand_over().into_iter().map(Action::Add));
        if let Some(changes) = changes {
            actions.extend(changes.finish().await?.hand_over().into_iter().map(|file| Action::Cdc(file.into())));
        }
        if actions.is_empty() && token.is_none() {
            return Ok(Committed {
                version: state.version,
                committed_at: state.committed_at,
                repeated: false,
                rows: counts,
                facts: facts.clone(),
            });
        }
        let draft = Draft {
            actions,
            parameters: vec![("matchedOn", spec.key.join(", "))],
            reads: Reads::Rows(state.version),
            rows: counts,
            token,
            ..Draft::new("MERGE", facts)
        };
        self.commit(draft).await
    }
}
