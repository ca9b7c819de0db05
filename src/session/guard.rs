//! Cancelling and time limits of one statement: while it is planned, and for as long as its rows flow.
//!
//! A guarded stream ends with `57014` at the first poll after the cancel or the deadline, whatever the plan below is doing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Micros};
use crate::error::{Code, Error, Result};

/// What may end a statement before its time.
#[derive(Clone)]
pub struct Guard {
    token: CancellationToken,
    clock: Clock,
    deadline: Option<Micros>,
}

impl Guard {
    pub fn new(token: CancellationToken, clock: Clock, timeout: Option<Duration>) -> Self {
        let deadline = timeout.map(|time| clock.now().saturating_add(i64::try_from(time.as_micros()).unwrap_or(i64::MAX)));
        Self { token, clock, deadline }
    }

    /// Runs `work` unless it is cancelled or takes too long. Work that is ready wins, so a change that was made is reported as made.
    ///
    /// # Errors
    /// `Cancelled`, or whatever `work` answers.
    pub async fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            result = work => result,
            error = self.clone().stopped() => Err(error),
        }
    }

    /// The same rows under the same limits. `failed` is set when they end in an error.
    pub fn rows(&self, rows: SendableRecordBatchStream, failed: Option<Arc<AtomicBool>>) -> SendableRecordBatchStream {
        let stopped = self.clone().stopped().boxed();
        Box::pin(GuardedRows { schema: rows.schema(), rows: Some(rows), stopped, failed })
    }

    /// Waits for the cancel or the deadline.
    async fn stopped(self) -> Error {
        let timed_out = async {
            match self.deadline {
                Some(at) => self.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.token.cancelled() => Error::new(Code::Cancelled, "canceling statement due to user request"),
            () = timed_out => Error::new(Code::Cancelled, "canceling statement due to statement timeout"),
        }
    }
}

struct GuardedRows {
    schema: SchemaRef,
    /// None once it has ended: the plan below and its memory are let go at once.
    rows: Option<SendableRecordBatchStream>,
    stopped: BoxFuture<'static, Error>,
    failed: Option<Arc<AtomicBool>>,
}

impl GuardedRows {
    fn fail(&mut self, error: DataFusionError) -> Poll<Option<Result<RecordBatch, DataFusionError>>> {
        self.rows = None;
        if let Some(failed) = &self.failed {
            failed.store(true, Ordering::Release);
        }
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for GuardedRows {
    type Item = Result<RecordBatch, DataFusionError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(rows) = &mut this.rows else { return Poll::Ready(None) };
        if let Poll::Ready(error) = this.stopped.poll_unpin(cx) {
            return this.fail(DataFusionError::External(Box::new(error)));
        }
        match rows.poll_next_unpin(cx) {
            Poll::Ready(Some(Err(error))) => this.fail(error),
            Poll::Ready(None) => {
                this.rows = None;
                Poll::Ready(None)
            }
            other => other,
        }
    }
}

impl RecordBatchStream for GuardedRows {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
