//! The stream of `COPY .. (FORMAT binary)`, taken apart into rows and gathered into columns.
//!
//! Pieces may end anywhere. A row that cannot be kept becomes a reject and costs its neighbours nothing.

use std::ops::Range;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::filter;
use bytes::{Buf, Bytes, BytesMut};

use super::column::{Column, Failure};
use super::row;
use super::types::Fitted;
use crate::error::{Code, Error, Result};
use crate::formats::Reject;

/// How much one batch may hold; whichever comes first.
const BATCH_ROWS: usize = 16_384;
const BATCH_BYTES: usize = 16 << 20;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags and the length of what may follow them.
const HEADER: usize = 19;

/// Rows on their way into a batch.
pub(super) struct Rows {
    columns: Vec<Column>,
    state: State,
    /// The start of a row whose end has not come yet.
    rest: BytesMut,
    /// Where each field of the row at hand lies; None for NULL.
    fields: Vec<Option<Range<usize>>>,
    count: usize,
    size: usize,
    /// Rows of this batch that are to be left out, by their index.
    bad: Vec<usize>,
    rejects: Vec<Reject>,
    /// 1-based position of the last row.
    position: i64,
    positions: Vec<i64>,
    keeps_raw: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Rows,
    End,
}

/// A batch: columns in the order given, positions of its rows, and what was turned away on the way.
pub(super) struct Gathered {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) rows: usize,
    pub(super) positions: Vec<i64>,
    pub(super) rejects: Vec<Reject>,
}

enum Step {
    Row(usize),
    End,
    Incomplete,
}

impl Rows {
    /// `keeps_raw`: whether anybody wants to know what a rejected row looked like.
    pub(super) fn new(columns: &[Fitted], keeps_raw: bool) -> Result<Self> {
        let columns = columns.iter().map(|fitted| Column::new(fitted.clone(), BATCH_ROWS)).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            columns,
            state: State::Header,
            rest: BytesMut::new(),
            fields: Vec::new(),
            count: 0,
            size: 0,
            bad: Vec::new(),
            rejects: Vec::new(),
            position: 0,
            positions: Vec::with_capacity(BATCH_ROWS),
            keeps_raw,
        })
    }

    /// # Errors
    /// `Protocol` when the stream is not what COPY sends.
    pub(super) fn feed(&mut self, mut piece: Bytes) -> Result<()> {
        if self.rest.is_empty() {
            let taken = self.take_rows(&piece)?;
            piece.advance(taken);
            self.rest.extend_from_slice(&piece);
            return Ok(());
        }
        self.rest.extend_from_slice(&piece);
        let whole = self.rest.split().freeze();
        let taken = self.take_rows(&whole)?;
        self.rest.extend_from_slice(whole.get(taken..).unwrap_or_default());
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.count >= BATCH_ROWS || self.size >= BATCH_BYTES
    }

    /// Good rows gathered so far.
    pub(super) fn good(&self) -> usize {
        self.count - self.bad.len()
    }

    /// Whether the server said that this was all.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::End && self.rest.is_empty()
    }

    /// How many bytes of `piece` were whole rows.
    fn take_rows(&mut self, piece: &[u8]) -> Result<usize> {
        let mut at = 0;
        if self.state == State::Header {
            match header(piece)? {
                Some(length) => at = length,
                None => return Ok(0),
            }
            self.state = State::Rows;
        }
        loop {
            let left = piece.get(at..).unwrap_or_default();
            if left.is_empty() {
                return Ok(at);
            }
            if self.state == State::End {
                return Err(broken("bytes behind its end"));
            }
            match self.fields(left)? {
                Step::Row(length) => {
                    self.row(left);
                    self.size += length;
                    at += length;
                }
                Step::End => {
                    self.state = State::End;
                    at += 2;
                }
                Step::Incomplete => return Ok(at),
            }
        }
    }

    /// Finds the fields of the row at the start of `bytes`.
    fn fields(&mut self, bytes: &[u8]) -> Result<Step> {
        self.fields.clear();
        let Some(count) = bytes.first_chunk::<2>().map(|two| i16::from_be_bytes(*two)) else { return Ok(Step::Incomplete) };
        if count == -1 {
            return Ok(Step::End);
        }
        if usize::try_from(count).ok() != Some(self.columns.len()) {
            return Err(broken("another number of columns than was asked for"));
        }
        let mut at = 2;
        for _ in 0..count {
            let Some(length) = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>).map(|four| i32::from_be_bytes(*four)) else {
                return Ok(Step::Incomplete);
            };
            at += 4;
            let Ok(length) = usize::try_from(length) else {
                self.fields.push(None);
                continue;
            };
            let end = at + length;
            if end > bytes.len() {
                return Ok(Step::Incomplete);
            }
            self.fields.push(Some(at..end));
            at = end;
        }
        Ok(Step::Row(at))
    }

    fn row(&mut self, bytes: &[u8]) {
        self.position += 1;
        let mut failure: Option<Failure> = None;
        for (column, field) in self.columns.iter_mut().zip(&self.fields) {
            let appended = match field {
                None => column.null(),
                Some(range) => column.append(bytes.get(range.clone()).unwrap_or_default()),
            };
            if let Err(found) = appended {
                failure = failure.or(Some(found));
            }
        }
        if let Some(Failure { rule, error }) = failure {
            let raw = if self.keeps_raw { self.raw(bytes) } else { Vec::new() };
            self.bad.push(self.count);
            self.rejects.push(Reject { rule, error, raw, position: self.position });
        } else {
            self.positions.push(self.position);
        }
        self.count += 1;
    }

    #[cold]
    fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let values = self.fields.iter().map(|field| field.clone().and_then(|range| bytes.get(range)));
        row::object(self.columns.iter().map(|column| &column.fitted).zip(values))
    }

    /// Empties the batch.
    pub(super) fn take(&mut self) -> Result<Gathered> {
        let mut columns = self.columns.iter_mut().map(Column::finish).collect::<Result<Vec<_>>>()?;
        let rows = self.good();
        if !self.bad.is_empty() {
            let mut keep = vec![true; self.count];
            for index in self.bad.drain(..) {
                if let Some(flag) = keep.get_mut(index) {
                    *flag = false;
                }
            }
            let keep = BooleanArray::from(keep);
            let kept = columns.iter().map(|column| filter(column, &keep)).collect::<Result<Vec<_>, _>>();
            columns = kept.map_err(|error| Error::internal("rows of PostgreSQL cannot be left out").caused_by(error))?;
        }
        self.count = 0;
        self.size = 0;
        let positions = std::mem::replace(&mut self.positions, Vec::with_capacity(BATCH_ROWS));
        Ok(Gathered { columns, rows, positions, rejects: std::mem::take(&mut self.rejects) })
    }
}

/// The length of the header; None while it is not complete.
fn header(bytes: &[u8]) -> Result<Option<usize>> {
    let start = bytes.get(..SIGNATURE.len().min(bytes.len())).unwrap_or_default();
    if !SIGNATURE.starts_with(start) {
        return Err(broken("another signature"));
    }
    let extension = bytes.get(HEADER - 4..).and_then(<[u8]>::first_chunk::<4>).map(|four| u32::from_be_bytes(*four));
    let length = extension.and_then(|extension| usize::try_from(extension).ok()).map(|extension| HEADER + extension);
    Ok(length.filter(|length| bytes.len() >= *length))
}

fn broken(what: &str) -> Error {
    Error::new(Code::Protocol, "the stream of rows from PostgreSQL is not what COPY sends").detail(format!("It has {what}."))
}
