//! Writes into a history: what comes in added to it, or all of it anew; and what a write would do, told beforehand.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::super::super::contract::{Committed, HistorySpec, Token};
use super::super::super::failure::blocking_failed;
use super::super::super::table::Table;
use super::super::decision::Decision;
use super::super::intake::{Incoming, Rows, collect};
use super::super::probe::{Groups, probe};
use super::super::run::{FactsAtEnd, Meets, candidates};
use super::super::shape::Shape;
use super::{Effect, History};
use crate::delta::lake::Scratch;
use crate::error::{Error, Result};

impl Table {
    /// Puts events into the history in one commit, and records every change of its rows for `changes`.
    ///
    /// The periods are those that all events ever given make in the order of their sequences, however they were cut into writes and in
    /// whichever order they came; of events with equal keys and sequences the last to arrive counts. What the rows do not tell of them is
    /// remembered beside the table. The counts add up to the events given. Called again with the same token it reads no row.
    ///
    /// # Errors
    /// `NotNullViolated` for a key or a sequence that is NULL; `UndefinedColumn` and `WrongType` for a table without the columns of a history;
    /// `WrongState` where the table remembers by other keys; `Conflict` when another writer changed the table meanwhile.
    pub async fn record_history(
        &self,
        events: SendableRecordBatchStream,
        spec: &HistorySpec,
        token: Option<&Token>,
        facts: &FactsAtEnd<'_>,
    ) -> Result<Committed> {
        let shape = |input: &SchemaRef, table: &SchemaRef| Shape::of_history(input, spec, table);
        self.write_by_key(events, &shape, Meets::Rows, token, facts).await.map(|(committed, _)| committed)
    }

    /// Replaces all rows, and all that is remembered, by the history of these events; with new columns if they are given.
    ///
    /// # Errors
    /// As `record_history`.
    pub async fn rebuild_history(
        &self,
        events: SendableRecordBatchStream,
        spec: &HistorySpec,
        new_schema: Option<&SchemaRef>,
        token: Option<&Token>,
        facts: &FactsAtEnd<'_>,
    ) -> Result<Committed> {
        let shape = |input: &SchemaRef, table: &SchemaRef| Shape::of_history(input, spec, table);
        self.write_by_key(events, &shape, Meets::Nothing(new_schema), token, facts).await.map(|(committed, _)| committed)
    }

    /// What `record_history` would do with each of these events. `columns` are those that the table would have.
    ///
    /// # Errors
    /// As `record_history`.
    pub async fn foretell_history(&self, events: Vec<RecordBatch>, spec: &HistorySpec, columns: &SchemaRef) -> Result<Vec<Effect>> {
        let Some(first) = events.first() else { return Ok(Vec::new()) };
        self.refresh().await?;
        let shape = Arc::new(Shape::of_history(&first.schema(), spec, columns)?);
        let tombstones = self.tombstones().await?;
        tombstones.as_ref().map(|tombstones| tombstones.check(&shape.memory(), self.location())).transpose()?;
        let files = self.live_files(&*self.snapshot().await?).await?;
        let first_note = u32::try_from(files.len()).map_err(|source| Error::internal("too many files in a table").caused_by(source))?;
        let scratch = Scratch { memory_bytes: usize::MAX, ..self.scratch.clone() };
        let (sender, received) = mpsc::channel(events.len());
        for batch in events {
            sender.try_send(batch).map_err(|source| Error::internal("the events of a dry run were lost").caused_by(source))?;
        }
        drop(sender);
        let work = move || {
            let Incoming { sieve, rows, floor } = collect(received, &shape, &scratch)?;
            let Rows::Held(events) = rows else { return Err(Error::internal("the events of a dry run were set aside")) };
            let mut history = History::new(shape.clone(), first_note, floor.clone()).telling();
            let slots = events.iter().map(|events| history.enter(&shape.keys(events)?)).collect::<Result<Vec<_>>>()?;
            let (files, groups, stop) = (candidates(&files, tombstones.as_ref(), &sieve), Groups::default(), CancellationToken::new());
            let mut found = Vec::new();
            let take = |rows: RecordBatch| {
                found.push(shape.still_open(&rows, floor.as_ref())?);
                Ok(())
            };
            probe((&shape, &sieve, &groups), &files, |key| history.knows(key), &stop, take)?;
            found.into_iter().try_for_each(|stored| history.store(stored))?;
            events.into_iter().zip(&slots).try_for_each(|(events, slots)| history.apply(events, slots))?;
            history.decide()?;
            Ok(history.told())
        };
        tokio::task::spawn_blocking(work).await.map_err(blocking_failed)?
    }
}
