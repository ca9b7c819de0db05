//! The whole input as tokens, each with its place in the text.
//!
//! Comments and white space are left out. Tokens keep the line and column they have in the whole input, so locations in
//! any tree made of them lead back to a character.

use std::ops::Range;

use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, TokenizerError};

use crate::depth;
use crate::dialect::DIALECT;
use crate::error::{Result, SyntaxError};

/// Longest input.
const MAX_TEXT_BYTES: usize = 8 * 1024 * 1024;
/// A token and its place: `position` is the 1-based character offset, `start..end` are bytes.
#[derive(Debug)]
pub(crate) struct Tok {
    pub(crate) token: TokenWithSpan,
    pub(crate) position: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Tok {
    /// The word, if this is an unquoted one.
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.token.token {
            Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
            _ => None,
        }
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.word().is_some_and(|own| own.eq_ignore_ascii_case(word))
    }

    pub(crate) fn is(&self, token: &Token) -> bool {
        self.token.token == *token
    }
}

/// The text and its tokens.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    text: &'a str,
    tokens: Vec<Tok>,
    depth: usize,
    database: Database<'a>,
}

/// Which database may stand before a schema.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Database<'a> {
    None,
    Named(&'a str),
    /// The name was looked at when the text was new.
    Any,
}

impl<'a> Input<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(SyntaxError::not_supported("the text is too long")
                .detail(format!("It has {} bytes; the limit is {MAX_TEXT_BYTES}.", text.len())));
        }
        if let Some(at) = text.chars().position(|c| c == '\0') {
            return Err(SyntaxError::syntax("invalid byte 0x00 in the text").at(at + 1));
        }
        let mut raw = Vec::new();
        if let Err(error) = Tokenizer::new(&DIALECT, text).tokenize_with_location_into_buf(&mut raw) {
            // What cannot be read starts where the last token that could be read ends.
            let start = raw.last().map_or(Location::new(1, 1), |token| token.span.end);
            return Err(unreadable(text, &error, start));
        }
        let mut input = Self { text, tokens: place(text, raw), depth: 0, database: Database::None };
        input.depth = depth::check(&input.tokens)?;
        Ok(input)
    }

    /// Deepest nesting of brackets.
    pub(crate) fn of(self, database: Database<'a>) -> Self {
        Self { database, ..self }
    }

    pub(crate) fn database(&self) -> Database<'a> {
        self.database
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    pub(crate) fn tokens(&self) -> &[Tok] {
        &self.tokens
    }

    /// The user's own text of these tokens.
    pub(crate) fn text(&self, range: Range<usize>) -> &'a str {
        let Some([first, .., last] | [first @ last]) = self.tokens.get(range) else {
            return "";
        };
        self.text.get(first.start..last.end).unwrap_or("")
    }

    /// Where the token starts; past the last one, where the input ends.
    pub(crate) fn position(&self, index: usize) -> usize {
        self.tokens.get(index).map_or_else(|| self.text.chars().count() + 1, |tok| tok.position)
    }

    /// The token at that line and column.
    pub(crate) fn find(&self, location: Location) -> Option<usize> {
        self.tokens.binary_search_by_key(&location, |tok| tok.token.span.start).ok()
    }

    /// PostgreSQL's wording for something unexpected at a token.
    pub(crate) fn unexpected(&self, index: usize) -> SyntaxError {
        match self.tokens.get(index) {
            Some(tok) => {
                let near: String = self.text(index..index + 1).chars().take(60).collect();
                SyntaxError::syntax(format!("syntax error at or near \"{near}\"")).at(tok.position)
            }
            None => SyntaxError::syntax("syntax error at end of input").at(self.position(index)),
        }
    }

    /// The tokens of each statement: what stands between semicolons outside brackets.
    pub(crate) fn statements(&self) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        let (mut start, mut depth) = (0, 0usize);
        for (index, tok) in self.tokens.iter().enumerate() {
            match &tok.token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                Token::SemiColon if depth == 0 => {
                    ranges.push(start..index);
                    start = index + 1;
                }
                _ => {}
            }
        }
        ranges.push(start..self.tokens.len());
        ranges.retain(|range| !range.is_empty());
        ranges
    }
}

/// Gives each token its place, in one walk over the characters.
fn place(text: &str, raw: Vec<TokenWithSpan>) -> Vec<Tok> {
    let mut chars = text.char_indices();
    let (mut line, mut column, mut position, mut byte) = (1u64, 1u64, 1usize, 0usize);
    let mut walk_to = |to: Location| {
        while (line, column) < (to.line, to.column) {
            let Some((at, c)) = chars.next() else { break };
            position += 1;
            byte = at + c.len_utf8();
            if c == '\n' {
                (line, column) = (line + 1, 1);
            } else {
                column += 1;
            }
        }
        (position, byte)
    };
    let mut tokens = Vec::new();
    for token in raw {
        if matches!(token.token, Token::Whitespace(_) | Token::EOF) {
            continue;
        }
        let (position, start) = walk_to(token.span.start);
        let (_, end) = walk_to(token.span.end);
        tokens.push(Tok { token, position, start, end });
    }
    tokens
}

fn unreadable(text: &str, error: &TokenizerError, start: Location) -> SyntaxError {
    let position = position_of(text, start.line, start.column);
    let message = match error.message.as_str() {
        m if m.contains("Unterminated string") || m.contains("Unterminated encoded string") => "unterminated quoted string",
        m if m.contains("dollar") => "unterminated dollar-quoted string",
        m if m.contains("close delimiter") => "unterminated quoted identifier",
        m if m.contains("comment") => "unterminated comment",
        m => return SyntaxError::syntax(format!("syntax error: {}", lower_first(m))).at(position),
    };
    let rest: String = text.chars().skip(position.saturating_sub(1)).take(40).collect();
    if rest.is_empty() {
        return SyntaxError::syntax(format!("{message} at end of input")).at(position);
    }
    SyntaxError::syntax(format!("{message} at or near \"{rest}\"")).at(position)
}

fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// Turns a line and column of `sqlparser` (both 1-based, columns in characters) into a 1-based character offset.
///
/// A place past the end gives the offset just after the last character.
#[must_use]
pub fn position_of(text: &str, line: u64, column: u64) -> usize {
    let (mut at_line, mut at_column) = (1u64, 1u64);
    for (before, c) in text.chars().enumerate() {
        if (at_line, at_column) >= (line, column) {
            return before + 1;
        }
        if c == '\n' {
            (at_line, at_column) = (at_line + 1, 1);
        } else {
            at_column += 1;
        }
    }
    text.chars().count() + 1
}
