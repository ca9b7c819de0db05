//! How each pipeline is doing: last success, lag, lateness.
//!
//! Lag is the age of the oldest record that the pipeline has not consumed, over all its streams; zero when it has caught up. A stream whose
//! source cannot tell counts from the last success.

use std::time::Duration;

use futures::future::BoxFuture;
use weir_catalog::{Kind as Noun, Object, PipelineBody, RunStatus};
use weir_sql::OptionValue;

use super::super::errors::catalog_error;
use super::super::{definition, streams};
use super::table::{Asked, Cell, Kind, Row, Rows, SystemTable, time};
use crate::clock::Micros;
use crate::error::Result;

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
    let lag = lag(asked, pipeline, health.last_success_at, now).await?;
    let max_lag =
        definition::pipeline(pipeline).ok().and_then(|d| d.header.options.get("max_lag").and_then(|entry| duration(&entry.value)));
    let late = match (lag, max_lag) {
        (Some(lag), Some(most)) => Cell::Bool(lag > most.as_secs_f64()),
        (_, None) => Cell::Bool(false),
        (None, Some(_)) => Cell::Null,
    };
    Ok(vec![
        pipeline.full_name().into(),
        if body.suspended { "suspended" } else { "enabled" }.into(),
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

/// Seconds; None when nothing tells.
async fn lag(asked: &Asked<'_>, pipeline: &Object, last_success_at: Option<Micros>, now: Micros) -> Result<Option<f64>> {
    let store = asked.engine.store();
    let mut oldest: Option<Micros> = None;
    let mut known = false;
    for relation in streams::of_pipeline(store.as_ref(), pipeline)? {
        if relation.kind != Noun::Source {
            continue;
        }
        let from = store.offset(pipeline.id, relation.id).map_err(catalog_error)?;
        // A source that cannot be opened is not caught up: it counts from the last success below.
        let Ok(source) = asked.engine.source(&relation).await else { continue };
        if let Ok(unread) = source.oldest_unread(from.as_ref()).await {
            known = true;
            oldest = match (oldest, unread) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
    }
    let since = match (known, oldest) {
        (true, Some(oldest)) => Some(oldest),
        (true, None) => return Ok(Some(0.0)),
        (false, _) => last_success_at,
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
