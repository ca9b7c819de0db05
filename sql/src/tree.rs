//! Hands parts of a statement to `sqlparser` and keeps the user's text beside the tree.
//!
//! Each part goes through the same three passes: versioned tables are taken out of the tokens, `sqlparser` reads what is
//! left, and the tree is searched for modifiers that would be ignored.

use std::ops::Range;

use sqlparser::ast;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use crate::cursor::Cursor;
use crate::dialect::DIALECT;
use crate::error::{Result, SyntaxError};
use crate::input::Input;
use crate::query::{Dml, Expr, Query, Temporal, TypeName};
use crate::{modifiers, temporal};

/// How deep `sqlparser` may call itself. Brackets are limited before; one bracket costs a few calls.
const RECURSION_LIMIT: usize = 300;

/// The tokens `sqlparser` is to read, and which token of the input each was.
pub(crate) struct Part {
    pub(crate) tokens: Vec<TokenWithSpan>,
    pub(crate) origins: Vec<usize>,
    pub(crate) temporals: Vec<Temporal>,
}

impl Part {
    /// The tokens as they are.
    pub(crate) fn plain(input: &Input<'_>, range: Range<usize>) -> Self {
        let tokens = input.tokens().get(range.clone()).unwrap_or_default();
        let tokens = tokens.iter().map(|tok| tok.token.clone()).collect();
        Self { tokens, origins: range.collect(), temporals: Vec::new() }
    }
}

/// What was read: the tree, the versioned tables in it, and the first token that was not read.
struct Read<T> {
    ast: T,
    temporals: Vec<Temporal>,
    next: usize,
}

fn read<T>(
    input: &Input<'_>,
    range: Range<usize>,
    part: Part,
    parse: impl FnOnce(&mut Parser<'static>) -> std::result::Result<T, ParserError>,
) -> Result<Read<T>> {
    let Part { tokens, origins, temporals } = part;
    let mut parser = Parser::new(&DIALECT).with_recursion_limit(RECURSION_LIMIT).with_tokens_with_locations(tokens);
    let ast = parse(&mut parser).map_err(|error| explain(input, &range, &error))?;
    let next = match parser.peek_token_ref().token {
        Token::EOF => range.end,
        _ => origins.get(parser.index()).copied().unwrap_or(range.end),
    };
    Ok(Read { ast, temporals, next })
}

/// Turns `sqlparser`'s message, which ends in a line and a column, into PostgreSQL's wording.
fn explain(input: &Input<'_>, range: &Range<usize>, error: &ParserError) -> SyntaxError {
    let message = match error {
        ParserError::RecursionLimitExceeded => {
            return SyntaxError::not_supported("the statement is nested too deeply").at(input.position(range.start));
        }
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    let (what, place) = message.rsplit_once(" at Line: ").unwrap_or((message, ""));
    let location = place
        .split_once(", Column: ")
        .and_then(|(line, column)| Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? }));
    let unexpected = match location.and_then(|location| input.find(location)) {
        Some(index) => input.unexpected(index),
        None if what.contains("found: EOF") => input.unexpected(range.end),
        None => SyntaxError::syntax("syntax error").at(input.position(range.start)),
    };
    let what = what.strip_prefix("sql parser error: ").unwrap_or(what);
    match what.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: ")) {
        Some((expected, _)) => unexpected.detail(format!("Expected {expected}.")),
        None => unexpected.detail(format!("{}.", what.trim_end_matches('.'))),
    }
}

impl<'a> Cursor<'a> {
    /// Everything that is left, as a query.
    pub(crate) fn query_to_end(&mut self) -> Result<Query> {
        let range = self.rest();
        self.refuse_foreign_query()?;
        let part = temporal::take_out(self.input(), range.clone())?;
        let read = read(self.input(), range.clone(), part, Parser::parse_query)?;
        self.move_to(read.next);
        self.finish()?;
        let mut query = read.ast;
        modifiers::check_query(self.input(), &range, &mut query)?;
        Ok(Query {
            text: self.input().text(range.clone()).to_owned(),
            ast: query,
            temporals: read.temporals,
            position: self.input().position(range.start),
        })
    }

    /// A query has to begin like one: anything else gives a clearer error here than from inside.
    fn refuse_foreign_query(&self) -> Result<()> {
        const BEGINNINGS: &[&str] = &["SELECT", "WITH", "VALUES", "TABLE"];
        match self.peek() {
            Some(tok) if tok.is(&Token::LParen) => Ok(()),
            Some(tok) if BEGINNINGS.iter().any(|word| tok.is_word(word)) => Ok(()),
            _ => Err(self.expected_one_of(BEGINNINGS)),
        }
    }

    /// `(query)`.
    pub(crate) fn query_in_brackets(&mut self) -> Result<Query> {
        let mut inner = self.group()?;
        inner.query_to_end()
    }

    /// Everything that is left, as `INSERT`, `UPDATE` or `DELETE`.
    pub(crate) fn dml_to_end(&mut self) -> Result<Dml> {
        let range = self.rest();
        let part = temporal::take_out(self.input(), range.clone())?;
        let read = read(self.input(), range.clone(), part, Parser::parse_statement)?;
        self.move_to(read.next);
        self.finish()?;
        let mut statement = read.ast;
        modifiers::check_dml(self.input(), &range, &mut statement)?;
        Ok(Dml {
            text: self.input().text(range.clone()).to_owned(),
            ast: Box::new(statement),
            temporals: read.temporals,
            position: self.input().position(range.start),
        })
    }

    /// `(expression)`.
    pub(crate) fn expr_in_brackets(&mut self) -> Result<Expr> {
        let mut inner = self.group()?;
        inner.expr_to_end()
    }

    /// Everything that is left, as an expression.
    pub(crate) fn expr_to_end(&mut self) -> Result<Expr> {
        let end = self.rest().end;
        let expr = self.expr_until(end)?;
        self.finish()?;
        Ok(expr)
    }

    /// As much as makes an expression; the clause behind it is left.
    pub(crate) fn expr(&mut self) -> Result<Expr> {
        let input = self.input();
        let stop = self.scan(|index, tok| {
            let after = |word: &str| input.tokens().get(index + 1).is_some_and(|next| next.is_word(word));
            let before = |word: &str| index.checked_sub(1).and_then(|i| input.tokens().get(i)).is_some_and(|last| last.is_word(word));
            tok.is(&Token::Comma)
                || tok.is_word("AS")
                // `DEFAULT 5 NOT NULL`: the constraint, not a test. `x IS NOT NULL` is a test.
                || (tok.is_word("NOT") && after("NULL") && !before("IS"))
        });
        self.expr_until(stop)
    }

    fn expr_until(&mut self, end: usize) -> Result<Expr> {
        let range = self.index()..end;
        if range.is_empty() {
            return Err(self.expected("an expression"));
        }
        let part = temporal::take_out(self.input(), range.clone())?;
        self.finish_expr(range, part)
    }

    /// An expression in which no versioned table may stand: the point in time of one.
    pub(crate) fn point_expr(&mut self, end: usize) -> Result<Expr> {
        let range = self.index()..end;
        if range.is_empty() {
            return Err(self.expected("an expression"));
        }
        let part = Part::plain(self.input(), range.clone());
        self.finish_expr(range, part)
    }

    fn finish_expr(&mut self, range: Range<usize>, part: Part) -> Result<Expr> {
        let read = read(self.input(), range.clone(), part, Parser::parse_expr)?;
        self.move_to(read.next);
        let taken = range.start..read.next;
        let mut ast = read.ast;
        modifiers::check_expr(self.input(), &taken, &mut ast)?;
        Ok(Expr {
            text: self.input().text(taken).to_owned(),
            ast: Box::new(ast),
            temporals: read.temporals,
            position: self.input().position(range.start),
        })
    }

    /// As much as makes a column type.
    pub(crate) fn type_name(&mut self) -> Result<TypeName> {
        let end = self.scan(|_, tok| tok.is(&Token::Comma));
        let range = self.index()..end;
        if range.is_empty() {
            return Err(self.expected("a type"));
        }
        let part = Part::plain(self.input(), range.clone());
        let read: Read<ast::DataType> = read(self.input(), range.clone(), part, Parser::parse_data_type)?;
        self.move_to(read.next);
        Ok(TypeName {
            text: self.input().text(range.start..read.next).to_owned(),
            ast: read.ast,
            position: self.input().position(range.start),
        })
    }
}
