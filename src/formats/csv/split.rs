//! A stream to blocks of whole records.
//!
//! Only quotes at the start of a field matter, so the search jumps from quote to quote and, where there is none, straight to the last line feed.
//! It follows the same rule as `tokens`: a broken record costs its first physical line.

use std::io::Read;

use bytes::Bytes;
use memchr::{memchr, memchr_iter, memrchr};

use super::tokens::{Close, Marks, line};
use crate::error::{Code, Error, Result};
use crate::formats::contract::{Block, BlockContent, Reject};

/// How much of a record that is too long its dead letter keeps.
pub(super) const KEPT_OF_LONG: usize = 64 << 10;

pub(super) enum Piece {
    /// Whole records, and the line of the first.
    Records { first_line: i64, bytes: Bytes },
    /// One line too long to hold.
    TooLong(Reject),
}

pub(super) struct Splitter {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    line: i64,
    over: bool,
    /// Leave out what follows the last line end: the input was cut off on purpose.
    drop_tail: bool,
}

impl Splitter {
    pub(super) fn new(input: Box<dyn Read + Send>, drop_tail: bool) -> Self {
        Self { input, buffer: Vec::new(), line: 1, over: false, drop_tail }
    }

    pub(super) fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Reads until `bytes` are waiting or the input ends.
    pub(super) fn fill(&mut self, bytes: usize) -> Result<()> {
        if let (Some(missing), false) = (bytes.checked_sub(self.buffer.len()), self.over) {
            self.buffer.reserve(missing);
            let read = self.input.by_ref().take(missing as u64).read_to_end(&mut self.buffer).map_err(unreadable)?;
            self.over = read < missing;
        }
        Ok(())
    }

    /// Passes over the first `bytes`, which end with a line.
    pub(super) fn consume(&mut self, bytes: usize) -> Bytes {
        let rest = self.buffer.get(bytes..).unwrap_or_default().to_vec();
        let mut taken = std::mem::replace(&mut self.buffer, rest);
        taken.truncate(bytes);
        self.line += i64::try_from(memchr_iter(b'\n', &taken).count()).unwrap_or(0);
        Bytes::from(taken)
    }

    /// The next block of about `target` bytes; None at the end.
    pub(super) fn next(&mut self, marks: &Marks, target: usize) -> Result<Option<Piece>> {
        let target = target.max(1);
        let mut wanted = target;
        loop {
            self.fill(wanted)?;
            if self.buffer.is_empty() {
                return Ok(None);
            }
            let cut = self.cut(marks);
            if cut > 0 {
                let first_line = self.line;
                let bytes = self.consume(cut);
                return Ok(Some(Piece::Records { first_line, bytes }));
            }
            if self.over {
                return Ok(None);
            }
            if self.buffer.len() > marks.max_record && memchr(b'\n', &self.buffer).is_none() {
                return self.too_long().map(|reject| Some(Piece::TooLong(reject)));
            }
            wanted = self.buffer.len().saturating_add(target.max(self.buffer.len() / 2));
        }
    }

    /// Where the last whole record ends, 0 if there is none yet.
    fn cut(&self, marks: &Marks) -> usize {
        let complete = self.over && !self.drop_tail;
        let bytes = self.buffer.as_slice();
        let last_line = |from: usize| memrchr(b'\n', bytes.get(from..).unwrap_or_default()).map(|at| from + at + 1);
        let Some(quote) = marks.quote else {
            return if complete { bytes.len() } else { last_line(0).unwrap_or(0) };
        };
        // Outside quotes from `tail` on; a record begins at `start`.
        let (mut start, mut tail) = (0, 0);
        loop {
            let Some(at) = memchr(quote, bytes.get(tail..).unwrap_or_default()).map(|at| tail + at) else {
                return if complete { bytes.len() } else { last_line(tail).unwrap_or(start) };
            };
            if let Some(begin) = memrchr(b'\n', bytes.get(tail..at).unwrap_or_default()) {
                start = tail + begin + 1;
            }
            if marks.comment.is_some() && bytes.get(start) == marks.comment.as_ref() {
                match memchr(b'\n', bytes.get(at..).unwrap_or_default()) {
                    Some(length) => (start, tail) = (at + length + 1, at + length + 1),
                    None => return if complete { bytes.len() } else { start },
                }
                continue;
            }
            let opens = at == start || bytes.get(at.wrapping_sub(1)) == Some(&marks.delimiter);
            if !opens {
                tail = at + 1;
                continue;
            }
            match self.quoted(marks, at, start, quote, complete) {
                Quoted::Ends(next) => tail = next,
                Quoted::Unknown => return start,
                Quoted::Broken => match memchr(b'\n', bytes.get(start..).unwrap_or_default()) {
                    Some(_) => {
                        start = line(bytes, start).1;
                        tail = start;
                    }
                    None => return if complete { bytes.len() } else { start },
                },
            }
        }
    }

    fn quoted(&self, marks: &Marks, at: usize, record: usize, quote: u8, complete: bool) -> Quoted {
        let bytes = self.buffer.as_slice();
        match marks.close(bytes, at + 1, quote) {
            Close::Never if complete || bytes.len() - record > marks.max_record => Quoted::Broken,
            Close::Never => Quoted::Unknown,
            Close::At { position, .. } if position - record > marks.max_record => Quoted::Broken,
            // What follows the quote decides, so it must be there: a second quote or half a line end may still come.
            Close::At { position, .. } if position + 2 >= bytes.len() && !complete => Quoted::Unknown,
            Close::At { position, .. } if marks.may_follow(bytes, position + 1) => Quoted::Ends(position + 1),
            Close::At { .. } => Quoted::Broken,
        }
    }

    /// Throws away a line that does not fit in memory, keeping its start for the dead letter.
    fn too_long(&mut self) -> Result<Reject> {
        let position = self.line;
        let raw = self.buffer.get(..KEPT_OF_LONG).unwrap_or(&self.buffer).to_vec();
        loop {
            if let Some(end) = memchr(b'\n', &self.buffer) {
                self.consume(end + 1);
                break;
            }
            self.buffer.clear();
            if self.over {
                break;
            }
            self.fill(1 << 20)?;
        }
        Ok(too_long(raw, position))
    }
}

enum Quoted {
    /// Outside quotes again at this place.
    Ends(usize),
    Unknown,
    Broken,
}

pub(super) fn too_long(raw: Vec<u8>, position: i64) -> Reject {
    Reject { rule: "record".to_owned(), error: "record is longer than 16 MiB; only its start is kept".to_owned(), raw, position }
}

pub(in crate::formats) fn unreadable(error: std::io::Error) -> Error {
    let code = if error.kind() == std::io::ErrorKind::InvalidData { Code::DataException } else { Code::Io };
    Error::new(code, "the file cannot be read to its end").detail(error.to_string()).caused_by(error)
}

/// A stream to blocks of whole lines, for formats in which a line feed always ends the record.
pub(in crate::formats) fn lines(input: Box<dyn Read + Send>, target: usize) -> impl Iterator<Item = Result<Block>> + Send {
    let marks = Marks { delimiter: b'\n', quote: None, escape: None, comment: None, max_record: 16 << 20 };
    let mut splitter = Splitter::new(input, false);
    std::iter::from_fn(move || {
        let piece = splitter.next(&marks, target).transpose()?;
        Some(piece.map(|piece| match piece {
            Piece::Records { first_line, bytes } => Block { first_position: first_line, layout: None, content: BlockContent::Bytes(bytes) },
            Piece::TooLong(reject) => Block { first_position: reject.position, layout: None, content: BlockContent::Refused(reject) },
        }))
    })
}
