//! Finds where a JSON value (RFC 8259) ends, and that it is one, without building it.
//!
//! No recursion: the depth of a body is a number and not this program's stack. Lone surrogates are refused, as the readers behind do.

use std::borrow::Cow;
use std::ops::Range;

use super::Limits;
use super::error::Fault;
use super::keys::Names;

/// The byte at which it went wrong, and how.
type Failed = (usize, Fault);

pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    limits: Limits,
}

enum Open<'a> {
    Array,
    Object(Names<'a>),
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8], at: usize, limits: Limits) -> Self {
        Scanner { text, at, limits }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Passes over white space; the byte behind it, None at the end.
    pub(super) fn look(&mut self) -> Option<u8> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.peek()
    }

    /// The range of the value that begins here, behind any white space.
    pub(super) fn value(&mut self) -> Result<Range<usize>, Failed> {
        self.look();
        let start = self.at;
        let mut open: Vec<Open<'a>> = Vec::new();
        loop {
            if self.begin(&mut open)? {
                continue;
            }
            // A value has ended, and with it perhaps those around it.
            loop {
                if self.at - start > self.limits.payload_bytes {
                    return Err((start + self.limits.payload_bytes, Fault::PayloadTooLarge));
                }
                let Some(around) = open.last_mut() else { return self.ended(start) };
                match (self.look(), around) {
                    (Some(b','), Open::Array) => {
                        self.at += 1;
                        break;
                    }
                    (Some(b','), Open::Object(names)) => {
                        self.at += 1;
                        self.name(names)?;
                        break;
                    }
                    (Some(b']'), Open::Array) | (Some(b'}'), Open::Object(_)) => {
                        self.at += 1;
                        open.pop();
                    }
                    _ => return Err(self.unexpected()),
                }
            }
        }
    }

    /// Reads a scalar or an empty array or object whole, and of others the beginning: then true.
    fn begin(&mut self, open: &mut Vec<Open<'a>>) -> Result<bool, Failed> {
        match self.look() {
            Some(b'"') => self.string().map(|_| false),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b't') => self.word(b"true").map(|()| false),
            Some(b'f') => self.word(b"false").map(|()| false),
            Some(b'n') => self.word(b"null").map(|()| false),
            Some(b'[' | b'{') if open.len() >= self.limits.depth => Err((self.at, Fault::TooDeep)),
            Some(b'[') => {
                self.at += 1;
                if self.look() == Some(b']') {
                    self.at += 1;
                    return Ok(false);
                }
                open.push(Open::Array);
                Ok(true)
            }
            Some(b'{') => {
                self.at += 1;
                if self.look() == Some(b'}') {
                    self.at += 1;
                    return Ok(false);
                }
                let mut names = Names::default();
                self.name(&mut names)?;
                open.push(Open::Object(names));
                Ok(true)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn ended(&self, start: usize) -> Result<Range<usize>, Failed> {
        let value = self.text.get(start..self.at).unwrap_or_default();
        match std::str::from_utf8(value) {
            Ok(_) => Ok(start..self.at),
            Err(error) => Err((start + error.valid_up_to(), Fault::NotUtf8)),
        }
    }

    /// A name and its colon.
    fn name(&mut self, names: &mut Names<'a>) -> Result<(), Failed> {
        if self.look() != Some(b'"') {
            return Err(self.unexpected());
        }
        let start = self.at;
        let name = self.string()?;
        if !names.insert(name) {
            return Err((start, Fault::RepeatedName));
        }
        match self.look() {
            Some(b':') => {
                self.at += 1;
                Ok(())
            }
            _ => Err(self.unexpected()),
        }
    }

    /// A string, unescaped.
    fn string(&mut self) -> Result<Cow<'a, [u8]>, Failed> {
        self.at += 1;
        let mut unescaped: Option<Vec<u8>> = None;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len());
            let piece = rest.get(..plain).unwrap_or_default();
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(match unescaped {
                        Some(bytes) => Cow::Owned([&bytes, piece].concat()),
                        None => Cow::Borrowed(piece),
                    });
                }
                Some(b'\\') => {
                    let bytes = unescaped.get_or_insert_default();
                    bytes.extend_from_slice(piece);
                    let character = self.escape()?;
                    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => return Err(self.unexpected()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Failed> {
        let start = self.at;
        self.at += 1;
        let byte = self.peek().ok_or((self.at, Fault::Cut))?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let mut units = vec![self.unit()?];
                if matches!(units.as_slice(), [0xd800..=0xdbff]) && self.text.get(self.at..self.at + 2) == Some(b"\\u") {
                    self.at += 2;
                    units.push(self.unit()?);
                }
                match char::decode_utf16(units).collect::<Result<Vec<_>, _>>().as_deref() {
                    Ok(&[character]) => character,
                    _ => return Err((start, Fault::NotJson)),
                }
            }
            _ => return Err((start, Fault::NotJson)),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u16, Failed> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u16::try_from(digit).ok());
            unit = unit << 4 | digit.ok_or_else(|| self.unexpected())?;
            self.at += 1;
        }
        Ok(unit)
    }

    fn number(&mut self) -> Result<(), Failed> {
        let start = self.at;
        self.pass(b'-');
        if !self.pass(b'0') {
            self.digits()?;
        }
        if self.pass(b'.') {
            self.digits()?;
        }
        if self.pass(b'e') || self.pass(b'E') {
            let _sign = self.pass(b'-') || self.pass(b'+');
            let digits = self.digits()?;
            let value = digits.iter().fold(0_u32, |value, digit| value.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
            if value > self.limits.exponent {
                return Err((start, Fault::ExponentTooLarge));
            }
        }
        match self.at - start > self.limits.number_bytes {
            true => Err((start, Fault::NumberTooLong)),
            false => Ok(()),
        }
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<&'a [u8], Failed> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        match rest.get(..length) {
            Some(digits) if length > 0 => {
                self.at += length;
                Ok(digits)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Failed> {
        word.iter().try_for_each(|byte| self.pass(*byte).then_some(()).ok_or_else(|| self.unexpected()))
    }

    fn pass(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn unexpected(&self) -> Failed {
        (self.at, self.peek().map_or(Fault::Cut, |_| Fault::NotJson))
    }
}
