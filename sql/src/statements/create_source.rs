//! `CREATE [OR REPLACE] SOURCE [IF NOT EXISTS] name [(elements)] FROM {CONNECTION name | WEBHOOK | UPLOAD} clauses`

use super::Create;
use crate::cursor::Cursor;
use crate::element::ListOf;
use crate::error::Result;
use crate::rule::once;
use crate::{Columns, Element, Expr, Ident, Interval, Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct CreateSource {
    pub name: Name,
    pub or_replace: bool,
    pub if_not_exists: bool,
    /// Empty when no list was written: the schema is inferred.
    pub elements: Vec<Element>,
    pub origin: Origin,
    pub format: Option<Format>,
    pub envelope: Option<Envelope>,
    pub incremental: Option<Incremental>,
    pub include: Vec<Include>,
    pub verify: Option<Expr>,
    pub schema_change: Option<SchemaChange>,
    pub options: Options,
    pub comment: Option<String>,
}

/// Where the data comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    Connection(Name),
    Webhook,
    Upload,
}

/// `FORMAT name [(..)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Format {
    pub name: Ident,
    pub options: Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    None,
    Upsert,
    Debezium,
}

/// `INCREMENTAL BY column [LOOKBACK interval] [STARTING AT expr]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Incremental {
    pub column: Ident,
    pub lookback: Option<Interval>,
    pub starting_at: Option<Expr>,
}

/// `INCLUDE meta [AS name]`: one more column, about the record rather than in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Include {
    pub meta: Meta,
    pub alias: Option<Ident>,
    pub position: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meta {
    Key,
    Partition,
    Offset,
    Timestamp,
    Headers,
    File,
    Line,
    Raw,
}

/// `ON SCHEMA CHANGE ..`: what to do when the data changes shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaChange {
    Evolve,
    Rescue,
    Ignore,
    Fail,
}

impl CreateSource {
    /// The columns of `LOOKUP KEY`, if declared.
    #[must_use]
    pub fn lookup_key(&self) -> Option<&Columns> {
        self.elements.iter().find_map(|element| match element {
            Element::LookupKey(columns) => Some(columns),
            _ => None,
        })
    }
}

/// Words that begin a clause behind FROM.
const CLAUSES: &[&str] = &["FORMAT", "ENVELOPE", "INCREMENTAL BY", "INCLUDE", "VERIFY", "ON SCHEMA CHANGE", "WITH", "COMMENT"];

impl CreateSource {
    pub(super) fn parse(p: &mut Cursor<'_>, create: &Create) -> Result<Self> {
        let if_not_exists = create.if_not_exists(p)?;
        let name = p.name()?;
        let elements = Element::parse_list(p, ListOf::Source)?;
        p.expect(&["FROM"])?;
        let origin = Origin::parse(p)?;
        let mut source = Self {
            name,
            or_replace: create.or_replace,
            if_not_exists,
            elements,
            origin,
            format: None,
            envelope: None,
            incremental: None,
            include: Vec::new(),
            verify: None,
            schema_change: None,
            options: Options::default(),
            comment: None,
        };
        while !p.at_end() {
            source.clause(p)?;
        }
        Ok(source)
    }

    /// Reads one clause; each may stand once.
    fn clause(&mut self, p: &mut Cursor<'_>) -> Result<()> {
        let position = p.position();
        if p.word("FORMAT") {
            once(self.format.is_none(), "FORMAT", position)?;
            self.format = Some(Format::parse(p)?);
        } else if p.word("ENVELOPE") {
            once(self.envelope.is_none(), "ENVELOPE", position)?;
            self.envelope = Some(p.one_of(&[("NONE", Envelope::None), ("UPSERT", Envelope::Upsert), ("DEBEZIUM", Envelope::Debezium)])?);
        } else if p.words(&["INCREMENTAL", "BY"]) {
            once(self.incremental.is_none(), "INCREMENTAL BY", position)?;
            self.incremental = Some(Incremental::parse(p)?);
        } else if p.word("INCLUDE") {
            once(self.include.is_empty(), "INCLUDE", position)?;
            self.include = p.list(Include::parse)?;
        } else if p.word("VERIFY") {
            once(self.verify.is_none(), "VERIFY", position)?;
            self.verify = Some(p.expr_in_brackets()?);
        } else if SchemaChange::begins(p) {
            once(self.schema_change.is_none(), "ON SCHEMA CHANGE", position)?;
            self.schema_change = Some(SchemaChange::parse(p)?);
        } else if Options::begins(p) {
            once(self.options.is_empty(), "WITH", position)?;
            self.options = Options::parse(p)?;
        } else if p.word("COMMENT") {
            once(self.comment.is_none(), "COMMENT", position)?;
            self.comment = Some(p.string()?);
        } else {
            return Err(p.expected_one_of(CLAUSES));
        }
        Ok(())
    }
}

impl Origin {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        match p.one_of(&[("CONNECTION", 0), ("SERVER", 0), ("WEBHOOK", 1), ("UPLOAD", 2)])? {
            0 => Ok(Self::Connection(p.name()?)),
            1 => Ok(Self::Webhook),
            _ => Ok(Self::Upload),
        }
    }
}

impl Format {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let name = p.any_ident()?;
        let bracket = p.sees_symbol(&sqlparser::tokenizer::Token::LParen);
        let options = if bracket { Options::parse_group(p)? } else { Options::default() };
        Ok(Self { name, options })
    }
}

impl Incremental {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let column = p.ident()?;
        let lookback = if p.word("LOOKBACK") { Some(p.interval()?) } else { None };
        let starting_at = if p.words(&["STARTING", "AT"]) { Some(p.expr()?) } else { None };
        Ok(Self { column, lookback, starting_at })
    }
}

impl Include {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        let position = p.position();
        let meta = p.one_of(&[
            ("KEY", Meta::Key),
            ("PARTITION", Meta::Partition),
            ("OFFSET", Meta::Offset),
            ("TIMESTAMP", Meta::Timestamp),
            ("HEADERS", Meta::Headers),
            ("FILE", Meta::File),
            ("LINE", Meta::Line),
            ("RAW", Meta::Raw),
        ])?;
        let alias = if p.word("AS") { Some(p.ident()?) } else { None };
        Ok(Self { meta, alias, position })
    }
}

impl SchemaChange {
    pub(super) fn begins(p: &Cursor<'_>) -> bool {
        p.sees(&["ON", "SCHEMA", "CHANGE"])
    }

    pub(super) fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        p.expect(&["ON", "SCHEMA", "CHANGE"])?;
        p.one_of(&[("EVOLVE", Self::Evolve), ("RESCUE", Self::Rescue), ("IGNORE", Self::Ignore), ("FAIL", Self::Fail)])
    }
}
