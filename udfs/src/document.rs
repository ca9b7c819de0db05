//! JSON documents as PostgreSQL's jsonb has them: members ordered by length and bytes of their keys, the last of equal keys, numbers with all
//! their digits, one blank behind `:` and `,`.
//!
//! Equal documents have one text, except for zeros at the end of numbers.

use std::cmp::Ordering;
use std::fmt::{self, Write};

use datafusion_common::Result;

use crate::failure::{Kind, failed};

/// Documents may be nested this deep.
const DEEPEST: usize = 512;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Value>),
    Object(Map),
}

/// A decimal number by its digits: `-12.50`, never with an exponent.
#[derive(Debug, Clone)]
pub struct Number(String);

/// Members in order, found by halving.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Map(Vec<(String, Value)>);

fn key_order(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.as_bytes().cmp(other.as_bytes()))
}

impl Map {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn place(&self, key: &str) -> std::result::Result<usize, usize> {
        self.0.binary_search_by(|(own, _)| key_order(own, key))
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.place(key).ok().and_then(|at| self.0.get(at)).map(|(_, value)| value)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.place(key).ok().and_then(|at| self.0.get_mut(at)).map(|(_, value)| value)
    }

    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.place(key).is_ok()
    }

    pub fn insert(&mut self, key: String, value: Value) {
        match self.place(&key) {
            Ok(at) => {
                if let Some(member) = self.0.get_mut(at) {
                    member.1 = value;
                }
            }
            Err(at) => self.0.insert(at, (key, value)),
        }
    }

    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.place(key).ok().map(|at| self.0.remove(at).1)
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Value) -> bool) {
        self.0.retain(|(key, value)| keep(key, value));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All at once: sorted, and of equal keys the last.
    fn of(mut members: Vec<(String, Value)>) -> Self {
        let ordered = members.windows(2).all(|pair| match pair {
            [(one, _), (other, _)] => key_order(one, other) == Ordering::Less,
            _ => true,
        });
        if !ordered {
            // The order is stable, so that the last of equal keys comes first when read from behind.
            members.reverse();
            members.sort_by(|(one, _), (other, _)| key_order(one, other));
            members.dedup_by(|(later, _), (earlier, _)| later == earlier);
        }
        Self(members)
    }
}

impl IntoIterator for Map {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Extend<(String, Value)> for Map {
    fn extend<T: IntoIterator<Item = (String, Value)>>(&mut self, members: T) {
        members.into_iter().for_each(|(key, value)| self.insert(key, value));
    }
}

impl Number {
    /// From the text of a JSON number; the exponent is written out.
    fn read(text: &str) -> Option<Self> {
        let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
            return Some(Self(if text.trim_start_matches('-').bytes().all(|byte| byte == b'0') {
                "0".to_owned()
            } else {
                text.to_owned()
            }));
        };
        let exponent: i32 = exponent.parse().ok().filter(|exponent| (-5_000..=5_000).contains(exponent))?;
        let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
        let shown = match usize::try_from(point) {
            Ok(0) => format!("0.{digits}"),
            Ok(point) if point >= digits.len() => format!("{digits}{}", "0".repeat(point - digits.len())),
            Ok(point) => format!("{}.{}", digits.get(..point)?, digits.get(point..)?),
            Err(_) => format!("0.{}{digits}", "0".repeat(usize::try_from(point.unsigned_abs()).ok()?)),
        };
        let shown = match shown.split_once('.') {
            Some((whole, fraction)) => format!("{}.{fraction}", plain(whole)),
            None => plain(&shown).to_owned(),
        };
        Some(Self(format!("{sign}{shown}")))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether negative, the digits before the point, those behind it without zeros at the end.
    fn parts(&self) -> (bool, &str, &str) {
        let (negative, digits) = self.0.strip_prefix('-').map_or((false, self.0.as_str()), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        (negative && !(whole.is_empty() && fraction.is_empty()), whole, fraction)
    }

    fn order(&self, other: &Self) -> Ordering {
        let ((negative, whole, fraction), (other_negative, other_whole, other_fraction)) = (self.parts(), other.parts());
        let size = || whole.len().cmp(&other_whole.len()).then_with(|| whole.cmp(other_whole)).then_with(|| fraction.cmp(other_fraction));
        match (negative, other_negative) {
            (false, false) => size(),
            (true, true) => size().reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

fn plain(whole: &str) -> &str {
    match whole.trim_start_matches('0') {
        "" => "0",
        rest => rest,
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.order(other) == Ordering::Equal
    }
}

impl Value {
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    #[must_use]
    pub fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    #[must_use]
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// From a number's text; NaN and infinities are strings, as in PostgreSQL.
    #[must_use]
    pub fn number(digits: &str) -> Self {
        match digits.bytes().any(|byte| byte.is_ascii_digit()).then(|| Number::read(digits)).flatten() {
            Some(number) => Self::Number(number),
            None => Self::String(digits.to_owned()),
        }
    }

    /// The order of PostgreSQL: by kind, then arrays and objects by their number of parts.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one.cmp(other),
            (Self::Number(one), Self::Number(other)) => one.order(other),
            (Self::String(one), Self::String(other)) => one.cmp(other),
            (Self::Array(one), Self::Array(other)) => one.len().cmp(&other.len()).then_with(|| {
                one.iter()
                    .zip(other)
                    .map(|(one, other)| one.order(other))
                    .find(|order| *order != Ordering::Equal)
                    .unwrap_or(Ordering::Equal)
            }),
            (Self::Object(one), Self::Object(other)) => one.len().cmp(&other.len()).then_with(|| {
                let pairs = one.0.iter().zip(&other.0);
                let each = |((key, value), (other_key, other_value)): (&(String, Self), &(String, Self))| {
                    key_order(key, other_key).then_with(|| value.order(other_value))
                };
                pairs.map(each).find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
            }),
            (one, other) => one.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::String(_) => 1,
            Self::Number(_) => 2,
            Self::Bool(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
        }
    }

    /// Appends the document with each part on a line of its own.
    pub fn pretty(&self, depth: usize, out: &mut String) {
        let line = |depth: usize, out: &mut String| {
            out.push('\n');
            (0..depth).for_each(|_| out.push_str("    "));
        };
        match self {
            Self::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    line(depth + 1, out);
                    item.pretty(depth + 1, out);
                }
                line(depth, out);
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    line(depth + 1, out);
                    let _ = quoted(key, out);
                    out.push_str(": ");
                    value.pretty(depth + 1, out);
                }
                line(depth, out);
                out.push('}');
            }
            plain => {
                let _ = write!(out, "{plain}");
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::Number(number) => f.write_str(&number.0),
            Self::String(text) => quoted(text, f),
            Self::Array(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    f.write_str(if at > 0 { ", " } else { "" })?;
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (at, (key, value)) in members.iter().enumerate() {
                    f.write_str(if at > 0 { ", " } else { "" })?;
                    quoted(key, f)?;
                    f.write_str(": ")?;
                    value.fmt(f)?;
                }
                f.write_str("}")
            }
        }
    }
}

/// A string with its quotes.
fn quoted(text: &str, out: &mut impl Write) -> fmt::Result {
    out.write_char('"')?;
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| matches!(c, '"' | '\\') || c < ' ') {
        let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.write_str(plain)?;
        let mut chars = special.chars();
        match chars.next() {
            Some('"') => out.write_str("\\\"")?,
            Some('\\') => out.write_str("\\\\")?,
            Some('\n') => out.write_str("\\n")?,
            Some('\r') => out.write_str("\\r")?,
            Some('\t') => out.write_str("\\t")?,
            Some('\u{8}') => out.write_str("\\b")?,
            Some('\u{c}') => out.write_str("\\f")?,
            Some(other) => write!(out, "\\u{:04x}", u32::from(other))?,
            None => {}
        }
        rest = chars.as_str();
    }
    out.write_str(rest)?;
    out.write_char('"')
}

/// Reads a document.
///
/// # Errors
/// Where the text stops being JSON.
pub fn parse(text: &str) -> Result<Value> {
    let mut reader = Reader { bytes: text.as_bytes(), text, at: 0 };
    let value = reader.value(0)?;
    reader.blanks();
    match reader.at == text.len() {
        true => Ok(value),
        false => Err(reader.wrong()),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn wrong(&self) -> datafusion_common::DataFusionError {
        let detail = match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => format!("Token \"{found}\" is invalid at character {}.", self.at + 1),
            None => "The input string ended unexpectedly.".to_owned(),
        };
        crate::failure::with_detail(Kind::InvalidText, "invalid input syntax for type json", detail)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value> {
        match self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            true => {
                self.at += word.len();
                Ok(value)
            }
            false => Err(self.wrong()),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        if depth > DEEPEST {
            return Err(failed(Kind::TooComplex, "stack depth limit exceeded"));
        }
        self.blanks();
        match self.peek() {
            Some(b'{') => {
                self.at += 1;
                self.object(depth)
            }
            Some(b'[') => {
                self.at += 1;
                self.array(depth)
            }
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.wrong()),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value> {
        let mut members = Vec::new();
        if self.takes(b'}') {
            return Ok(Value::Object(Map::new()));
        }
        loop {
            self.blanks();
            let key = self.string()?;
            if !self.takes(b':') {
                return Err(self.wrong());
            }
            members.push((key, self.value(depth + 1)?));
            if self.takes(b'}') {
                return Ok(Value::Object(Map::of(members)));
            }
            if !self.takes(b',') {
                return Err(self.wrong());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value> {
        let mut items = Vec::new();
        if self.takes(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.takes(b']') {
                return Ok(Value::Array(items));
            }
            if !self.takes(b',') {
                return Err(self.wrong());
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Value> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (leading_zero && whole > 1) {
            return Err(self.wrong());
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.wrong());
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return Err(self.wrong());
            }
        }
        let number = self.text.get(start..self.at).and_then(Number::read);
        number.map(Value::Number).ok_or_else(|| failed(Kind::NumericOutOfRange, "value overflows numeric format"))
    }

    fn string(&mut self) -> Result<String> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong());
        }
        self.at += 1;
        let mut read = String::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|byte| !matches!(byte, b'"' | b'\\') && byte >= 0x20) {
                self.at += 1;
            }
            read.push_str(self.text.get(start..self.at).unwrap_or(""));
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(read);
                }
                Some(b'\\') => {
                    self.at += 1;
                    read.push(self.escaped()?);
                }
                _ => return Err(self.wrong()),
            }
        }
    }

    fn escaped(&mut self) -> Result<char> {
        let kind = self.peek().ok_or_else(|| self.wrong())?;
        let plain = match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.code_point();
            }
            _ => return Err(self.wrong()),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unit(&mut self) -> Result<u32> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or_else(|| self.wrong())?;
        self.at += 4;
        Ok(unit)
    }

    fn code_point(&mut self) -> Result<char> {
        let unit = self.unit()?;
        if unit == 0 {
            return Err(failed(Kind::Untranslatable, "unsupported Unicode escape sequence"));
        }
        let code = match unit {
            0xd800..=0xdbff => {
                if self.text.get(self.at..).is_none_or(|rest| !rest.starts_with("\\u")) {
                    return Err(self.wrong());
                }
                self.at += 2;
                match self.unit()? {
                    low @ 0xdc00..=0xdfff => 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00),
                    _ => return Err(self.wrong()),
                }
            }
            unit => unit,
        };
        char::from_u32(code).ok_or_else(|| self.wrong())
    }
}
