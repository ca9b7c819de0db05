//! The runs of all pipelines: made, retried, recovered, cancelled. One at a time per pipeline.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;
use weir_catalog::{
    Change, Counts, Kind, Object, ObjectId, PipelineBody, Run, RunEnd, RunFilter, RunInput, RunKind, RunOutput, RunStatus, TriggerMark,
};
use weir_sql::Argument;
use weir_sql::statements::create_pipeline::CreatePipeline;
use weir_sql::statements::run_pipeline::RunHow;

use super::arguments::{self, Arguments};
use super::attempt::Landing;
use super::bind::{BoundPipeline, bind};
use super::copying::{Sending, temporary_of};
use super::dead_letters;
use super::drift;
use super::execute::{Landed, landed_in_part};
use super::export::{ExportTo, Exporter};
use super::fail_points::reached;
use super::inputs::{self, Held};
use super::told::{Reads, Told};
use super::upkeep::Upkeep;
use super::{offsets, target};
use crate::clock::{Clock, Micros};
use crate::config::Maintenance;
use crate::delta::Facts;
use crate::engine::{Engine, Scope, catalog_error, definition, reads_upload};
use crate::error::{Code, Error, Result};
use crate::stores::Spool;

/// A request of a person to run a pipeline once.
#[derive(Debug, Clone)]
pub struct RunRequest {
    pub pipeline: Object,
    pub arguments: Vec<Argument>,
    pub how: RunHow,
    /// Answer when the run has ended, or as soon as it is frozen.
    pub wait: bool,
    pub scope: Scope,
}

/// What a run is made from.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) pipeline: Object,
    pub(super) arguments: Arguments,
    pub(super) kind: RunKind,
    /// Of a backfill, where it begins and ends.
    pub(super) range: Option<(String, Option<String>)>,
    /// What set it off, in words.
    pub(super) trigger: String,
    pub(super) requested_by: String,
    /// What its triggers have seen, stored when the run is frozen.
    pub(super) marks: Vec<TriggerMark>,
    /// Of a copy, the file that is read.
    pub(super) sending: Option<Arc<Sending>>,
}

impl Order {
    /// For somebody who asked.
    pub(super) fn by_hand(pipeline: Object, arguments: Arguments, kind: RunKind, trigger: &str, requested_by: String) -> Self {
        Self { pipeline, arguments, kind, range: None, trigger: trigger.to_owned(), requested_by, marks: Vec::new(), sending: None }
    }
}

/// The trigger of a run that somebody asked for.
const BY_HAND: &str = "RUN PIPELINE";

/// How a run went.
#[derive(Debug, Clone)]
pub struct RunReport {
    pub run: Run,
    /// What whoever asked for the run should know.
    pub notices: Vec<String>,
    /// Records of the file that a client sent.
    pub records: i64,
}

impl RunReport {
    fn of(run: Run) -> Self {
        Self { run, notices: Vec::new(), records: 0 }
    }
}

/// How the tries of a run came to their end.
struct Ended {
    error: Option<Error>,
    /// As in [`RunReport::records`].
    records: i64,
}

impl Ended {
    fn by(error: Error) -> Self {
        Self { error: Some(error), records: 0 }
    }
}

/// Between two attempts to write the catalog.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the runs of a hub may take together.
#[derive(Debug, Clone, Copy)]
pub struct RunnerLimits {
    /// Working threads.
    pub workers: usize,
    /// How long events are kept.
    pub keep_events: Duration,
    pub maintenance: Maintenance,
}

/// Pipelines that are planned at the same time: each holds its plan and may wait for its source.
const PLANNED_AT_ONCE: usize = 64;

/// Attempts that take turns on one working thread. Most of the time of an attempt is waiting, and one that waits for long must not hold the
/// others up.
const ATTEMPTS_PER_WORKER: usize = 4;

/// Owns every run. Dropped last, after `close`.
pub struct Runner {
    pub(super) engine: Arc<Engine>,
    pub(super) clock: Clock,
    active: Mutex<HashMap<Uuid, CancellationToken>>,
    turns: Mutex<HashMap<ObjectId, Arc<tokio::sync::Mutex<()>>>>,
    /// Pipelines whose trigger is at work: further triggers join its next round.
    triggered: Mutex<HashSet<ObjectId>>,
    /// What triggers remember, as the catalog has it or will find again.
    pub(super) memories: Mutex<HashMap<(ObjectId, String), serde_json::Value>>,
    pub(super) planners: Semaphore,
    workers: Semaphore,
    pub(super) changed: Notify,
    pub(super) upkeep: Upkeep,
    /// Where files lie that clients send.
    pub(super) spool: Spool,
    exporter: Exporter,
    /// When each pipeline's settled dead letters were last looked at.
    pub(super) swept: Mutex<HashMap<ObjectId, Micros>>,
    pub(super) closing: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Runner {
    /// Starts the scheduler, which first takes up the runs that an earlier life left unfinished.
    pub fn start(engine: Arc<Engine>, clock: Clock, limits: RunnerLimits, spool: Spool, export: &ExportTo) -> Arc<Runner> {
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        let exporter = Exporter::start(export, &engine, &clock, &tasks, &closing);
        let runner = Arc::new(Runner {
            engine,
            clock,
            active: Mutex::default(),
            turns: Mutex::default(),
            triggered: Mutex::default(),
            memories: Mutex::default(),
            planners: Semaphore::new(PLANNED_AT_ONCE),
            workers: Semaphore::new(limits.workers.saturating_mul(ATTEMPTS_PER_WORKER).max(2 * ATTEMPTS_PER_WORKER)),
            changed: Notify::new(),
            upkeep: Upkeep::new(limits.maintenance),
            spool,
            exporter,
            swept: Mutex::default(),
            closing,
            tasks,
        });
        runner.engine.list_options("pipeline", &super::options::SPEC);
        runner.engine.list_options("alert", &super::alerts::ALERT_SPEC);
        runner.sweep_spool();
        let listening = Arc::downgrade(&runner);
        runner.engine.store().when_events(Box::new(move |_| {
            if let Some(runner) = listening.upgrade() {
                runner.changed.notify_one();
            }
        }));
        let scheduler = Arc::clone(&runner);
        runner.tasks.spawn(async move { scheduler.schedule().await });
        let forgetting = Arc::clone(&runner);
        runner.tasks.spawn(async move { forgetting.forget_events(limits.keep_events).await });
        runner
    }

    /// Starts nothing new, lets running attempts reach a safe point, and waits for all of them.
    pub async fn close(&self) {
        self.closing.cancel();
        for token in self.active.lock().values() {
            token.cancel();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Wakes the scheduler after definitions have changed.
    pub fn definitions_changed(&self) {
        self.changed.notify_one();
    }

    /// Asks a run to stop; false when it is not running.
    ///
    /// # Errors
    /// None today; a shared catalog may be out of reach.
    pub fn cancel(&self, run_id: Uuid) -> Result<bool> {
        let active = self.active.lock();
        let token = active.get(&run_id);
        if let Some(token) = token {
            token.cancel();
        }
        Ok(token.is_some())
    }

    /// Runs a pipeline by hand.
    ///
    /// # Errors
    /// Those of the run itself, with its id as detail, when it is waited for.
    pub async fn run(self: &Arc<Self>, request: RunRequest) -> Result<RunReport> {
        let RunRequest { pipeline, arguments, how, wait, scope } = request;
        self.refuse_suspended(&pipeline)?;
        if reads_upload(&definition::pipeline(&pipeline)?) {
            let name = pipeline.full_name();
            return Err(Error::new(Code::WrongState, format!("pipeline \"{name}\" reads a file that is sent with COPY PIPELINE"))
                .hint(format!("COPY PIPELINE {name} FROM STDIN WITH (FORMAT csv, HEADER) runs it.")));
        }
        let (kind, trigger, range) = match how {
            RunHow::New => (RunKind::Manual, BY_HAND, None),
            RunHow::FullRefresh => (RunKind::FullRefresh, "RUN PIPELINE .. FULL REFRESH", None),
            RunHow::Backfill { from, until } => {
                let from = offsets::constant(&self.engine, &from, &scope)?;
                let until = match until {
                    Some(until) => Some(offsets::constant(&self.engine, &until, &scope)?),
                    None => None,
                };
                (RunKind::Backfill, "RUN PIPELINE .. STARTING AT", Some((from, until)))
            }
            RunHow::Dry { .. } => return Err(Error::internal("a dry run is not a run")),
        };
        let arguments = Arguments { given: arguments, condition: None };
        let order = Order { range, ..Order::by_hand(pipeline, arguments, kind, trigger, scope.role) };
        if wait { self.order(order).await } else { self.order_later(order).await }
    }

    /// Who suspends a pipeline may be another than who runs it: until it is resumed, nothing new is read. REPLAY still works, so that what was
    /// left over can be settled before.
    pub(super) fn refuse_suspended(&self, pipeline: &Object) -> Result<()> {
        let Some(now) = self.engine.store().object_by_id(pipeline.id).map_err(catalog_error)? else { return Ok(()) };
        let body: PipelineBody = serde_json::from_value(now.body.clone()).unwrap_or_default();
        if !body.suspended {
            return Ok(());
        }
        let name = now.full_name();
        Err(Error::new(Code::WrongState, format!("pipeline \"{name}\" is suspended"))
            .hint(format!("ALTER PIPELINE {name} RESUME, then run it. RUN PIPELINE {name} DRY RUN shows what it would do.")))
    }

    /// Puts the open dead letters of a pipeline that match a condition back.
    ///
    /// # Errors
    /// As [`Runner::run`].
    pub async fn replay(self: &Arc<Self>, pipeline: &Object, condition: Option<&weir_sql::Expr>, scope: &Scope) -> Result<RunReport> {
        let arguments = Arguments { given: Vec::new(), condition: condition.cloned() };
        let (pipeline, requested_by) = (pipeline.clone(), scope.role.clone());
        self.order(Order::by_hand(pipeline, arguments, RunKind::Replay, "REPLAY PIPELINE", requested_by)).await
    }

    /// Runs and waits. Whoever stops waiting stops the run: it ends as cancelled, in good order.
    pub(super) async fn order(self: &Arc<Self>, order: Order) -> Result<RunReport> {
        let cancel = self.closing.child_token();
        let guard = cancel.clone().drop_guard();
        let runner = Arc::clone(self);
        // A task of its own: the caller's future may be dropped at any await, a run must not.
        let running = self.tasks.spawn(async move { runner.run_once(order, None, cancel).await });
        let (report, error) = running.await.map_err(|error| Error::internal("a run ended early").caused_by(error))??;
        guard.disarm();
        match error {
            Some(error) => {
                let about = format!("run {}; see hub.runs", report.run.run_id);
                let detail = error.detail_text().map_or_else(|| about.clone(), |detail| format!("{detail} ({about})"));
                Err(error.detail(detail))
            }
            None => Ok(report),
        }
    }

    /// Answers as soon as the run is frozen; it goes on in the background.
    pub(super) async fn order_later(self: &Arc<Self>, order: Order) -> Result<RunReport> {
        let (frozen, started) = tokio::sync::oneshot::channel();
        let runner = Arc::clone(self);
        let running = self.tasks.spawn(async move {
            let cancel = runner.closing.child_token();
            runner.run_once(order, Some(frozen), cancel).await
        });
        match started.await {
            Ok(run) => Ok(RunReport::of(run)),
            // It never came to a frozen run: there was nothing new, or it failed at once.
            Err(_) => match running.await.map_err(|error| Error::internal("a run ended early").caused_by(error))?? {
                (_, Some(error)) => Err(error),
                (report, None) => Ok(report),
            },
        }
    }

    /// False when a trigger of the pipeline is at work already.
    pub(super) fn begin(&self, pipeline: ObjectId) -> bool {
        self.triggered.lock().insert(pipeline)
    }

    pub(super) fn done(&self, pipeline: ObjectId) {
        self.triggered.lock().remove(&pipeline);
    }

    /// Whether a trigger of the pipeline is at work.
    pub(super) fn is_triggered(&self, pipeline: ObjectId) -> bool {
        self.triggered.lock().contains(&pipeline)
    }

    /// Whether a run of the pipeline is under way, whoever asked for it.
    pub(super) fn is_at_work(&self, pipeline: ObjectId) -> bool {
        self.is_triggered(pipeline) || self.turn(pipeline).try_lock().is_err()
    }

    fn turn(&self, pipeline: ObjectId) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.turns.lock().entry(pipeline).or_default())
    }

    async fn run_once(
        self: &Arc<Self>,
        request: Order,
        frozen: Option<tokio::sync::oneshot::Sender<Run>>,
        cancel: CancellationToken,
    ) -> Result<(RunReport, Option<Error>)> {
        let turn = self.turn(request.pipeline.id);
        let _turn = self.unless(&cancel, async { Ok(turn.lock().await) }).await?;
        let Some(pipeline) = self.engine.store().object_by_id(request.pipeline.id).map_err(catalog_error)? else {
            return Err(Error::new(Code::UndefinedObject, format!("pipeline \"{}\" does not exist", request.pipeline.full_name())));
        };
        let definition = definition::pipeline(&pipeline)?;
        let scope = self.owner_scope(&pipeline);
        let values = arguments::values(&self.engine, &definition, &request.arguments, &scope).await?;
        let prepared = async {
            let _place = self.planners.acquire().await.map_err(|_| Error::new(Code::ShuttingDown, "the hub is shutting down"))?;
            Ok(self.prepare(&pipeline, &definition, &scope, &values, &request).await)
        };
        let prepared = self.unless(&cancel, prepared).await?;
        let (run, notices) = match prepared {
            Ok((Some(run), notices)) => (run, notices),
            Ok((None, notices)) => {
                for TriggerMark { pipeline_id, trigger, state } in &request.marks {
                    self.engine.store().set_trigger_state(*pipeline_id, trigger, state).map_err(catalog_error)?;
                }
                return Ok((RunReport { notices, ..RunReport::of(self.nothing_new(&pipeline, &request)) }, None));
            }
            Err(error) => return self.failed_before(&pipeline, &request, error).await,
        };
        let run = self.engine.store().freeze_triggered(&run, &request.marks).map_err(catalog_error)?;
        if let Some(sending) = &request.sending {
            sending.file.give_away();
        }
        reached("run.frozen");
        self.exporter.tell(run.run_id, false);
        if let Some(frozen) = frozen {
            // Nobody may be waiting any more.
            drop(frozen.send(run.clone()));
        }
        let (report, error) = self.to_the_end(pipeline, run, cancel).await?;
        Ok((RunReport { notices, ..report }, error))
    }

    /// Work that leaves nothing behind, so that it may be dropped at any await.
    pub(super) async fn unless<T>(&self, cancel: &CancellationToken, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(match self.closing.is_cancelled() {
                true => Error::new(Code::ShuttingDown, "the hub is shutting down"),
                false => Error::new(Code::Cancelled, "canceling run due to user request"),
            }),
            done = work => done,
        }
    }

    /// Binds the pipeline and makes its next run, and what there is to say about it; None when there is nothing new.
    async fn prepare(
        self: &Arc<Self>,
        pipeline: &Object,
        definition: &CreatePipeline,
        scope: &Scope,
        values: &arguments::Values,
        request: &Order,
    ) -> Result<(Option<Run>, Vec<String>)> {
        if let Some(sending) = &request.sending {
            return self.prepare_copy(pipeline, definition, scope, values, request, sending).await;
        }
        if request.kind == RunKind::Replay {
            return Ok((self.prepare_replay(pipeline, definition, scope, values, request).await?, Vec::new()));
        }
        let store = Arc::clone(self.engine.store());
        let bound = bind(&self.engine, definition, scope, store.as_ref(), values.clone(), Some(pipeline.id)).await?;
        let (held, last) = self.held(pipeline, &bound, request)?;
        let (kind, params) = match last {
            Some(last) => (last.kind, last.params),
            None => (request.kind, arguments::json(values)),
        };
        let goes_on = !held.is_empty();
        let (inputs, mut said) = self.next_inputs(pipeline, &bound, request, kind, held).await?;
        if inputs.is_none() && matches!(kind, RunKind::Manual | RunKind::Trigger) {
            inputs::pass_over(&self.engine, pipeline.id, &bound).await?;
        }
        if goes_on {
            said.push("the last run had landed in part: this one goes on with what it left, and with its arguments".to_owned());
        }
        Ok((inputs.map(|inputs| Run { kind, ..self.new_run(pipeline, request, params, inputs) }), said))
    }

    /// What the last run could not land, and that run; nothing when it left nothing.
    fn held(&self, pipeline: &Object, bound: &BoundPipeline, request: &Order) -> Result<(Held, Option<Run>)> {
        // A refresh reads all of it again, and a replay reads nothing of it.
        if !matches!(request.kind, RunKind::Manual | RunKind::Trigger) {
            return Ok((Held::default(), None));
        }
        let store = self.engine.store();
        let filter = RunFilter { pipeline_id: Some(pipeline.id), moves_offsets: true, limit: Some(1), ..RunFilter::default() };
        let Some(last) = store.runs(&filter).map_err(catalog_error)?.into_iter().next() else { return Ok((Held::default(), None)) };
        let filled = target::filled(pipeline, store.as_ref())?;
        let held = Held::by(&self.engine, &last, bound, &filled)?;
        let last = if held.is_empty() { None } else { Some(last) };
        Ok((held, last))
    }

    async fn next_inputs(
        self: &Arc<Self>,
        pipeline: &Object,
        bound: &BoundPipeline,
        request: &Order,
        kind: RunKind,
        held: Held,
    ) -> Result<(Option<Vec<RunInput>>, Vec<String>)> {
        let found = match &request.range {
            Some((from, until)) => inputs::between(bound, from, until.as_deref()).await,
            None => inputs::next(&self.engine, pipeline.id, bound, kind == RunKind::FullRefresh, held).await,
        };
        let mut found = match found {
            Ok(found) => found,
            Err(error) => {
                let streams: Vec<_> = bound.streams().into_iter().cloned().collect();
                return Err(drift::reason(&self.engine, &streams, error).await);
            }
        };
        let left_out = match &mut found {
            Some(inputs) => inputs::settle_columns(&self.engine, bound, inputs).await?,
            // A trigger that finds nothing asks nothing more of the source.
            None if request.kind == RunKind::Manual && request.trigger == BY_HAND => {
                inputs::left_out(&self.engine, pipeline.id, bound).await?
            }
            None => Vec::new(),
        };
        for said in &left_out {
            tracing::warn!(pipeline = %pipeline.full_name(), "{said}");
        }
        Ok((found, left_out))
    }

    pub(super) fn new_run(&self, pipeline: &Object, request: &Order, params: serde_json::Value, inputs: Vec<RunInput>) -> Run {
        let now = self.clock.now();
        Run {
            run_id: Uuid::now_v7(),
            pipeline_id: pipeline.id,
            pipeline: pipeline.full_name(),
            pipeline_version: pipeline.version,
            kind: request.kind,
            trigger: request.trigger.clone(),
            params,
            status: RunStatus::Running,
            attempt: 1,
            batch: 0,
            created_at: now,
            started_at: Some(now),
            ended_at: None,
            counts: Counts::default(),
            error: None,
            sqlstate: None,
            requested_by: request.requested_by.clone(),
            inputs,
        }
    }

    /// There was nothing to do: said to the caller, not stored.
    fn nothing_new(&self, pipeline: &Object, request: &Order) -> Run {
        let run = self.new_run(pipeline, request, serde_json::Value::Null, Vec::new());
        Run { status: RunStatus::Skipped, ended_at: Some(self.clock.now()), ..run }
    }

    /// A run that could not even read its input is still a run: people must see it.
    async fn failed_before(&self, pipeline: &Object, request: &Order, error: Error) -> Result<(RunReport, Option<Error>)> {
        let run = self.new_run(pipeline, request, serde_json::Value::Null, Vec::new());
        // What passes by itself is tried again, for the same reason as now.
        let marks: &[TriggerMark] = if error.code().is_passing() { &[] } else { &request.marks };
        let run = self.engine.store().freeze_triggered(&run, marks).map_err(catalog_error)?;
        self.fail(&run, 1, &error, RunStatus::Failed, Told::default()).await?;
        self.suspend_if_asked(pipeline)?;
        let run = self.stored(run.run_id)?.unwrap_or(run);
        Ok((RunReport::of(run), Some(error)))
    }

    pub(super) fn stored(&self, run_id: Uuid) -> Result<Option<Run>> {
        let filter = RunFilter { run_id: Some(run_id), ..RunFilter::default() };
        Ok(self.engine.store().runs(&filter).map_err(catalog_error)?.into_iter().next())
    }

    /// Tries a frozen run until it lands, fails for good, or is cancelled.
    async fn to_the_end(self: &Arc<Self>, pipeline: Object, run: Run, cancel: CancellationToken) -> Result<(RunReport, Option<Error>)> {
        self.active.lock().insert(run.run_id, cancel.clone());
        let outcome = self.tries(&pipeline, &run, &cancel).await;
        self.active.lock().remove(&run.run_id);
        let Ended { error, records } = outcome?;
        let run = self.stored(run.run_id)?.unwrap_or(run);
        self.let_go(&run);
        self.changed.notify_one();
        Ok((RunReport { records, ..RunReport::of(run) }, error))
    }

    async fn tries(self: &Arc<Self>, pipeline: &Object, run: &Run, cancel: &CancellationToken) -> Result<Ended> {
        let store = self.engine.store();
        let mut attempt = run.attempt;
        let mut reads = Reads::default();
        loop {
            let settings = definition::pipeline(pipeline).and_then(|definition| super::options::Settings::read(&definition.header.options));
            let timeout = settings.as_ref().ok().and_then(|settings| settings.timeout);
            let limit = settings.as_ref().map_or(0, |settings| i64::from(settings.retry_limit));
            let is_tried_again = |error: &Error| error.code().is_passing() && attempt <= limit;
            let tried = {
                let worker = async { self.workers.acquire().await.map_err(|_| Error::new(Code::ShuttingDown, "the hub is shutting down")) };
                match self.unless(cancel, worker).await {
                    Ok(_worker) => self.attempt_in_time(pipeline, run, cancel, timeout, &is_tried_again, &mut reads).await,
                    Err(error) => Err(error),
                }
            };
            let error = match tried {
                Ok(landing) => {
                    let targets: Vec<Object> = landing.landed.iter().map(|landed| landed.target.clone()).collect();
                    let records = self.finish(run, landing).await?;
                    targets.iter().for_each(|target| self.keep_up(target));
                    return Ok(Ended { error: None, records });
                }
                Err(error) => error,
            };
            if self.closing.is_cancelled() {
                // Left unfinished on purpose: the next start takes it up with the same input.
                return Ok(Ended::by(Error::new(Code::ShuttingDown, "the hub is shutting down; the run goes on at the next start")));
            }
            if error.code() == Code::Cancelled && cancel.is_cancelled() {
                self.give_up(pipeline, run, attempt, &error, RunStatus::Cancelled, &reads).await?;
                return Ok(Ended::by(error));
            }
            let retry = settings.ok().filter(|_| is_tried_again(&error));
            let Some(settings) = retry else {
                tracing::error!(pipeline = %run.pipeline, run = %run.run_id, attempt, error = %error.chain(), "run failed");
                self.give_up(pipeline, run, attempt, &error, RunStatus::Failed, &reads).await?;
                self.suspend_if_asked(pipeline)?;
                return Ok(Ended::by(error));
            };
            attempt += 1;
            tracing::warn!(pipeline = %run.pipeline, run = %run.run_id, attempt, error = %error.chain(), "run is tried again");
            let (now, text, state) = (self.clock.now(), error.chain(), error.code().sqlstate());
            if let Err(error) = store.mark_run(run.run_id, RunStatus::Running, attempt, now, Some(&text), Some(state)) {
                tracing::warn!(run = %run.run_id, error = %catalog_error(error).chain(), "the attempt could not be noted");
            }
            tokio::select! {
                () = self.clock.sleep(settings.wait(attempt)) => {}
                () = cancel.cancelled() => {}
            }
        }
    }

    /// An attempt that is stopped when it takes longer than the pipeline's option `timeout` says.
    async fn attempt_in_time(
        self: &Arc<Self>,
        pipeline: &Object,
        run: &Run,
        cancel: &CancellationToken,
        timeout: Option<Duration>,
        is_tried_again: &(dyn Fn(&Error) -> bool + Sync),
        reads: &mut Reads,
    ) -> Result<Landing> {
        let stop = cancel.child_token();
        let work = self.attempt(pipeline, run, &stop, is_tried_again, reads);
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => done,
            late = self.too_late(timeout) => {
                // It stops at its next safe point, and may have landed by then.
                stop.cancel();
                match work.await {
                    Err(error) if error.code() == Code::Cancelled && !cancel.is_cancelled() => Err(late),
                    done => done,
                }
            }
        }
    }

    /// The error of an attempt that takes longer than it may, once it does.
    async fn too_late(&self, timeout: Option<Duration>) -> Error {
        let Some(timeout) = timeout else { return std::future::pending().await };
        self.clock.sleep(timeout).await;
        Error::new(Code::Cancelled, "canceling run due to its timeout")
            .detail(format!("The option timeout of the pipeline is {} ms.", timeout.as_millis()))
            .hint("Give it more time, or smaller batches with batch_files and batch_bytes.".to_owned())
    }

    /// The pipeline as it was when the run was frozen.
    pub(super) fn as_of_run(&self, pipeline: &Object, run: &Run) -> Result<Object> {
        if pipeline.version == run.pipeline_version {
            return Ok(pipeline.clone());
        }
        let versions = self.engine.store().versions(Some(pipeline.id)).map_err(catalog_error)?;
        let then = versions.into_iter().find(|version| version.version == run.pipeline_version);
        Ok(match then {
            Some(then) => Object { definition: then.definition, alters: then.alters, version: then.version, ..pipeline.clone() },
            None => pipeline.clone(),
        })
    }

    /// Answers with the records of the file that a client sent.
    async fn finish(&self, run: &Run, landing: Landing) -> Result<i64> {
        let Landing { landed, streams } = landing;
        let offsets = match run.kind {
            RunKind::Replay | RunKind::Backfill | RunKind::Copy => Vec::new(),
            _ => inputs::offsets(run),
        };
        let mut told = Told::of(run, landed);
        let records = told.take_sent();
        let misfits = std::mem::take(&mut told.misfits);
        let counts = told.counts;
        let end = RunEnd {
            run_id: run.run_id,
            status: RunStatus::Succeeded,
            ended_at: self.clock.now(),
            counts,
            error: None,
            sqlstate: None,
            outputs: told.outputs,
            rules: told.rules,
            offsets: offsets.clone(),
            file_rows: told.file_rows.into_iter().map(|((source, number), records)| (source, number, records)).collect(),
            table_commits: told.commits,
            schema_versions: Vec::new(),
            lineage: told.lineage,
            changes: Vec::new(),
        };
        self.end(&end).await?;
        tracing::info!(pipeline = %run.pipeline, run = %run.run_id, read = counts.read, written = counts.written,
            quarantined = counts.quarantined, dropped = counts.dropped, "run landed");
        reached("run.finished");
        drift::enter_misfits(&self.engine, &streams, &misfits, run.run_id).await;
        self.sweep_letters(run.pipeline_id).await;
        for stream in streams {
            if let Some((_, to)) = offsets.iter().find(|(id, _)| *id == stream.object.id)
                && let Err(error) = stream.source.release(to).await
            {
                tracing::warn!(source = %stream.object.full_name(), error = %error.chain(), "source was not told that its records have landed");
            }
        }
        Ok(records)
    }

    async fn fail(&self, run: &Run, attempt: i64, error: &Error, status: RunStatus, told: Told) -> Result<()> {
        let now = self.clock.now();
        let noted =
            self.engine.store().mark_run(run.run_id, RunStatus::Running, attempt, now, Some(&error.chain()), Some(error.code().sqlstate()));
        if let Err(error) = noted {
            tracing::warn!(run = %run.run_id, error = %catalog_error(error).chain(), "the attempt could not be noted");
        }
        let end = RunEnd {
            run_id: run.run_id,
            status,
            ended_at: now,
            counts: told.counts,
            error: Some(explained(error, run.kind, &told.outputs)),
            sqlstate: Some(error.code().sqlstate().to_owned()),
            outputs: told.outputs,
            rules: told.rules,
            offsets: told.offsets,
            file_rows: Vec::new(),
            table_commits: told.commits,
            schema_versions: Vec::new(),
            lineage: told.lineage,
            changes: Vec::new(),
        };
        self.end(&end).await
    }

    /// Ends a run that will not land. What it has landed nevertheless is told, so that the next run does not land it again. Dead letters that
    /// an attempt committed for an output that did not land are void: the next run reads their records again.
    async fn give_up(&self, pipeline: &Object, run: &Run, attempt: i64, error: &Error, status: RunStatus, reads: &Reads) -> Result<()> {
        let landed = self.landed_in_part(pipeline, run).await?;
        let mut told = Told::of(run, landed);
        if !matches!(run.kind, RunKind::Replay | RunKind::Backfill | RunKind::Copy) && !told.outputs.is_empty() {
            let moved = reads.to_the_end(&told.outputs);
            told.offsets = inputs::offsets(run).into_iter().filter(|(stream, _)| moved.contains(stream)).collect();
        }
        if let Err(error) = self.void_letters(pipeline, run, &told).await {
            tracing::warn!(run = %run.run_id, error = %error.chain(), "the dead letters of a failed run could not be made void");
        }
        self.fail(run, attempt, error, status, told).await
    }

    /// As long as the lake cannot say for a passing reason what has landed, the run does not end: to guess might double its rows.
    async fn landed_in_part(&self, pipeline: &Object, run: &Run) -> Result<Vec<Landed>> {
        if run.kind == RunKind::Replay {
            return Ok(Vec::new());
        }
        let then = self.as_of_run(pipeline, run)?;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match landed_in_part(&self.engine, &then, run).await {
                Ok(landed) => return Ok(landed),
                Err(error) => error,
            };
            if self.closing.is_cancelled() {
                return Err(error);
            }
            tracing::error!(run = %run.run_id, error = %error.chain(), "it cannot be told what a failed run has landed");
            if !error.code().is_passing() {
                return Ok(Vec::new());
            }
            tokio::select! {
                () = self.clock.sleep(pause) => {}
                () = self.closing.cancelled() => {}
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    async fn void_letters(&self, pipeline: &Object, run: &Run, told: &Told) -> Result<()> {
        let table = self.engine.lake().table(dead_letters::LOCATION).await?;
        let mut written = false;
        for target in target::targets_of(pipeline, self.engine.store().as_ref())? {
            written = written || dead_letters::are_written(&table, pipeline.id, target.id, run.batch).await?;
        }
        if !written {
            return Ok(());
        }
        let facts = Facts { run_id: Some(run.run_id), user: pipeline.owner.clone(), extra: BTreeMap::new() };
        if run.kind == RunKind::Replay {
            return self.reopen_letters(pipeline, run, &facts).await;
        }
        let landed: Vec<&str> = told.outputs.iter().map(|output| output.output.as_str()).collect();
        dead_letters::void(&self.engine, &self.owner_scope(pipeline), run.run_id, &landed, &facts).await
    }

    /// Tells the catalog how a run ended. The lake may hold its rows already, so while the catalog cannot be written (a full disk) nothing
    /// is right but to try again.
    async fn end(&self, end: &RunEnd) -> Result<()> {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.engine.store().end_run(end) {
                Ok(()) => {
                    self.exporter.tell(end.run_id, true);
                    return Ok(());
                }
                Err(error) => catalog_error(error),
            };
            if !error.code().is_passing() || self.closing.is_cancelled() {
                return Err(error);
            }
            tracing::error!(run = %end.run_id, error = %error.chain(), "the end of a run cannot be stored; trying again");
            tokio::select! {
                () = self.clock.sleep(pause) => {}
                () = self.closing.cancelled() => {}
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    fn suspend_if_asked(&self, pipeline: &Object) -> Result<()> {
        let store = self.engine.store();
        let Ok(settings) = definition::pipeline(pipeline).and_then(|definition| super::options::Settings::read(&definition.header.options))
        else {
            return Ok(());
        };
        let Some(most) = settings.suspend_after_failures else { return Ok(()) };
        let health = store.pipeline_health(pipeline.id).map_err(catalog_error)?;
        if health.consecutive_failures < most {
            return Ok(());
        }
        let Some(now_object) = store.object_by_id(pipeline.id).map_err(catalog_error)? else { return Ok(()) };
        let body: PipelineBody = serde_json::from_value(now_object.body).unwrap_or_default();
        let body = serde_json::to_value(PipelineBody { suspended: true, ..body })
            .map_err(|error| Error::internal("a body cannot be written").caused_by(error))?;
        tracing::warn!(pipeline = %pipeline.full_name(), failures = health.consecutive_failures, "pipeline is suspended");
        store.apply(&[Change::Body { id: pipeline.id, body }], &pipeline.owner, self.clock.now()).map_err(catalog_error)
    }

    /// Takes up what an earlier life left: the same input, the same batch number.
    pub(super) async fn recover(self: &Arc<Self>) {
        let filter = RunFilter { unfinished: true, ..RunFilter::default() };
        let runs = match self.engine.store().runs(&filter) {
            Ok(runs) => runs,
            Err(error) => {
                tracing::error!(error = %error, "unfinished runs cannot be read");
                return;
            }
        };
        for run in runs {
            let runner = Arc::clone(self);
            // Taken before any trigger can fire: what was begun goes first.
            let turn = self.turn(run.pipeline_id).lock_owned().await;
            self.tasks.spawn(async move {
                let _turn = turn;
                let pipeline = runner.engine.store().object_by_id(run.pipeline_id).map(|known| known.or_else(|| temporary_of(&run)));
                let outcome = match pipeline {
                    Ok(Some(pipeline)) if pipeline.kind == Kind::Pipeline => {
                        tracing::info!(pipeline = %run.pipeline, run = %run.run_id, "unfinished run is taken up");
                        let cancel = runner.closing.child_token();
                        runner.to_the_end(pipeline, run.clone(), cancel).await.map(|_| ())
                    }
                    Ok(_) => {
                        let error = Error::new(Code::UndefinedObject, "the pipeline was dropped");
                        let ended = runner.fail(&run, run.attempt, &error, RunStatus::Failed, Told::default()).await;
                        ended.map(|()| runner.let_go(&Run { status: RunStatus::Failed, ..run.clone() }))
                    }
                    Err(error) => Err(catalog_error(error)),
                };
                if let Err(error) = outcome {
                    tracing::error!(run = %run.run_id, error = %error.chain(), "unfinished run could not be taken up");
                }
            });
        }
    }

    /// Pipelines run as their owner, with names resolved from their own schema first.
    pub fn owner_scope(&self, pipeline: &Object) -> Scope {
        owner_scope(&self.clock, pipeline)
    }
}

/// Where a pipeline looks for unqualified names, whoever created it and whoever runs it.
pub fn search_path(schema: &str) -> Vec<String> {
    let mut path = vec![schema.to_owned()];
    if schema != "public" {
        path.push("public".to_owned());
    }
    path
}

/// The same of a pipeline that is there.
pub(super) fn path_of(pipeline: &Object) -> Vec<String> {
    let body: PipelineBody = serde_json::from_value(pipeline.body.clone()).unwrap_or_default();
    body.search_path.unwrap_or_else(|| search_path(&pipeline.schema))
}

pub(super) fn owner_scope(clock: &Clock, pipeline: &Object) -> Scope {
    Scope {
        role: pipeline.owner.clone(),
        database: "weir".to_owned(),
        search_path: path_of(pipeline),
        time_zone: "UTC".to_owned(),
        now: clock.now(),
        as_of: None,
        positional: Vec::new(),
        named: Vec::new(),
        settings: Arc::new(Vec::new()),
        snapshot: None,
        caller: None,
        rights_of: None,
    }
}

/// The error as `hub.runs` keeps it: cause, detail and hint in one text.
pub(super) fn explained(error: &Error, kind: RunKind, landed: &[RunOutput]) -> String {
    let mut text = error.chain();
    if !landed.is_empty() {
        let names: Vec<&str> = landed.iter().map(|output| output.output.as_str()).collect();
        let next = if matches!(kind, RunKind::Backfill | RunKind::Copy) { "" } else { ": the next run goes on with what is left" };
        text.push_str(&format!(" ({} had landed{next})", names.join(", ")));
    }
    for (word, more) in [("DETAIL", error.detail_text()), ("HINT", error.hint_text())] {
        if let Some(more) = more {
            text.push_str(&format!(" {word}: {more}"));
        }
    }
    text
}
