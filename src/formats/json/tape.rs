//! A JSON text taken apart without copying: nodes that point into it.
//!
//! Numbers keep their digits and strings their spelling, so nothing is lost on the way to a decimal or back to JSON. Stricter than most: names in
//! one object must differ, depth is limited, half surrogates and the character U+0000 are refused, as PostgreSQL's jsonb does.

use std::borrow::Cow;
use std::collections::HashSet;

use memchr::memchr2;

const MAX_DEPTH: usize = 128;
/// Up to this many names, comparing each with each is cheaper than a set.
const FEW: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    True,
    False,
    Number,
    /// With or without escapes in it.
    String {
        is_plain: bool,
    },
    Object,
    Array,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    kind: Kind,
    start: usize,
    end: usize,
    /// Index of the node behind this one and all below it.
    after: usize,
}

/// Nodes in the order of the text; a member's name stands before its value. Reused from record to record.
#[derive(Debug, Default)]
pub(super) struct Tape {
    nodes: Vec<Node>,
}

impl Tape {
    /// Takes a text apart that holds one value and nothing else.
    pub(super) fn parse<'a>(&'a mut self, text: &'a str) -> Result<Value<'a>, &'static str> {
        self.nodes.clear();
        let mut parser = Parser { bytes: text.as_bytes(), at: 0, nodes: &mut self.nodes };
        parser.space();
        parser.value(0)?;
        parser.space();
        if parser.at < parser.bytes.len() {
            return Err("text after the value");
        }
        self.root(text).ok_or("no value")
    }

    fn root<'a>(&'a self, text: &'a str) -> Option<Value<'a>> {
        self.nodes.first().map(|node| Value { tape: self, text, index: 0, node: *node })
    }
}

/// A value within a parsed text.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    tape: &'a Tape,
    text: &'a str,
    index: usize,
    node: Node,
}

impl<'a> Value<'a> {
    pub(super) fn kind(self) -> Kind {
        self.node.kind
    }

    /// As it is spelled; a string without its quotes.
    pub(super) fn raw(self) -> &'a str {
        self.text.get(self.node.start..self.node.end).unwrap_or_default()
    }

    /// What a string means; the spelling of everything else.
    pub(super) fn meaning(self) -> Cow<'a, str> {
        match self.node.kind {
            Kind::String { is_plain: false } => Cow::Owned(unescape(self.raw())),
            _ => Cow::Borrowed(self.raw()),
        }
    }

    fn at(self, index: usize) -> Option<Self> {
        self.tape.nodes.get(index).map(|node| Value { index, node: *node, ..self })
    }

    pub(super) fn members(self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> {
        let is_object = self.node.kind == Kind::Object;
        let mut next = if is_object { self.index + 1 } else { self.node.after };
        std::iter::from_fn(move || {
            if next >= self.node.after {
                return None;
            }
            let (name, value) = (self.at(next)?, self.at(next + 1)?);
            next = value.node.after;
            Some((name, value))
        })
    }

    pub(super) fn elements(self) -> impl Iterator<Item = Value<'a>> {
        let is_array = self.node.kind == Kind::Array;
        let mut next = if is_array { self.index + 1 } else { self.node.after };
        std::iter::from_fn(move || {
            if next >= self.node.after {
                return None;
            }
            let value = self.at(next)?;
            next = value.node.after;
            Some(value)
        })
    }

    pub(super) fn member(self, name: &str) -> Option<Value<'a>> {
        self.members().find(|(key, _)| key.meaning() == name).map(|(_, value)| value)
    }

    /// As JSON without white space.
    pub(super) fn compact(self) -> Cow<'a, str> {
        match self.node.kind {
            // The quotes lie just outside the node.
            Kind::String { .. } => Cow::Borrowed(self.text.get(self.node.start - 1..self.node.end + 1).unwrap_or_default()),
            Kind::Object | Kind::Array => squeeze(self.raw()),
            _ => Cow::Borrowed(self.raw()),
        }
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: &'a mut Vec<Node>,
}

impl Parser<'_> {
    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn open(&mut self, kind: Kind) -> usize {
        self.nodes.push(Node { kind, start: self.at, end: self.at, after: 0 });
        self.nodes.len() - 1
    }

    fn close(&mut self, index: usize) {
        let after = self.nodes.len();
        if let Some(node) = self.nodes.get_mut(index) {
            node.end = self.at;
            node.after = after;
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), &'static str> {
        if depth > MAX_DEPTH {
            return Err("nested too deeply");
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b't') => self.word(b"true", Kind::True),
            Some(b'f') => self.word(b"false", Kind::False),
            Some(b'n') => self.word(b"null", Kind::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err("a value is expected"),
            None => Err("the text ends where a value is expected"),
        }
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<(), &'static str> {
        if !self.bytes.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err("a value is expected");
        }
        let node = self.open(kind);
        self.at += word.len();
        self.close(node);
        Ok(())
    }

    fn digits(&mut self) -> Result<(), &'static str> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err("a digit is expected") }
    }

    fn number(&mut self) -> Result<(), &'static str> {
        let node = self.open(Kind::Number);
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        self.close(node);
        Ok(())
    }

    fn string(&mut self) -> Result<(), &'static str> {
        self.at += 1;
        let node = self.open(Kind::String { is_plain: true });
        let start = self.at;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(hit) = memchr2(b'"', b'\\', rest) else { return Err("a string is not closed") };
            self.at += hit;
            if self.peek() == Some(b'"') {
                break;
            }
            self.escape()?;
            if let Some(node) = self.nodes.get_mut(node) {
                node.kind = Kind::String { is_plain: false };
            }
        }
        if self.bytes.get(start..self.at).unwrap_or_default().iter().any(|byte| *byte < 0x20) {
            return Err("a control character in a string");
        }
        self.close(node);
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), &'static str> {
        self.at += 2;
        match self.bytes.get(self.at - 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => match self.unit()? {
                0 => Err("\\u0000 is not text"),
                0xD800..=0xDBFF if self.bytes.get(self.at..).unwrap_or_default().starts_with(b"\\u") => {
                    self.at += 2;
                    if matches!(self.unit()?, 0xDC00..=0xDFFF) { Ok(()) } else { Err("half of a surrogate pair") }
                }
                0xD800..=0xDFFF => Err("half of a surrogate pair"),
                _ => Ok(()),
            },
            _ => Err("an unknown escape in a string"),
        }
    }

    fn unit(&mut self) -> Result<u32, &'static str> {
        let unit = hex4(self.bytes.get(self.at..).unwrap_or_default()).ok_or("four hex digits are expected")?;
        self.at += 4;
        Ok(unit)
    }

    fn array(&mut self, depth: usize) -> Result<(), &'static str> {
        let node = self.open(Kind::Array);
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            self.close(node);
            return Ok(());
        }
        loop {
            self.space();
            self.value(depth + 1)?;
            self.space();
            self.at += 1;
            match self.bytes.get(self.at - 1) {
                Some(b',') => {}
                Some(b']') => break,
                _ => return Err("\",\" or \"]\" is expected"),
            }
        }
        self.close(node);
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), &'static str> {
        let node = self.open(Kind::Object);
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.close(node);
            return Ok(());
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err("a name is expected");
            }
            self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return Err("\":\" is expected");
            }
            self.at += 1;
            self.space();
            self.value(depth + 1)?;
            self.space();
            self.at += 1;
            match self.bytes.get(self.at - 1) {
                Some(b',') => {}
                Some(b'}') => break,
                _ => return Err("\",\" or \"}\" is expected"),
            }
        }
        self.close(node);
        self.distinct_names(node)
    }

    fn distinct_names(&self, object: usize) -> Result<(), &'static str> {
        let Some(node) = self.nodes.get(object) else { return Ok(()) };
        let mut names: Vec<Cow<'_, str>> = Vec::new();
        let mut next = object + 1;
        while next < node.after {
            let (Some(name), Some(value)) = (self.nodes.get(next), self.nodes.get(next + 1)) else { break };
            let raw = std::str::from_utf8(self.bytes.get(name.start..name.end).unwrap_or_default()).unwrap_or_default();
            names.push(if name.kind == (Kind::String { is_plain: false }) { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) });
            next = value.after;
        }
        let has_twins = if names.len() <= FEW {
            names.iter().enumerate().any(|(index, name)| names.iter().take(index).any(|earlier| earlier == name))
        } else {
            let count = names.len();
            names.into_iter().collect::<HashSet<_>>().len() < count
        };
        if has_twins { Err("a name occurs twice in one object") } else { Ok(()) }
    }
}

fn hex4(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.get(..4)?;
    digits.iter().try_fold(0, |value, byte| Some(value * 16 + char::from(*byte).to_digit(16)?))
}

/// The meaning of a string that has been checked.
fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, behind)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut chars = behind.chars();
        match chars.next() {
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('u') => {
                let first = hex4(behind.as_bytes().get(1..).unwrap_or_default()).unwrap_or(0);
                let second = hex4(behind.as_bytes().get(7..).unwrap_or_default());
                let (code, length) = match (first, second) {
                    (0xD800..=0xDBFF, Some(low)) => (0x10000 + ((first - 0xD800) << 10) + (low.wrapping_sub(0xDC00) & 0x3FF), 11),
                    _ => (first, 5),
                };
                text.push(char::from_u32(code).unwrap_or('\u{FFFD}'));
                rest = behind.get(length..).unwrap_or_default();
                continue;
            }
            Some(other) => text.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    text.push_str(rest);
    text
}

/// A checked object or array without the white space between its parts.
fn squeeze(raw: &str) -> Cow<'_, str> {
    let is_space = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    if !raw.bytes().any(is_space) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let (mut in_string, mut is_escaped, mut from) = (false, false, 0);
    for (at, byte) in raw.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            _ if !in_string && is_space(byte) => {
                out.push_str(raw.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push_str(raw.get(from..).unwrap_or_default());
    Cow::Owned(out)
}

/// A text that is one JSON value, without white space.
pub(in crate::formats) fn checked(text: &str) -> Result<String, &'static str> {
    let mut tape = Tape::default();
    tape.parse(text).map(|value| value.compact().into_owned())
}

/// What a JSON string means; None when it is not one.
pub(super) fn checked_text(text: &str) -> Option<String> {
    let mut tape = Tape::default();
    tape.parse(text).ok().map(|value| value.meaning().into_owned())
}
