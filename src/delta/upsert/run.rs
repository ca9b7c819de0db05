//! One keyed write from the incoming rows to the commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use roaring::RoaringTreemap;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::super::commit::{Draft, Reads};
use super::super::contract::{Committed, Facts, Token, UpsertSpec};
use super::super::failure::{blocking_failed, plan_failed};
use super::super::files::LiveFile;
use super::super::filters::{key_of, with_key};
use super::super::log::Action;
use super::super::table::Table;
use super::super::tombstones::{Published, Tombstones};
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
        let _turn = self.turn().await?;
        if let Some(done) = self.repeated(token).await? {
            return Ok((done, Spilled::default()));
        }
        self.check_writable()?;
        let state = self.known();
        let shape = Arc::new(Shape::new(&rows.schema(), spec, &state.schema)?);
        let tombstones = if spec.sequence.is_some() { self.tombstones().await? } else { None };
        tombstones.as_ref().map(|tombstones| tombstones.check(spec, self.location())).transpose()?;
        let (sieve, worker) = self.gather(rows, &shape).await?;
        let facts = &facts();
        let files = self.live_files(&*self.snapshot().await?).await?;

        let keyed = with_key(&state.metadata, &spec.key);
        let refusal = || Error::new(Code::NotSupported, format!("table \"{}\" only takes new rows", self.location()));
        let stop = CancellationToken::new();
        let work = Work {
            candidates: candidates(&files, tombstones.as_ref(), &sieve),
            sieve,
            groups: Groups::default(),
            burial: self.burial(&shape, files.len(), tombstones.as_ref())?,
            shape,
            layout: Layout { key: key_of(keyed.as_ref().unwrap_or(&state.metadata)), ..self.layout() },
            scratch: self.scratch.clone(),
            stop: stop.clone(),
            files: files.iter().map(|file| file.data.clone()).collect(),
            table_bytes: files.iter().filter_map(|file| u64::try_from(file.size()).ok()).sum(),
            records_changes: state.metadata.is_set("delta.enableChangeDataFeed"),
            refusal: state.metadata.is_set("delta.appendOnly").then(refusal),
        };
        // Whoever gives up the write ends the work, too.
        let _stop = stop.drop_guard();
        let Done { outputs, rewritten, counts, spilled, buried } = worker.finish(work).await?;
        tracing::debug!(table = self.location(), cost = ?spilled, "keyed write decided");

        let mut actions = Vec::new();
        for number in rewritten {
            if let Some(file) = files.get(number as usize) {
                actions.push(file.remove(self.clock.now())?);
            }
        }
        let (written, changes) = finished(outputs).await?;
        let tombstones = match buried {
            Some(buried) => Some(self.publish_buried(buried, spec, tombstones.as_ref()).await?),
            None => None,
        };
        actions.extend(written.into_iter().flat_map(Written::hand_over).map(Action::Add));
        actions.extend(changes.into_iter().flat_map(Written::hand_over).map(|file| Action::Cdc(file.into())));
        if !actions.is_empty() || tombstones.is_some() {
            actions.extend(keyed.map(Action::MetaData));
        }
        let draft = Draft {
            actions,
            parameters: vec![("matchedOn", spec.key.join(", "))],
            reads: Reads::Rows(state.version),
            rows: counts,
            token,
            tombstones,
            ..Draft::new("MERGE", facts)
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
            writer: None,
            fresh: 0,
            outdated: BTreeMap::new(),
        })
    }

    /// Makes the next set of tombstones durable, for the commit to name.
    async fn publish_buried(&self, buried: Buried, spec: &UpsertSpec, before: Option<&Tombstones>) -> Result<Published> {
        let written = match buried.writer {
            Some(writer) => Some(writer.finish().await?),
            None => None,
        };
        let mut list = Tombstones::followed_by(before, spec, buried.parts);
        written.iter().for_each(|written| list.add(written));
        let published = self.publish_tombstones(list).await?;
        Ok(published.with(&self.root, written))
    }

    /// Hands the rows to a thread of their own, and returns when it has the last one: the values of their keys, and the thread.
    async fn gather(&self, mut rows: SendableRecordBatchStream, shape: &Arc<Shape>) -> Result<(Sieve, Worker)> {
        let (batches, received) = mpsc::channel(1);
        let (say_sieve, sieve) = oneshot::channel();
        let (work, awaited) = oneshot::channel::<Work>();
        let (shape, scratch) = (shape.clone(), self.scratch.clone());
        let task = tokio::task::spawn_blocking(move || {
            let Incoming { sieve, rows } = collect(received, &shape, &scratch)?;
            let given_up = || Error::new(Code::Cancelled, "the write was given up");
            say_sieve.send(sieve).map_err(|_| given_up())?;
            awaited.blocking_recv().map_err(|_| given_up())?.run(rows)
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
fn candidates(files: &[LiveFile], tombstones: Option<&Tombstones>, sieve: &Sieve) -> Vec<Candidate> {
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
