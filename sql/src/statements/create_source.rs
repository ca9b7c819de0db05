//! `CREATE [OR REPLACE] SOURCE [IF NOT EXISTS] name [(elements)] FROM {CONNECTION name | WEBHOOK | UPLOAD} clauses`

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
