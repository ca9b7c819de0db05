//! Takes versioned tables out of the tokens, before `sqlparser` sees them.
//!
//! DataFusion's planner ignores a version without a word, and `sqlparser` reads only some spellings. So every table name
//! followed by one (an alias may stand before or after) is replaced by `weir_at(<index>) AS alias`, and the version is
//! kept apart. Only places where a table may stand are looked at, so `version`, `at` and `timestamp` stay usable names.

use std::ops::Range;

use sqlparser::keywords::{Keyword, RESERVED_FOR_TABLE_ALIAS};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

use crate::cursor::Cursor;
use crate::error::{Result, SyntaxError};
use crate::input::{Input, Tok};
use crate::query::{TEMPORAL_FUNCTION, Temporal, TemporalPoint};
use crate::tree::Part;
use crate::{Ident, Name};

/// What an open bracket encloses, as far as it matters here.
#[derive(Clone, Copy, Default)]
struct Frame {
    /// Between FROM and the next clause.
    in_from: bool,
    /// A table may come next.
    table_next: bool,
}

/// Clauses that end a FROM.
const ENDS_FROM: &[&str] = &[
    "SELECT",
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "FETCH",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "WINDOW",
    "QUALIFY",
    "RETURNING",
    "SET",
    "VALUES",
];

/// Words that `sqlparser` would take for a table's name: `FROM WHERE` is a slip. None of them begins an expression, as
/// may stand behind `IS DISTINCT FROM`.
const NO_TABLE: &[&str] = &[
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "FETCH",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "ON",
    "FROM",
    "INTO",
    "AS",
    "RETURNING",
    "FOR",
    "JOIN",
    "INNER",
    "CROSS",
];

/// Rewrites the tokens of `range`.
pub(crate) fn take_out(input: &Input<'_>, range: Range<usize>) -> Result<Part> {
    let mut part = Part::plain(input, range.start..range.start);
    let mut frames = vec![Frame::default()];
    let mut cursor = Cursor::new(input, range.clone());
    while let Some(tok) = cursor.peek() {
        refuse_marker(tok)?;
        let frame = frames.last().copied().unwrap_or_default();
        if frame.table_next
            && let Some(found) = versioned_table(&cursor)?
        {
            found.put_into(&mut part, input, &mut cursor);
            set(&mut frames, Frame { table_next: false, ..frame });
            continue;
        }
        if frame.table_next && NO_TABLE.iter().any(|word| tok.is_word(word)) {
            return Err(cursor.expected("a table"));
        }
        if is_table_query(&cursor, part.tokens.last()) {
            select_all(&mut part, tok, cursor.index());
            set(&mut frames, Frame { in_from: true, table_next: true });
            cursor.move_to(cursor.index() + 1);
            continue;
        }
        refuse_misplaced(&cursor, frame, part.tokens.last())?;
        step(&mut frames, frame, tok);
        part.tokens.push(tok.token.clone());
        part.origins.push(cursor.index());
        cursor.move_to(cursor.index() + 1);
    }
    Ok(part)
}

/// `TABLE name` where a query begins. The planner knows only what it is short for: `SELECT * FROM name`.
fn is_table_query(cursor: &Cursor<'_>, before: Option<&TokenWithSpan>) -> bool {
    let begins = match before.map(|token| &token.token) {
        // A closing bracket: behind the WITH queries.
        None | Some(Token::LParen | Token::RParen) => true,
        Some(Token::Word(word)) => {
            matches!(word.keyword, Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::ALL | Keyword::DISTINCT)
        }
        _ => false,
    };
    let name_behind = cursor.nth(1).is_some_and(|tok| matches!(tok.token.token, Token::Word(_)));
    begins && name_behind && cursor.sees(&["TABLE"])
}

fn select_all(part: &mut Part, tok: &Tok, origin: usize) {
    let span = tok.token.span;
    for token in [Token::make_keyword("SELECT"), Token::Mul, Token::make_keyword("FROM")] {
        part.tokens.push(TokenWithSpan { token, span });
        part.origins.push(origin);
    }
}

/// Follows the brackets and clauses.
fn step(frames: &mut Vec<Frame>, frame: Frame, tok: &Tok) {
    match &tok.token.token {
        // A bracket where a table may come holds a join or a query.
        Token::LParen => frames.push(Frame { in_from: frame.table_next, table_next: frame.table_next }),
        Token::RParen => {
            if frames.len() > 1 {
                frames.pop();
            }
            let outer = frames.last().copied().unwrap_or_default();
            set(frames, Frame { table_next: false, ..outer });
        }
        Token::Comma => set(frames, Frame { table_next: frame.in_from, ..frame }),
        _ if tok.is_word("FROM") || tok.is_word("JOIN") || tok.is_word("USING") => {
            set(frames, Frame { in_from: true, table_next: true });
        }
        _ if tok.is_word("LATERAL") || tok.is_word("ONLY") => {}
        _ if ENDS_FROM.iter().any(|word| tok.is_word(word)) => set(frames, Frame::default()),
        _ => set(frames, Frame { table_next: false, ..frame }),
    }
}

fn set(frames: &mut [Frame], frame: Frame) {
    if let Some(last) = frames.last_mut() {
        *last = frame;
    }
}

/// The marker is ours alone: a hand-written one would name a table that was never checked.
fn refuse_marker(tok: &Tok) -> Result<()> {
    match &tok.token.token {
        Token::Word(word) if word.value.eq_ignore_ascii_case(TEMPORAL_FUNCTION) => {
            Err(SyntaxError::not_supported(format!("the name {TEMPORAL_FUNCTION} is reserved")).at(tok.position))
        }
        _ => Ok(()),
    }
}

/// `(SELECT ..) VERSION AS OF 3` and the like: there is a version, but no table that has it.
fn refuse_misplaced(cursor: &Cursor<'_>, frame: Frame, before: Option<&TokenWithSpan>) -> Result<()> {
    let after_bracket = before.is_some_and(|token| token.token == Token::RParen);
    if frame.in_from && after_bracket && sees_version(cursor) {
        return Err(SyntaxError::not_supported("AS OF applies to a table, not to a query or a function")
            .hint(Some("Write it behind the name of each table.".to_owned()))
            .at(cursor.position()));
    }
    Ok(())
}

/// A versioned table that was found: the tokens of its name and alias, and its point in time.
struct Versioned {
    temporal: Temporal,
    name: Range<usize>,
    /// Empty when none was written.
    alias: Range<usize>,
    after: usize,
}

impl Versioned {
    fn put_into(self, part: &mut Part, input: &Input<'_>, cursor: &mut Cursor<'_>) {
        let Some(first) = input.tokens().get(self.name.start) else {
            return;
        };
        let last = input.tokens().get(self.name.end - 1).unwrap_or(first);
        let span = first.token.span.union(&last.token.span);
        let index = part.temporals.len().to_string();
        let mut push = |token: Token, span: Span, origin: usize| {
            part.tokens.push(TokenWithSpan { token, span });
            part.origins.push(origin);
        };
        let word = |value: &str, quote_style, keyword| Token::Word(Word { value: value.to_owned(), quote_style, keyword });
        push(word(TEMPORAL_FUNCTION, None, Keyword::NoKeyword), span, self.name.start);
        push(Token::LParen, span, self.name.start);
        push(Token::Number(index, false), span, self.name.start);
        push(Token::RParen, span, self.name.start);
        if self.alias.is_empty() {
            let name = &self.temporal.relation.name.value;
            push(word("AS", None, Keyword::AS), span, self.name.start);
            push(word(name, Some('"'), Keyword::NoKeyword), span, self.name.start);
        }
        for origin in self.alias {
            if let Some(tok) = input.tokens().get(origin) {
                push(tok.token.token.clone(), tok.token.span, origin);
            }
        }
        part.temporals.push(self.temporal);
        cursor.move_to(self.after);
    }
}

/// Reads `name version [alias]` or `name alias version`; `None` when no version is there.
fn versioned_table(start: &Cursor<'_>) -> Result<Option<Versioned>> {
    let mut cursor = start.clone();
    let Some(parts) = name_parts(&mut cursor) else {
        return Ok(None);
    };
    let name = start.index()..cursor.index();
    let alias_start = cursor.index();
    let (point, alias) = if sees_version(&cursor) {
        let point = point(&mut cursor)?;
        let alias_start = cursor.index();
        take_alias(&mut cursor);
        (point, alias_start..cursor.index())
    } else {
        take_alias(&mut cursor);
        let alias = alias_start..cursor.index();
        if alias.is_empty() || !sees_version(&cursor) {
            return Ok(None);
        }
        (point(&mut cursor)?, alias)
    };
    if sees_version(&cursor) {
        return Err(SyntaxError::syntax("a table has one version only").at(cursor.position()));
    }
    let relation = relation(parts)?;
    let position = relation.position();
    Ok(Some(Versioned { temporal: Temporal { relation, point, position }, name, alias, after: cursor.index() }))
}

/// `a.b.c`, if a name stands here.
fn name_parts(cursor: &mut Cursor<'_>) -> Option<Vec<Ident>> {
    let mut parts = vec![cursor.ident().ok()?];
    while cursor.symbol(&Token::Period) {
        parts.push(cursor.any_ident().ok()?);
    }
    Some(parts)
}

fn relation(parts: Vec<Ident>) -> Result<Name> {
    let position = parts.first().map(|part| part.position);
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, None) => Ok(Name { schema: None, name }),
        (Some(schema), Some(name), None) => Ok(Name { schema: Some(schema), name }),
        _ => {
            let error = SyntaxError::not_supported("names have at most two parts: schema and name");
            Err(SyntaxError { position, ..error })
        }
    }
}

/// Moves behind `[AS] alias [(columns)]`, if one stands here.
fn take_alias(cursor: &mut Cursor<'_>) {
    let start = cursor.index();
    let explicit = cursor.word("AS");
    let named = match cursor.peek().map(|tok| &tok.token.token) {
        Some(Token::Word(word)) => explicit || word.quote_style.is_some() || !RESERVED_FOR_TABLE_ALIAS.contains(&word.keyword),
        _ => false,
    };
    if !named {
        cursor.move_to(start);
        return;
    }
    cursor.move_to(cursor.index() + 1);
    if cursor.sees_symbol(&Token::LParen)
        && let Some(close) = cursor.closing(cursor.index())
    {
        cursor.move_to(close + 1);
    }
}

/// The words of each spelling that ends in AS OF.
const SPELLINGS: &[(&[&str], Kind)] = &[
    (&["FOR", "VERSION", "AS", "OF"], Kind::Version),
    (&["FOR", "SYSTEM_VERSION", "AS", "OF"], Kind::Version),
    (&["FOR", "TIMESTAMP", "AS", "OF"], Kind::Timestamp),
    (&["FOR", "SYSTEM_TIME", "AS", "OF"], Kind::Timestamp),
    (&["VERSION", "AS", "OF"], Kind::Version),
    (&["SYSTEM_VERSION", "AS", "OF"], Kind::Version),
    (&["TIMESTAMP", "AS", "OF"], Kind::Timestamp),
    (&["SYSTEM_TIME", "AS", "OF"], Kind::Timestamp),
];

#[derive(Clone, Copy)]
enum Kind {
    Version,
    Timestamp,
    Offset,
}

/// What may stand before `=>` in `AT (..)`.
const AT_KINDS: &[(&str, Kind)] = &[("VERSION", Kind::Version), ("TIMESTAMP", Kind::Timestamp), ("OFFSET", Kind::Offset)];

/// Words after which a point in time has ended.
const ENDS_POINT: &[&str] = &[
    "AS",
    "WHERE",
    "JOIN",
    "INNER",
    "CROSS",
    "NATURAL",
    "FULL",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "WINDOW",
    "RETURNING",
    "ON",
    "USING",
    "TABLESAMPLE",
];

fn sees_version(cursor: &Cursor<'_>) -> bool {
    SPELLINGS.iter().any(|(words, _)| cursor.sees(words)) || sees_at(cursor)
}

fn sees_at(cursor: &Cursor<'_>) -> bool {
    let is = |ahead: usize, symbol: &Token| cursor.nth(ahead).is_some_and(|tok| tok.is(symbol));
    cursor.sees(&["AT"]) && is(1, &Token::LParen) && is(3, &Token::RArrow)
}

/// Reads a point in time in any spelling.
pub(crate) fn point(cursor: &mut Cursor<'_>) -> Result<TemporalPoint> {
    if sees_at(cursor) {
        cursor.expect(&["AT"])?;
        let mut inner = cursor.group()?;
        let kind = inner.one_of(AT_KINDS)?;
        inner.expect_symbol(&Token::RArrow)?;
        let end = inner.rest().end;
        let expr = inner.point_expr(end)?;
        inner.finish()?;
        return Ok(match kind {
            Kind::Version => TemporalPoint::Version(expr),
            Kind::Timestamp => TemporalPoint::Timestamp(expr),
            Kind::Offset => TemporalPoint::Offset(expr),
        });
    }
    let Some(kind) = SPELLINGS.iter().find_map(|(words, kind)| cursor.words(words).then_some(*kind)) else {
        return Err(cursor.expected("VERSION AS OF or TIMESTAMP AS OF"));
    };
    if matches!(kind, Kind::Version) {
        return version(cursor);
    }
    let end = cursor.scan(|_, tok| tok.is(&Token::Comma) || ENDS_POINT.iter().any(|word| tok.is_word(word)));
    Ok(TemporalPoint::Timestamp(cursor.point_expr(end)?))
}

/// A version is one token: more would swallow an alias.
fn version(cursor: &mut Cursor<'_>) -> Result<TemporalPoint> {
    let Some(tok) = cursor.peek() else {
        return Err(cursor.expected("a version number"));
    };
    let one_token = match &tok.token.token {
        Token::Number(number, _) => number.bytes().all(|b| b.is_ascii_digit() || b == b'_'),
        Token::Placeholder(_) => true,
        _ => false,
    };
    if one_token {
        return Ok(TemporalPoint::Version(cursor.point_expr(cursor.index() + 1)?));
    }
    Err(cursor.expected("a version number or a parameter"))
}
