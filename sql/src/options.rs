//! `WITH (key.sub = value, ..)`: the one way to write options, and its typed values.
//!
//! Whether a key exists and takes such a value is not known here.

use sqlparser::tokenizer::Token;

use crate::cursor::Cursor;
use crate::error::{Result, SyntaxError};
use crate::{Ident, Interval, Name};

/// A list of options in the order written. No key occurs twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    pub entries: Vec<OptionEntry>,
}

/// One `key = value`.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionEntry {
    /// Parts joined by dots; unquoted parts are in lower case.
    pub key: String,
    /// Where the key starts: 1-based character offset in the whole input.
    pub position: usize,
    pub value: OptionValue,
    /// Where the value starts.
    pub value_position: usize,
}

/// A typed value.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    Text(String),
    /// A number as typed, with its sign.
    Number(String),
    Bool(bool),
    /// `5 MINUTES` or `INTERVAL '5 minutes'`. A plain `'5 minutes'` is `Text`: only the option's own type tells.
    Interval(Interval),
    Secret {
        name: Name,
        key: Option<String>,
    },
    /// `$name`, without the dollar sign.
    Param(String),
    List(Vec<OptionValue>),
}

impl Options {
    /// The entry of `key`, if it was written.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&OptionEntry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// `name => expr` or `expr`: an argument of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    pub name: Option<Ident>,
    pub value: crate::Expr,
}

/// The key of an option, without a value.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionKey {
    pub key: String,
    pub position: usize,
}

impl OptionKey {
    pub(crate) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let position = p.position();
        let mut key = p.any_ident()?.value;
        while p.symbol(&Token::Period) {
            let part = match p.try_string() {
                Some(part) => part,
                None => p.any_ident()?.value,
            };
            key.push('.');
            key.push_str(&part);
        }
        Ok(Self { key, position })
    }
}

impl Options {
    /// Whether a list comes next.
    pub(crate) fn begins(p: &Cursor<'_>) -> bool {
        (p.sees(&["WITH"]) || p.sees(&["OPTIONS"])) && p.nth(1).is_some_and(|tok| tok.is(&Token::LParen))
    }

    /// `[WITH | OPTIONS (..)]`.
    pub(crate) fn parse_optional(p: &mut Cursor<'_>) -> Result<Self> {
        if Self::begins(p) { Self::parse(p) } else { Ok(Self::default()) }
    }

    /// `WITH (..)` or `OPTIONS (..)`.
    pub(crate) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if !p.word("WITH") && !p.word("OPTIONS") {
            return Err(p.expected("WITH"));
        }
        Self::parse_group(p)
    }

    /// `(key = value, ..)`.
    pub(crate) fn parse_group(p: &mut Cursor<'_>) -> Result<Self> {
        Self::parse_entries(p, |p| {
            p.symbol(&Token::Eq);
            OptionValue::parse(p)
        })
    }

    /// `(key value, key, key = value, ..)` as COPY and EXPLAIN have it: a value may be missing or a bare word.
    pub(crate) fn parse_loose_group(p: &mut Cursor<'_>) -> Result<Self> {
        Self::parse_entries(p, |p| {
            p.symbol(&Token::Eq);
            if p.at_end() || p.sees_symbol(&Token::Comma) {
                return Ok(OptionValue::Bool(true));
            }
            if p.symbol(&Token::Mul) {
                return Ok(OptionValue::Text("*".to_owned()));
            }
            if p.sees_symbol(&Token::LParen) {
                let mut inner = p.group()?;
                let list = inner.list(|p| match p.peek_word() {
                    Some(_) => Ok(OptionValue::Text(p.any_ident()?.value)),
                    None => OptionValue::parse(p),
                })?;
                inner.finish()?;
                return Ok(OptionValue::List(list));
            }
            let bare = p.peek_word().filter(|word| !VALUE_WORDS.iter().any(|own| own.eq_ignore_ascii_case(word)));
            match bare {
                Some(_) => Ok(OptionValue::Text(p.any_ident()?.value)),
                None => OptionValue::parse(p),
            }
        })
    }

    fn parse_entries<'a>(p: &mut Cursor<'a>, mut value: impl FnMut(&mut Cursor<'a>) -> Result<OptionValue>) -> Result<Self> {
        let mut inner = p.group()?;
        let mut entries: Vec<OptionEntry> = Vec::new();
        inner.list(|p| {
            let OptionKey { key, position } = OptionKey::parse(p)?;
            if entries.iter().any(|entry| entry.key == key) {
                return Err(SyntaxError::syntax(format!("option \"{key}\" is written twice")).at(position));
            }
            let value_position = p.position();
            let value = value(p)?;
            entries.push(OptionEntry { key, position, value, value_position });
            Ok(())
        })?;
        inner.finish()?;
        Ok(Self { entries })
    }
}

/// Words that begin a value.
const VALUE_WORDS: &[&str] = &["TRUE", "FALSE", "INTERVAL", "SECRET"];

impl OptionValue {
    pub(crate) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if p.sees_symbol(&Token::LParen) {
            let mut inner = p.group()?;
            let list = inner.list(Self::parse)?;
            inner.finish()?;
            return Ok(Self::List(list));
        }
        let position = p.position();
        if let Some(text) = p.try_string() {
            return Ok(Self::Text(text));
        }
        if let Some(text) = p.try_number_and_unit() {
            return Ok(Self::Interval(crate::parse_interval(&text).map_err(|error| error.at(position))?));
        }
        if let Some(number) = p.try_number() {
            return Ok(Self::Number(number));
        }
        Self::parse_word(p)
    }

    fn parse_word(p: &mut Cursor<'_>) -> Result<Self> {
        if p.symbol(&Token::Minus) {
            let number = p.try_number().ok_or_else(|| p.expected("a number"))?;
            return Ok(Self::Number(format!("-{number}")));
        }
        if p.symbol(&Token::Plus) {
            return Ok(Self::Number(p.try_number().ok_or_else(|| p.expected("a number"))?));
        }
        if p.sees(&["INTERVAL"]) {
            return Ok(Self::Interval(p.interval()?));
        }
        if p.word("TRUE") {
            return Ok(Self::Bool(true));
        }
        if p.word("FALSE") {
            return Ok(Self::Bool(false));
        }
        if p.word("SECRET") {
            let name = p.name()?;
            let key = if p.word("KEY") { Some(p.string()?) } else { None };
            return Ok(Self::Secret { name, key });
        }
        if let Some(Token::Placeholder(name)) = p.peek().map(|tok| &tok.token.token)
            && let Some(name) = name.strip_prefix('$')
        {
            p.move_to(p.index() + 1);
            return Ok(Self::Param(name.to_owned()));
        }
        let hint = p.peek_word().map(|word| format!("Write text in single quotes: '{word}'."));
        Err(p.expected("a value: text in quotes, a number, TRUE, FALSE, an interval, SECRET name or $name").hint(hint))
    }
}

impl Argument {
    /// `([name =>] expr, ..)`; the list may be empty.
    pub(crate) fn parse_list(p: &mut Cursor<'_>) -> Result<Vec<Self>> {
        let mut inner = p.group()?;
        if inner.at_end() {
            return Ok(Vec::new());
        }
        let list = inner.list(|p| {
            let named = p.nth(1).is_some_and(|tok| tok.is(&Token::RArrow) || tok.is(&Token::Assignment));
            let name = if named { Some(p.any_ident()?) } else { None };
            if named {
                p.move_to(p.index() + 1);
            }
            Ok(Self { name, value: p.expr()? })
        })?;
        inner.finish()?;
        Ok(list)
    }
}
