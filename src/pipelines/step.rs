//! The outputs of a step, side by side: each stream is read once for all of them, and none of them lands before all records are judged.
//!
//! They land one by one, since each is a table of its own. An attempt that finds some of them landed goes on with the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use weir_catalog::{ObjectId, RunKind};

use super::execute::{Attempt, Begun, Laid, Landed, Ready};
use super::fan::{Fan, Taker, Tap, only_tap};
use super::gate::Gates;
use super::inputs;
use crate::error::{Code, Error, Result};
use crate::sources::RejectSink;

/// Tries the outputs of a step. `stop` ends all of them; their own attempts hold it, too.
///
/// # Errors
/// That of the output which failed first. Before all records are judged nothing of the step has landed.
pub(super) async fn execute(attempts: Vec<Arc<Attempt>>, stop: CancellationToken) -> Result<Vec<Landed>> {
    let (mut landed, mut ready) = (Vec::new(), Vec::new());
    for (at, attempt) in attempts.iter().enumerate() {
        match attempt.begin().await? {
            Begun::Landed(done) => landed.push((at, *done)),
            Begun::Nothing => {}
            Begun::Ready(next) => ready.push((at, *next)),
        }
    }
    let laid = until_stopped(&stop, lay(ready)).await?;
    let mut fan = Fan::default();
    let mut taps = until_stopped(&stop, share(&mut fan, sharers(&laid))).await?;
    let gates = Arc::new(Gates::new(laid.len()));
    let mut work = JoinSet::new();
    for (place, (at, laid)) in laid.into_iter().enumerate() {
        let (gates, tap) = (Arc::clone(&gates), taps.remove(&place));
        work.spawn(async move { laid.land(gates, tap).await.map(|done| (at, done)) });
    }
    let mut failed: Option<Error> = None;
    while let Some(done) = work.join_next().await {
        let error = match done {
            Ok(Ok(done)) => {
                landed.push(done);
                continue;
            }
            Ok(Err(error)) => error,
            Err(panic) => Error::internal("the run ended in a panic").caused_by(panic),
        };
        // Those that still read are told to end; those that are past the gates finish. What they say of it is not the reason.
        gates.shut();
        stop.cancel();
        failed = failed.or(Some(error));
    }
    if let Some(error) = failed {
        return Err(error);
    }
    landed.sort_by_key(|(at, _)| *at);
    Ok(landed.into_iter().map(|(_, landed)| landed).collect())
}

/// Work that leaves nothing behind, so that it may be dropped at any await.
async fn until_stopped<T>(stop: &CancellationToken, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Error::new(Code::Cancelled, "canceling run due to user request")),
        done = work => done,
    }
}

async fn lay(ready: Vec<(usize, Ready)>) -> Result<Vec<(usize, Laid)>> {
    // A stream that is read once comes in one order: that of the output which needs one.
    let is_ordered = ready.iter().any(|(_, ready)| ready.is_ordered());
    let mut laid = Vec::with_capacity(ready.len());
    for (at, ready) in ready {
        let partitions = if is_ordered { 1 } else { ready.attempt.engine.threads() };
        laid.push((at, ready.lay(partitions).await?));
    }
    Ok(laid)
}

/// An output that may share its stream, and its place among the outputs.
struct Sharer {
    place: usize,
    attempt: Arc<Attempt>,
    taker: Taker,
}

/// The outputs that may share, by their stream.
fn sharers(laid: &[(usize, Laid)]) -> BTreeMap<ObjectId, Vec<Sharer>> {
    let mut by_stream: BTreeMap<_, Vec<Sharer>> = BTreeMap::new();
    for (place, (_, laid)) in laid.iter().enumerate() {
        let attempt = &laid.ready.attempt;
        // Letters that a replay brings back belong to one output each.
        if attempt.run.kind == RunKind::Replay {
            continue;
        }
        if let Some((tap, partitions)) = only_tap(&laid.assembled.physical) {
            let taker = Taker { tap, sink: laid.rejects.clone(), partitions };
            by_stream.entry(taker.stream()).or_default().push(Sharer { place, attempt: Arc::clone(attempt), taker });
        }
    }
    by_stream.retain(|_, sharers| sharers.len() > 1);
    by_stream
}

/// Starts the readings that several outputs share; their taps, by their places.
async fn share(fan: &mut Fan, sharers: BTreeMap<ObjectId, Vec<Sharer>>) -> Result<BTreeMap<usize, Arc<Tap>>> {
    let mut taps = BTreeMap::new();
    for (stream, sharers) in sharers {
        let Some(first) = sharers.first() else { continue };
        let attempt = Arc::clone(&first.attempt);
        let partitions = first.taker.partitions;
        let Some(input) = attempt.bound.streams.iter().find(|input| input.object.id == stream) else { continue };
        let sink = RejectSink::default();
        let table = inputs::range_of(&attempt.run, input, &sink, partitions).await?;
        taps.extend(sharers.iter().map(|sharer| (sharer.place, Arc::clone(&sharer.taker.tap))));
        let takers: Vec<Taker> = sharers.into_iter().map(|sharer| sharer.taker).collect();
        fan.share(&attempt.engine, &attempt.scope, &table, &sink, &takers).await?;
    }
    Ok(taps)
}
