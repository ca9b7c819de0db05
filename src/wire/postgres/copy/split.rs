//! Bytes to records and records to fields, for text and CSV.
//!
//! A record may come in any number of pieces. What was looked at is not looked at again.

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Code, Error, Result};
use crate::session::{CopyForm, CopyStyle};

/// A record longer than this is refused.
const MAX_RECORD_BYTES: usize = 64 << 20;

/// Cuts the client's bytes into records.
pub(super) struct Records {
    is_csv: bool,
    quote: u8,
    escape: u8,
    buffer: BytesMut,
    /// Bytes of the buffer in which no end was found.
    scanned: usize,
    is_quoted: bool,
    /// Line of the next record, and lines inside it so far.
    line: i64,
    inner_lines: i64,
}

impl Records {
    pub(super) fn new(style: &CopyStyle) -> Self {
        Self {
            is_csv: style.form == CopyForm::Csv,
            quote: style.quote,
            escape: style.escape,
            buffer: BytesMut::new(),
            scanned: 0,
            is_quoted: false,
            line: 1,
            inner_lines: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next record without its end of line, and its line. `is_end`: what is left is a record as well.
    pub(super) fn next(&mut self, is_end: bool) -> Result<Option<(Bytes, i64)>> {
        let end = if self.is_csv { self.csv_end() } else { self.text_end() };
        let (record, rest) = match end {
            Some(end) => (end, end + 1),
            None if is_end && !self.buffer.is_empty() => {
                if self.is_quoted {
                    return Err(Error::new(Code::BadCopyFormat, "unterminated CSV quoted field"));
                }
                (self.buffer.len(), self.buffer.len())
            }
            None if self.buffer.len() > MAX_RECORD_BYTES => {
                return Err(Error::new(Code::BadCopyFormat, "a line is longer than 64 MB"));
            }
            None => return Ok(None),
        };
        let mut bytes = self.buffer.split_to(record).freeze();
        self.buffer.advance(rest - record);
        if bytes.last() == Some(&b'\r') {
            bytes.truncate(bytes.len() - 1);
        }
        let line = self.line;
        self.line += 1 + self.inner_lines;
        (self.scanned, self.is_quoted, self.inner_lines) = (0, false, 0);
        Ok(Some((bytes, line)))
    }

    /// The line end that no backslash takes its meaning from.
    fn text_end(&mut self) -> Option<usize> {
        while let Some(found) = self.buffer.get(self.scanned..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let end = self.scanned + found;
            let before = self.buffer.get(..end).unwrap_or_default();
            let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
            if backslashes % 2 == 0 {
                return Some(end);
            }
            self.scanned = end + 1;
            self.inner_lines += 1;
        }
        self.scanned = self.buffer.len();
        None
    }

    /// The line end outside of quotes.
    fn csv_end(&mut self) -> Option<usize> {
        while let Some(found) = self.buffer.get(self.scanned..).and_then(|rest| memchr::memchr3(b'\n', self.quote, self.escape, rest)) {
            let at = self.scanned + found;
            let byte = self.buffer.get(at).copied().unwrap_or(b'\n');
            if self.is_quoted && byte == self.escape && self.escape != self.quote {
                if at + 1 >= self.buffer.len() {
                    // What it escapes has not come yet.
                    self.scanned = at;
                    return None;
                }
                self.scanned = at + 2;
                continue;
            }
            if byte == self.quote {
                self.is_quoted = !self.is_quoted;
            } else if byte == b'\n' && !self.is_quoted {
                return Some(at);
            } else if byte == b'\n' {
                self.inner_lines += 1;
            }
            self.scanned = at + 1;
        }
        self.scanned = self.buffer.len();
        None
    }
}

/// The fields of one record, in one piece of memory that is used again.
#[derive(Default)]
pub(super) struct Fields {
    bytes: Vec<u8>,
    spans: Vec<Field>,
}

struct Field {
    span: Range<usize>,
    is_null: bool,
    is_quoted: bool,
}

impl Fields {
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The field's bytes, whether it was the text that stands for NULL, and whether it stood in quotes.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], bool, bool)> {
        let field = self.spans.get(index)?;
        Some((self.bytes.get(field.span.clone())?, field.is_null, field.is_quoted))
    }

    pub(super) fn split(&mut self, record: &[u8], style: &CopyStyle) {
        self.bytes.clear();
        self.spans.clear();
        match style.form {
            CopyForm::Csv => self.split_csv(record, style),
            CopyForm::Text | CopyForm::Binary => self.split_text(record, style),
        }
    }

    fn end(&mut self, start: usize, is_null: bool, is_quoted: bool) {
        self.spans.push(Field { span: start..self.bytes.len(), is_null, is_quoted });
    }

    fn split_text(&mut self, record: &[u8], style: &CopyStyle) {
        let mut rest = record;
        loop {
            let (raw, behind) = text_field(rest, style.delimiter);
            let start = self.bytes.len();
            if raw == style.null.as_bytes() {
                self.end(start, true, false);
            } else {
                self.unescape(raw);
                self.end(start, false, false);
            }
            match behind {
                Some(behind) => rest = behind,
                None => return,
            }
        }
    }

    /// PostgreSQL's backslashes: `\t`, `\101`, `\x41`, and any other character for itself.
    fn unescape(&mut self, raw: &[u8]) {
        let mut rest = raw;
        while let Some(at) = memchr::memchr(b'\\', rest) {
            let (plain, behind) = rest.split_at(at);
            self.bytes.extend_from_slice(plain);
            let Some((escaped, behind)) = behind.get(1..).and_then(<[u8]>::split_first) else {
                self.bytes.push(b'\\');
                return;
            };
            rest = behind;
            let byte = match escaped {
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 0x0b,
                b'0'..=b'7' => {
                    let more = behind.iter().take(2).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                    let digits = behind.get(..more).unwrap_or_default();
                    rest = behind.get(more..).unwrap_or_default();
                    digits.iter().fold(escaped - b'0', |value, digit| value.wrapping_mul(8).wrapping_add(digit - b'0'))
                }
                b'x' => {
                    let more = behind.iter().take(2).take_while(|byte| byte.is_ascii_hexdigit()).count();
                    let digits = std::str::from_utf8(behind.get(..more).unwrap_or_default()).unwrap_or_default();
                    match u8::from_str_radix(digits, 16) {
                        Ok(value) => {
                            rest = behind.get(more..).unwrap_or_default();
                            value
                        }
                        Err(_) => b'x',
                    }
                }
                other => *other,
            };
            self.bytes.push(byte);
        }
        self.bytes.extend_from_slice(rest);
    }

    fn split_csv(&mut self, record: &[u8], style: &CopyStyle) {
        let (mut start, mut is_inside, mut was_quoted) = (0, false, false);
        let mut rest = record.iter().copied().peekable();
        while let Some(byte) = rest.next() {
            if is_inside {
                match rest.peek() {
                    Some(next) if byte == style.escape && (*next == style.escape || *next == style.quote) => {
                        self.bytes.push(*next);
                        rest.next();
                    }
                    _ if byte == style.quote => is_inside = false,
                    _ => self.bytes.push(byte),
                }
            } else if byte == style.quote {
                (is_inside, was_quoted) = (true, true);
            } else if byte == style.delimiter {
                self.end_csv(start, was_quoted, style);
                (start, was_quoted) = (self.bytes.len(), false);
            } else {
                self.bytes.push(byte);
            }
        }
        self.end_csv(start, was_quoted, style);
    }

    fn end_csv(&mut self, start: usize, was_quoted: bool, style: &CopyStyle) {
        let is_null = self.bytes.get(start..) == Some(style.null.as_bytes());
        self.end(start, is_null, was_quoted);
    }
}

/// The bytes before the first delimiter that no backslash takes its meaning from, and those behind it.
fn text_field(rest: &[u8], delimiter: u8) -> (&[u8], Option<&[u8]>) {
    let mut from = 0;
    while let Some(found) = rest.get(from..).and_then(|rest| memchr::memchr2(b'\\', delimiter, rest)) {
        let at = from + found;
        if rest.get(at) == Some(&delimiter) {
            return (rest.get(..at).unwrap_or_default(), rest.get(at + 1..));
        }
        from = at + 2;
    }
    (rest, None)
}
