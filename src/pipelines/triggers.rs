//! What sets pipelines and alerts off: the clock, new records, other pipelines, events.
//!
//! One loop for all of them looks what is due and starts at most one run of each. After downtime a schedule fires once, not once per missed
//! tick; what comes during a run makes one more run, or none where the pipeline says so.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use weir_catalog::{EventFilter, Kind, Object, ObjectId, PipelineBody, RunKind, RunStatus, TriggerMark, events};
use weir_sql::OptionValue;
use weir_sql::statements::create_alert::CreateAlert;
use weir_sql::statements::create_pipeline::Trigger;

use super::alerts;
use super::arguments::Arguments;
use super::fail_points::reached;
use super::options::{Overlap, Settings};
use super::runner::{Order, Runner};
use super::waiting::{Answer, Armed, Glance, Moment, News, TABLE_POLL, micros};
use crate::clock::Micros;
use crate::engine::{catalog_error, definition, streams};
use crate::error::{Code, Result};

/// How often sources are asked when nothing says otherwise.
const POLL: Duration = Duration::from_secs(5);
/// The loop looks at least this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// A trigger that failed is not tried again at once.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
const AFTER_FAILURE_MOST: Duration = Duration::from_secs(300);

/// When what is due next. Kept in memory; what must survive is in the catalog.
#[derive(Default)]
struct Due {
    /// When a trigger is asked again.
    next: HashMap<(ObjectId, String), Micros>,
    failures: HashMap<ObjectId, u32>,
    /// A pipeline that failed is left alone until then, whatever its triggers say; what comes meanwhile becomes one run.
    not_before: HashMap<ObjectId, Micros>,
}

type SharedDue = Arc<parking_lot::Mutex<Due>>;

/// How often what triggers have passed by is stored, so that the log of events need not keep it for them.
const STORED_EVERY: Duration = Duration::from_secs(1800);

/// The pipelines with their triggers, read anew when definitions have changed.
#[derive(Default)]
struct Watchlist {
    /// The last event that was looked at.
    looked: i64,
    stored_at: Micros,
    generation: Option<u64>,
    pipelines: Vec<Arc<Watched>>,
    /// Of a source at a version.
    polls: HashMap<(ObjectId, i64), Micros>,
}

struct Watched {
    object: Object,
    is_suspended: bool,
    armed: Vec<Armed>,
    overlap: Overlap,
    /// Sources that it reads, and lake tables that it reads as streams.
    sources: Vec<ObjectId>,
    poll: Micros,
    /// When it is an alert.
    alert: Option<Arc<CreateAlert>>,
}

/// In place of a trigger's text: when an alert must be asked whatever its trigger says.
const HELD: &str = "";

/// What a definition says of its triggers.
struct Equipment {
    armed: Vec<Armed>,
    overlap: Overlap,
    sources: Vec<ObjectId>,
    alert: Option<Arc<CreateAlert>>,
}

impl Default for Equipment {
    fn default() -> Self {
        Self { armed: Vec::new(), overlap: Overlap::Queue, sources: Vec::new(), alert: None }
    }
}

impl Watched {
    fn equipment(&self) -> Equipment {
        Equipment { armed: self.armed.clone(), overlap: self.overlap, sources: self.sources.clone(), alert: self.alert.clone() }
    }
}

/// Whether an alert waits for how long its rows have been there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    No,
    Over,
    Unknown,
}

impl Runner {
    pub(super) async fn schedule(self: Arc<Self>) {
        self.recover().await;
        let due = SharedDue::default();
        let mut watchlist = Watchlist::default();
        while !self.closing.is_cancelled() {
            let now = self.clock.now();
            let wake = match self.look(&mut watchlist, now, &due) {
                Ok(wake) => wake.unwrap_or(Micros::MAX),
                Err(error) => {
                    tracing::error!(error = %error.chain(), "pipelines cannot be read");
                    Micros::MAX
                }
            };
            tokio::select! {
                () = self.clock.sleep_until(wake.min(now.saturating_add(micros(LONGEST_SLEEP)))) => {}
                () = self.changed.notified() => {}
                () = self.closing.cancelled() => {}
            }
        }
    }

    /// Starts what is due; the time of the next look.
    fn look(self: &Arc<Self>, watchlist: &mut Watchlist, now: Micros, due: &SharedDue) -> Result<Option<Micros>> {
        self.refresh(watchlist)?;
        let at = Moment { now, newest_event: self.engine.store().newest_event().map_err(catalog_error)? };
        let news = self.news(watchlist.looked, at)?;
        if now.saturating_sub(watchlist.stored_at) >= micros(STORED_EVERY) {
            watchlist.stored_at = now;
            self.store_memories(watchlist)?;
        }
        let mut wake = None::<Micros>;
        for watched in watchlist.pipelines.iter().filter(|watched| !watched.is_suspended && !watched.armed.is_empty()) {
            let next = self.look_at(watched, at, &news, due).unwrap_or_else(|error| {
                tracing::warn!(pipeline = %watched.object.full_name(), error = %error.chain(), "trigger cannot be asked");
                None
            });
            wake = earlier(wake, next);
        }
        watchlist.looked = at.newest_event;
        Ok(wake)
    }

    /// What has happened since the last look. At the first one, and after a long rest, that is not told one by one.
    fn news(&self, since: i64, at: Moment) -> Result<News> {
        const MOST: i64 = 10_000;
        if since == 0 || at.newest_event.saturating_sub(since) > MOST {
            return Ok(News { since: at.newest_event, ..News::default() });
        }
        let mut news = News { since, ..News::default() };
        let filter = EventFilter { after: since, to: Some(at.newest_event), ..EventFilter::default() };
        for event in self.engine.store().events(&filter).map_err(catalog_error)? {
            news.kinds.insert(event.kind);
            news.objects.extend(event.object);
        }
        Ok(news)
    }

    fn store_memories(&self, watchlist: &Watchlist) -> Result<()> {
        let mut marks = Vec::new();
        for watched in watchlist.pipelines.iter().filter(|watched| !self.is_triggered(watched.object.id)) {
            for armed in &watched.armed {
                marks.extend(self.not_stored(&watched.object, armed)?);
            }
        }
        self.engine.store().set_trigger_states(&marks).map_err(catalog_error)
    }

    fn refresh(&self, watchlist: &mut Watchlist) -> Result<()> {
        let store = self.engine.store();
        // Before reading: what is written meanwhile makes the next look read again.
        let generation = store.generation();
        if watchlist.generation == Some(generation) {
            return Ok(());
        }
        let known: HashMap<ObjectId, Arc<Watched>> = watchlist.pipelines.drain(..).map(|watched| (watched.object.id, watched)).collect();
        let polls = self.polls(&watchlist.polls)?;
        let poll_of: HashMap<ObjectId, Micros> = polls.iter().map(|((source, _), poll)| (*source, *poll)).collect();
        let mut objects = store.objects(Some(Kind::Pipeline), None).map_err(catalog_error)?;
        objects.extend(store.objects(Some(Kind::Alert), None).map_err(catalog_error)?);
        for object in objects {
            let body: PipelineBody = serde_json::from_value(object.body.clone()).unwrap_or_default();
            let known = known.get(&object.id).filter(|known| known.object.version == object.version);
            let Equipment { armed, overlap, sources, alert } = match known {
                Some(known) => known.equipment(),
                None => self.equip(&object).unwrap_or_else(|error| {
                    tracing::warn!(object = %object.full_name(), error = %error.chain(), "triggers cannot be read");
                    Equipment::default()
                }),
            };
            // A lake table lies at hand: what came is seen at once.
            let poll = |source: &ObjectId| poll_of.get(source).copied().unwrap_or_else(|| micros(TABLE_POLL));
            let poll = sources.iter().map(poll).min().unwrap_or_else(|| micros(POLL));
            watchlist.pipelines.push(Arc::new(Watched { object, is_suspended: body.suspended, armed, overlap, sources, poll, alert }));
        }
        watchlist.polls = polls;
        watchlist.generation = Some(generation);
        Ok(())
    }

    fn equip(&self, object: &Object) -> Result<Equipment> {
        let arm = |triggers: &[Trigger]| triggers.iter().map(|trigger| Armed::new(trigger, object, self)).collect::<Result<Vec<_>>>();
        if object.kind == Kind::Alert {
            let alert = definition::alert(object)?;
            let trigger = alert.trigger.clone().unwrap_or_else(alerts::default_trigger);
            return Ok(Equipment { armed: arm(&[trigger])?, alert: Some(Arc::new(alert)), ..Equipment::default() });
        }
        let definition = definition::pipeline(object)?;
        let armed = arm(&definition.header.triggers)?;
        let overlap = Settings::read(&definition.header.options)?.overlap;
        let on = self.engine.store().depends_on(object.id).map_err(catalog_error)?;
        let mut sources: Vec<ObjectId> = on.into_iter().filter(|object| object.kind == Kind::Source).map(|source| source.id).collect();
        let tables = streams::of_pipeline(self.engine.store().as_ref(), object)?.into_iter().filter(|stream| stream.kind == Kind::Table);
        sources.extend(tables.map(|table| table.id));
        sources.extend(streams::reads_events(object).then_some(events::RELATION));
        Ok(Equipment { armed, overlap, sources, alert: None })
    }

    /// How often each source is asked. A definition that is known is not read again.
    fn polls(&self, known: &HashMap<(ObjectId, i64), Micros>) -> Result<HashMap<(ObjectId, i64), Micros>> {
        let sources = self.engine.store().objects(Some(Kind::Source), None).map_err(catalog_error)?;
        let poll = |source: Object| {
            let key = (source.id, source.version);
            (key, known.get(&key).copied().unwrap_or_else(|| poll_of(&source)))
        };
        Ok(sources.into_iter().map(poll).collect())
    }

    /// Starts the pipeline if one of its triggers is due; the time of the next look at it.
    fn look_at(self: &Arc<Self>, watched: &Arc<Watched>, at: Moment, news: &News, due: &SharedDue) -> Result<Option<Micros>> {
        let pipeline = &watched.object;
        if let Some(until) = due.lock().not_before.get(&pipeline.id).copied().filter(|until| *until > at.now) {
            return Ok(Some(until));
        }
        if watched.overlap == Overlap::Queue && self.is_triggered(pipeline.id) {
            // Its end wakes the loop.
            return Ok(None);
        }
        // What comes during a run is passed over at once: later it would look like something that came after it.
        let passes_over = watched.overlap == Overlap::Skip && self.is_at_work(pipeline.id);
        let mut wake = None::<Micros>;
        let mut ready = Vec::new();
        for armed in &watched.armed {
            let key = (pipeline.id, armed.trigger.text.clone());
            let is_event = matches!(armed.trigger.kind, weir_sql::statements::create_pipeline::TriggerKind::Event { .. });
            let waits_until = due.lock().next.get(&key).copied().filter(|next| *next > at.now && !(passes_over && is_event));
            if let Some(next) = waits_until {
                wake = earlier(wake, Some(next));
                continue;
            }
            match self.glance(pipeline, armed, at, news)? {
                Glance::Now => ready.push(armed.clone()),
                Glance::At(next) => wake = earlier(wake, Some(next)),
                Glance::Quiet => {}
            }
        }
        let held = match due.lock().next.get(&(pipeline.id, HELD.to_owned())).copied() {
            _ if watched.alert.is_none() => Held::No,
            // Its first look in this life, or after a failure: acts may be left to do.
            None => Held::Unknown,
            Some(until) if until <= at.now => Held::Over,
            Some(until) => {
                wake = earlier(wake, Some(until));
                Held::No
            }
        };
        if ready.is_empty() && held == Held::No {
            return Ok(wake);
        }
        for armed in &ready {
            if let Some(next) = armed.again(at.now, watched.poll) {
                due.lock().next.insert((pipeline.id, armed.trigger.text.clone()), next);
                wake = earlier(wake, Some(next));
            }
        }
        if passes_over {
            for armed in &ready {
                if let Some(state) = armed.passed_over(at) {
                    tracing::info!(pipeline = %pipeline.full_name(), trigger = armed.trigger.text, "passed over: a run is under way");
                    self.remember(pipeline, &armed.trigger, &state)?;
                }
            }
            return Ok(wake);
        }
        self.set_going(watched, ready, held == Held::Over, at, due);
        Ok(wake)
    }

    /// Asks the triggers and runs the pipeline in the background.
    fn set_going(self: &Arc<Self>, watched: &Arc<Watched>, ready: Vec<Armed>, asks: bool, at: Moment, due: &SharedDue) {
        let id = watched.object.id;
        if !self.begin(id) {
            return;
        }
        let (runner, watched, due) = (Arc::clone(self), Arc::clone(watched), Arc::clone(due));
        self.tasks.spawn(async move {
            let outcome = match &watched.alert {
                Some(alert) => Some(runner.set_off_alert(&watched.object, alert, &ready, asks, at, &due).await),
                None => runner.set_off(&watched.object, &ready, at).await,
            };
            if let Some(outcome) = outcome {
                // A run may have stored what its triggers saw: that counts from now on.
                runner.forget_memories(id);
                note_outcome(&due, id, outcome, runner.clock.now());
            }
            runner.done(id);
            runner.changed.notify_one();
        });
    }

    /// How the run went; None when no trigger fired.
    async fn set_off(self: &Arc<Self>, pipeline: &Object, ready: &[Armed], at: Moment) -> Option<Outcome> {
        let mut marks = Vec::new();
        let mut fired: Option<&Armed> = None;
        for armed in ready {
            match self.ask(pipeline, armed, at).await {
                Ok(Answer::Waits) => {}
                Ok(Answer::Fires(state)) => {
                    let trigger = armed.trigger.text.clone();
                    marks.extend(state.map(|state| TriggerMark { pipeline_id: pipeline.id, trigger, state }));
                    fired = fired.or(Some(armed));
                }
                Err(error) => {
                    tracing::warn!(pipeline = %pipeline.full_name(), error = %error.chain(), "trigger cannot be asked");
                    return Some(Outcome::Failed);
                }
            }
        }
        let fired = fired?;
        reached("trigger.due");
        Some(self.drain(pipeline, fired, marks).await)
    }

    /// Asks an alert, if one of its triggers fires or it has been held for long enough, and does what is left to do.
    async fn set_off_alert(
        self: &Arc<Self>,
        object: &Object,
        alert: &CreateAlert,
        ready: &[Armed],
        mut asks: bool,
        at: Moment,
        due: &SharedDue,
    ) -> Outcome {
        let stepped = async {
            let mut marks = Vec::new();
            for armed in ready {
                if let Answer::Fires(state) = self.ask(object, armed, at).await? {
                    asks = true;
                    let trigger = armed.trigger.text.clone();
                    marks.extend(state.map(|state| TriggerMark { pipeline_id: object.id, trigger, state }));
                }
            }
            self.step_alert(object, alert, marks, asks).await
        };
        let stepped = stepped.await;
        let key = (object.id, HELD.to_owned());
        match stepped {
            Ok(until) => {
                due.lock().next.insert(key, until.unwrap_or(Micros::MAX));
                Outcome::Done
            }
            Err(error) => {
                tracing::warn!(alert = %object.full_name(), error = %error.chain(), "an alert is tried again");
                due.lock().next.remove(&key);
                Outcome::Failed
            }
        }
    }

    /// Runs batch after batch while there is input.
    async fn drain(self: &Arc<Self>, pipeline: &Object, fired: &Armed, mut marks: Vec<TriggerMark>) -> Outcome {
        loop {
            if self.closing.is_cancelled() {
                return Outcome::Done;
            }
            let request = Order {
                pipeline: pipeline.clone(),
                arguments: Arguments::default(),
                kind: RunKind::Trigger,
                range: None,
                trigger: fired.trigger.text.clone(),
                requested_by: pipeline.owner.clone(),
                marks: std::mem::take(&mut marks),
                sending: None,
            };
            match self.order(request).await {
                Ok(report) if report.run.status == RunStatus::Skipped => return Outcome::Done,
                // Without a stream there is always input: one run per tick.
                Ok(report) if !reads_streams(&report.run) => return Outcome::Done,
                // Whoever asked for a pause between runs gets it.
                Ok(_) if fired.pause().is_some() => return Outcome::Done,
                Ok(_) => {}
                Err(error) if error.code() == Code::Cancelled => return Outcome::Done,
                Err(error) => {
                    tracing::warn!(pipeline = %pipeline.full_name(), error = %error.chain(), "triggered run failed");
                    return Outcome::Failed;
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Failed,
}

fn note_outcome(due: &SharedDue, id: ObjectId, outcome: Outcome, now: Micros) {
    let mut due = due.lock();
    if outcome == Outcome::Done {
        due.failures.remove(&id);
        due.not_before.remove(&id);
        return;
    }
    let failures = due.failures.entry(id).or_default();
    *failures = failures.saturating_add(1);
    let longest = AFTER_FAILURE.saturating_mul(2_u32.saturating_pow((*failures).min(16))).min(AFTER_FAILURE_MOST);
    let at = now.saturating_add(micros(longest.mul_f64(0.5 + rand::random::<f64>() / 2.0)));
    due.next.iter_mut().filter(|((other, _), _)| *other == id).for_each(|(_, next)| *next = at.max(*next));
    due.not_before.insert(id, at);
}

fn poll_of(source: &Object) -> Micros {
    let given = definition::source(source).ok().and_then(|source| match &source.options.get("poll")?.value {
        OptionValue::Interval(interval) => interval.as_micros(),
        OptionValue::Text(text) => weir_sql::parse_interval(text).ok().and_then(|interval| interval.as_micros()),
        OptionValue::Number(text) => text.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000_000)),
        _ => None,
    });
    given.unwrap_or_else(|| micros(POLL)).max(100_000)
}

fn earlier(a: Option<Micros>, b: Option<Micros>) -> Option<Micros> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn reads_streams(run: &weir_catalog::Run) -> bool {
    run.inputs.iter().any(|input| matches!(input.input, weir_catalog::Input::Stream { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Micros = 1_000_000;

    /// What fails is left alone for longer and longer, with some chance in it, whatever is due meanwhile; a success forgets that.
    #[test]
    fn failures_are_further_and_further_apart() {
        let due = SharedDue::default();
        let (id, other) = (ObjectId(1), ObjectId(2));
        due.lock().next.insert((id, "TRIGGER ON UPDATE".to_owned()), 0);
        due.lock().next.insert((other, "TRIGGER ON UPDATE".to_owned()), 0);
        let mut now = 0;
        for failure in 1..40_u32 {
            note_outcome(&due, id, Outcome::Failed, now);
            let until = due.lock().not_before.get(&id).copied().unwrap();
            let longest = (SECOND << failure.min(30)).min(300 * SECOND);
            assert!(until - now >= longest / 2 && until - now <= longest, "failure {failure}: {} us", until - now);
            assert!(due.lock().next.get(&(id, "TRIGGER ON UPDATE".to_owned())).copied().unwrap() >= until);
            now = until;
        }
        // Each wait is at least half of the longest, so these are more than an hour whatever chance says: nothing spins.
        assert!(now > 3600 * SECOND);
        assert_eq!(due.lock().next.get(&(other, "TRIGGER ON UPDATE".to_owned())), Some(&0), "another pipeline is not held up");
        note_outcome(&due, id, Outcome::Done, now);
        assert!(due.lock().not_before.is_empty() && due.lock().failures.is_empty());
    }
}
