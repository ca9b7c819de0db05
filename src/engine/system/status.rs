//! How each pipeline is doing: last success, lag, lateness.
//!
//! Lag is the age of the oldest record that the pipeline has not consumed, over all its streams; zero when it has caught up. Of a source that
//! cannot be read nobody knows what has come: it counts from the end of its last good read. A pipeline without streams counts from its last
//! success.

use std::time::Duration;

use futures::future::BoxFuture;
use weir_catalog::{Health, Kind as Noun, Object, PipelineBody, RunStatus, events};
use weir_sql::OptionValue;
use weir_sql::statements::create_pipeline::CreatePipeline;

use super::super::errors::catalog_error;
use super::super::{definition, streams};
use super::table::{Asked, Cell, Kind, Row, Rows, SystemTable, time};
use crate::clock::Micros;
use crate::error::{Code, Result};

pub(super) const TABLES: &[SystemTable] = &[SystemTable {
    schema: "hub",
    name: "pipeline_status",
    comment: "How each pipeline is doing. Lag is in seconds.",
    columns: &[
        ("pipeline", Kind::Text),
        ("state", Kind::Text),
        ("last_status", Kind::Text),
        ("last_success_at", Kind::Time),
        ("last_run_id", Kind::Uuid),
        ("last_error", Kind::Text),
        ("consecutive_failures", Kind::Big),
        ("lag", Kind::Double),
        ("max_lag", Kind::Double),
        ("late", Kind::Bool),
    ],
    rows: Rows::Later(pipeline_status),
}];

fn pipeline_status<'a>(asked: &'a Asked<'a>) -> BoxFuture<'a, Result<Vec<Row>>> {
    Box::pin(async move {
        let mut rows = Vec::new();
        for pipeline in asked.engine.store().objects(Some(Noun::Pipeline), None).map_err(catalog_error)? {
            if !asked.sees(&pipeline)? {
                continue;
            }
            if asked.pipeline.as_ref().is_none_or(|wanted| *wanted == pipeline.full_name()) {
                rows.push(status(asked, &pipeline).await?);
            }
        }
        Ok(rows)
    })
}

async fn status(asked: &Asked<'_>, pipeline: &Object) -> Result<Row> {
    let store = asked.engine.store();
    let now = asked.engine.clock().now();
    let body: PipelineBody = serde_json::from_value(pipeline.body.clone()).unwrap_or_default();
    let health = store.pipeline_health(pipeline.id).map_err(catalog_error)?;
    let lag = lag(asked, pipeline, &health, now).await?;
    let definition = definition::pipeline(pipeline).ok();
    let max_lag = definition.as_ref().and_then(|known| known.header.options.get("max_lag").and_then(|entry| duration(&entry.value)));
    let late = match (lag, max_lag) {
        (Some(lag), Some(most)) => Cell::Bool(lag > most.as_secs_f64()),
        (_, None) => Cell::Bool(false),
        (None, Some(_)) => Cell::Null,
    };
    Ok(vec![
        pipeline.full_name().into(),
        state(&body, &health, definition.as_ref()).into(),
        health.last_status.map(status_word).into(),
        time(health.last_success_at),
        health.last_run_id.into(),
        health.last_error.into(),
        health.consecutive_failures.into(),
        lag.map_or(Cell::Null, Cell::Double),
        max_lag.map_or(Cell::Null, |most| Cell::Double(most.as_secs_f64())),
        late,
    ])
}

fn status_word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Queued => "queued",
        RunStatus::Running => "running",
        RunStatus::Succeeded => "succeeded",
        RunStatus::Failed => "failed",
        RunStatus::Cancelled => "cancelled",
        RunStatus::Skipped => "skipped",
    }
}

/// One word for how it is: `created`, `running`, `stalled`, `failed`, `suspended`.
fn state(body: &PipelineBody, health: &Health, definition: Option<&CreatePipeline>) -> &'static str {
    if body.suspended {
        return "suspended";
    }
    match health.last_status {
        None => "created",
        Some(RunStatus::Failed) => {
            // What may pass by itself is tried again by whatever sets the pipeline off.
            let passes = health.last_sqlstate.as_deref().and_then(Code::from_sqlstate).is_some_and(Code::is_passing);
            let goes_on = definition.is_some_and(|definition| !definition.header.triggers.is_empty());
            if passes && goes_on { "stalled" } else { "failed" }
        }
        Some(RunStatus::Queued | RunStatus::Running) if health.last_attempt > 1 => "stalled",
        Some(RunStatus::Queued | RunStatus::Running | RunStatus::Succeeded | RunStatus::Cancelled | RunStatus::Skipped) => "running",
    }
}

/// Seconds; None when nothing tells.
async fn lag(asked: &Asked<'_>, pipeline: &Object, health: &Health, now: Micros) -> Result<Option<f64>> {
    let store = asked.engine.store();
    let mut oldest: Option<Micros> = None;
    let mut has_streams = false;
    for relation in streams::of_pipeline(store.as_ref(), pipeline)? {
        if !matches!(relation.kind, Noun::Source | Noun::Table) {
            continue;
        }
        has_streams = true;
        let from = store.offset(pipeline.id, relation.id).map_err(catalog_error)?;
        let since = match asked.engine.stream(&relation).await {
            Ok(source) => source.oldest_unread(from.as_ref()).await,
            Err(error) => Err(error),
        };
        let source = asked.engine.source_health(&relation);
        let since = match since {
            Ok(Some(arrived)) => Some(arrived),
            Ok(None) if source.last_error.is_none() => None,
            Ok(None) | Err(_) => source.last_ok_at.or(health.last_success_at).or(Some(pipeline.created_at)),
        };
        oldest = match (oldest, since) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    if streams::reads_events(pipeline) {
        has_streams = true;
        let from = store.offset(pipeline.id, events::RELATION).map_err(catalog_error)?;
        let unread = asked.engine.event_stream(&pipeline.owner, Some(pipeline.id)).oldest_unread(from.as_ref()).await;
        // Of events that were forgotten nobody knows how old they were.
        let since = unread.unwrap_or_else(|_| health.last_success_at.or(Some(pipeline.created_at)));
        oldest = match (oldest, since) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    let since = match has_streams {
        true if oldest.is_none() => return Ok(Some(0.0)),
        true => oldest,
        false => health.last_success_at,
    };
    Ok(since.map(|since| seconds(now.saturating_sub(since).max(0))))
}

#[expect(clippy::cast_precision_loss, reason = "a lag shown in seconds needs no more than 53 bits")]
fn seconds(micros: Micros) -> f64 {
    micros as f64 / 1e6
}

fn duration(value: &OptionValue) -> Option<Duration> {
    let interval = match value {
        OptionValue::Interval(interval) => *interval,
        OptionValue::Text(text) => weir_sql::parse_interval(text).ok()?,
        _ => return None,
    };
    interval.as_micros().and_then(|micros| u64::try_from(micros).ok()).map(Duration::from_micros)
}
