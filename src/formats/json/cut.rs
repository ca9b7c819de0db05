//! A stream of documents to the records within, one at a time.
//!
//! Brackets are counted, nothing is understood: a record ends where a comma or the array's end stands outside of it. So a broken record ends where
//! a whole one would, and the next one is found. A line feed ends a string that was never closed, since none may stand in one.

use std::collections::VecDeque;
use std::io::Read;

use bytes::Bytes;

use super::super::contract::{Block, BlockContent, Reject};
use super::super::csv::unreadable;
use super::tape::checked_text;
use crate::error::Result;

const MAX_RECORD_BYTES: usize = 16 << 20;
const KEPT_OF_BROKEN: usize = 64 << 10;
const CHUNK: usize = 128 << 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Between documents.
    Nothing,
    /// In the array whose elements are records.
    Array,
    Over,
}

pub(super) struct Cutter {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    at: usize,
    /// Names of the members that lead to the records.
    path: Vec<String>,
    within: Within,
    target: usize,
    /// Number of the next record, from 1.
    next: i64,
    waiting: VecDeque<Block>,
}

enum Cut {
    Record(Vec<u8>),
    /// What was passed over is not a record.
    Broken(Vec<u8>, &'static str),
    Nothing,
}

impl Cutter {
    pub(super) fn new(input: Box<dyn Read + Send>, path: Vec<String>, target: usize) -> Self {
        Self { input, buffer: Vec::new(), at: 0, path, within: Within::Nothing, target: target.max(1), next: 1, waiting: VecDeque::new() }
    }

    fn block(&mut self) -> Result<Option<Block>> {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        let first_position = self.next;
        while self.waiting.is_empty() && self.within != Within::Over && bytes.len() < self.target {
            match self.cut()? {
                Cut::Nothing => {}
                Cut::Record(record) => {
                    bytes.extend_from_slice(&record);
                    ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                    self.next += 1;
                }
                Cut::Broken(mut raw, error) => {
                    raw.truncate(KEPT_OF_BROKEN);
                    let reject = Reject { rule: "record".to_owned(), error: error.to_owned(), raw, position: self.next };
                    self.waiting.push_back(Block { first_position: self.next, layout: None, content: BlockContent::Refused(reject) });
                    self.next += 1;
                }
            }
        }
        if ends.is_empty() {
            return Ok(self.waiting.pop_front());
        }
        Ok(Some(Block { first_position, layout: None, content: BlockContent::Records { bytes: Bytes::from(bytes), ends } }))
    }

    fn refill(&mut self) -> Result<bool> {
        if self.at < self.buffer.len() {
            return Ok(true);
        }
        self.buffer.clear();
        self.at = 0;
        self.input.by_ref().take(CHUNK as u64).read_to_end(&mut self.buffer).map_err(unreadable)?;
        Ok(!self.buffer.is_empty())
    }

    /// The next byte that is not white space, left where it is.
    fn peek(&mut self) -> Result<Option<u8>> {
        while self.refill()? {
            match self.buffer.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                other => return Ok(other.copied()),
            }
        }
        Ok(None)
    }

    fn cut(&mut self) -> Result<Cut> {
        match self.within {
            Within::Over => Ok(Cut::Nothing),
            Within::Nothing => self.document(),
            Within::Array => self.element(),
        }
    }

    /// Goes down to the records of the next document.
    fn document(&mut self) -> Result<Cut> {
        if self.peek()?.is_none() {
            self.within = Within::Over;
            return Ok(Cut::Nothing);
        }
        for depth in 0..self.path.len() {
            match self.descend(depth)? {
                Descent::Found => {}
                Descent::Missing => return Ok(Cut::Broken(Vec::new(), "the document has nothing at the path of its records")),
                Descent::Broken(raw) => {
                    self.within = Within::Over;
                    return Ok(Cut::Broken(raw, "the document is broken before its records begin"));
                }
            }
        }
        if self.peek()? == Some(b'[') {
            self.at += 1;
            self.within = Within::Array;
            return Ok(Cut::Nothing);
        }
        let record = self.scan(Stop::Value)?;
        self.leave()?;
        Ok(record)
    }

    fn element(&mut self) -> Result<Cut> {
        match self.peek()? {
            None => {
                self.within = Within::Over;
                Ok(Cut::Broken(Vec::new(), "the file ends before its array does"))
            }
            Some(b']') => {
                self.at += 1;
                self.within = Within::Nothing;
                self.leave()?;
                Ok(Cut::Nothing)
            }
            Some(_) => {
                let record = self.scan(Stop::Element)?;
                match self.peek()? {
                    Some(b',') => self.at += 1,
                    Some(_) => {}
                    None => {
                        self.within = Within::Over;
                        let (Cut::Record(raw) | Cut::Broken(raw, _)) = record else { return Ok(Cut::Nothing) };
                        return Ok(Cut::Broken(raw, "the file ends before its array does"));
                    }
                }
                Ok(record)
            }
        }
    }

    /// Passes over what is left of the objects that lead to the records.
    fn leave(&mut self) -> Result<()> {
        if !self.path.is_empty() {
            self.scan(Stop::Outside(self.path.len()))?;
        }
        Ok(())
    }

    /// Goes to the value of the path's next member. The text has just reached the object.
    fn descend(&mut self, depth: usize) -> Result<Descent> {
        let Some(wanted) = self.path.get(depth).cloned() else { return Ok(Descent::Missing) };
        if self.peek()? != Some(b'{') {
            let raw = self.scan(Stop::Value)?;
            if depth > 0 {
                self.scan(Stop::Outside(depth))?;
            }
            return Ok(if matches!(raw, Cut::Nothing) { Descent::Broken(Vec::new()) } else { Descent::Missing });
        }
        self.at += 1;
        loop {
            match self.peek()? {
                Some(b'}') => {
                    self.at += 1;
                    if depth > 0 {
                        self.scan(Stop::Outside(depth))?;
                    }
                    return Ok(Descent::Missing);
                }
                Some(b'"') => {}
                _ => return self.broken(),
            }
            let Cut::Record(name) = self.scan(Stop::Value)? else { return self.broken() };
            if self.peek()? != Some(b':') {
                return self.broken();
            }
            self.at += 1;
            if std::str::from_utf8(&name).ok().and_then(checked_text).as_deref() == Some(wanted.as_str()) {
                return Ok(Descent::Found);
            }
            self.peek()?;
            self.scan(Stop::Value)?;
            match self.peek()? {
                Some(b',') => self.at += 1,
                Some(b'}') => {}
                _ => return self.broken(),
            }
        }
    }

    fn broken(&mut self) -> Result<Descent> {
        self.refill()?;
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        Ok(Descent::Broken(rest.get(..1000).unwrap_or(rest).to_vec()))
    }

    /// Takes bytes up to where `stop` says.
    fn scan(&mut self, stop: Stop) -> Result<Cut> {
        let mut taken = Vec::new();
        let mut too_long = false;
        let mut state =
            State { depth: if let Stop::Outside(depth) = stop { depth } else { 0 }, in_string: false, is_escaped: false, begun: false };
        let mut is_done = false;
        while !is_done && self.refill()? {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let mut length = rest.len();
            for (index, byte) in rest.iter().enumerate() {
                match state.see(*byte, stop) {
                    Turn::On => {}
                    Turn::Before => (length, is_done) = (index, true),
                    Turn::Behind => (length, is_done) = (index + 1, true),
                }
                if is_done {
                    break;
                }
            }
            if !matches!(stop, Stop::Outside(_)) && !too_long {
                taken.extend_from_slice(rest.get(..length).unwrap_or_default());
                too_long = taken.len() > MAX_RECORD_BYTES;
                if too_long {
                    taken.truncate(KEPT_OF_BROKEN);
                }
            }
            self.at += length;
        }
        if too_long {
            return Ok(Cut::Broken(taken, "record is longer than 16 MiB; only its start is kept"));
        }
        let end = taken.trim_ascii_end().len();
        taken.truncate(end);
        Ok(if !is_done && state.depth > 0 { Cut::Broken(taken, "the file ends in the middle of a record") } else { Cut::Record(taken) })
    }
}

enum Descent {
    Found,
    Missing,
    Broken(Vec<u8>),
}

#[derive(Clone, Copy)]
enum Stop {
    /// Behind one value.
    Value,
    /// Before the comma or bracket behind an array's element.
    Element,
    /// Behind that many closing brackets.
    Outside(usize),
}

enum Turn {
    On,
    Before,
    Behind,
}

struct State {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    begun: bool,
}

impl State {
    #[inline]
    fn see(&mut self, byte: u8, stop: Stop) -> Turn {
        let is_value = matches!(stop, Stop::Value);
        if self.in_string {
            match byte {
                b'\n' => (self.in_string, self.is_escaped) = (false, false),
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return if !self.in_string && self.depth == 0 && is_value { Turn::Behind } else { Turn::On };
        }
        let had_begun = std::mem::replace(&mut self.begun, true);
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b']' if self.depth == 0 && matches!(stop, Stop::Element) => return Turn::Before,
            b'}' | b']' if self.depth == 0 => {
                // A closing bracket alone is passed over as a record of its own, so that reading goes on.
                return if !is_value {
                    Turn::On
                } else if had_begun {
                    Turn::Before
                } else {
                    Turn::Behind
                };
            }
            b'}' | b']' => {
                self.depth -= 1;
                if self.depth == 0 && !matches!(stop, Stop::Element) {
                    return Turn::Behind;
                }
            }
            b',' if self.depth == 0 && (had_begun || !is_value) => return Turn::Before,
            b' ' | b'\t' | b'\n' | b'\r' if self.depth == 0 && is_value => return Turn::Before,
            _ => {}
        }
        Turn::On
    }
}

impl Iterator for Cutter {
    type Item = Result<Block>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(block) = self.waiting.pop_front() {
            return Some(Ok(block));
        }
        self.block().transpose()
    }
}
