//! One keyed write from the incoming rows to the commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use roaring::RoaringTreemap;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::super::commit::{Draft, Reads};
use super::super::contract::{Committed, Facts, HISTORY, Token, UpsertSpec, VALID_FROM};
use super::super::failure::{blocking_failed, plan_failed};
use super::super::files::LiveFile;
use super::super::filters::{key_of, with_key};
use super::super::log::Action;
use super::super::schema;
use super::super::table::{State, Table};
use super::super::tombstones::{Deletions, List, Published, Tombstones};
use super::super::writer::{Layout, Written};
use super::apply::Output;
use super::burial::{Burial, Buried};
use super::intake::{Incoming, collect};
use super::probe::{Candidate, Groups};
use super::shape::Shape;
use super::sieve::Sieve;
use super::work::{Done, Spilled, Work};
use crate::error::{Code, Error, Result};

/// Facts of a commit that are known only when the last row was read.
pub type FactsAtEnd<'a> = dyn Fn() -> Facts + Send + Sync + 'a;

impl Table {
    /// Inserts, updates and deletes by key in one commit, and records every change for `changes`.
    ///
    /// Of equal keys in the input the highest sequence wins, of equal sequences the later row; input older than the stored row is ignored.
    /// The counts add up to the rows given. Called again with the same token it reads no row and answers with the first commit.
    /// Rows that do not fit in the scratch memory wait on disk; files in which no row changes stay as they are.
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
        self.upsert_measured(rows, spec, token, facts).await.map(|(committed, _)| committed)
    }

    /// Like `upsert`, and says what did not fit in memory.
    pub(in crate::delta) async fn upsert_measured(
        &self,
        rows: SendableRecordBatchStream,
        spec: &UpsertSpec,
        token: Option<&Token>,
        facts: &FactsAtEnd<'_>,
    ) -> Result<(Committed, Spilled)> {
        let shape = |input: &SchemaRef, table: &SchemaRef| {
            refuse_history(table, self.location())?;
            Shape::new(input, spec, table)
        };
        self.write_by_key(rows, &shape, Meets::Rows, token, facts).await
    }

    /// Brings rows to the stored ones of their keys, in one commit, as the shape that `shape` makes of the columns of both says.
    pub(super) async fn write_by_key(
        &self,
        rows: SendableRecordBatchStream,
        shape: &(dyn Fn(&SchemaRef, &SchemaRef) -> Result<Shape> + Sync),
        meets: Meets<'_>,
        token: Option<&Token>,
        facts: &FactsAtEnd<'_>,
    ) -> Result<(Committed, Spilled)> {
        let _turn = self.turn().await?;
        if let Some(done) = self.repeated(token).await? {
            return Ok((done, Spilled::default()));
        }
        self.check_writable()?;
        let state = self.known();
        let columns = meets.columns(&state);
        let shape = Arc::new(shape(&rows.schema(), &columns)?);
        let tombstones = match meets {
            Meets::Rows if shape.spec.sequence.is_some() => self.tombstones().await?,
            _ => None,
        };
        tombstones.as_ref().map(|tombstones| tombstones.check(&shape.memory(), self.location())).transpose()?;
        let (sieve, worker) = self.gather(rows, &shape).await?;
        let facts = &facts();
        let all = self.live_files(&*self.snapshot().await?).await?;
        let (files, leaving) = if matches!(meets, Meets::Rows) { (all, Vec::new()) } else { (Vec::new(), all) };

        let keyed = with_key(&state.metadata, &shape.spec.key);
        let refusal = || Error::new(Code::NotSupported, format!("table \"{}\" only takes new rows", self.location()));
        let refusal = state.metadata.is_set("delta.appendOnly").then(refusal);
        if let (Some(refusal), false) = (&refusal, leaving.is_empty()) {
            return Err(refusal.clone());
        }
        let stop = CancellationToken::new();
        let work = Work {
            candidates: candidates(&files, tombstones.as_ref(), &sieve),
            sieve,
            groups: Groups::default(),
            burial: self.burial(&shape, files.len(), tombstones.as_ref())?,
            shape: shape.clone(),
            layout: Layout { key: key_of(keyed.as_ref().unwrap_or(&state.metadata)), schema: columns.clone(), ..self.layout() },
            scratch: self.scratch.clone(),
            stop: stop.clone(),
            files: files.iter().map(|file| file.data.clone()).collect(),
            table_bytes: files.iter().filter_map(|file| u64::try_from(file.size()).ok()).sum(),
            records_changes: state.metadata.is_set("delta.enableChangeDataFeed"),
            floor: None,
            refusal,
        };
        // Whoever gives up the write ends the work, too.
        let _stop = stop.drop_guard();
        let Done { outputs, rewritten, counts, spilled, buried } = worker.finish(work).await?;
        tracing::debug!(table = self.location(), cost = ?spilled, "keyed write decided");

        let mut actions = if columns == state.schema { Vec::new() } else { self.reshape(&columns)? };
        let keyed = keyed.filter(|_| actions.is_empty());
        let rewritten = rewritten.iter().filter_map(|number| files.get(*number as usize));
        for file in rewritten.chain(&leaving) {
            actions.push(file.remove(self.clock.now())?);
        }
        let (written, changes) = finished(outputs).await?;
        let tombstones = match (buried, &meets) {
            (Some(buried), Meets::Rows) => Some(self.publish_buried(buried, &shape, tombstones.as_ref()).await?),
            (None, Meets::Rows) => None,
            (buried, Meets::Nothing(_)) => self.publish_anew(buried, &shape).await?,
        };
        actions.extend(written.into_iter().flat_map(Written::hand_over).map(Action::Add));
        actions.extend(changes.into_iter().flat_map(Written::hand_over).map(|file| Action::Cdc(file.into())));
        if !actions.is_empty() || tombstones.is_some() {
            actions.extend(keyed.map(Action::MetaData));
        }
        let draft = Draft {
            actions,
            parameters: vec![("matchedOn", shape.spec.key.join(", "))],
            reads: Reads::Rows(state.version),
            rows: counts,
            token,
            tombstones,
            ..Draft::new(meets.operation(), facts)
        };
        self.land(draft).await.map(|committed| (committed, spilled))
    }

    fn burial(&self, shape: &Shape, files: usize, tombstones: Option<&Tombstones>) -> Result<Burial> {
        let first = u32::try_from(files).map_err(|source| Error::internal("too many files in a table").caused_by(source))?;
        Ok(Burial {
            layout: self.layout(),
            parts: tombstones.map(|tombstones| tombstones.list.parts.clone()).unwrap_or_default(),
            first,
            columns: shape.tombstones.clone(),
            filtered: if shape.history.is_some() { shape.spec.key.clone() } else { Vec::new() },
            writer: None,
            fresh: 0,
            outdated: BTreeMap::new(),
        })
    }

    /// Makes the next set of tombstones durable, for the commit to name.
    async fn publish_buried(&self, buried: Buried, shape: &Shape, before: Option<&Tombstones>) -> Result<Published> {
        let written = match buried.writer {
            Some(writer) => Some(writer.finish().await?),
            None => None,
        };
        let mut list = Tombstones::followed_by(before, &shape.memory(), buried.parts);
        written.iter().for_each(|written| list.add(written));
        let published = self.publish_tombstones(list).await?;
        Ok(published.with(&self.root, written))
    }

    /// The set of a table whose rows are all new; None when there was none, and there is none.
    async fn publish_anew(&self, buried: Option<Buried>, shape: &Shape) -> Result<Option<Published>> {
        let Some(writer) = buried.and_then(|buried| buried.writer) else { return self.publish_without_tombstones().await };
        let written = writer.finish().await?;
        let mut list = List::of(&shape.memory(), Vec::new());
        list.add(&written);
        self.publish_deletions(Deletions { list, written }).await
    }

    /// Hands the rows to a thread of their own, and returns when it has the last one: the values of their keys, and the thread.
    async fn gather(&self, mut rows: SendableRecordBatchStream, shape: &Arc<Shape>) -> Result<(Sieve, Worker)> {
        let (batches, received) = mpsc::channel(1);
        let (say_sieve, sieve) = oneshot::channel();
        let (work, awaited) = oneshot::channel::<Work>();
        let (shape, scratch) = (shape.clone(), self.scratch.clone());
        let task = tokio::task::spawn_blocking(move || {
            let Incoming { sieve, rows, floor } = collect(received, &shape, &scratch)?;
            let given_up = || Error::new(Code::Cancelled, "the write was given up");
            say_sieve.send(sieve).map_err(|_| given_up())?;
            awaited.blocking_recv().map_err(|_| given_up())?.run(rows, floor)
        });
        while let Some(batch) = rows.next().await {
            // Nobody receives when the thread failed, which it says itself.
            if batches.send(batch.map_err(plan_failed)?).await.is_err() {
                break;
            }
        }
        drop((batches, rows));
        let worker = Worker { work, task };
        match sieve.await {
            Ok(sieve) => Ok((sieve, worker)),
            Err(_) => Err(worker.failure().await),
        }
    }
}

/// What the rows of a keyed write meet.
#[derive(Clone, Copy)]
pub(super) enum Meets<'a> {
    /// The rows of the table.
    Rows,
    /// Nothing: they take the place of all rows, with these columns if they are others than the table's.
    Nothing(Option<&'a SchemaRef>),
}

impl Meets<'_> {
    /// The table's columns after the write.
    fn columns(&self, state: &State) -> SchemaRef {
        match self {
            Self::Nothing(Some(columns)) => schema::normalise(columns),
            Self::Nothing(None) | Self::Rows => state.schema.clone(),
        }
    }

    fn operation(&self) -> &'static str {
        match self {
            Self::Rows => "MERGE",
            Self::Nothing(_) => "REPLACE",
        }
    }
}

/// # Errors
/// `WrongState` for a history: with one row for each key it would lose all others.
fn refuse_history(table: &SchemaRef, location: &str) -> Result<()> {
    let is_history = |field: &Field| field.metadata().get(HISTORY).is_some_and(|text| !text.is_empty());
    match table.field_with_name(VALID_FROM).is_ok_and(is_history) {
        true => Err(Error::new(Code::WrongState, format!("table \"{location}\" is a history and cannot be written in another way"))
            .hint("Write it by SCD TYPE 2, or fill another table.".to_owned())),
        false => Ok(()),
    }
}

/// Files of rows and files of changes, all of them durable.
async fn finished(outputs: Vec<Output>) -> Result<(Vec<Written>, Vec<Written>)> {
    let (mut written, mut changes) = (Vec::new(), Vec::new());
    for output in outputs {
        written.push(output.data.finish().await?);
        if let Some(recorded) = output.changes {
            changes.push(recorded.finish().await?);
        }
    }
    Ok((written, changes))
}

/// The files that may hold incoming keys; those of tombstones have the numbers behind the data files.
pub(super) fn candidates(files: &[LiveFile], tombstones: Option<&Tombstones>, sieve: &Sieve) -> Vec<Candidate> {
    let data = files.iter().map(|file| (file.data.clone(), file.stats.clone(), RoaringTreemap::new()));
    let parts = tombstones
        .into_iter()
        .flat_map(|tombstones| tombstones.list.parts.iter().map(|part| (part.data(tombstones.root()), part.stats(), part.gone.clone())));
    let all = (0_u32..).zip(data.chain(parts)).filter(|(_, (_, stats, _))| sieve.takes_file(stats.as_ref()));
    all.map(|(number, (file, _, gone))| Candidate { number, file, gone }).collect()
}

/// The thread that has the rows. It does all that takes memory: memory that one thread returns is not at once free for the next.
struct Worker {
    work: oneshot::Sender<Work>,
    task: JoinHandle<Result<Done>>,
}

impl Worker {
    async fn finish(self, work: Work) -> Result<Done> {
        // Not sent means that the thread is gone, and it says why.
        drop(self.work.send(work));
        self.task.await.map_err(blocking_failed)?
    }

    async fn failure(self) -> Error {
        drop(self.work);
        match self.task.await.map_err(blocking_failed) {
            Ok(Err(error)) | Err(error) => error,
            Ok(Ok(_)) => Error::internal("a keyed write ended before it began"),
        }
    }
}
