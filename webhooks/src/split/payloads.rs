//! The payloads of a body, one after the other.
//!
//! Nothing is collected: the memory in use is that of the names of the objects that are open, and of one text with escapes in it.

use std::borrow::Cow;
use std::ops::Range;

use super::error::{Fault, Rejected};
use super::form;
use super::json::Scanner;
use super::{Form, Limits};

const BOM: &[u8] = b"\xef\xbb\xbf";
/// What JSON has as space within a line. Not a form feed, which others count.
const SPACE: &[u8] = b" \t\r";

/// One record of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload<'a> {
    /// Borrowed from the body, except a form's.
    pub bytes: Cow<'a, [u8]>,
    /// Where it stood in the body.
    pub range: Range<usize>,
}

/// Takes a body apart. See [`Payloads`].
pub fn split(body: &[u8], form: Form, limits: Limits) -> Payloads<'_> {
    let start = match (form, body.starts_with(BOM)) {
        (Form::Json | Form::Ndjson, true) => BOM.len(),
        _ => 0,
    };
    let state = match form {
        Form::Json => State::Json,
        Form::Ndjson => State::Lines,
        Form::Urlencoded | Form::Raw => State::Whole(form),
    };
    Payloads { body, limits, at: start, given: 0, state }
}

/// Payloads and rejects in the order of the body.
///
/// A reject of a line does not end the iteration, one of JSON or of a count does. Who must have all or nothing of a body reads to the
/// end before storing.
#[derive(Debug)]
pub struct Payloads<'a> {
    body: &'a [u8],
    limits: Limits,
    /// Everything before this byte has been given out.
    at: usize,
    given: usize,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Nothing has been read.
    Json,
    /// Within the array at the top, behind a value.
    Items,
    Lines,
    Whole(Form),
    Done,
}

impl<'a> Iterator for Payloads<'a> {
    type Item = Result<Payload<'a>, Rejected>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = match self.state {
            State::Done => return None,
            State::Whole(form) => Some(self.whole(form)),
            State::Lines => self.line(),
            State::Json => self.first(),
            State::Items => self.item(),
        };
        match &found {
            None => self.state = State::Done,
            Some(Err(_)) if !matches!(self.state, State::Lines) => self.state = State::Done,
            Some(_) => {}
        }
        found
    }
}

impl<'a> Payloads<'a> {
    fn whole(&mut self, form: Form) -> Result<Payload<'a>, Rejected> {
        self.state = State::Done;
        let range = 0..self.body.len();
        let reject = |(at, fault)| Rejected { range: range.clone(), at, fault };
        if self.body.len() > self.limits.payload_bytes {
            return Err(reject((self.limits.payload_bytes, Fault::PayloadTooLarge)));
        }
        let bytes = match form {
            Form::Urlencoded => Cow::Owned(form::to_json(self.body).map_err(reject)?),
            Form::Json | Form::Ndjson | Form::Raw => Cow::Borrowed(self.body),
        };
        match bytes.len() > self.limits.payload_bytes {
            true => Err(reject((self.body.len(), Fault::PayloadTooLarge))),
            false => Ok(Payload { bytes, range }),
        }
    }

    fn first(&mut self) -> Option<Result<Payload<'a>, Rejected>> {
        let (at, byte) = self.look(self.at);
        match byte {
            None => Some(Err(Rejected { range: 0..self.body.len(), at, fault: Fault::Empty })),
            Some(b'[') => {
                self.at = at + 1;
                self.state = State::Items;
                match self.look(self.at) {
                    (end, Some(b']')) => self.behind(end + 1).map(Err),
                    _ => Some(self.value(self.at)),
                }
            }
            Some(_) => {
                self.state = State::Done;
                let payload = self.value(at);
                Some(payload.and_then(|payload| self.behind(self.at).map_or(Ok(payload), Err)))
            }
        }
    }

    fn item(&mut self) -> Option<Result<Payload<'a>, Rejected>> {
        match self.look(self.at) {
            (at, Some(b',')) => Some(self.value(at + 1)),
            (at, Some(b']')) => {
                self.state = State::Done;
                self.behind(at + 1).map(Err)
            }
            (at, Some(_)) => Some(Err(self.rest(at, at, Fault::NotJson))),
            (at, None) => Some(Err(self.rest(at, at, Fault::Cut))),
        }
    }

    fn line(&mut self) -> Option<Result<Payload<'a>, Rejected>> {
        loop {
            let rest = self.body.get(self.at..).filter(|rest| !rest.is_empty())?;
            let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let line = rest.get(..length).unwrap_or_default();
            let begin = line.iter().position(|byte| !SPACE.contains(byte));
            let end = line.iter().rposition(|byte| !SPACE.contains(byte));
            let start = self.at + begin.unwrap_or_default();
            self.at += length + 1;
            let Some(line) = begin.zip(end).and_then(|(begin, end)| line.get(begin..=end)) else { continue };
            if self.given == self.limits.payloads {
                self.state = State::Done;
                return Some(Err(self.rest(start, start, Fault::TooManyPayloads)));
            }
            self.given += 1;
            let range = start..start + line.len();
            let mut scanner = Scanner::new(line, 0, self.limits);
            let scanned = scanner.value().and_then(|_| match scanner.look() {
                None => Ok(()),
                Some(_) => Err((scanner.at(), Fault::TrailingText)),
            });
            return Some(match scanned {
                Ok(()) => Ok(Payload { bytes: Cow::Borrowed(line), range }),
                Err((at, fault)) => Err(Rejected { range, at: start + at, fault }),
            });
        }
    }

    /// The value that begins behind any space at `from`.
    fn value(&mut self, from: usize) -> Result<Payload<'a>, Rejected> {
        let (start, _) = self.look(from);
        if self.given == self.limits.payloads {
            return Err(self.rest(start, start, Fault::TooManyPayloads));
        }
        self.given += 1;
        let range = Scanner::new(self.body, start, self.limits).value().map_err(|(at, fault)| self.rest(start, at, fault))?;
        self.at = range.end;
        Ok(Payload { bytes: Cow::Borrowed(self.body.get(range.clone()).unwrap_or_default()), range })
    }

    /// The next byte that is no space, and where it is.
    fn look(&self, from: usize) -> (usize, Option<u8>) {
        let mut scanner = Scanner::new(self.body, from, self.limits);
        let byte = scanner.look();
        (scanner.at(), byte)
    }

    /// What stands where nothing may stand any more.
    fn behind(&self, from: usize) -> Option<Rejected> {
        let (at, byte) = self.look(from);
        byte.map(|_| self.rest(at, at, Fault::TrailingText))
    }

    fn rest(&self, start: usize, at: usize, fault: Fault) -> Rejected {
        Rejected { range: start..self.body.len(), at, fault }
    }
}
