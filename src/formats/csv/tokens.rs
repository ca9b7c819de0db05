//! One record to its fields.
//!
//! A field that begins with the quote ends at the next quote that is neither doubled nor escaped; behind it must come a delimiter or the line's
//! end. A quote anywhere else is a character like any other. A record that breaks this, or is longer than allowed, costs its first physical line.

use memchr::{memchr, memchr2};

use super::dialect::Dialect;

/// Where a field's text lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    start: u32,
    /// Length, with the two highest bits as flags.
    length: u32,
}

const QUOTED: u32 = 1 << 31;
const UNESCAPED: u32 = 1 << 30;

impl Span {
    fn new(start: usize, end: usize, flags: u32) -> Self {
        // Blocks and records are far smaller than 2^30 bytes.
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        let end = u32::try_from(end).unwrap_or(u32::MAX);
        Self { start, length: (end.saturating_sub(start) & !(QUOTED | UNESCAPED)) | flags }
    }

    pub(super) fn is_quoted(self) -> bool {
        self.length & QUOTED != 0
    }

    pub(super) fn any_quoted(spans: &[Self]) -> bool {
        spans.iter().fold(0, |flags, span| flags | span.length) & QUOTED != 0
    }

    pub(super) fn is_unescaped(self) -> bool {
        self.length & UNESCAPED != 0
    }

    pub(super) fn range(self) -> std::ops::Range<usize> {
        let start = self.start as usize;
        start..start + (self.length & !(QUOTED | UNESCAPED)) as usize
    }
}

/// What stands at a place in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A record whose text ends at `text_end`; the next begins at `next`.
    Record { text_end: usize, next: usize },
    /// An empty line or a comment.
    Nothing { next: usize },
    /// A line that is not a record.
    Broken { text_end: usize, next: usize, reason: &'static str },
}

/// Characters that matter, with the delimiter settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub delimiter: u8,
    pub quote: Option<u8>,
    pub escape: Option<u8>,
    pub comment: Option<u8>,
    pub max_record: usize,
}

/// Where a quoted field ends.
pub(super) enum Close {
    At { position: usize, has_escapes: bool },
    Never,
}

impl Marks {
    pub(super) fn new(dialect: &Dialect, delimiter: u8) -> Self {
        Self { delimiter, quote: dialect.quote, escape: dialect.escape, comment: dialect.comment, max_record: dialect.max_record }
    }

    /// The quote that closes a field whose text begins at `from`.
    pub(super) fn close(&self, bytes: &[u8], from: usize, quote: u8) -> Close {
        let (mut at, mut has_escapes) = (from, false);
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let hit = match self.escape {
                None => memchr(quote, rest),
                Some(escape) => memchr2(quote, escape, rest),
            };
            let Some(hit) = hit else { return Close::Never };
            let position = at + hit;
            let is_escape = bytes.get(position) != Some(&quote);
            let is_doubled = self.escape.is_none() && bytes.get(position + 1) == Some(&quote);
            if !is_escape && !is_doubled {
                return Close::At { position, has_escapes };
            }
            has_escapes = true;
            at = position + 2;
        }
    }

    /// Takes apart the record at `start`: its fields go to `spans`, texts that had escapes to `unescaped`.
    pub(super) fn record(&self, bytes: &[u8], start: usize, spans: &mut Vec<Span>, unescaped: &mut Vec<u8>) -> Found {
        if let Some(next) = self.nothing(bytes, start) {
            return Found::Nothing { next };
        }
        let (fields_before, unescaped_before) = (spans.len(), unescaped.len());
        match self.fields(bytes, start, spans, unescaped) {
            Ok((text_end, next)) if text_end - start <= self.max_record => Found::Record { text_end, next },
            outcome => {
                spans.truncate(fields_before);
                unescaped.truncate(unescaped_before);
                let (text_end, next) = line(bytes, start);
                Found::Broken { text_end, next, reason: outcome.err().unwrap_or("record is longer than 16 MiB") }
            }
        }
    }

    fn nothing(&self, bytes: &[u8], start: usize) -> Option<usize> {
        match bytes.get(start..)? {
            [b'\n', ..] => Some(start + 1),
            [b'\r', b'\n', ..] => Some(start + 2),
            [b'\r'] => Some(start + 1),
            [first, ..] if Some(*first) == self.comment => Some(line(bytes, start).1),
            _ => None,
        }
    }

    fn fields(&self, bytes: &[u8], start: usize, spans: &mut Vec<Span>, unescaped: &mut Vec<u8>) -> Result<(usize, usize), &'static str> {
        let mut at = start;
        loop {
            let end = match self.quote {
                Some(quote) if bytes.get(at) == Some(&quote) => self.quoted(bytes, start, at + 1, quote, spans, unescaped)?,
                _ => {
                    let end = plain_end(bytes, at, self.delimiter);
                    let text_end = if bytes.get(end) != Some(&self.delimiter) && end > at && bytes.get(end - 1) == Some(&b'\r') {
                        end - 1
                    } else {
                        end
                    };
                    spans.push(Span::new(at, text_end, 0));
                    end
                }
            };
            match bytes.get(end) {
                Some(byte) if *byte == self.delimiter => at = end + 1,
                Some(_) if bytes.get(end) == Some(&b'\r') => return Ok((end, (end + 2).min(bytes.len()))),
                Some(_) => return Ok((if bytes.get(end.wrapping_sub(1)) == Some(&b'\r') && end > start { end - 1 } else { end }, end + 1)),
                None => return Ok((if end > start && bytes.get(end - 1) == Some(&b'\r') { end - 1 } else { end }, end)),
            }
        }
    }

    /// Reads a quoted field and answers where it ends: at a delimiter, a line end or the end of the bytes.
    fn quoted(
        &self,
        bytes: &[u8],
        record: usize,
        from: usize,
        quote: u8,
        spans: &mut Vec<Span>,
        unescaped: &mut Vec<u8>,
    ) -> Result<usize, &'static str> {
        let Close::At { position, has_escapes } = self.close(bytes, from, quote) else {
            return Err("quoted field is not closed");
        };
        if position - record > self.max_record {
            return Err("quoted field is not closed");
        }
        if !self.may_follow(bytes, position + 1) {
            return Err("text after a closing quote");
        }
        if has_escapes {
            let start = unescaped.len();
            self.unescape(bytes.get(from..position).unwrap_or_default(), quote, unescaped);
            spans.push(Span::new(start, unescaped.len(), QUOTED | UNESCAPED));
        } else {
            spans.push(Span::new(from, position, QUOTED));
        }
        Ok(position + 1)
    }

    /// Whether a closing quote may stand before `at`.
    pub(super) fn may_follow(&self, bytes: &[u8], at: usize) -> bool {
        match bytes.get(at..).unwrap_or_default() {
            [] | [b'\n', ..] | [b'\r', b'\n', ..] | [b'\r'] => true,
            [byte, ..] => *byte == self.delimiter,
        }
    }

    fn unescape(&self, text: &[u8], quote: u8, out: &mut Vec<u8>) {
        let mark = self.escape.unwrap_or(quote);
        let mut rest = text;
        while let Some(at) = memchr(mark, rest) {
            out.extend_from_slice(rest.get(..at).unwrap_or_default());
            out.extend(rest.get(at + 1));
            rest = rest.get(at + 2..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
    }
}

/// The end of the physical line at `start`, without and with its line end.
pub(super) fn line(bytes: &[u8], start: usize) -> (usize, usize) {
    match memchr(b'\n', bytes.get(start..).unwrap_or_default()) {
        Some(length) => {
            let end = start + length;
            (if length > 0 && bytes.get(end - 1) == Some(&b'\r') { end - 1 } else { end }, end + 1)
        }
        None => (bytes.len(), bytes.len()),
    }
}

/// The next delimiter or line feed at or after `at`. Fields are short, so eight bytes at a time beats a call per field.
#[inline]
fn plain_end(bytes: &[u8], at: usize, delimiter: u8) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (delimiters, line_feeds) = (ONES * u64::from(delimiter), ONES * u64::from(b'\n'));
    let mut position = at;
    let mut words = bytes.get(at..).unwrap_or_default().chunks_exact(8);
    for chunk in words.by_ref() {
        let word = chunk.try_into().map_or(0, u64::from_le_bytes);
        let hits = zero_bytes(word ^ delimiters) | zero_bytes(word ^ line_feeds);
        if hits != 0 {
            return position + (hits.trailing_zeros() / 8) as usize;
        }
        position += 8;
    }
    let tail = words.remainder();
    position + tail.iter().position(|byte| *byte == delimiter || *byte == b'\n').unwrap_or(tail.len())
}
