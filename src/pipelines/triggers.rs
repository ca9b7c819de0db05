//! What sets pipelines off: the clock, and new records at a source.
//!
//! One loop for all pipelines. After downtime a schedule fires once, not once per missed tick. Its state is in the catalog, so a crash
//! neither loses nor doubles a tick.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use weir_catalog::{Kind, Object, ObjectId, PipelineBody, RunKind, RunStatus};
use weir_sql::OptionValue;
use weir_sql::statements::create_pipeline::{Trigger, TriggerKind};

use super::arguments::Arguments;
use super::runner::{Order, Runner};
use super::schedule::Schedule;
use crate::clock::Micros;
use crate::engine::{catalog_error, definition};
use crate::error::Result;

/// How often sources are asked when nothing says otherwise.
const POLL: Duration = Duration::from_secs(5);
/// Micro-batches of one pipeline are at least this far apart.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// The loop looks at least this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// A trigger that failed is not tried again at once.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
const AFTER_FAILURE_MOST: Duration = Duration::from_secs(300);

/// When each trigger of each pipeline is due next. Kept in memory; what must survive is in the catalog.
#[derive(Default)]
struct Due {
    next: HashMap<(ObjectId, String), Micros>,
    failures: HashMap<ObjectId, u32>,
    /// A pipeline that failed is left alone until then, whatever its schedule says; the ticks meanwhile become one.
    not_before: HashMap<ObjectId, Micros>,
}

impl Runner {
    pub(super) async fn schedule(self: Arc<Self>) {
        self.recover().await;
        let due = Arc::new(parking_lot::Mutex::new(Due::default()));
        loop {
            if self.closing.is_cancelled() {
                return;
            }
            let now = self.clock.now();
            let mut wake = now + micros(LONGEST_SLEEP);
            let pipelines = self.engine.store().objects(Some(Kind::Pipeline), None).map_err(catalog_error);
            match pipelines {
                Ok(pipelines) => {
                    for pipeline in pipelines {
                        match self.look_at(&pipeline, now, &due) {
                            Ok(Some(at)) => wake = wake.min(at),
                            Ok(None) => {}
                            Err(error) => {
                                tracing::warn!(pipeline = %pipeline.full_name(), error = %error.chain(), "trigger cannot be read")
                            }
                        }
                    }
                }
                Err(error) => tracing::error!(error = %error.chain(), "pipelines cannot be read"),
            }
            tokio::select! {
                () = self.clock.sleep_until(wake) => {}
                () = self.changed.notified() => {}
                () = self.closing.cancelled() => return,
            }
        }
    }

    /// Fires what is due; the time of the next look.
    fn look_at(self: &Arc<Self>, pipeline: &Object, now: Micros, due: &Arc<parking_lot::Mutex<Due>>) -> Result<Option<Micros>> {
        let body: PipelineBody = serde_json::from_value(pipeline.body.clone()).unwrap_or_default();
        if body.suspended {
            return Ok(None);
        }
        let definition = definition::pipeline(pipeline)?;
        let mut next = None::<Micros>;
        for trigger in &definition.header.triggers {
            let key = (pipeline.id, trigger.text.clone());
            let at = match Schedule::parse(trigger)? {
                Some(schedule) => {
                    let last = self.last_fired(pipeline, trigger, now)?;
                    match schedule.next_after(last) {
                        // Never fired, and being defined is not a tick.
                        Some(at) if at <= now => {
                            let held = due.lock().not_before.get(&pipeline.id).copied().filter(|until| *until > now);
                            if held.is_none() {
                                self.fired(pipeline, trigger, now)?;
                                self.fire(pipeline, &trigger.text, due);
                            }
                            held.or_else(|| schedule.next_after(now))
                        }
                        at => at,
                    }
                }
                None => match &trigger.kind {
                    TriggerKind::Update { at_most_every, .. } => {
                        let pause = at_most_every.and_then(|interval| interval.as_micros()).unwrap_or_else(|| micros(AT_MOST_EVERY));
                        let poll = self.poll(pipeline)?.max(pause);
                        let at = due.lock().next.get(&key).copied().unwrap_or(now);
                        if at <= now {
                            due.lock().next.insert(key, now + poll);
                            self.fire(pipeline, &trigger.text, due);
                            Some(now + poll)
                        } else {
                            Some(at)
                        }
                    }
                    _ => None,
                },
            };
            next = match (next, at) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        Ok(next)
    }

    fn last_fired(&self, pipeline: &Object, trigger: &Trigger, now: Micros) -> Result<Micros> {
        let store = self.engine.store();
        let state = store.trigger_state(pipeline.id, &trigger.text).map_err(catalog_error)?;
        if let Some(last) = state.as_ref().and_then(|state| state.get("last_fired")).and_then(serde_json::Value::as_i64) {
            return Ok(last);
        }
        self.fired(pipeline, trigger, now)?;
        Ok(now)
    }

    fn fired(&self, pipeline: &Object, trigger: &Trigger, now: Micros) -> Result<()> {
        self.engine.store().set_trigger_state(pipeline.id, &trigger.text, &json!({ "last_fired": now })).map_err(catalog_error)
    }

    /// The shortest poll interval of the pipeline's sources.
    fn poll(&self, pipeline: &Object) -> Result<Micros> {
        let mut shortest = None::<Micros>;
        for object in self.engine.store().depends_on(pipeline.id).map_err(catalog_error)? {
            if object.kind != Kind::Source {
                continue;
            }
            let Ok(source) = definition::source(&object) else { continue };
            let given = source.options.get("poll").and_then(|entry| match &entry.value {
                OptionValue::Interval(interval) => interval.as_micros(),
                OptionValue::Text(text) => weir_sql::parse_interval(text).ok().and_then(|interval| interval.as_micros()),
                OptionValue::Number(text) => text.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000_000)),
                _ => None,
            });
            let poll = given.unwrap_or_else(|| micros(POLL)).max(100_000);
            shortest = Some(shortest.map_or(poll, |known| known.min(poll)));
        }
        Ok(shortest.unwrap_or_else(|| micros(POLL)))
    }

    /// Runs in the background until there is nothing new; a pipeline that is running already is left to finish.
    fn fire(self: &Arc<Self>, pipeline: &Object, trigger: &str, due: &Arc<parking_lot::Mutex<Due>>) {
        if !self.begin(pipeline.id) {
            return;
        }
        let (runner, pipeline, trigger, due) = (Arc::clone(self), pipeline.clone(), trigger.to_owned(), Arc::clone(due));
        self.tasks.spawn(async move {
            let failed = runner.drain(&pipeline, &trigger).await;
            let mut due = due.lock();
            if failed {
                let failures = due.failures.entry(pipeline.id).or_default();
                *failures = failures.saturating_add(1);
                let longest = AFTER_FAILURE.saturating_mul(2_u32.saturating_pow((*failures).min(16))).min(AFTER_FAILURE_MOST);
                let at = runner.clock.now() + micros(longest.mul_f64(0.5 + rand::random::<f64>() / 2.0));
                due.next.iter_mut().filter(|((id, _), _)| *id == pipeline.id).for_each(|(_, next)| *next = at.max(*next));
                due.not_before.insert(pipeline.id, at);
            } else {
                due.failures.remove(&pipeline.id);
                due.not_before.remove(&pipeline.id);
            }
            drop(due);
            runner.done(pipeline.id);
            runner.changed.notify_one();
        });
    }

    /// Runs batch after batch while there is input; true when one failed.
    async fn drain(self: &Arc<Self>, pipeline: &Object, trigger: &str) -> bool {
        loop {
            if self.closing.is_cancelled() {
                return false;
            }
            let request = Order {
                pipeline: pipeline.clone(),
                arguments: Arguments::default(),
                kind: RunKind::Trigger,
                range: None,
                trigger: trigger.to_owned(),
                requested_by: pipeline.owner.clone(),
            };
            match self.order(request).await {
                Ok(report) if report.run.status == RunStatus::Skipped => return false,
                // Without a stream there is always input: one run per tick.
                Ok(report) if !reads_streams(&report.run) => return false,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(pipeline = %pipeline.full_name(), error = %error.chain(), "triggered run failed");
                    return true;
                }
            }
        }
    }
}

fn reads_streams(run: &weir_catalog::Run) -> bool {
    run.inputs.iter().any(|input| matches!(input.input, weir_catalog::Input::Stream { .. }))
}

fn micros(time: Duration) -> Micros {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
