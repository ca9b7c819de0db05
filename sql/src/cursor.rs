//! Walks over a statement's tokens and reads the small parts that all statements are made of.
//!
//! Every word is contextual: it means something only where a statement asks for it.

use std::ops::Range;

use sqlparser::tokenizer::Token;

use crate::error::{Result, SyntaxError};
use crate::input::{Database, Input, Tok};
use crate::interval::{is_unit, parse_interval};
use crate::{Columns, Ident, Interval, Name, nearest};

/// A place in a statement, and where the statement ends.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    input: &'a Input<'a>,
    at: usize,
    end: usize,
}

/// Words that cannot name anything unless quoted: PostgreSQL's own reserved words.
const RESERVED: &[&str] = &[
    "ALL",
    "ANALYSE",
    "ANALYZE",
    "AND",
    "ANY",
    "ARRAY",
    "AS",
    "ASC",
    "BOTH",
    "CASE",
    "CAST",
    "CHECK",
    "COLLATE",
    "COLUMN",
    "CONSTRAINT",
    "CREATE",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "DEFAULT",
    "DESC",
    "DISTINCT",
    "DO",
    "ELSE",
    "END",
    "EXCEPT",
    "FALSE",
    "FETCH",
    "FOR",
    "FOREIGN",
    "FROM",
    "GRANT",
    "GROUP",
    "HAVING",
    "IN",
    "INTERSECT",
    "INTO",
    "LATERAL",
    "LEADING",
    "LIMIT",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "ONLY",
    "OR",
    "ORDER",
    "PRIMARY",
    "REFERENCES",
    "RETURNING",
    "SELECT",
    "SESSION_USER",
    "SOME",
    "TABLE",
    "THEN",
    "TO",
    "TRAILING",
    "TRUE",
    "UNION",
    "UNIQUE",
    "USER",
    "USING",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
];

impl<'a> Cursor<'a> {
    pub(crate) fn new(input: &'a Input<'a>, range: Range<usize>) -> Self {
        Self { input, at: range.start, end: range.end.min(input.tokens().len()) }
    }

    pub(crate) fn input(&self) -> &'a Input<'a> {
        self.input
    }

    /// Index of the token that comes next.
    pub(crate) fn index(&self) -> usize {
        self.at
    }

    /// What is left.
    pub(crate) fn rest(&self) -> Range<usize> {
        self.at..self.end
    }

    pub(crate) fn move_to(&mut self, index: usize) {
        self.at = index.min(self.end);
    }

    pub(crate) fn at_end(&self) -> bool {
        self.at >= self.end
    }

    pub(crate) fn position(&self) -> usize {
        self.input.position(self.at)
    }

    pub(crate) fn peek(&self) -> Option<&'a Tok> {
        self.nth(0)
    }

    pub(crate) fn nth(&self, ahead: usize) -> Option<&'a Tok> {
        let index = self.at + ahead;
        if index < self.end { self.input.tokens().get(index) } else { None }
    }

    pub(crate) fn peek_word(&self) -> Option<&'a str> {
        self.peek().and_then(Tok::word)
    }

    /// Whether these words come next.
    pub(crate) fn sees(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| self.nth(ahead).is_some_and(|tok| tok.is_word(word)))
    }

    pub(crate) fn sees_symbol(&self, symbol: &Token) -> bool {
        self.peek().is_some_and(|tok| tok.is(symbol))
    }

    /// Takes these words if they come next.
    pub(crate) fn words(&mut self, words: &[&str]) -> bool {
        let seen = self.sees(words);
        if seen {
            self.at += words.len();
        }
        seen
    }

    pub(crate) fn word(&mut self, word: &str) -> bool {
        self.words(&[word])
    }

    pub(crate) fn symbol(&mut self, symbol: &Token) -> bool {
        let seen = self.sees_symbol(symbol);
        if seen {
            self.at += 1;
        }
        seen
    }

    pub(crate) fn expect(&mut self, words: &[&str]) -> Result<()> {
        for word in words {
            if !self.word(word) {
                return Err(self.expected_one_of(&[word]));
            }
        }
        Ok(())
    }

    pub(crate) fn expect_symbol(&mut self, symbol: &Token) -> Result<()> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.expected(&format!("\"{symbol}\""))) }
    }

    /// Takes whichever of the words comes next; otherwise the error suggests the nearest.
    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[(&str, T)]) -> Result<T> {
        for (word, value) in choices {
            if self.word(word) {
                return Ok(*value);
            }
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        Err(self.expected_one_of(&words))
    }

    /// The error at the next token.
    pub(crate) fn unexpected(&self) -> SyntaxError {
        // At the end of a part, the bracket or semicolon that ends it is what stands in the way.
        self.input.unexpected(self.at)
    }

    pub(crate) fn expected(&self, what: &str) -> SyntaxError {
        self.unexpected().detail(format!("Expected {what}."))
    }

    /// The error at the next token, with the nearest of the words that could have stood there.
    pub(crate) fn expected_one_of(&self, words: &[&str]) -> SyntaxError {
        // Of a clause of several words it is the first that stands here.
        let firsts = || words.iter().map(|clause| clause.split(' ').next().unwrap_or(clause));
        let hint = self
            .peek_word()
            .and_then(|word| nearest(word, firsts()))
            .and_then(|found| firsts().zip(words).find(|(first, _)| *first == found))
            .map(|(_, clause)| *clause);
        let list = match words {
            [only] => (*only).to_owned(),
            _ => format!("one of {}", words.join(", ")),
        };
        self.expected(&list).hint(hint.map(|word| format!("Did you mean {word}?")))
    }

    /// Refuses whatever is left over.
    pub(crate) fn finish(&self) -> Result<()> {
        self.finish_or(&[])
    }

    /// Refuses whatever is left over; `words` are those that could have stood there.
    pub(crate) fn finish_or(&self, words: &[&str]) -> Result<()> {
        match (self.at_end(), words) {
            (true, _) => Ok(()),
            (false, []) => Err(self.unexpected()),
            (false, words) => Err(self.expected_one_of(words)),
        }
    }

    /// An identifier; reserved words have to be quoted.
    pub(crate) fn ident(&mut self) -> Result<Ident> {
        match self.peek_word() {
            Some(word) if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word)) => {
                Err(self.expected("a name").hint(Some(format!("Write \"{word}\" in double quotes to use it as a name."))))
            }
            _ => self.any_ident(),
        }
    }

    /// An identifier where any word may stand, as after a dot.
    pub(crate) fn any_ident(&mut self) -> Result<Ident> {
        let Some(tok) = self.peek() else {
            return Err(self.expected("a name"));
        };
        let Token::Word(word) = &tok.token.token else {
            return Err(self.expected("a name"));
        };
        let value = match word.quote_style {
            None => word.value.to_ascii_lowercase(),
            Some(_) if word.value.is_empty() => {
                return Err(SyntaxError::syntax("zero-length quoted identifier").at(tok.position));
            }
            Some(_) => word.value.clone(),
        };
        self.at += 1;
        Ok(Ident { value, position: tok.position })
    }

    /// `[schema.]name`.
    pub(crate) fn name(&mut self) -> Result<Name> {
        let first = self.ident()?;
        if !self.symbol(&Token::Period) {
            return Ok(Name { schema: None, name: first });
        }
        let second = self.any_ident()?;
        if !self.symbol(&Token::Period) {
            return Ok(Name { schema: Some(first), name: second });
        }
        let third = self.any_ident()?;
        match self.input().database() {
            _ if self.sees_symbol(&Token::Period) => {
                Err(SyntaxError::syntax("improper qualified name (too many dotted names)").at(first.position))
            }
            Database::None => Err(SyntaxError::not_supported("names have at most two parts: schema and name").at(first.position)),
            Database::Named(own) if own != first.value => {
                let message =
                    format!("cross-database references are not implemented: \"{}.{}.{}\"", first.value, second.value, third.value);
                Err(SyntaxError::not_supported(message).at(first.position))
            }
            Database::Named(_) | Database::Any => Ok(Name { schema: Some(second), name: third }),
        }
    }

    /// `item, item, ..`.
    pub(crate) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.symbol(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `(a, b)`, each name once.
    pub(crate) fn columns(&mut self) -> Result<Columns> {
        let mut inner = self.group()?;
        let columns = inner.list(Self::ident)?;
        inner.finish()?;
        for (index, column) in columns.iter().enumerate() {
            if columns.iter().take(index).any(|earlier| earlier == column) {
                return Err(SyntaxError::syntax(format!("column {column} is listed twice")).at(column.position));
            }
        }
        Ok(columns)
    }

    /// The inside of the brackets that come next; this cursor moves behind them.
    pub(crate) fn group(&mut self) -> Result<Cursor<'a>> {
        if !self.sees_symbol(&Token::LParen) {
            return Err(self.expected("\"(\""));
        }
        let open = self.at;
        let close = self.closing(open).ok_or_else(|| self.input.unexpected(self.end))?;
        self.at = close + 1;
        Ok(Cursor { input: self.input, at: open + 1, end: close })
    }

    /// The bracket that closes the one at `open`.
    pub(crate) fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0usize;
        for index in open..self.end {
            match &self.input.tokens().get(index)?.token.token {
                Token::LParen => depth += 1,
                Token::RParen => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(index);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// A string, in quotes or between dollars.
    pub(crate) fn string(&mut self) -> Result<String> {
        self.try_string().ok_or_else(|| self.expected("a string in single quotes"))
    }

    pub(crate) fn try_string(&mut self) -> Option<String> {
        let value = match &self.peek()?.token.token {
            Token::SingleQuotedString(value) | Token::EscapedStringLiteral(value) => value.clone(),
            Token::UnicodeStringLiteral(value) => value.clone(),
            Token::DollarQuotedString(quoted) => quoted.value.clone(),
            _ => return None,
        };
        self.at += 1;
        Some(value)
    }

    /// A number without a sign, as typed.
    pub(crate) fn try_number(&mut self) -> Option<String> {
        let Token::Number(value, _) = &self.peek()?.token.token else {
            return None;
        };
        self.at += 1;
        Some(value.replace('_', ""))
    }

    /// A whole number without a sign.
    pub(crate) fn whole(&mut self) -> Result<u64> {
        let before = self.at;
        match self.try_number().map(|number| number.parse()) {
            Some(Ok(number)) => Ok(number),
            _ => {
                self.at = before;
                Err(self.expected("a whole number"))
            }
        }
    }

    /// `'5 minutes'`, `INTERVAL '5 minutes'` or `5 MINUTES`.
    pub(crate) fn interval(&mut self) -> Result<Interval> {
        let start = self.at;
        self.word("INTERVAL");
        let position = self.position();
        let text = match self.try_string() {
            Some(text) => text,
            None if self.at == start => match self.try_number_and_unit() {
                Some(text) => text,
                None => return Err(self.expected("an interval, such as '5 minutes' or 5 MINUTES")),
            },
            None => return Err(self.expected("a string in single quotes")),
        };
        parse_interval(&text).map_err(|error| error.at(position))
    }

    /// `5 MINUTES`, as text.
    pub(crate) fn try_number_and_unit(&mut self) -> Option<String> {
        let unit = self.nth(1)?.word().filter(|word| is_unit(word))?;
        let number = self.try_number()?;
        self.at += 1;
        Some(format!("{number} {unit}"))
    }

    pub(crate) fn if_exists(&mut self) -> bool {
        self.words(&["IF", "EXISTS"])
    }

    /// The user's own text from token `start` to here, trimmed.
    pub(crate) fn text_since(&self, start: usize) -> String {
        self.input.text(start..self.at).to_owned()
    }

    /// Looks from here for the first token outside brackets that `stops`; the end if there is none.
    pub(crate) fn scan(&self, mut stops: impl FnMut(usize, &Tok) -> bool) -> usize {
        let mut depth = 0usize;
        for index in self.at..self.end {
            let Some(tok) = self.input.tokens().get(index) else {
                break;
            };
            if depth == 0 && stops(index, tok) {
                return index;
            }
            match &tok.token.token {
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket if depth == 0 => return index,
                Token::RParen | Token::RBracket => depth -= 1,
                _ => {}
            }
        }
        self.end
    }
}
