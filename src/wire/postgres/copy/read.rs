//! What a client sends in a COPY, as batches. An error names the line and the column.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::{Buf, Bytes, BytesMut};

use super::super::encode::Zone;
use super::super::frontend::utf8;
use super::columns::Column;
use super::split::{Fields, Records};
use crate::engine::line_behind;
use crate::error::{Code, Error, Result};
use crate::session::{CopyForm, CopyStyle, Header};

/// A batch is handed on with so many rows or bytes.
const BATCH_ROWS: usize = 8 * 1024;
const BATCH_BYTES: usize = 4 << 20;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// As many bytes of a value are shown in an error.
const SHOWN_BYTES: usize = 100;

/// Reads one COPY.
pub(super) struct Reader {
    style: CopyStyle,
    table: String,
    zone: Zone,
    sent: SchemaRef,
    columns: Vec<Column>,
    lines: Vec<i64>,
    /// Number of the last row in the binary form, which has no lines.
    row: i64,
    bytes: usize,
    source: Source,
    /// The header was read, if there is one.
    is_started: bool,
    /// The client's end mark was read: what follows means nothing.
    is_over: bool,
}

enum Source {
    Lines(Records, Fields),
    Binary(BytesMut),
}

impl Reader {
    pub(super) fn new(columns: &SchemaRef, style: CopyStyle, table: String, zone: Zone) -> Self {
        let source = match style.form {
            CopyForm::Binary => Source::Binary(BytesMut::new()),
            CopyForm::Text | CopyForm::Csv => Source::Lines(Records::new(&style), Fields::default()),
        };
        Self {
            is_started: style.header == Header::No && style.form != CopyForm::Binary,
            style,
            table,
            zone,
            sent: line_behind(columns),
            columns: columns.fields().iter().map(|field| Column::new(field)).collect(),
            lines: Vec::new(),
            row: 0,
            bytes: 0,
            source,
            is_over: false,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.is_over {
            return;
        }
        match &mut self.source {
            Source::Lines(records, _) => records.push(bytes),
            Source::Binary(buffer) => buffer.extend_from_slice(bytes),
        }
    }

    /// The next batch, once it is full; at the end what there is.
    ///
    /// # Errors
    /// Whatever does not fit the form or the columns, with the line in the detail.
    pub(super) fn next(&mut self, is_end: bool) -> Result<Option<RecordBatch>> {
        while !self.is_over && self.lines.len() < BATCH_ROWS && self.bytes < BATCH_BYTES {
            let went_on = match self.style.form {
                CopyForm::Binary => self.tuple(is_end)?,
                CopyForm::Text | CopyForm::Csv => self.record(is_end)?,
            };
            if !went_on {
                break;
            }
        }
        let is_full = self.lines.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES;
        if self.lines.is_empty() || !(is_full || is_end) { Ok(None) } else { self.batch().map(Some) }
    }

    fn batch(&mut self) -> Result<RecordBatch> {
        let mut arrays = self.columns.iter_mut().map(Column::take).collect::<Result<Vec<ArrayRef>>>()?;
        arrays.push(Arc::new(Int64Array::from(std::mem::take(&mut self.lines))));
        self.bytes = 0;
        RecordBatch::try_new(Arc::clone(&self.sent), arrays)
            .map_err(|error| Error::internal("rows of a COPY do not fit together").caused_by(error))
    }

    /// Reads a line; false when there is none yet.
    fn record(&mut self, is_end: bool) -> Result<bool> {
        let Source::Lines(records, fields) = &mut self.source else { return Ok(false) };
        let Some((record, line)) = records.next(is_end).map_err(|error| error.detail(format!("COPY {}.", self.table)))? else {
            return Ok(false);
        };
        if &record[..] == b"\\." {
            self.is_over = true;
            return Ok(false);
        }
        fields.split(&record, &self.style);
        let place = || format!("COPY {}, line {line}", self.table);
        if !self.is_started {
            self.is_started = true;
            if self.style.header == Header::Match {
                check_header(fields, &self.columns).map_err(|error| error.detail(format!("{}.", place())))?;
            }
            return Ok(true);
        }
        if fields.len() > self.columns.len() {
            return Err(Error::new(Code::BadCopyFormat, "extra data after last expected column").detail(format!(
                "{}: \"{}\"",
                place(),
                shown(&record)
            )));
        }
        for (index, column) in self.columns.iter_mut().enumerate() {
            let Some((bytes, is_null_text, is_quoted)) = fields.get(index) else {
                return Err(Error::new(Code::BadCopyFormat, format!("missing data for column \"{}\"", column.name)).detail(format!(
                    "{}: \"{}\"",
                    place(),
                    shown(&record)
                )));
            };
            let is_null = match (is_null_text, is_quoted) {
                (true, false) => !self.style.force_not_null.includes(&column.name),
                (true, true) => self.style.force_null.includes(&column.name),
                (false, _) => false,
            };
            let put = match is_null {
                true => column.put_text(None, &self.zone),
                false => utf8(bytes).and_then(|text| column.put_text(Some(text), &self.zone)),
            };
            put.map_err(|error| at(error, &place(), &column.name, Some(bytes)))?;
            self.bytes += bytes.len();
        }
        self.lines.push(line);
        Ok(true)
    }

    /// Reads a row of the binary form; false when it is not whole yet.
    fn tuple(&mut self, is_end: bool) -> Result<bool> {
        let Source::Binary(buffer) = &mut self.source else { return Ok(false) };
        let bad = |message: &str| Error::new(Code::BadCopyFormat, message.to_owned()).detail(format!("COPY {}.", self.table));
        if !self.is_started {
            let begins = buffer.len().min(SIGNATURE.len());
            if buffer.get(..begins) != SIGNATURE.get(..begins) || (is_end && begins < SIGNATURE.len()) {
                return Err(bad("COPY file signature not recognized"));
            }
            let Some(extension) = buffer.get(SIGNATURE.len() + 4..).and_then(|rest| rest.first_chunk::<4>()) else { return Ok(false) };
            let extension = usize::try_from(i32::from_be_bytes(*extension)).map_err(|_| bad("invalid COPY file header"))?;
            let length = SIGNATURE.len() + 8 + extension;
            if buffer.len() < length {
                return Ok(false);
            }
            buffer.advance(length);
            self.is_started = true;
        }
        let Some(length) = whole_tuple(buffer, self.columns.len()).map_err(|message| bad(&message))? else {
            return match is_end && !buffer.is_empty() {
                true => Err(bad("unexpected EOF in COPY data")),
                false => Ok(false),
            };
        };
        let mut tuple = buffer.split_to(length).freeze();
        if length == 2 && tuple.first() == Some(&0xff) {
            self.is_over = true;
            return Ok(false);
        }
        tuple.advance(2);
        let row = self.row + 1;
        let place = format!("COPY {}, line {row}", self.table);
        for column in &mut self.columns {
            let length = usize::try_from(tuple.get_i32()).ok();
            let bytes: Option<Bytes> = length.map(|length| tuple.split_to(length));
            self.bytes += length.unwrap_or(0);
            column.put_binary(bytes).map_err(|error| at(error, &place, &column.name, None))?;
        }
        self.row = row;
        self.lines.push(row);
        Ok(true)
    }
}

/// The bytes of the next row, if all of them are there.
fn whole_tuple(buffer: &[u8], columns: usize) -> Result<Option<usize>, String> {
    let Some(count) = buffer.first_chunk::<2>() else { return Ok(None) };
    let count = i16::from_be_bytes(*count);
    if count == -1 {
        return Ok(Some(2));
    }
    if usize::try_from(count) != Ok(columns) {
        return Err(format!("row field count is {count}, expected {columns}"));
    }
    let mut at = 2_usize;
    for _ in 0..columns {
        let Some(length) = buffer.get(at..).and_then(|rest| rest.first_chunk::<4>()) else { return Ok(None) };
        at += 4;
        match i32::from_be_bytes(*length) {
            -1 => {}
            length => at += usize::try_from(length).map_err(|_| "invalid field size".to_owned())?,
        }
        if at > buffer.len() {
            return Ok(None);
        }
    }
    Ok(Some(at))
}

fn check_header(fields: &Fields, columns: &[Column]) -> Result<()> {
    if fields.len() != columns.len() {
        let message = format!("wrong number of fields in header line: got {}, expected {}", fields.len(), columns.len());
        return Err(Error::new(Code::BadCopyFormat, message));
    }
    for (index, column) in columns.iter().enumerate() {
        let found = fields.get(index).map(|(bytes, ..)| bytes).unwrap_or_default();
        if found != column.name.as_bytes() {
            let found = shown(found);
            let message = format!("column name mismatch in header line field {}: got \"{found}\", expected \"{}\"", index + 1, column.name);
            return Err(Error::new(Code::BadCopyFormat, message));
        }
    }
    Ok(())
}

/// The error with its place.
fn at(error: Error, place: &str, column: &str, value: Option<&[u8]>) -> Error {
    let place = match value {
        Some(value) => format!("{place}, column {column}: \"{}\"", shown(value)),
        None => format!("{place}, column {column}"),
    };
    let detail = match error.detail_text() {
        Some(detail) => format!("{detail} {place}"),
        None => place,
    };
    error.detail(detail)
}

fn shown(bytes: &[u8]) -> String {
    let cut = bytes.get(..SHOWN_BYTES).unwrap_or(bytes);
    let dots = if cut.len() < bytes.len() { "..." } else { "" };
    format!("{}{dots}", String::from_utf8_lossy(cut))
}
