//! One attempt at a frozen run: its steps in their order, each with the outputs that have not landed yet.
//!
//! A step reads what the steps before it have written. When one fails, those after it do not run, unless it says ON FAILURE CONTINUE: then the
//! run goes on, and fails at its end.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weir_catalog::{Object, ObjectId, Run};
use weir_sql::statements::create_pipeline::CreatePipeline;

use super::arguments;
use super::bind::{Bound, Sent, StepShape, StreamInput, bind_sent};
use super::execute::{Attempt, Landed};
use super::fail_points::reached;
use super::inputs;
use super::pinned::Pinned;
use super::runner::Runner;
use super::told::Reads;
use super::{step, target};
use crate::engine::{Scope, definition};
use crate::error::{Code, Error, Result};

/// What an attempt put into the lake, and the streams it has read.
pub(super) struct Landing {
    pub(super) landed: Vec<Landed>,
    pub(super) streams: Vec<StreamInput>,
}

/// What the outputs of a run have in common.
struct Attempted {
    pipeline: Object,
    definition: CreatePipeline,
    scope: Scope,
    run: Run,
}

impl Runner {
    /// One try at everything that a run has not landed yet, step after step. A step that may fail is passed over when `is_tried_again` says that
    /// its error is final.
    pub(super) async fn attempt(
        self: &Arc<Self>,
        pipeline: &Object,
        run: &Run,
        cancel: &CancellationToken,
        is_tried_again: &(dyn Fn(&Error) -> bool + Sync),
        reads: &mut Reads,
    ) -> Result<Landing> {
        let pipeline_then = self.as_of_run(pipeline, run)?;
        let definition = definition::pipeline(&pipeline_then)?;
        let scope = self.owner_scope(pipeline);
        let values = arguments::from_json(&self.engine, &definition, &run.params, &scope).await?;
        let scope = Scope { now: run.created_at, named: values.clone(), ..scope };
        let then = Pinned::new(Arc::clone(self.engine.store()), run)?;
        let sent = Sent::of(run, self.spool.folder());
        let bound = bind_sent(&self.engine, &definition, &scope, &then, values, sent, Some(pipeline.id));
        let bound = self.unless(cancel, bound).await?;
        *reads = Reads::default();
        let streams = bound.streams().into_iter().cloned().collect();
        let stop = cancel.child_token();
        let common = Attempted { pipeline: pipeline.clone(), definition, scope, run: run.clone() };
        let mut done: HashMap<ObjectId, u64> = inputs::landed(run).collect();
        let mut outputs: Vec<Vec<Bound>> = bound.steps.iter().map(|_| Vec::new()).collect();
        for bound in bound.outputs {
            let target = target::find(&self.engine, &bound.output, &common.scope)?;
            let has_landed = target.is_some_and(|target| done.contains_key(&target.id));
            reads.add(&bound, has_landed);
            if let Some(step) = outputs.get_mut(bound.step).filter(|_| !has_landed) {
                step.push(bound);
            }
        }
        let (mut landed, mut failed) = (Vec::new(), None);
        for (shape, outputs) in bound.steps.iter().zip(outputs) {
            let outcome = self.step(&common, outputs, &done, &stop).await;
            match outcome {
                Ok(step) => {
                    reached("step.landed");
                    done.extend(step.iter().map(|landed| (landed.target.id, landed.version)));
                    landed.extend(step);
                }
                Err(error) => {
                    let error = of_step(error, shape);
                    if !shape.continues_on_failure || is_tried_again(&error) || stops_all(&error) {
                        return Err(error);
                    }
                    tracing::warn!(run = %run.run_id, error = %error.chain(), "a step failed; the run goes on with the next");
                    failed = failed.or(Some(error));
                }
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(Landing { landed, streams }),
        }
    }

    /// Tries the outputs of one step, as a task of its own: a panic in it fails the run, not the scheduler.
    async fn step(
        &self,
        common: &Attempted,
        outputs: Vec<Bound>,
        after: &HashMap<ObjectId, u64>,
        cancel: &CancellationToken,
    ) -> Result<Vec<Landed>> {
        let stop = cancel.child_token();
        let attempt = |bound| {
            Arc::new(Attempt {
                engine: Arc::clone(&self.engine),
                pipeline: common.pipeline.clone(),
                definition: common.definition.clone(),
                scope: common.scope.clone(),
                run: common.run.clone(),
                bound,
                after: after.clone(),
                cancel: stop.clone(),
            })
        };
        let attempts = outputs.into_iter().map(attempt).collect();
        match self.engine.work().spawn(step::execute(attempts, stop)).await {
            Ok(landed) => landed,
            Err(panic) => Err(Error::internal("the run ended in a panic").caused_by(panic)),
        }
    }
}

/// The error with the step that it happened in.
fn of_step(error: Error, shape: &StepShape) -> Error {
    let Some(name) = &shape.name else { return error };
    let about = format!("step \"{name}\" failed");
    let detail = error.detail_text().map_or_else(|| about.clone(), |detail| format!("{detail} ({about})"));
    error.detail(detail)
}

/// What ends the run, whatever its steps say.
fn stops_all(error: &Error) -> bool {
    matches!(error.code(), Code::Cancelled | Code::ShuttingDown)
}
