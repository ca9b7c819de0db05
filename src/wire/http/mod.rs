//! The HTTP side: `GET /livez` says that the process runs, `GET /readyz` whether it can work. There is nothing else yet.
//!
//! Both answer without a password, and so tell no names and no causes: those are in the log.

#[cfg(test)]
mod tests;

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::error::{Code, Error, Result};

/// A part that does not answer in this time is not ready.
const PROBE_TIME: Duration = Duration::from_secs(5);
/// What requests that are under way get when the hub stops.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// What readiness asks of the hub.
#[async_trait]
pub(super) trait Probe: Send + Sync + 'static {
    async fn catalog(&self) -> Result<()>;
    async fn lake(&self) -> Result<()>;
}

#[derive(Clone)]
struct Health {
    probe: Arc<dyn Probe>,
    shutdown: CancellationToken,
}

/// Serves until `shutdown`; requests that are under way are answered.
pub(super) async fn serve(probe: Arc<dyn Probe>, listener: TcpListener, shutdown: CancellationToken) {
    let health = Health { probe, shutdown: shutdown.clone() };
    let routes = Router::new().route("/livez", get(live)).route("/readyz", get(ready)).with_state(health);
    let stopping = shutdown.clone();
    let serving = axum::serve(listener, routes).with_graceful_shutdown(async move { stopping.cancelled().await }).into_future();
    // A connection that is kept open without a request must not keep the hub from ending.
    let overdue = async {
        shutdown.cancelled().await;
        Clock::real().sleep(DRAIN_TIME).await;
    };
    tokio::select! {
        ended = serving => {
            if let Err(error) = ended {
                tracing::error!(%error, "the HTTP listener ended");
            }
        }
        () = overdue => tracing::debug!("HTTP connections were left open at the end"),
    }
}

async fn live() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

async fn ready(State(health): State<Health>) -> (StatusCode, Json<Value>) {
    let (catalog, lake) = tokio::join!(probe("catalog", health.probe.catalog()), probe("lake", health.probe.lake()));
    let draining = health.shutdown.is_cancelled();
    let reasons: Vec<_> = [catalog.err(), lake.err(), draining.then_some("draining")].into_iter().flatten().collect();
    let (status, word) = match reasons.is_empty() {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    (status, Json(json!({"status": word, "reasons": reasons})))
}

/// The part's name when it does not answer; why is logged.
async fn probe(part: &'static str, answer: impl Future<Output = Result<()>>) -> Result<(), &'static str> {
    let answer = tokio::time::timeout(PROBE_TIME, answer).await;
    let answer = answer.unwrap_or_else(|_| Err(Error::new(Code::Io, "no answer in time")));
    answer.map_err(|error| {
        tracing::warn!(part, error = %error.chain(), "not ready");
        part
    })
}
