//! Alerts: a query is asked, and what it gives is told.
//!
//! A step is stored with the rows that its acts carry before any act is done, so that a crash in between ends in the same acts with the same
//! rows: once into a table, by the token of its commit; once into the log of events; once for a run, whose freezing notes it.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;
use serde_json::{Value as Json, json};
use weir_catalog::{
    AlertAct, AlertMove, AlertPast, AlertState, AlertWord, Definitions, Kind, NewEvent, Object, ObjectId, RunKind, TriggerMark, events,
};
use weir_sql::statements::create_alert::{Act, CreateAlert};
use weir_sql::statements::create_pipeline::{Trigger, TriggerKind};
use weir_sql::{Argument, Interval, Name, Privilege, Query};

use super::alert_steps::{Acts, Found, Rules, step};
use super::arguments::Arguments;
use super::fail_points::reached;
use super::runner::{Order, Runner, explained};
use super::{dead_letters, watches};
use crate::clock::Micros;
use crate::delta::Token;
use crate::engine::{ALERTS, Engine, Planned, Scope, catalog_error, privileges};
use crate::error::{Code, Error, Result};
use crate::spec::{Opt, Spec};

pub static ALERT_SPEC: Spec = Spec {
    name: "alert",
    summary: "Options of CREATE ALERT.",
    options: &[
        Opt::duration("repeat_every").doc("Act again this often while there are rows; once per edge when unset."),
        Opt::bool("notify_resolved").default("false").doc("NOTIFY also when there are no rows any more."),
        Opt::duration("timeout").default("1 min").doc("Longest time of the query."),
    ],
};

/// When the query is asked if nothing says so.
pub(super) fn default_trigger() -> Trigger {
    let interval = Interval { months: 0, days: 0, micros: 60_000_000 };
    Trigger { kind: TriggerKind::Every { interval, offset: None }, text: "SCHEDULE EVERY '1 minute'".to_owned(), position: 1 }
}

/// What an alert carries at most.
const MOST_ROWS: usize = 1000;
const MOST_BYTES: usize = 4 << 20;

/// The first byte of what an act carries.
const FIRING: u8 = b'f';
const RESOLVED: u8 = b'r';

/// Rows of a query, as many as an alert carries.
struct Carried {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
    truncated: bool,
}

impl Carried {
    fn count(&self) -> i64 {
        i64::try_from(self.rows).unwrap_or(i64::MAX)
    }

    fn bytes(&self, status: u8) -> Result<Vec<u8>> {
        let failed = |error| Error::internal("the rows of an alert cannot be written").caused_by(error);
        let mut bytes = vec![status];
        let mut writer = StreamWriter::try_new(&mut bytes, &self.schema).map_err(failed)?;
        self.batches.iter().try_for_each(|batch| writer.write(batch)).and_then(|()| writer.finish()).map_err(failed)?;
        drop(writer);
        Ok(bytes)
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let failed = |error| Error::internal("the rows of an alert cannot be read").caused_by(error);
        let reader = StreamReader::try_new(bytes, None).map_err(failed)?;
        let schema = reader.schema();
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        Ok(Self { schema, batches, rows, truncated: false })
    }

    /// A document for each row; what has no form in JSON is left out.
    fn documents(&self) -> Vec<Json> {
        let rows = self.batches.iter().flat_map(dead_letters::records);
        rows.map(|row| row.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Json::Null)).collect()
    }
}

impl Runner {
    /// Finishes what is left of earlier steps, and takes the next one if `asks`. The time at which it must be asked whatever its trigger says.
    pub(super) async fn step_alert(
        self: &Arc<Self>,
        alert: &Object,
        definition: &CreateAlert,
        marks: Vec<TriggerMark>,
        asks: bool,
    ) -> Result<Option<Micros>> {
        self.do_acts(alert, definition).await?;
        let store = self.engine.store();
        let before = store.alert_state(alert.id).map_err(catalog_error)?.unwrap_or_default();
        let options = ALERT_SPEC.read(&definition.options)?;
        let micros_of = |key: &str| options.duration(key).map(super::waiting::micros);
        let rules = Rules {
            hold: definition.hold.and_then(|hold| hold.as_micros()).unwrap_or(0),
            repeat_every: micros_of("repeat_every"),
            notify_resolved: options.flag("notify_resolved"),
        };
        let due = |state: &AlertState| match state.word {
            AlertWord::Pending => state.since.map(|since| since.saturating_add(rules.hold)),
            _ => None,
        };
        if !asks {
            return Ok(due(&before));
        }
        let timeout = options.duration("timeout").unwrap_or(Duration::from_secs(60));
        let asked = self.ask_query(alert, &definition.query, timeout).await;
        let now = self.clock.now();
        if self.closing.is_cancelled() {
            return Ok(None);
        }
        let (found, carried) = match asked {
            Ok(carried) => (Found::Rows(carried.count()), Some(carried)),
            Err(error) => (Found::Error(explained(&error, RunKind::Trigger, &[])), None),
        };
        let step = step(&before, &found, &rules, now);
        let truncated = carried.as_ref().is_some_and(|carried| carried.truncated);
        let mut lines = Vec::new();
        let acts = match (step.acts, &carried) {
            (Acts::None, _) | (_, None) => Vec::new(),
            (Acts::Fire, Some(carried)) => self.fire(alert, definition, carried, timeout, &mut lines).await?,
            (Acts::Resolve, Some(carried)) => resolve(definition, carried)?,
        };
        let rows = step.state.rows;
        let error = step.state.error.clone();
        let past = step.past.map(|state| AlertPast { at: now, state, rows, truncated, error: error.clone() });
        let events = step.event.map(|kind| {
            let documents = carried.as_ref().map(Carried::documents).unwrap_or_default();
            let data = json!({ "alert": alert.full_name(), "rows": documents, "truncated": truncated, "error": error });
            about(alert, kind, now, Some(alert.id), data)
        });
        let due = due(&step.state);
        let events = events.into_iter().collect();
        let step = AlertMove { alert_id: alert.id, alert: alert.full_name(), state: step.state, acts, past, events, marks };
        store.move_alert(&step).map_err(catalog_error)?;
        for error in lines {
            let past = AlertPast { at: now, state: AlertWord::GaveUp, rows: 0, truncated: false, error: Some(error) };
            store.alert_happened(alert.id, &alert.full_name(), &past).map_err(catalog_error)?;
        }
        reached("alert.moved");
        self.do_acts(alert, definition).await?;
        Ok(due)
    }

    /// The rows of a query with the owner's rights.
    async fn ask_query(&self, alert: &Object, query: &Query, timeout: Duration) -> Result<Carried> {
        let _place = self.planners.acquire().await.map_err(|_| Error::new(Code::ShuttingDown, "the hub is shutting down"))?;
        let work = async {
            let scope = self.owner_scope(alert);
            let planned = self.engine.plan(query, &scope, self.engine.store().as_ref(), None).await?;
            let mut stream = self.engine.rows(planned).await?;
            let mut carried = Carried { schema: stream.schema(), batches: Vec::new(), rows: 0, truncated: false };
            let mut bytes = 0_usize;
            while let Some(batch) = stream.try_next().await.map_err(Engine::error)? {
                let left = MOST_ROWS.saturating_sub(carried.rows);
                bytes = bytes.saturating_add(batch.get_array_memory_size());
                let too_many = batch.num_rows() > left || (bytes > MOST_BYTES && carried.rows > 0);
                let kept = if bytes > MOST_BYTES && carried.rows > 0 { 0 } else { batch.num_rows().min(left) };
                if kept > 0 {
                    carried.rows = carried.rows.saturating_add(kept);
                    carried.batches.push(batch.slice(0, kept));
                }
                if too_many {
                    carried.truncated = true;
                    break;
                }
            }
            Ok(carried)
        };
        tokio::select! {
            biased;
            () = self.closing.cancelled() => Err(Error::new(Code::ShuttingDown, "the hub is shutting down")),
            carried = work => carried,
            () = self.clock.sleep(timeout) => {
                Err(Error::new(Code::Cancelled, format!("the query takes longer than {} ms", timeout.as_millis())))
            }
        }
    }

    /// What each act carries. An act whose own query cannot be asked is not done, which `given_up` says.
    async fn fire(
        &self,
        alert: &Object,
        definition: &CreateAlert,
        carried: &Carried,
        timeout: Duration,
        given_up: &mut Vec<String>,
    ) -> Result<Vec<(i64, Vec<u8>)>> {
        let mut acts = Vec::new();
        for (ordinal, act) in (0_i64..).zip(&definition.acts) {
            let payload = match act {
                Act::Into { query: Some(query), target } => match self.ask_query(alert, query, timeout).await {
                    Ok(own) if own.truncated => {
                        given_up.push(format!("INTO {}: its query gives more than an alert carries ({MOST_ROWS} rows)", target.name.value));
                        continue;
                    }
                    Ok(own) => own.bytes(FIRING)?,
                    Err(error) => {
                        given_up.push(format!("INTO {}: {}", target.name.value, explained(&error, RunKind::Trigger, &[])));
                        continue;
                    }
                },
                Act::Into { query: None, .. } | Act::Notify(_) => carried.bytes(FIRING)?,
                Act::Run { .. } => vec![FIRING],
            };
            acts.push((ordinal, payload));
        }
        Ok(acts)
    }

    /// Does what is left to do, in order. What cannot be done now stays for the next time.
    async fn do_acts(self: &Arc<Self>, alert: &Object, definition: &CreateAlert) -> Result<()> {
        let store = self.engine.store();
        for act in store.alert_acts(alert.id).map_err(catalog_error)? {
            let done = match usize::try_from(act.ordinal).ok().and_then(|ordinal| definition.acts.get(ordinal)) {
                Some(what) => self.do_act(alert, what, &act).await,
                None => Err(Error::new(Code::UndefinedObject, "the alert was replaced by one without this act")),
            };
            let (past, events) = match done {
                Ok(events) => (None, events),
                Err(error) if error.code().is_passing() => return Err(error),
                Err(error) => {
                    tracing::error!(alert = %alert.full_name(), act = act.ordinal, error = %error.chain(), "an act of an alert cannot be done");
                    let error = Some(explained(&error, RunKind::Trigger, &[]));
                    (Some(AlertPast { at: self.clock.now(), state: AlertWord::GaveUp, rows: 0, truncated: false, error }), Vec::new())
                }
            };
            reached("alert.acted");
            store.alert_acted(&act, &alert.full_name(), past.as_ref(), &events).map_err(catalog_error)?;
        }
        Ok(())
    }

    /// Events to be logged with its end.
    async fn do_act(self: &Arc<Self>, alert: &Object, what: &Act, act: &AlertAct) -> Result<Vec<NewEvent>> {
        let (status, rows) = act.payload.split_first().ok_or_else(|| Error::internal("an act of an alert carries nothing"))?;
        let store = self.engine.store();
        match what {
            Act::Notify(channel) => {
                let status = if *status == RESOLVED { "resolved" } else { "firing" };
                let rows = Carried::read(rows)?.documents();
                let data = json!({ "alert": alert.full_name(), "status": status, "rows": rows });
                let event = about(alert, &channel.value, self.clock.now(), None, data);
                Ok(vec![NewEvent { source: format!("{ALERTS}{}", alert.full_name()), ..event }])
            }
            Act::Into { target, .. } => {
                let object = watches::named(Kind::Table, target, &alert.schema, store.as_ref())?;
                self.add_rows(alert, object, act, Carried::read(rows)?).await?;
                Ok(Vec::new())
            }
            Act::Run { pipeline, arguments } => {
                let pipeline = watches::named(Kind::Pipeline, pipeline, &alert.schema, store.as_ref())?;
                privileges::require(store.as_ref(), &alert.owner, &pipeline, Privilege::Execute)?;
                self.run_once_for(alert, pipeline, arguments.clone(), act).await?;
                Ok(Vec::new())
            }
        }
    }

    /// Adds the rows to the table, unless an earlier try has.
    async fn add_rows(&self, alert: &Object, object: Object, act: &AlertAct, rows: Carried) -> Result<()> {
        let token = Token { app_id: format!("alert {}/{}/{}", alert.id.0, act.ordinal, object.id.0), batch: act.number };
        let table = self.engine.table(&object).await?;
        if table.applied(&token.app_id).await?.is_some_and(|batch| batch >= token.batch) {
            return Ok(());
        }
        let listed: Vec<String> = rows.schema.fields().iter().map(|field| field.name().clone()).collect();
        let scope = self.owner_scope(alert);
        let store = Arc::clone(self.engine.store());
        self.engine.copy_columns(&object, &listed, &scope, store.as_ref()).await?;
        let stream = RecordBatchStreamAdapter::new(Arc::clone(&rows.schema), futures::stream::iter(rows.batches.into_iter().map(Ok)));
        self.engine.add_once(object, &listed, Box::pin(stream), &token, &scope, store.as_ref()).await.map(drop)
    }

    /// Starts a run, unless an earlier try has; the freezing of the run notes it.
    async fn run_once_for(self: &Arc<Self>, alert: &Object, pipeline: Object, given: Vec<Argument>, act: &AlertAct) -> Result<()> {
        let trigger = format!("act {}", act.ordinal);
        let noted = self.engine.store().trigger_state(alert.id, &trigger).map_err(catalog_error)?;
        if noted.and_then(|state| state.get("number").and_then(Json::as_i64)).is_some_and(|number| number >= act.number) {
            return Ok(());
        }
        self.refuse_suspended(&pipeline)?;
        let order = Order {
            pipeline,
            arguments: Arguments { given, condition: None },
            kind: RunKind::Trigger,
            range: None,
            trigger: format!("ALERT {}", alert.full_name()),
            requested_by: alert.owner.clone(),
            sending: None,
            marks: vec![TriggerMark { pipeline_id: alert.id, trigger, state: json!({ "number": act.number }) }],
        };
        self.order_later(order).await.map(drop)
    }

    /// What the acts of a new alert need: tables that take its rows, pipelines that its owner may run. Everything that it names.
    ///
    /// # Errors
    /// What would make every act fail, with its position.
    pub async fn check_alert(
        &self,
        alert: &CreateAlert,
        scope: &Scope,
        schema: &str,
        definitions: &dyn Definitions,
    ) -> Result<Vec<Object>> {
        let own = self.engine.plan(&alert.query, scope, definitions, None).await?;
        let mut named = used(&own, definitions)?;
        for act in &alert.acts {
            match act {
                Act::Notify(_) => {}
                Act::Run { pipeline, .. } => {
                    let found = watches::named(Kind::Pipeline, pipeline, schema, definitions)?;
                    let may = privileges::require(definitions, scope.judged(), &found, Privilege::Execute);
                    may.map_err(|error| error.at(pipeline.position()))?;
                    named.push(found);
                }
                Act::Into { target, query } => {
                    let planned = match query {
                        Some(query) => Some(self.engine.plan(query, scope, definitions, None).await?),
                        None => None,
                    };
                    let rows = planned.as_ref().unwrap_or(&own);
                    named.extend(used(rows, definitions)?);
                    named.push(self.check_target(target, rows, scope, schema, definitions).await?);
                }
            }
        }
        Ok(named)
    }

    /// The table, which must have a column for each of the query.
    async fn check_target(
        &self,
        target: &Name,
        rows: &Planned,
        scope: &Scope,
        schema: &str,
        definitions: &dyn Definitions,
    ) -> Result<Object> {
        let table = watches::named(Kind::Table, target, schema, definitions).map_err(no_sink)?;
        if table.kind != Kind::Table {
            let message = format!("{} \"{}\" is not a table", table.kind.noun(), table.full_name());
            return Err(Error::new(Code::WrongType, message).at(target.position()));
        }
        let listed: Vec<String> = rows.plan.schema().fields().iter().map(|field| field.name().clone()).collect();
        let fits = self.engine.copy_columns(&table, &listed, scope, definitions).await;
        fits.map_err(|error| error.without_position().at(target.position()))?;
        Ok(table)
    }
}

fn used(planned: &Planned, definitions: &dyn Definitions) -> Result<Vec<Object>> {
    let mut found = Vec::new();
    for used in &planned.used {
        found.extend(definitions.object_by_id(used.relation.id).map_err(catalog_error)?);
    }
    Ok(found)
}

/// Where nothing of that name is, a sink may be meant.
fn no_sink(error: Error) -> Error {
    if error.code() != Code::UndefinedTable {
        return error;
    }
    error.hint(
        "INTO takes a table of the lake that is there already: CREATE TABLE makes one. Sinks for mail and HTTP are not built yet."
            .to_owned(),
    )
}

/// Only those who listen are told that it is over.
fn resolve(definition: &CreateAlert, carried: &Carried) -> Result<Vec<(i64, Vec<u8>)>> {
    let notifies = (0_i64..).zip(&definition.acts).filter(|(_, act)| matches!(act, Act::Notify(_)));
    notifies.map(|(ordinal, _)| Ok((ordinal, carried.bytes(RESOLVED)?))).collect()
}

fn about(alert: &Object, kind: &str, time: Micros, object: Option<ObjectId>, data: Json) -> NewEvent {
    NewEvent {
        time,
        kind: kind.to_owned(),
        source: events::HUB.to_owned(),
        subject: Some(alert.full_name()),
        object,
        data: data.to_string(),
    }
}
