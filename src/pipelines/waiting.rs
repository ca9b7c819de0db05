//! What a trigger waits for, and whether it has come.
//!
//! What a trigger has seen is stored in the transaction that freezes the run which it set off: a crash before asks again, a crash after does
//! not. What comes while a run is under way is seen at the next look, all of it together.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use datafusion::common::ScalarValue;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use weir_catalog::{EventFilter, Kind, Object, ObjectId, TriggerMark, events};
use weir_sql::Expr;
use weir_sql::statements::create_pipeline::{AfterOutcome, Trigger, TriggerKind, UpdateWait};

use super::runner::Runner;
use super::schedule::Schedule;
use super::watches;
use crate::clock::Micros;
use crate::engine::{Engine, Scope, catalog_error, definition, streams};
use crate::error::{Error, Result};
use crate::sources::BatchLimit;

/// Micro-batches of one pipeline are at least this far apart.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// How often a lake table is asked for its version.
pub(super) const TABLE_POLL: Duration = Duration::from_secs(1);

/// A trigger, ready to be asked.
#[derive(Debug, Clone)]
pub(super) struct Armed {
    pub(super) trigger: Trigger,
    schedule: Option<Schedule>,
    /// Of AFTER PIPELINE.
    pipelines: Vec<ObjectId>,
}

/// The moment at which triggers are asked: the time, and the last event that there was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Micros,
    pub(super) newest_event: i64,
}

/// What has happened since the look before, so that a trigger that has seen everything up to then need not ask the catalog.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) since: i64,
    pub(super) kinds: HashSet<String>,
    pub(super) objects: HashSet<ObjectId>,
}

/// What a glance that costs next to nothing tells.
pub(super) enum Glance {
    /// Worth asking.
    Now,
    /// Not before.
    At(Micros),
    /// Only an event can change it.
    Quiet,
}

/// What the trigger remembers when it fires.
pub(super) enum Answer {
    Fires(Option<Json>),
    Waits,
}

/// What a trigger that waits for events has seen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    seen: i64,
    /// Pipelines that were over before that, of those it waits for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    done: BTreeSet<ObjectId>,
}

/// Versions of lake tables that a trigger has seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Versions {
    versions: BTreeMap<ObjectId, u64>,
}

impl Armed {
    pub(super) fn new(trigger: &Trigger, pipeline: &Object, runner: &Runner) -> Result<Self> {
        let mut pipelines = Vec::new();
        if let TriggerKind::After { pipelines: names, .. } = &trigger.kind {
            for name in names {
                pipelines.push(watches::named(Kind::Pipeline, name, &pipeline.schema, runner.engine.store().as_ref())?.id);
            }
        }
        Ok(Self { trigger: trigger.clone(), schedule: Schedule::parse(trigger)?, pipelines })
    }

    /// How far apart its runs are at least; None when nobody said so.
    pub(super) fn pause(&self) -> Option<Micros> {
        match &self.trigger.kind {
            TriggerKind::Update { at_most_every, .. } => at_most_every.and_then(|interval| interval.as_micros()),
            _ => None,
        }
    }

    /// When it is asked again after it was asked now; None when its own state tells.
    pub(super) fn again(&self, now: Micros, poll: Micros) -> Option<Micros> {
        let pause = || self.pause().unwrap_or_else(|| micros(AT_MOST_EVERY));
        match &self.trigger.kind {
            TriggerKind::Update { of, .. } if of.is_empty() => Some(now.saturating_add(poll.max(pause()))),
            TriggerKind::Update { .. } => Some(now.saturating_add(micros(TABLE_POLL).max(pause()))),
            TriggerKind::Event { .. } => Some(now.saturating_add(micros(AT_MOST_EVERY))),
            TriggerKind::Every { .. } | TriggerKind::Cron { .. } | TriggerKind::After { .. } => None,
        }
    }

    /// What it remembers when what came is to be passed over.
    pub(super) fn passed_over(&self, at: Moment) -> Option<Json> {
        match &self.trigger.kind {
            TriggerKind::Every { .. } | TriggerKind::Cron { .. } => Some(json!({ "last_fired": at.now })),
            TriggerKind::After { .. } | TriggerKind::Event { .. } => Some(json!({ "seen": at.newest_event })),
            TriggerKind::Update { .. } => None,
        }
    }
}

impl Runner {
    /// Whether it is worth asking the trigger.
    pub(super) fn glance(&self, pipeline: &Object, armed: &Armed, at: Moment, news: &News) -> Result<Glance> {
        if let Some(schedule) = &armed.schedule {
            return Ok(match schedule.next_after(self.last_fired(pipeline, &armed.trigger, at.now)?) {
                Some(next) if next <= at.now => Glance::Now,
                Some(next) => Glance::At(next),
                None => Glance::Quiet,
            });
        }
        let TriggerKind::Event { name, .. } = &armed.trigger.kind else {
            return match &armed.trigger.kind {
                TriggerKind::After { on, .. } => self.glance_after(pipeline, armed, *on, at, news),
                _ => Ok(Glance::Now),
            };
        };
        let seen = self.seen(pipeline, &armed.trigger)?;
        if seen.seen >= at.newest_event {
            return Ok(Glance::Quiet);
        }
        if seen.seen < news.since || news.kinds.contains(name) {
            let filter =
                EventFilter { after: seen.seen, to: Some(at.newest_event), kind: Some(name.clone()), limit: Some(1), object: None };
            if !self.engine.store().events(&filter).map_err(catalog_error)?.is_empty() {
                return Ok(Glance::Now);
            }
        }
        self.pass_by(pipeline, &armed.trigger, seen.done, at)?;
        Ok(Glance::Quiet)
    }

    fn glance_after(&self, pipeline: &Object, armed: &Armed, on: AfterOutcome, at: Moment, news: &News) -> Result<Glance> {
        let seen = self.seen(pipeline, &armed.trigger)?;
        if seen.seen >= at.newest_event && !armed.pipelines.iter().all(|id| seen.done.contains(id)) {
            return Ok(Glance::Quiet);
        }
        let mut done = seen.done.clone();
        for id in &armed.pipelines {
            let may_be_over = seen.seen < news.since || news.objects.contains(id);
            if !done.contains(id) && may_be_over && self.is_over(*id, on, seen.seen, at)? {
                done.insert(*id);
            }
        }
        if armed.pipelines.iter().all(|id| done.contains(id)) {
            return Ok(Glance::Now);
        }
        self.pass_by(pipeline, &armed.trigger, done, at)?;
        Ok(Glance::Quiet)
    }

    /// Whether a run of the pipeline has ended that way, behind the event `after`.
    fn is_over(&self, pipeline: ObjectId, on: AfterOutcome, after: i64, at: Moment) -> Result<bool> {
        let kinds: &[&str] = match on {
            AfterOutcome::Success => &[events::RUN_COMPLETED],
            AfterOutcome::Failure => &[events::RUN_FAILED],
            AfterOutcome::Completion => &[events::RUN_COMPLETED, events::RUN_FAILED, events::RUN_CANCELLED],
        };
        for kind in kinds {
            let filter =
                EventFilter { after, to: Some(at.newest_event), kind: Some((*kind).to_owned()), object: Some(pipeline), limit: Some(1) };
            if !self.engine.store().events(&filter).map_err(catalog_error)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Notes that nothing up to this moment has set the trigger off. The catalog is told now and then: after a crash the same is found again.
    fn pass_by(&self, pipeline: &Object, trigger: &Trigger, done: BTreeSet<ObjectId>, at: Moment) -> Result<()> {
        let state = to_json(&Seen { seen: at.newest_event, done })?;
        self.memories.lock().insert((pipeline.id, trigger.text.clone()), state);
        Ok(())
    }

    /// Asks the trigger: may read sources and evaluate conditions.
    pub(super) async fn ask(&self, pipeline: &Object, armed: &Armed, at: Moment) -> Result<Answer> {
        match &armed.trigger.kind {
            TriggerKind::Every { .. } | TriggerKind::Cron { .. } | TriggerKind::After { .. } => Ok(Answer::Fires(armed.passed_over(at))),
            TriggerKind::Update { of, .. } if of.is_empty() => match self.may_have_new(pipeline).await? {
                true => Ok(Answer::Fires(None)),
                false => Ok(Answer::Waits),
            },
            TriggerKind::Update { of, wait, .. } => {
                let mut relations = Vec::new();
                for name in of {
                    relations.push(watches::named(Kind::Table, name, &pipeline.schema, self.engine.store().as_ref())?);
                }
                self.ask_relations(pipeline, &armed.trigger, *wait, &relations).await
            }
            TriggerKind::Event { name, when } => {
                let seen = self.seen(pipeline, &armed.trigger)?;
                let fires = self.has_event(pipeline, name, when.as_ref(), seen.seen, at).await?;
                if fires {
                    return Ok(Answer::Fires(armed.passed_over(at)));
                }
                // None of them meant it: they need not be judged again.
                self.pass_by(pipeline, &armed.trigger, BTreeSet::new(), at)?;
                Ok(Answer::Waits)
            }
        }
    }

    /// Whether it is worth planning a run: where all streams are lake tables or the log of events, a look at them tells.
    async fn may_have_new(&self, pipeline: &Object) -> Result<bool> {
        let streams = streams::of_pipeline(self.engine.store().as_ref(), pipeline)?;
        let reads_events = streams::reads_events(pipeline);
        if (streams.is_empty() && !reads_events) || streams.iter().any(|stream| stream.kind != Kind::Table) {
            return Ok(true);
        }
        if reads_events {
            let from = self.engine.store().offset(pipeline.id, events::RELATION).map_err(catalog_error)?;
            let log = self.engine.event_stream(&pipeline.owner, Some(pipeline.id));
            if log.next(from.as_ref(), &BatchLimit { files: 1, bytes: u64::MAX }).await?.is_some() {
                return Ok(true);
            }
            if let Some(from) = from
                && let Some(to) = log.passes_over(&from).await?
            {
                self.engine.store().set_offset(pipeline.id, events::RELATION, Some(&to), self.clock.now()).map_err(catalog_error)?;
            }
        }
        for stream in streams {
            let from = self.engine.store().offset(pipeline.id, stream.id).map_err(catalog_error)?;
            let version = self.engine.table(&stream).await?.version().await?;
            let read = from.as_ref().and_then(|from| from.get("version")).and_then(Json::as_u64);
            if read != Some(version) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether any, or all, of the relations have something new.
    async fn ask_relations(&self, pipeline: &Object, trigger: &Trigger, wait: UpdateWait, relations: &[Object]) -> Result<Answer> {
        let store = self.engine.store();
        let known: Versions = self.state(pipeline, trigger)?.and_then(|state| serde_json::from_value(state).ok()).unwrap_or_default();
        let mut versions = known.versions.clone();
        let mut new = 0_usize;
        for relation in relations {
            let is_new = match relation.kind {
                Kind::Source => {
                    let from = store.offset(pipeline.id, relation.id).map_err(catalog_error)?;
                    let source = self.engine.source(relation).await?;
                    source.next(from.as_ref(), &BatchLimit { files: 1, bytes: u64::MAX }).await?.is_some()
                }
                _ => {
                    let version = self.engine.table(relation).await?.version().await?;
                    // Rows that are there when the trigger is made are new to it, as those of a stream are. An empty table has version 0.
                    let seen = known.versions.get(&relation.id).copied().unwrap_or(0);
                    versions.insert(relation.id, version);
                    version > seen && self.has_changed(relation.id, seen, version)?
                }
            };
            new = new.saturating_add(usize::from(is_new));
        }
        let enough = match wait {
            UpdateWait::Any => new > 0,
            UpdateWait::All => new == relations.len(),
        };
        match enough {
            true => Ok(Answer::Fires(Some(to_json(&Versions { versions })?))),
            false => Ok(Answer::Waits),
        }
    }

    /// Whether any commit between two versions of a table has changed its rows: putting its files together has not.
    fn has_changed(&self, table: ObjectId, from: u64, to: u64) -> Result<bool> {
        let commits = self.engine.store().table_commits_after(table, from).map_err(catalog_error)?;
        let kept = commits.iter().filter(|commit| commit.version <= to && commit.operation == "OPTIMIZE").count();
        // What the hub did not commit itself it does not know, and takes for a change.
        Ok(u64::try_from(kept).unwrap_or(u64::MAX) < to.saturating_sub(from))
    }

    /// Whether there is an event of that type behind `after` that the owner may know of, that the condition lets through and that is not
    /// about the pipeline itself: its own runs must not set it off without end.
    async fn has_event(&self, pipeline: &Object, name: &str, when: Option<&Expr>, after: i64, at: Moment) -> Result<bool> {
        let values = [
            ("weir_after", ScalarValue::from(after)),
            ("weir_to", ScalarValue::from(at.newest_event)),
            ("weir_type", ScalarValue::from(name)),
            ("weir_self", ScalarValue::from(pipeline.full_name())),
        ];
        let named = values.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let scope = Scope { named, ..self.owner_scope(pipeline) };
        let query = event_query(when)?;
        let planned = self.engine.plan(&query, &scope, self.engine.store().as_ref(), None).await.map_err(Error::without_position)?;
        let mut rows = self.engine.rows(planned).await?;
        while let Some(batch) = rows.try_next().await.map_err(Engine::error)? {
            if batch.num_rows() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn last_fired(&self, pipeline: &Object, trigger: &Trigger, now: Micros) -> Result<Micros> {
        let state = self.state(pipeline, trigger)?;
        if let Some(last) = state.as_ref().and_then(|state| state.get("last_fired")).and_then(Json::as_i64) {
            return Ok(last);
        }
        // Being defined is not a tick.
        self.remember(pipeline, trigger, &json!({ "last_fired": now }))?;
        Ok(now)
    }

    /// What a trigger that waits for events has seen. A new one has seen all that was there when its pipeline was defined.
    fn seen(&self, pipeline: &Object, trigger: &Trigger) -> Result<Seen> {
        if let Some(seen) = self.state(pipeline, trigger)?.and_then(|state| serde_json::from_value(state).ok()) {
            return Ok(seen);
        }
        let seen = self.engine.store().last_event_at(pipeline.changed_at).map_err(catalog_error)?;
        let seen = Seen { seen, ..Seen::default() };
        self.remember(pipeline, trigger, &to_json(&seen)?)?;
        Ok(seen)
    }

    /// What the trigger remembers. Only this runner writes it, so what was read once need not be read again.
    fn state(&self, pipeline: &Object, trigger: &Trigger) -> Result<Option<Json>> {
        let key = (pipeline.id, trigger.text.clone());
        if let Some(known) = self.memories.lock().get(&key) {
            return Ok(Some(known.clone()));
        }
        let stored = self.engine.store().trigger_state(pipeline.id, &trigger.text).map_err(catalog_error)?;
        if let Some(stored) = &stored {
            self.memories.lock().insert(key, stored.clone());
        }
        Ok(stored)
    }

    pub(super) fn remember(&self, pipeline: &Object, trigger: &Trigger, state: &Json) -> Result<()> {
        self.engine.store().set_trigger_state(pipeline.id, &trigger.text, state).map_err(catalog_error)?;
        self.memories.lock().insert((pipeline.id, trigger.text.clone()), state.clone());
        Ok(())
    }

    /// What is remembered and not stored, to be stored. Only while no run of the pipeline is being set off, which stores more.
    pub(super) fn not_stored(&self, pipeline: &Object, armed: &Armed) -> Result<Option<TriggerMark>> {
        let key = (pipeline.id, armed.trigger.text.clone());
        let Some(state) = self.memories.lock().get(&key).cloned() else { return Ok(None) };
        let stored = self.engine.store().trigger_state(pipeline.id, &armed.trigger.text).map_err(catalog_error)?;
        Ok((stored.as_ref() != Some(&state)).then_some(TriggerMark { pipeline_id: pipeline.id, trigger: key.1, state }))
    }

    /// What the catalog says counts from now on: a run may have stored it.
    pub(super) fn forget_memories(&self, pipeline: ObjectId) {
        self.memories.lock().retain(|(id, _), _| *id != pipeline);
    }

    /// The last event that every trigger has seen: those behind it must stay in the log.
    pub(super) fn seen_by_all(&self) -> Result<i64> {
        let store = self.engine.store();
        let mut least = i64::MAX;
        let mut objects = store.objects(Some(Kind::Pipeline), None).map_err(catalog_error)?;
        objects.extend(store.objects(Some(Kind::Alert), None).map_err(catalog_error)?);
        for pipeline in objects {
            let triggers = match pipeline.kind {
                Kind::Alert => definition::alert(&pipeline).map(|alert| alert.trigger.into_iter().collect()),
                _ => definition::pipeline(&pipeline).map(|definition| definition.header.triggers),
            };
            for trigger in &triggers.unwrap_or_default() {
                if matches!(trigger.kind, TriggerKind::After { .. } | TriggerKind::Event { .. }) {
                    // What is stored, which may be less than what is remembered: a restart reads from there.
                    let stored = store.trigger_state(pipeline.id, &trigger.text).map_err(catalog_error)?;
                    let seen = match stored.and_then(|state| serde_json::from_value::<Seen>(state).ok()) {
                        Some(seen) => seen,
                        None => self.seen(&pipeline, trigger)?,
                    };
                    least = least.min(seen.seen);
                }
            }
        }
        Ok(least)
    }
}

/// The events that a trigger waits for. The condition is the user's own text, in brackets that the parser has matched.
///
/// # Errors
/// What is wrong with the condition.
pub(super) fn event_query(when: Option<&Expr>) -> Result<weir_sql::Query> {
    let when = when.map_or_else(|| "true".to_owned(), |when| format!("({}\n)", when.text));
    let text = format!(
        "SELECT seq FROM hub.events WHERE seq > $weir_after AND seq <= $weir_to AND type = $weir_type
         AND (subject IS NULL OR subject <> $weir_self) AND {when}"
    );
    weir_sql::parse_query(&text).map_err(definition::syntax_error)
}

fn to_json<T: Serialize>(value: &T) -> Result<Json> {
    serde_json::to_value(value).map_err(|error| Error::internal("the state of a trigger cannot be written").caused_by(error))
}

pub(super) fn micros(time: Duration) -> Micros {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
