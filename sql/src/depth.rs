//! Refuses hostile text before anything recursive sees it.
//!
//! A tree is read, copied, planned and dropped by functions that call themselves, so its depth is what fills a stack.
//! How deep it will be can be told from the tokens alone.

use sqlparser::tokenizer::Token;

use crate::error::{Result, SyntaxError};
use crate::input::Tok;

/// Deepest nesting of brackets.
const MAX_BRACKETS: usize = 60;
/// Deepest nesting of queries: each is many structs inside each other.
const MAX_QUERIES: usize = 24;
/// Longest row of operators without a comma between them. Each makes the tree one level deeper.
const MAX_OPERATORS: usize = 1000;
/// Longest row of one and the same word, or of names with dots between them. `INTERVAL INTERVAL ..` calls itself without
/// being counted, and `a.b.c..` is read in a time that grows with the square of its length.
const MAX_SAME: usize = 20;

/// Most queries in one statement: each WITH may read the one before it, and each is planned inside what reads it.
const MAX_SELECTS: usize = 1000;
/// So many operators in a row need about as much room as one bracket.
const OPERATORS_PER_BRACKET: usize = 8;

/// Words that make a tree deeper.
const DEEPENING: &[&str] = &[
    "AND",
    "OR",
    "NOT",
    "IS",
    "LIKE",
    "ILIKE",
    "SIMILAR",
    "BETWEEN",
    "COLLATE",
    "AT",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "CASE",
    "IN",
    "JOIN",
    "NOTNULL",
    "OPERATOR",
    "EXPLAIN",
    "ARRAY",
    "PIVOT",
    "UNPIVOT",
];

/// What an open bracket encloses.
#[derive(Clone, Copy, Default)]
struct Frame {
    /// Operators since the last comma.
    operators: usize,
    is_query: bool,
}

/// What has been seen so far. `'a` is the tokens'.
#[derive(Default)]
struct Depth<'a> {
    frame: Frame,
    outer: Vec<Frame>,
    queries: usize,
    selects: usize,
    deepest: usize,
    last_word: Option<&'a str>,
    same: usize,
    dots: usize,
    after_dot: bool,
}

/// Gives the deepest nesting in brackets, or refuses what would make too deep a tree.
pub(crate) fn check(tokens: &[Tok]) -> Result<usize> {
    let mut depth = Depth::default();
    for tok in tokens {
        depth.repetition(tok);
        depth.nesting(tok);
        depth.deepest = depth.deepest.max(depth.outer.len() + depth.frame.operators / OPERATORS_PER_BRACKET);
        if depth.is_too_deep() {
            return Err(SyntaxError::not_supported("the statement is nested too deeply")
                .detail(format!(
                    "Limits: {MAX_BRACKETS} brackets and {MAX_QUERIES} queries inside each other, {MAX_OPERATORS} \
                     operators in a row, {MAX_SELECTS} queries in all."
                ))
                .hint(Some("Use IN (..), or split the statement.".to_owned()))
                .at(tok.position));
        }
    }
    Ok(depth.deepest)
}

impl<'a> Depth<'a> {
    fn is_too_deep(&self) -> bool {
        self.outer.len() > MAX_BRACKETS
            || self.queries > MAX_QUERIES
            || self.selects > MAX_SELECTS
            || self.frame.operators > MAX_OPERATORS
            || self.same > MAX_SAME
            || self.dots > MAX_SAME
    }

    fn repetition(&mut self, tok: &'a Tok) {
        let word = tok.word();
        self.same = if word.is_some() && word == self.last_word { self.same + 1 } else { 0 };
        self.last_word = word;
        match &tok.token.token {
            Token::Period => self.dots += 1,
            Token::Word(_) if self.after_dot => {}
            _ => self.dots = 0,
        }
        self.after_dot = tok.is(&Token::Period);
    }

    fn nesting(&mut self, tok: &Tok) {
        match &tok.token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                self.outer.push(std::mem::take(&mut self.frame));
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                self.queries -= usize::from(self.frame.is_query);
                self.frame = self.outer.pop().unwrap_or_default();
                // What closes makes what stands before it one level deeper, as in `a[1][1]`.
                self.frame.operators += 1;
            }
            Token::SemiColon => {
                self.queries -= usize::from(self.frame.is_query);
                self.selects = 0;
                self.frame = Frame::default();
            }
            Token::Comma => self.frame.operators = 0,
            Token::Number(..) | Token::SingleQuotedString(_) | Token::Placeholder(_) | Token::Period => {}
            Token::Word(_) if tok.is_word("SELECT") => {
                self.selects += 1;
                self.queries += usize::from(!self.frame.is_query);
                self.frame.is_query = true;
            }
            Token::Word(_) if !DEEPENING.iter().any(|word| tok.is_word(word)) => {}
            _ => self.frame.operators += 1,
        }
    }
}
