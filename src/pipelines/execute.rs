//! One attempt at a frozen run: read, judge, commit dead letters, commit rows. May be repeated at will; nothing lands twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use weir_catalog::{Counts, Kind, Object, ObjectId, Run, RunKind, TableCommit};
use weir_sql::statements::create_pipeline::{CreatePipeline, Mode};

use super::assemble::{DELETE_COLUMN, Fixed, Width, assemble, is_ordered};
use super::bind::Bound;
use super::dead_letters::{self, DeadLetterWriter, Origin};
use super::drift::Misfits;
use super::fail_points::reached;
use super::inputs::Frozen;
use super::pass::{Pass, RuleCount, Setting, conserve};
use super::replay::Replayed;
use super::sequence;
use super::target::{self, Target};
use crate::delta::{Committed, Deletions, Facts, Table, Token, UpsertSpec, WriterOptions, Written};
use crate::engine::{Engine, Scope, catalog_error};
use crate::error::{Code, Error, Result};
use crate::sources::RejectSink;

/// What an attempt achieved, for the catalog.
pub(super) struct Landed {
    pub(super) target: Object,
    pub(super) mode: &'static str,
    pub(super) counts: Counts,
    pub(super) rules: Vec<RuleCount>,
    pub(super) before: Option<u64>,
    pub(super) version: u64,
    pub(super) commits: Vec<TableCommit>,
    /// Records read per file of the ledger.
    pub(super) file_rows: Vec<(ObjectId, i64, i64)>,
    /// Records that did not fit their source's columns. After a crash right behind the commit they are not known: the next that do not fit say
    /// the same.
    pub(super) misfits: Misfits,
}

/// Kept inside the commit, so that a crash right after it loses no count.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    counts: Counts,
    rules: Vec<RuleCount>,
    before: Option<u64>,
    /// Source, number in the ledger, records.
    #[serde(default)]
    files: Vec<(ObjectId, i64, i64)>,
}

/// A run of more files than this keeps their counts out of the commit, which readers of the log would carry for ever: only after a crash
/// right behind the commit they stay unknown.
const FILES_IN_RECORD: usize = 1000;

const RECORD: &str = "weir.run";

pub(super) struct Attempt {
    pub(super) engine: Arc<Engine>,
    pub(super) pipeline: Object,
    pub(super) definition: CreatePipeline,
    /// The owner's, with the values of the parameters.
    pub(super) scope: Scope,
    pub(super) run: Run,
    pub(super) bound: Bound,
    pub(super) cancel: CancellationToken,
}

impl Attempt {
    pub(super) async fn execute(self: Arc<Self>) -> Result<Landed> {
        let mut target = target::ensure(&self.engine, &self.pipeline, &self.bound, &self.scope).await?;
        let token = Token { app_id: format!("{}/{}", self.pipeline.id.0, target.object.id.0), batch: self.run.batch };
        if target.table.applied(&token.app_id).await?.is_some_and(|batch| batch >= token.batch) {
            let done = target.table.append(Vec::new(), Some(&token), &self.facts(None)).await?;
            target.tell_sequence(&self.engine, &self.facts(None))?;
            self.supersede_letters().await?;
            return self.landed(&target, &done);
        }
        let before = target.table.version().await?;
        target.evolve(&self.engine, &self.facts(None)).await?;
        sequence::settle(&mut target, &self.bound, self.run.kind == RunKind::FullRefresh, &self.facts(None)).await?;
        let pass = self.unless_cancelled(self.pass(&target)).await?;
        match self.write(&pass, &target, &token, before).await {
            Ok(done) => {
                reached("target.committed");
                target.tell_sequence(&self.engine, &self.facts(None))?;
                self.supersede_letters().await?;
                let landed = self.landed(&target, &done)?;
                Ok(Landed { file_rows: file_rows(&pass.setting.rejects), misfits: pass.misfits(), ..landed })
            }
            Err(error) => {
                self.keep_evidence(&pass, &error).await;
                Err(error)
            }
        }
    }

    /// Work that leaves nothing behind, so that it may be dropped at any await.
    async fn unless_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::new(Code::Cancelled, "canceling run due to user request")),
            done = work => done,
        }
    }

    async fn pass(&self, target: &Target) -> Result<Arc<Pass>> {
        let ordered = is_ordered(&self.bound.mode, &self.bound.output, &target.object);
        let partitions = if ordered { 1 } else { self.engine.threads() };
        let rejects = RejectSink::default();
        let mut frozen = Frozen::open(&self.engine, &self.run, &self.bound.streams, &rejects, partitions).await?;
        let replayed = Replayed::read(self).await?;
        if let Some(replayed) = &replayed {
            replayed.substitute(self, &mut frozen, &rejects).await?;
        }
        let store = Arc::clone(self.engine.store());
        let (mut planned, _) = sequence::plan(&self.engine, &self.bound.output, &self.scope, store.as_ref(), Some(&frozen)).await?;
        if let Some(replayed) = &replayed {
            planned.plan = replayed.beside(planned.plan, &rejects)?;
        }
        // The rows that a full refresh replaces are none that its own could clash with.
        let mode = match &self.bound.mode {
            Mode::Append if self.run.kind == RunKind::FullRefresh => &Mode::Replace,
            mode => mode,
        };
        let fixed = Fixed { planned, relations: &frozen };
        let assembled = assemble(&self.engine, &self.scope, fixed, &self.bound.output, mode, target, Width { partitions }).await?;
        let letters = match replayed {
            Some(replayed) => DeadLetterWriter::again(self.letters_table().await?, self.origin(), replayed.letters),
            None => DeadLetterWriter::new(self.letters_table().await?, self.origin()),
        };
        Pass::new(
            assembled,
            Setting {
                run_id: self.run.run_id,
                ingested_at: self.run.created_at,
                reject_limit: self.definition.header.reject_limit,
                rejects,
                cancel: self.cancel.clone(),
                target: target.clone(),
                letters: Mutex::new(letters),
            },
        )
    }

    fn origin(&self) -> Origin {
        Origin {
            pipeline: self.pipeline.full_name(),
            run_id: self.run.run_id,
            output: self.bound.output.target.name.value.clone(),
            first_seen: self.run.created_at,
        }
    }

    pub(super) async fn letters_table(&self) -> Result<Arc<Table>> {
        self.engine.lake().table(dead_letters::LOCATION).await
    }

    async fn write(self: &Arc<Self>, pass: &Arc<Pass>, target: &Target, token: &Token, before: u64) -> Result<Committed> {
        let refresh = self.run.kind == RunKind::FullRefresh;
        match &self.bound.mode {
            Mode::Upsert { keyed, ignore_null_updates } => {
                let spec = UpsertSpec {
                    key: keyed.key.iter().map(|column| column.value.clone()).collect(),
                    sequence: self.bound.sequence.column().map(str::to_owned),
                    delete: keyed.delete_when.as_ref().map(|_| DELETE_COLUMN.to_owned()),
                    ignore_null_updates: *ignore_null_updates,
                };
                let rows = self.settled_rows(pass)?;
                if refresh {
                    let (written, deletions) = super::refresh::newest(&self.engine, &self.scope, rows, &spec, target).await?;
                    reached("run.executed");
                    return self.swap(pass, target, token, before, written, deletions).await;
                }
                let facts = || self.facts(Some(self.record(pass, before)));
                target.table.upsert(rows, &spec, Some(token), &facts).await
            }
            mode => {
                let streams = (0..pass.partitions()).map(|at| Ok(stream(pass, pass.rows(at)?))).collect::<Result<Vec<_>>>()?;
                let written = write_all(target, streams).await?;
                self.settle(pass).await?;
                match mode {
                    Mode::Append if !refresh => {
                        let facts = self.facts(Some(self.record(pass, before)));
                        target.table.append(written, Some(token), &facts).await
                    }
                    _ => self.swap(pass, target, token, before, written, None).await,
                }
            }
        }
    }

    async fn swap(
        &self,
        pass: &Pass,
        target: &Target,
        token: &Token,
        before: u64,
        written: Vec<Written>,
        deletions: Option<Deletions>,
    ) -> Result<Committed> {
        let mut record = self.record(pass, before);
        let landed: i64 = written.iter().map(Written::rows).sum();
        record.counts.duplicates = record.counts.written - landed;
        record.counts.written = landed;
        let facts = self.facts(Some(record));
        target.table.replace(written, deletions, target.reshaped.as_ref(), None, Some(token), &facts).await
    }

    /// The end of the pass: limits are judged, the sum is checked, and the dead letters are committed before any row.
    async fn settle(&self, pass: &Pass) -> Result<()> {
        pass.check_reject_percent()?;
        conserve(&pass.counts())?;
        self.commit_letters(pass).await?;
        reached("deadletters.committed");
        Ok(())
    }

    /// All good rows in order; when they end, the pass is settled before the reader learns of it.
    fn settled_rows(self: &Arc<Self>, pass: &Arc<Pass>) -> Result<SendableRecordBatchStream> {
        let (attempt, settled) = (Arc::clone(self), Arc::clone(pass));
        let end = futures::stream::once(async move {
            reached("run.executed");
            attempt.settle(&settled).await.map(|()| None)
        });
        // A plan made of branches (UNION ALL, the letters of a replay) has a partition for each, whatever width was asked for.
        let partitions = (0..pass.partitions()).map(|at| pass.rows(at)).collect::<Result<Vec<_>>>()?;
        let rows =
            futures::stream::iter(partitions).flatten().map_ok(Some).chain(end).try_filter_map(|batch| std::future::ready(Ok(batch)));
        Ok(stream(pass, rows))
    }

    async fn commit_letters(&self, pass: &Pass) -> Result<()> {
        let fresh = DeadLetterWriter::new(self.letters_table().await?, self.origin());
        let letters = std::mem::replace(&mut *pass.setting.letters.lock().await, fresh);
        let token = Token { app_id: dead_letters::app_id(self.pipeline.id), batch: self.run.batch };
        let Some(done) = letters.commit(&token, &self.facts(None)).await? else { return Ok(()) };
        let (schema, name) = dead_letters::NAME;
        let Some(object) = self.engine.store().object(Kind::Table, schema, name).map_err(catalog_error)? else { return Ok(()) };
        self.engine.store().record_commits(&[commit_of(&object, &done, "WRITE", &self.run)]).map_err(catalog_error)
    }

    /// Once the rows of a full refresh are in the table. Should it not come to that, the run is tried again and finds its rows there.
    async fn supersede_letters(&self) -> Result<()> {
        if self.run.kind != RunKind::FullRefresh {
            return Ok(());
        }
        dead_letters::supersede(&self.engine, &self.scope, &self.pipeline.full_name(), self.run.run_id, &self.facts(None)).await
    }

    /// A run that fails for its data leaves what it rejected as evidence, which REPLAY passes over.
    async fn keep_evidence(&self, pass: &Pass, error: &Error) {
        let about_data = matches!(
            error.code(),
            Code::RejectLimit | Code::CheckViolated | Code::ForeignKeyViolated | Code::UniqueViolated | Code::NotNullViolated
        );
        if !about_data || self.run.kind == RunKind::Replay {
            return;
        }
        let kept = async {
            self.commit_letters(pass).await?;
            dead_letters::void(&self.engine, &self.scope, self.run.run_id, &self.facts(None)).await
        };
        if let Err(problem) = kept.await {
            tracing::warn!(run = %self.run.run_id, error = %problem.chain(), "the dead letters of a failed run could not be kept");
        }
    }

    fn record(&self, pass: &Pass, before: u64) -> Record {
        let mut files = file_rows(&pass.setting.rejects);
        files.truncate(FILES_IN_RECORD);
        Record { counts: pass.counts(), rules: pass.rule_counts(), before: Some(before), files }
    }

    fn facts(&self, record: Option<Record>) -> Facts {
        let mut extra = BTreeMap::new();
        extra.insert("weir.pipeline".to_owned(), self.pipeline.full_name());
        if let Ok(inputs) = serde_json::to_string(&self.run.inputs) {
            // The ids of a large replay would only swell the log.
            if inputs.len() <= 16_384 {
                extra.insert("weir.inputs".to_owned(), inputs);
            }
        }
        if let Some(text) = record.and_then(|record| serde_json::to_string(&record).ok()) {
            extra.insert(RECORD.to_owned(), text);
        }
        Facts { run_id: Some(self.run.run_id), user: self.scope.role.clone(), extra }
    }

    fn landed(&self, target: &Target, done: &Committed) -> Result<Landed> {
        let mut record: Record = match done.facts.extra.get(RECORD) {
            Some(text) => {
                serde_json::from_str(text).map_err(|error| Error::internal("the record of a commit cannot be read").caused_by(error))?
            }
            None => Record::default(),
        };
        let refresh = self.run.kind == RunKind::FullRefresh;
        let mode = match &self.bound.mode {
            Mode::Append => "append",
            Mode::Upsert { .. } => "upsert",
            _ => "replace",
        };
        if mode == "upsert" && !refresh {
            record.counts.duplicates += done.rows.ignored;
            record.counts.written -= done.rows.ignored;
        }
        conserve(&record.counts)?;
        let commits = vec![commit_of(&target.object, done, mode, &self.run)];
        Ok(Landed {
            target: target.object.clone(),
            mode,
            counts: record.counts,
            rules: record.rules,
            before: record.before,
            version: done.version,
            commits,
            file_rows: record.files,
            misfits: Misfits::new(),
        })
    }
}

fn file_rows(sink: &RejectSink) -> Vec<(ObjectId, i64, i64)> {
    sink.files().into_iter().map(|((source, number), records)| (source, number, records)).collect()
}

fn commit_of(table: &Object, done: &Committed, operation: &str, run: &Run) -> TableCommit {
    TableCommit {
        table_id: table.id,
        version: done.version,
        committed_at: done.committed_at,
        operation: operation.to_uppercase(),
        run_id: Some(run.run_id),
        user: run.requested_by.clone(),
    }
}

/// Writes the streams side by side, each into files of its own.
async fn write_all(target: &Target, streams: Vec<SendableRecordBatchStream>) -> Result<Vec<Written>> {
    let mut workers = tokio::task::JoinSet::new();
    for mut rows in streams {
        let table = Arc::clone(&target.table);
        workers.spawn(async move {
            let mut writer = table.writer(WriterOptions::default()).await?;
            while let Some(batch) = rows.next().await {
                writer.write(batch.map_err(Engine::error)?).await?;
            }
            writer.finish().await
        });
    }
    let mut written = Vec::new();
    while let Some(done) = workers.join_next().await {
        written.push(done.map_err(|error| Error::internal("a worker of the run ended early").caused_by(error))??);
    }
    reached("run.executed");
    Ok(written)
}

/// Rows of a pass as a stream that other rooms take; the hub's own errors travel inside.
fn stream(pass: &Pass, rows: impl Stream<Item = Result<RecordBatch>> + Send + 'static) -> SendableRecordBatchStream {
    let schema = pass.written();
    Box::pin(RecordBatchStreamAdapter::new(schema, rows.map_err(|error| DataFusionError::External(Box::new(error)))))
}

/// The schema with dictionaries as their values.
pub(super) fn without_dictionaries(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| match field.data_type() {
            DataType::Dictionary(_, value) => Arc::new(field.as_ref().clone().with_data_type(value.as_ref().clone())),
            _ => Arc::clone(field),
        })
        .collect();
    Arc::new(Schema::new(fields))
}
