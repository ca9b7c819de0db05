//! The log of events as a source: `STREAM(hub.events)`, in the order of their numbers.
//!
//! A pipeline reads what its owner may know of, and never what is about itself: its own runs would feed it without end. Two that both read the
//! log would feed each other, so what is about a pipeline that reads it makes no run of another by itself: it is given with the next other
//! event, or after an hour. Events that were forgotten before they were read are an error, never a gap.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::TryStreamExt;
use serde_json::{Value as Json, json};
use weir_catalog::{Event, EventFilter, Kind, ObjectId, Store, Thing};

use super::errors::{catalog_error, error};
use super::{Engine, streams, system};
use crate::clock::Micros;
use crate::error::{Code, Error, Result};
use crate::sources::{
    BatchLimit, Drift, POSITION_COLUMN, Position, Range, RawRecord, RejectSink, SOURCE_COLUMN, ScanRequest, Seen, Source, StartPoint,
};

/// What rows say that they come from.
pub const NAME: &str = "hub.events";

/// Events that are read from the catalog at a time.
const PAGE: usize = 1000;

/// What is about another reader of the log waits so long for company.
const WAITS: Micros = 3_600_000_000;

impl Engine {
    /// What `STREAM(hub.events)` reads, with the rights of a role. `reader` is the pipeline that asks, once it has a number.
    pub fn event_stream(&self, role: &str, reader: Option<ObjectId>) -> Arc<dyn Source> {
        Arc::new(EventStream(Arc::new(Reader { engine: self.me_weak(), role: role.to_owned(), reader })))
    }
}

struct EventStream(Arc<Reader>);

/// Who reads.
struct Reader {
    engine: Weak<Engine>,
    role: String,
    reader: Option<ObjectId>,
}

/// What is known of the objects that events are about, while one question is answered.
#[derive(Default)]
struct Known(HashMap<ObjectId, About>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// The reader itself, or what its owner may not know of.
    Hidden,
    /// Another pipeline that reads the log.
    Reader,
    Other,
}

impl Reader {
    fn engine(&self) -> Result<Arc<Engine>> {
        self.engine.upgrade().ok_or_else(|| Error::new(Code::ShuttingDown, "the hub is shutting down"))
    }

    fn store(&self) -> Result<Arc<dyn Store>> {
        Ok(Arc::clone(self.engine()?.store()))
    }

    fn about(&self, event: &Event, known: &mut Known) -> Result<About> {
        let Some(object) = event.object else { return Ok(About::Other) };
        if let Some(about) = known.0.get(&object) {
            return Ok(*about);
        }
        let about = self.judged(object)?;
        known.0.insert(object, about);
        Ok(about)
    }

    fn judged(&self, object: ObjectId) -> Result<About> {
        if self.reader == Some(object) {
            return Ok(About::Hidden);
        }
        let store = self.store()?;
        let access = store.access().map_err(catalog_error)?;
        let sees_all = access.is_superuser(&self.role);
        Ok(match store.object_by_id(object).map_err(catalog_error)? {
            // What is gone is seen by superusers.
            None if sees_all => About::Other,
            Some(found) if sees_all || access.allows_any(&self.role, Thing::of(&found)) => match found.kind {
                Kind::Pipeline if streams::reads_events(&found) => About::Reader,
                _ => About::Other,
            },
            _ => About::Hidden,
        })
    }

    /// The number up to which everything is read; nothing is missing behind it.
    ///
    /// # Errors
    /// `WrongState` when events behind the position were forgotten.
    fn start(&self, from: Option<&Position>) -> Result<i64> {
        let kept_from = self.store()?.forgotten_events().map_err(catalog_error)?;
        match from.map(seq).transpose()? {
            None => Ok(kept_from),
            Some(read) if read >= kept_from => Ok(read),
            Some(read) => Err(Error::new(Code::WrongState, format!("events {} to {kept_from} are no longer kept", read + 1))
                .detail("They were forgotten before they were read: the setting events.keep says how long events are kept.")
                .hint(format!(
                    "ALTER PIPELINE .. RESET OFFSETS FOR {NAME} TO EARLIEST goes on with the oldest event that is kept, TO LATEST with the next."
                ))),
        }
    }

    fn page(&self, after: i64, to: Option<i64>) -> Result<Vec<Event>> {
        let filter = EventFilter { after, to, limit: Some(PAGE), ..EventFilter::default() };
        self.store()?.events(&filter).map_err(catalog_error)
    }

    /// What there is behind a number: the first event that makes a run, and whether any would be read by one.
    fn ahead(&self, start: i64) -> Result<(Option<Event>, bool)> {
        let now = self.engine()?.clock().now();
        let (mut known, mut after, mut any) = (Known::default(), start, false);
        loop {
            let page = self.page(after, None)?;
            let Some(last) = page.last().map(|event| event.seq) else { return Ok((None, any)) };
            for event in page {
                let about = self.about(&event, &mut known)?;
                any = any || about != About::Hidden;
                let waits = about == About::Reader && now.saturating_sub(event.time) < WAITS;
                if about != About::Hidden && !waits {
                    return Ok((Some(event), true));
                }
            }
            after = last;
        }
    }
}

fn position(seq: i64) -> Position {
    json!({ "seq": seq })
}

fn seq(position: &Position) -> Result<i64> {
    let seq = position.get("seq").and_then(Json::as_i64);
    seq.ok_or_else(|| Error::internal(format!("{position} is no position in {NAME}")))
}

fn columns() -> SchemaRef {
    system::find("hub", "events").map_or_else(|| Arc::new(Schema::empty()), system::SystemTable::arrow_schema)
}

#[async_trait]
impl Source for EventStream {
    fn schema(&self) -> SchemaRef {
        columns()
    }

    async fn next(&self, from: Option<&Position>, _limit: &BatchLimit) -> Result<Option<Position>> {
        let newest = self.0.store()?.newest_event().map_err(catalog_error)?;
        let start = self.0.start(from)?;
        if newest <= start {
            return Ok(None);
        }
        let (wakes, _) = self.0.ahead(start)?;
        Ok(wakes.map(|_| position(newest)))
    }

    async fn passes_over(&self, from: &Position) -> Result<Option<Position>> {
        let newest = self.0.store()?.newest_event().map_err(catalog_error)?;
        let start = self.0.start(Some(from))?;
        let (_, any) = if newest > start { self.0.ahead(start)? } else { return Ok(None) };
        Ok((!any).then(|| position(newest)))
    }

    async fn drift(&self, _range: Option<&Range>) -> Result<Drift> {
        Ok(Drift::default())
    }

    async fn suits(&self, _column: &str, _records: Vec<RawRecord>) -> Result<Option<Seen>> {
        Ok(None)
    }

    async fn scan(&self, range: Option<Range>, request: ScanRequest) -> Result<Arc<dyn TableProvider>> {
        let (from, to) = match &range {
            Some(range) => (self.0.start(range.from.as_ref())?, seq(&range.to)?),
            None => (self.0.start(None)?, self.0.store()?.newest_event().map_err(catalog_error)?),
        };
        let mut fields: Vec<_> = columns().fields().iter().cloned().collect();
        if request.provenance {
            let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            fields.push(Arc::new(Field::new(SOURCE_COLUMN, dictionary, false)));
            fields.push(Arc::new(Field::new(POSITION_COLUMN, DataType::Int64, false)));
        }
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let log = Log {
            reader: Arc::clone(&self.0),
            schema: Arc::clone(&schema),
            from,
            to,
            provenance: request.provenance,
            rejects: request.rejects,
        };
        // However many partitions are asked for, the log is one.
        let empty = |_| Arc::new(Nothing(Arc::clone(&schema))) as Arc<dyn PartitionStream>;
        let others = if request.ordered { 0 } else { request.partitions.saturating_sub(1) };
        let partitions = std::iter::once(Arc::new(log) as Arc<dyn PartitionStream>).chain((0..others).map(empty)).collect();
        Ok(Arc::new(StreamingTable::try_new(Arc::clone(&schema), partitions).map_err(error)?))
    }

    async fn decode_again(&self, _records: Vec<RawRecord>, _request: ScanRequest) -> Result<Arc<dyn TableProvider>> {
        Err(Error::internal("events have no records that could be decoded"))
    }

    async fn left_out(&self, _from: &Position) -> Result<Option<String>> {
        Ok(None)
    }

    async fn release(&self, _to: &Position) -> Result<()> {
        Ok(())
    }

    async fn position_at(&self, point: &StartPoint) -> Result<Option<Position>> {
        let store = self.0.store()?;
        let (oldest, newest) = (store.forgotten_events().map_err(catalog_error)?, store.newest_event().map_err(catalog_error)?);
        let read = match point {
            StartPoint::Earliest => oldest,
            StartPoint::Latest => newest,
            StartPoint::At(text) => match text.trim().parse::<i64>() {
                Ok(number) if number > oldest && number <= newest.saturating_add(1) => number - 1,
                Ok(number) => {
                    return Err(Error::new(Code::InvalidParameter, format!("there is no event {number}"))
                        .hint(format!("Events {} to {newest} are kept.", oldest.saturating_add(1))));
                }
                Err(_) => {
                    let at = crate::formats::timestamp_micros(text).ok_or_else(|| {
                        Error::new(Code::InvalidParameter, format!("\"{text}\" is neither the number of an event nor a time"))
                    })?;
                    store.last_event_at(at.saturating_sub(1)).map_err(catalog_error)?.max(oldest)
                }
            },
        };
        Ok(Some(position(read)))
    }

    async fn oldest_unread(&self, from: Option<&Position>) -> Result<Option<Micros>> {
        Ok(self.0.ahead(self.0.start(from)?)?.0.map(|event| event.time))
    }
}

/// The events of a range.
struct Log {
    reader: Arc<Reader>,
    schema: SchemaRef,
    from: i64,
    to: i64,
    provenance: bool,
    rejects: Option<RejectSink>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "events {} to {}", self.from + 1, self.to)
    }
}

impl Log {
    fn batch(&self, events: Vec<Event>) -> Result<RecordBatch> {
        let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
        let rows = system::event_batch(events)?;
        let mut all: Vec<ArrayRef> = rows.columns().to_vec();
        if self.provenance {
            let odd = |error| Error::internal("events do not fit their columns").caused_by(error);
            let values: ArrayRef = Arc::new(StringArray::from(vec![NAME]));
            all.push(Arc::new(DictionaryArray::<Int32Type>::try_new(Int32Array::from_value(0, numbers.len()), values).map_err(odd)?));
            all.push(Arc::new(Int64Array::from(numbers)));
        }
        RecordBatch::try_new(Arc::clone(&self.schema), all)
            .map_err(|error| Error::internal("events do not fit their columns").caused_by(error))
    }
}

impl PartitionStream for Log {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let log =
            Arc::new(Self { reader: Arc::clone(&self.reader), schema: Arc::clone(&self.schema), rejects: self.rejects.clone(), ..*self });
        let state = (log, self.from, Known::default());
        let pages = futures::stream::try_unfold(state, |(log, after, mut known)| async move {
            let reader = &log.reader;
            // What comes next may have been forgotten since the range was frozen.
            reader.start(Some(&position(after)))?;
            let page = reader.page(after, Some(log.to))?;
            let Some(last) = page.last().map(|event| event.seq) else { return Ok::<_, Error>(None) };
            let mut given = Vec::with_capacity(page.len());
            for event in page {
                if reader.about(&event, &mut known)? != About::Hidden {
                    given.push(event);
                }
            }
            if let Some(sink) = &log.rejects {
                sink.count_read(given.len());
            }
            let batch = log.batch(given)?;
            Ok(Some((batch, (log, last, known))))
        });
        let rows = pages.map_err(|error| DataFusionError::External(Box::new(error)));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}

#[derive(Debug)]
struct Nothing(SchemaRef);

impl PartitionStream for Nothing {
    fn schema(&self) -> &SchemaRef {
        &self.0
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.0), futures::stream::empty()))
    }
}
