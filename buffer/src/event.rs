//! An event as it was received, and its number.

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};

/// Microseconds since 1970-01-01 UTC.
pub type Micros = i64;

/// What every event is counted with besides its own bytes: its row, its numbers, its place in the index of delivery ids.
const BYTES_PER_EVENT: u64 = 64;

/// The number of an event within its log: 1 for the first. As a position, "everything up to and including it"; 0 is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

impl Sequence {
    pub(crate) fn next(self) -> Self {
        Sequence(self.0.saturating_add(1))
    }
}

/// The number that names a source's files. It must never be given to another source while the files are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceNumber(pub u64);

/// Who reads a log and keeps events in it: a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerId(pub i64);

/// One header, as received: case and bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Header {
    pub name: Bytes,
    pub value: Bytes,
}

/// What is received at once and must not be lost. Nothing in it is interpreted but `received_at` and `delivery_id`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// By the hub's clock. It may go backward between events; numbers do not.
    pub received_at: Micros,
    pub method: String,
    pub path: String,
    /// None without a question mark.
    pub query: Option<String>,
    /// In the order received, duplicates included.
    pub headers: Vec<Header>,
    pub remote_address: Option<String>,
    pub content_type: Option<String>,
    /// The body's bytes before any decoding: signatures are computed over them.
    pub body: Bytes,
    /// By which a sender that repeats itself is recognised. None: each event is new.
    pub delivery_id: Option<Bytes>,
    /// For the hub's own use, kept as it is.
    pub attributes: Bytes,
}

impl Event {
    /// What the event counts for, wherever bytes of events are counted.
    pub fn size_bytes(&self) -> u64 {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let headers: usize = self.headers.iter().map(|header| header.name.len() + header.value.len() + 2 * LENGTH_BYTES).sum();
        let fixed = self.method.len() + self.path.len() + self.body.len() + self.attributes.len();
        let optional =
            text(&self.query) + text(&self.remote_address) + text(&self.content_type) + self.delivery_id.as_ref().map_or(0, Bytes::len);
        BYTES_PER_EVENT + (headers + fixed + optional) as u64
    }
}

/// An event of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    pub sequence: Sequence,
    pub event: Event,
}

/// The acknowledgement of one event: it is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// It was stored with this number.
    Stored(Sequence),
    /// Its delivery id is known; this is the number of the event that was stored first. That event may be removed already.
    Duplicate(Sequence),
}

impl Receipt {
    /// The number of the stored event, whether it is this one or an earlier one of the same delivery.
    pub fn sequence(self) -> Sequence {
        match self {
            Receipt::Stored(sequence) | Receipt::Duplicate(sequence) => sequence,
        }
    }
}

/// Names and values each follow their length: four bytes, the lowest first.
const LENGTH_BYTES: usize = 4;

pub(crate) fn encode_headers(headers: &[Header]) -> Result<Vec<u8>> {
    let mut encoded = Vec::new();
    for part in headers.iter().flat_map(|header| [&header.name, &header.value]) {
        let length = u32::try_from(part.len()).map_err(|e| Error::new(ErrorKind::TooLarge, "a header is too large").with_source(e))?;
        encoded.extend_from_slice(&length.to_le_bytes());
        encoded.extend_from_slice(part);
    }
    Ok(encoded)
}

pub(crate) fn decode_headers(encoded: Vec<u8>) -> Result<Vec<Header>> {
    let mut rest = Bytes::from(encoded);
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let mut part = || {
            let length = rest.first_chunk::<LENGTH_BYTES>().map(|bytes| u32::from_le_bytes(*bytes) as usize);
            let length = length.filter(|length| rest.len() - LENGTH_BYTES >= *length);
            let length = length.ok_or_else(|| Error::new(ErrorKind::Corrupt, "the event log holds headers that cannot be read"))?;
            let _ = rest.split_to(LENGTH_BYTES);
            Ok::<_, Error>(rest.split_to(length))
        };
        headers.push(Header { name: part()?, value: part()? });
    }
    Ok(headers)
}
