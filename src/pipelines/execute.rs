//! One attempt at an output of a frozen run: read, judge, commit dead letters, commit rows. May be repeated at will; nothing lands twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::{DFSchema, DataFusionError, TableReference};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use weir_catalog::{Counts, Kind, Lineage, Object, ObjectId, Run, RunKind, TableCommit};
use weir_sql::statements::create_pipeline::{CreatePipeline, Mode, Output};

use super::assemble::{Assembled, DELETE_COLUMN, Fixed, Width, assemble, is_ordered};
use super::bind::{Bound, label};
use super::dead_letters::{self, DeadLetterWriter, Origin};
use super::drift::Misfits;
use super::fail_points::reached;
use super::fan::Tap;
use super::gate::Gates;
use super::history;
use super::inputs::Frozen;
use super::pass::{Pass, RuleCount, Setting, conserve};
use super::replay::{Places, Replayed};
use super::sequence;
use super::target::{self, Target};
use crate::delta::{Committed, Deletions, Facts, Matching, Table, Token, UpsertSpec, WriterOptions, Written};
use crate::engine::{Engine, Scope, catalog_error, definition};
use crate::error::{Code, Error, Result};
use crate::sources::RejectSink;

/// What an attempt achieved, for the catalog.
pub(super) struct Landed {
    pub(super) target: Object,
    pub(super) step: Option<String>,
    pub(super) output: String,
    pub(super) lineage: Vec<Lineage>,
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

/// One output of a run, while it is tried.
pub(super) struct Attempt {
    pub(super) engine: Arc<Engine>,
    pub(super) pipeline: Object,
    pub(super) definition: CreatePipeline,
    /// The owner's, with the values of the parameters.
    pub(super) scope: Scope,
    pub(super) run: Run,
    pub(super) bound: Bound,
    /// Versions of the tables that earlier steps of the run have filled: those are read.
    pub(super) after: HashMap<ObjectId, u64>,
    pub(super) cancel: CancellationToken,
}

/// What an output needs before its rows are read.
pub(super) enum Begun {
    /// Its rows are in the table: an earlier attempt committed them.
    Landed(Box<Landed>),
    /// A replay has no letters of this output.
    Nothing,
    Ready(Box<Ready>),
}

pub(super) struct Ready {
    pub(super) attempt: Arc<Attempt>,
    pub(super) target: Target,
    token: Token,
    /// Version of the table before the run.
    before: u64,
    replayed: Option<Replayed>,
}

/// An output whose plan is there. Nothing of it has run.
pub(super) struct Laid {
    pub(super) ready: Ready,
    pub(super) assembled: Assembled,
    pub(super) rejects: RejectSink,
    letters: DeadLetterWriter,
    places: Option<Places>,
}

impl Attempt {
    /// Finds the target, or what an earlier attempt put into it.
    pub(super) async fn begin(self: &Arc<Self>) -> Result<Begun> {
        let mut target = target::ensure(&self.engine, &self.pipeline, &self.bound, &self.scope).await?;
        let token = Token { app_id: app_id(&self.pipeline, &target.object), batch: self.run.batch };
        if target.table.applied(&token.app_id).await?.is_some_and(|batch| batch >= token.batch) {
            let done = target.table.append(Vec::new(), Some(&token), &self.facts(None)).await?;
            target.tell_sequence(&self.engine, &self.facts(None))?;
            self.supersede_letters().await?;
            return Ok(Begun::Landed(Box::new(self.landed(&target, &done)?)));
        }
        let replayed = Replayed::read(self).await?;
        if replayed.as_ref().is_some_and(|replayed| replayed.letters.num_rows() == 0) {
            return Ok(Begun::Nothing);
        }
        let before = target.table.version().await?;
        target.evolve(&self.engine, &self.facts(None)).await?;
        let is_refresh = self.run.kind == RunKind::FullRefresh;
        sequence::settle(&mut target, &self.bound, is_refresh, &self.facts(None)).await?;
        history::settle(&mut target, &self.bound, is_refresh, &self.facts(None)).await?;
        Ok(Begun::Ready(Box::new(Ready { attempt: Arc::clone(self), target, token, before, replayed })))
    }

    fn origin(&self) -> Origin {
        Origin {
            pipeline: self.pipeline.full_name(),
            run_id: self.run.run_id,
            step: self.bound.step_name.clone(),
            output: self.label().to_owned(),
            first_seen: self.run.created_at,
        }
    }

    /// What the catalog and the dead letters call the output.
    fn label(&self) -> &str {
        &self.bound.label
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
            Mode::ScdType2 { .. } => {
                let columns = target.reshaped.clone().unwrap_or_else(|| target.table.schema());
                let spec = history::spec(&self.bound, &columns)?;
                let rows = self.settled_rows(pass)?;
                let facts = || self.facts(Some(self.record(pass, before)));
                match refresh {
                    true => target.table.rebuild_history(rows, &spec, target.reshaped.as_ref(), Some(token), &facts).await,
                    false => target.table.record_history(rows, &spec, Some(token), &facts).await,
                }
            }
            mode => {
                let streams = (0..pass.partitions()).map(|at| Ok(stream(pass, pass.rows(at)?))).collect::<Result<Vec<_>>>()?;
                let written = write_all(target, streams).await?;
                self.settle(pass).await?;
                let facts = || self.facts(Some(self.record(pass, before)));
                match mode {
                    Mode::Append if !refresh => target.table.append(written, Some(token), &facts()).await,
                    Mode::ReplacePartitions if !refresh => target.table.replace_partitions(written, Some(token), &facts()).await,
                    // A refresh does not touch the other rows either: nothing would bring them back.
                    Mode::ReplaceWhere(condition) => self.replace_where(condition, target, token, written, &facts()).await,
                    _ => self.swap(pass, target, token, before, written, None).await,
                }
            }
        }
    }

    /// Rows that meet the condition go, all others stay. The new ones all meet it: a rule says so.
    async fn replace_where(
        &self,
        condition: &weir_sql::Expr,
        target: &Target,
        token: &Token,
        written: Vec<Written>,
        facts: &Facts,
    ) -> Result<Committed> {
        let relation = TableReference::bare(target.object.name.clone());
        let columns = DFSchema::try_from_qualified_schema(relation.clone(), &target.table.schema()).map_err(Engine::error)?;
        let predicate = self.engine.plan_expr(condition, &columns, &self.scope).await?;
        let session = self.engine.state(&self.scope);
        let rows = Matching { session: &session, relation, predicate: Some(predicate.is_true()), key: &[] };
        target.table.replace(written, None, None, Some(&rows), Some(token), facts).await
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

    /// The end of the pass: limits are judged, the sum is checked, and the dead letters of all outputs are committed before any row.
    async fn settle(&self, pass: &Pass) -> Result<()> {
        pass.check_reject_percent()?;
        conserve(&pass.counts())?;
        pass.is_read();
        let gates = &pass.setting.gates;
        gates.judged.pass(&self.cancel).await?;
        self.commit_letters(pass).await?;
        reached("deadletters.committed");
        fail::fail_point!("target.refused", |_| Err(Error::new(Code::Internal, "a test wants the table to refuse")));
        gates.told.pass(&self.cancel).await
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
        let _turn = pass.setting.gates.letters.lock().await;
        let table = self.letters_table().await?;
        let fresh = DeadLetterWriter::new(Arc::clone(&table), self.origin());
        let letters = std::mem::replace(&mut *pass.setting.letters.lock().await, fresh);
        let (pipeline, target, batch) = (self.pipeline.id, pass.setting.target.object.id, self.run.batch);
        if dead_letters::are_written(&table, pipeline, target, batch).await? {
            return Ok(());
        }
        let token = Token { app_id: dead_letters::app_id(pipeline, target), batch };
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
        let output = (self.definition.outputs().len() > 1).then(|| self.label());
        let of = (self.pipeline.full_name(), output);
        dead_letters::supersede(&self.engine, &self.scope, (&of.0, of.1), self.run.run_id, &self.facts(None)).await
    }

    /// A run that fails for its data leaves what it rejected as evidence. When the run ends, these letters are made void.
    async fn keep_evidence(&self, pass: &Pass, error: &Error) {
        let about_data = matches!(
            error.code(),
            Code::RejectLimit | Code::CheckViolated | Code::ForeignKeyViolated | Code::UniqueViolated | Code::NotNullViolated
        );
        if !about_data || self.run.kind == RunKind::Replay {
            return;
        }
        if let Err(problem) = self.commit_letters(pass).await {
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
        let mode = mode_word(&self.bound.mode);
        let record = record_of(done, mode, &self.run)?;
        let commits = vec![commit_of(&target.object, done, mode, &self.run)];
        Ok(Landed {
            target: target.object.clone(),
            step: self.bound.step_name.clone(),
            output: self.label().to_owned(),
            lineage: super::facts::edges(&target.object, super::facts::lineage(&self.engine, &self.pipeline, &self.bound)),
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

impl Ready {
    /// Whether its rows must keep their order.
    pub(super) fn is_ordered(&self) -> bool {
        is_ordered(&self.attempt.bound.mode, &self.attempt.bound.output, &self.target.object)
    }

    /// Plans what is to be read. `partitions` is how many the streams have, which every output of the step must agree on.
    pub(super) async fn lay(mut self, partitions: usize) -> Result<Laid> {
        let attempt = Arc::clone(&self.attempt);
        let (engine, bound) = (&attempt.engine, &attempt.bound);
        let width = Width { partitions: if self.is_ordered() { 1 } else { engine.threads() } };
        let rejects = RejectSink::default();
        let mut frozen = Frozen::open(engine, &attempt.run, &bound.streams, &rejects, partitions).await?;
        frozen.read_after(&attempt.after);
        let replayed = self.replayed.take();
        if let Some(replayed) = &replayed {
            replayed.substitute(&attempt, &mut frozen, &rejects).await?;
        }
        let store = Arc::clone(engine.store());
        let (mut planned, sequence) = sequence::plan(engine, &bound.output, &attempt.scope, store.as_ref(), Some(&frozen)).await?;
        if let Some(replayed) = &replayed {
            planned.plan = replayed.beside(planned.plan, &rejects)?;
        }
        // The rows that a full refresh replaces are none that its own could clash with.
        let mode = match &bound.mode {
            Mode::Append if attempt.run.kind == RunKind::FullRefresh => &Mode::Replace,
            mode => mode,
        };
        let in_place = replayed.is_some() && self.is_ordered();
        let fixed = Fixed { planned, sequence, relations: &frozen, in_place };
        let assembled = assemble(engine, &attempt.scope, fixed, &bound.output, mode, &self.target, width).await?;
        let table = attempt.letters_table().await?;
        let (letters, places) = match replayed {
            Some(replayed) => {
                let places = Places::of(&replayed.letters)?;
                (DeadLetterWriter::again(table, attempt.origin(), replayed.letters), Some(places))
            }
            None => (DeadLetterWriter::new(table, attempt.origin()), None),
        };
        Ok(Laid { ready: self, assembled, rejects, letters, places })
    }
}

impl Laid {
    /// Reads, judges and writes; the rows are in the table when it returns.
    pub(super) async fn land(self, gates: Arc<Gates>, tap: Option<Arc<Tap>>) -> Result<Landed> {
        let Laid { ready: Ready { attempt, mut target, token, before, replayed: _ }, assembled, rejects, letters, places } = self;
        let setting = Setting {
            run_id: attempt.run.run_id,
            ingested_at: attempt.run.created_at,
            reject_limit: attempt.definition.header.reject_limit,
            rejects,
            cancel: attempt.cancel.clone(),
            target: target.clone(),
            letters: Mutex::new(letters),
            places,
            gates,
            tap,
        };
        let pass = Pass::new(assembled, setting)?;
        match attempt.write(&pass, &target, &token, before).await {
            Ok(done) => {
                reached("target.committed");
                target.tell_sequence(&attempt.engine, &attempt.facts(None))?;
                attempt.supersede_letters().await?;
                let landed = attempt.landed(&target, &done)?;
                Ok(Landed { file_rows: file_rows(&pass.setting.rejects), misfits: pass.misfits(), ..landed })
            }
            Err(error) => {
                attempt.keep_evidence(&pass, &error).await;
                Err(error)
            }
        }
    }
}

/// What a run that will not go on has landed. Its pipeline is given as the run knew it; no query is planned.
pub(super) async fn landed_in_part(engine: &Arc<Engine>, pipeline: &Object, run: &Run) -> Result<Vec<Landed>> {
    let definition = definition::pipeline(pipeline)?;
    let filled = target::filled(pipeline, engine.store().as_ref())?;
    let outputs: Vec<&Output> = filled.iter().map(|(output, _)| output).collect();
    let mut landed = Vec::new();
    for (output, object) in &filled {
        let token = Token { app_id: app_id(pipeline, object), batch: run.batch };
        let table = engine.table(object).await?;
        if table.applied(&token.app_id).await? != Some(run.batch) {
            continue;
        }
        let facts = Facts { run_id: Some(run.run_id), user: pipeline.owner.clone(), extra: BTreeMap::new() };
        let done = table.append(Vec::new(), Some(&token), &facts).await?;
        let mode = mode_word(output.mode.as_ref().unwrap_or(&Mode::Append));
        let record = record_of(&done, mode, run)?;
        landed.push(Landed {
            step: definition.step_of(&output.target).map(|step| step.value.clone()),
            output: label(output, &outputs),
            lineage: Vec::new(),
            mode,
            counts: record.counts,
            rules: record.rules,
            before: record.before,
            version: done.version,
            commits: vec![commit_of(object, &done, mode, run)],
            file_rows: record.files,
            misfits: Misfits::new(),
            target: object.clone(),
        });
    }
    Ok(landed)
}

pub(super) fn mode_word(mode: &Mode) -> &'static str {
    match mode {
        Mode::Append => "append",
        Mode::Upsert { .. } => "upsert",
        Mode::ScdType2 { .. } => "scd type 2",
        Mode::Replace => "replace",
        Mode::ReplaceWhere(_) => "replace where",
        Mode::ReplacePartitions => "replace partitions",
    }
}

/// What a commit says of its run.
fn record_of(done: &Committed, mode: &str, run: &Run) -> Result<Record> {
    let mut record: Record = match done.facts.extra.get(RECORD) {
        Some(text) => {
            serde_json::from_str(text).map_err(|error| Error::internal("the record of a commit cannot be read").caused_by(error))?
        }
        None => Record::default(),
    };
    // The refresh of an upsert has counted them itself.
    if mode == "scd type 2" || (mode == "upsert" && run.kind != RunKind::FullRefresh) {
        record.counts.duplicates += done.rows.ignored;
        record.counts.written -= done.rows.ignored;
    }
    conserve(&record.counts)?;
    Ok(record)
}

/// Under this name the runs of a pipeline commit rows to one of its targets, each batch once.
pub(super) fn app_id(pipeline: &Object, target: &Object) -> String {
    format!("{}/{}", pipeline.id.0, target.id.0)
}

fn file_rows(sink: &RejectSink) -> Vec<(ObjectId, i64, i64)> {
    sink.files().into_iter().map(|((source, number), records)| (source, number, records)).collect()
}

fn commit_of(table: &Object, done: &Committed, operation: &str, run: &Run) -> TableCommit {
    let operation = if operation == "scd type 2" { "merge" } else { operation.split(' ').next().unwrap_or(operation) };
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
