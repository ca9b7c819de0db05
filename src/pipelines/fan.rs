//! One reading of a stream for several outputs.
//!
//! A stream that several outputs of a step scan is read once; each batch goes to all of them, and the next one is read when every output
//! has taken it. What waits between the reading and an output is a few batches, whatever the outputs do: the slowest sets the pace.
//!
//! An output takes part when it scans one stream in one place. One that scans streams in several places (UNION ALL of two, a join of a
//! stream with itself) would wait at one of them for what the others hold back, and they for it: it reads its ranges by itself. A range
//! gives the same rows however often it is read.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result as DfResult;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _};
use futures::StreamExt;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use weir_catalog::ObjectId;

use super::stream_table::StreamScanExec;
use crate::engine::{Engine, Scope};
use crate::error::{Error, Result};
use crate::sources::RejectSink;

/// Batches that wait between a reading and each output.
const AHEAD: usize = 2;

/// What a reading tells an output. A channel that closes without an end was cut off.
#[derive(Clone)]
enum Word {
    Rows(RecordBatch),
    Failed(Arc<DataFusionError>),
    End,
}

/// Where one scan of a stream gets its rows when the stream is shared.
pub(super) struct Tap {
    stream: ObjectId,
    /// The columns that the scan needs, by their places in the stream.
    columns: Vec<usize>,
    shared: OnceLock<Shared>,
}

struct Shared {
    /// Of a shared batch, the columns of this scan.
    places: Vec<usize>,
    /// One per partition, until it is read.
    partitions: Mutex<Vec<Option<Receiver<Word>>>>,
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Tap {
    pub(super) fn new(stream: ObjectId, columns: Vec<usize>) -> Arc<Self> {
        Arc::new(Self { stream, columns, shared: OnceLock::new() })
    }

    /// The shared rows of a partition; None when the scan reads by itself.
    pub(super) fn rows(&self, partition: usize) -> Option<DfResult<BoxStream<'static, DfResult<RecordBatch>>>> {
        let shared = self.shared.get()?;
        let taken = shared.partitions.lock().get_mut(partition).and_then(Option::take);
        let Some(receiver) = taken else {
            return Some(Err(DataFusionError::Internal("a shared stream can be read only once".to_owned())));
        };
        let places = shared.places.clone();
        Some(Ok(futures::stream::try_unfold((receiver, places), |(mut receiver, places)| async move {
            match receiver.recv().await {
                Some(Word::Rows(batch)) => Ok(Some((batch.project(&places)?, (receiver, places)))),
                Some(Word::Failed(error)) => Err(DataFusionError::Shared(error)),
                Some(Word::End) => Ok(None),
                None => Err(DataFusionError::External(Box::new(Error::internal("the reading of a stream was cut off")))),
            }
        })
        .boxed()))
    }

    /// Takes no more: the other outputs do not wait for a partition that nobody reads.
    pub(super) fn close(&self) {
        if let Some(shared) = self.shared.get() {
            shared.partitions.lock().clear();
        }
    }
}

/// The tap of a plan that may share its stream, which it scans in one place, and the partitions of that scan.
pub(super) fn only_tap(plan: &Arc<dyn ExecutionPlan>) -> Option<(Arc<Tap>, usize)> {
    let (mut scans, mut found) = (0_usize, None);
    // The closure never fails, so neither does the walk.
    let _ = plan.apply(|node| {
        if let Some(scan) = node.downcast_ref::<StreamScanExec>() {
            scans += 1;
            found = scan.tap().map(|tap| (Arc::clone(tap), node.output_partitioning().partition_count()));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found.filter(|_| scans == 1)
}

/// One output that may share.
pub(super) struct Taker {
    pub(super) tap: Arc<Tap>,
    pub(super) sink: RejectSink,
    pub(super) partitions: usize,
}

impl Taker {
    pub(super) fn stream(&self) -> ObjectId {
        self.tap.stream
    }
}

/// The readings of a step; dropped, they end.
#[derive(Default)]
pub(super) struct Fan(JoinSet<()>);

impl Fan {
    /// Reads `table` once for all of the takers, which must not have begun. `sink` is what the table's scans report to.
    ///
    /// Where the table has not the partitions that the outputs were planned with, each reads by itself.
    pub(super) async fn share(
        &mut self,
        engine: &Engine,
        scope: &Scope,
        table: &Arc<dyn TableProvider>,
        sink: &RejectSink,
        takers: &[Taker],
    ) -> Result<()> {
        let columns: Vec<usize> =
            takers.iter().flat_map(|taker| &taker.tap.columns).copied().collect::<BTreeSet<_>>().into_iter().collect();
        let state = engine.state(scope);
        let scan = table.scan(&state, Some(&columns), &[], None).await.map_err(Engine::error)?;
        let partitions = scan.output_partitioning().partition_count();
        if takers.iter().any(|taker| taker.partitions != partitions) {
            tracing::debug!(partitions, "a stream is read by each output: their plans have other partitions");
            return Ok(());
        }
        let (scan, _) = Engine::paced(scan)?;
        let context = Engine::context(&state);
        let mut senders: Vec<Vec<Sender<Word>>> = (0..partitions).map(|_| Vec::new()).collect();
        for taker in takers {
            let mut receivers = Vec::with_capacity(partitions);
            for partition in &mut senders {
                let (sender, receiver) = channel(AHEAD);
                partition.push(sender);
                receivers.push(Some(receiver));
            }
            let places = taker.tap.columns.iter().filter_map(|column| columns.binary_search(column).ok()).collect();
            let shared = Shared { places, partitions: Mutex::new(receivers) };
            if taker.tap.shared.set(shared).is_err() {
                return Err(Error::internal("a stream is shared twice"));
            }
        }
        let sinks: Vec<RejectSink> = takers.iter().map(|taker| taker.sink.clone()).collect();
        for (partition, senders) in senders.into_iter().enumerate() {
            let rows = scan.execute(partition, Arc::clone(&context)).map_err(Engine::error)?;
            self.0.spawn_on(hand_out(rows, senders, sink.clone(), sinks.clone()), engine.work());
        }
        Ok(())
    }
}

/// Reads a partition to its end and gives every batch to all who still take.
async fn hand_out(mut rows: SendableRecordBatchStream, mut takers: Vec<Sender<Word>>, sink: RejectSink, sinks: Vec<RejectSink>) {
    loop {
        let next = rows.next().await;
        // What could not be read is with the outputs before they learn that there is no more.
        sink.pour(&sinks);
        let word = match next {
            Some(Ok(batch)) => Word::Rows(batch),
            Some(Err(error)) => Word::Failed(Arc::new(error)),
            None => Word::End,
        };
        let sent = futures::future::join_all(takers.iter().map(|taker| taker.send(word.clone()))).await;
        let mut sent = sent.into_iter();
        takers.retain(|_| sent.next().is_some_and(|sent| sent.is_ok()));
        if takers.is_empty() || !matches!(word, Word::Rows(_)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

    use super::*;

    const BATCHES: usize = 50;

    /// Batches that are counted as they are read; the last word is an error where `breaks` says so.
    fn source(read: &Arc<AtomicUsize>, breaks: bool) -> SendableRecordBatchStream {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, false), Field::new("b", DataType::Int64, false)]));
        let (columns, read) = (Arc::clone(&schema), Arc::clone(read));
        let batches = futures::stream::iter(0..BATCHES).map(move |number| {
            read.fetch_add(1, Ordering::SeqCst);
            if breaks && number + 1 == BATCHES {
                return Err(DataFusionError::Execution("cut".to_owned()));
            }
            let column = |factor: i64| Arc::new(arrow::array::Int64Array::from(vec![number as i64 * factor])) as _;
            Ok(RecordBatch::try_new(Arc::clone(&columns), vec![column(1), column(10)])?)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }

    fn taps(places: &[&[usize]]) -> (Vec<Arc<Tap>>, Vec<Sender<Word>>) {
        let tap = |places: &&[usize]| {
            let (sender, receiver) = channel(AHEAD);
            let tap = Tap::new(ObjectId(1), places.to_vec());
            let shared = Shared { places: places.to_vec(), partitions: Mutex::new(vec![Some(receiver)]) };
            assert!(tap.shared.set(shared).is_ok());
            (tap, sender)
        };
        places.iter().map(tap).unzip()
    }

    #[tokio::test]
    async fn the_slowest_sets_the_pace_and_everybody_gets_all() {
        let read = Arc::new(AtomicUsize::new(0));
        let (taps, senders) = taps(&[&[1], &[0, 1]]);
        let reading = tokio::spawn(hand_out(source(&read, false), senders, RejectSink::default(), Vec::new()));
        let mut fast = taps[0].rows(0).unwrap().unwrap();
        let mut slow = taps[1].rows(0).unwrap().unwrap();
        assert_eq!(slow.next().await.unwrap().unwrap().num_columns(), 2);
        // The fast one can take what was read for it, and not a batch more before the slow one moves.
        for number in 0..=AHEAD {
            assert_eq!(fast.next().await.unwrap().unwrap().column(0).len(), 1, "batch {number}");
        }
        assert!(read.load(Ordering::SeqCst) <= AHEAD + 3, "{} batches were read ahead", read.load(Ordering::SeqCst));
        let (rest, slow) = futures::join!(fast.count(), slow.count());
        assert_eq!((rest + AHEAD + 1, slow + 1), (BATCHES, BATCHES));
        reading.await.unwrap();
    }

    #[tokio::test]
    async fn one_that_ends_early_holds_up_nobody() {
        let read = Arc::new(AtomicUsize::new(0));
        let (taps, senders) = taps(&[&[0], &[0], &[0]]);
        let reading = tokio::spawn(hand_out(source(&read, false), senders, RejectSink::default(), Vec::new()));
        // One is never read, one stops in the middle.
        taps[0].close();
        let mut short = taps[1].rows(0).unwrap().unwrap();
        short.next().await.unwrap().unwrap();
        drop(short);
        assert_eq!(taps[2].rows(0).unwrap().unwrap().count().await, BATCHES);
        reading.await.unwrap();
        assert!(taps[2].rows(0).unwrap().is_err(), "a tap was read twice");
    }

    #[tokio::test]
    async fn an_error_and_a_death_are_no_end() {
        let read = Arc::new(AtomicUsize::new(0));
        let (broken, senders) = taps(&[&[0], &[0]]);
        let reading = tokio::spawn(hand_out(source(&read, true), senders, RejectSink::default(), Vec::new()));
        let all = |tap: &Arc<Tap>| tap.rows(0).unwrap().unwrap().collect::<Vec<_>>();
        for rows in futures::future::join_all(broken.iter().map(all)).await {
            assert!(rows.len() == BATCHES && rows.last().unwrap().is_err());
        }
        reading.await.unwrap();

        let (left, senders) = taps(&[&[0]]);
        drop(senders);
        assert!(all(&left[0]).await.pop().unwrap().is_err(), "a reader that died looked like the end of the rows");
    }
}
