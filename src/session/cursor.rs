//! A cursor: a query that is read piece by piece, forward only.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use tokio::sync::Mutex;

/// Holds the running query; its rows are handed out in order, each once. At most one batch waits in memory.
pub struct Cursor {
    schema: SchemaRef,
    hold: Hold,
    rest: Arc<Mutex<Rest>>,
}

/// Whether a cursor stays open after COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    Yes,
    No,
}

struct Rest {
    rows: SendableRecordBatchStream,
    /// The part of a batch that no FETCH has taken yet.
    waiting: Option<RecordBatch>,
}

impl Cursor {
    pub fn new(rows: SendableRecordBatchStream, hold: Hold) -> Self {
        Self { schema: rows.schema(), hold, rest: Arc::new(Mutex::new(Rest { rows, waiting: None })) }
    }

    pub fn outlives_commit(&self) -> bool {
        self.hold == Hold::Yes
    }

    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The next `count` rows, or all that are left.
    pub fn fetch(&self, count: Option<u64>) -> SendableRecordBatchStream {
        let left = count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let batches = futures::stream::unfold((self.rest.clone(), left), |(rest, left)| async move {
            if left == 0 {
                return None;
            }
            let mut held = rest.lock().await;
            let batch = match held.waiting.take() {
                Some(batch) => batch,
                None => match held.rows.next().await? {
                    Ok(batch) => batch,
                    Err(error) => {
                        drop(held);
                        return Some((Err(error), (rest, 0)));
                    }
                },
            };
            let taken = batch.num_rows().min(left);
            if taken < batch.num_rows() {
                held.waiting = Some(batch.slice(taken, batch.num_rows() - taken));
            }
            drop(held);
            Some((Ok(batch.slice(0, taken)), (rest, left - taken)))
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))
    }
}
