//! `CREATE [TEMP] TABLE [IF NOT EXISTS] name [(elements)] [PARTITIONED BY (..)] [WITH (..)] [COMMENT '..'] [AS query]`

use super::Create;
use crate::cursor::Cursor;
use crate::element::ListOf;
use crate::error::{Result, SyntaxError};
use crate::rule::once;
use crate::{Columns, Element, Name, Options, Query};

#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    pub name: Name,
    pub or_replace: bool,
    /// Only this session knows it, and it goes with the session.
    pub temporary: bool,
    pub if_not_exists: bool,
    pub elements: Vec<Element>,
    pub partitioned_by: Columns,
    pub options: Options,
    pub comment: Option<String>,
    pub query: Option<Query>,
}

/// Words that begin a clause behind the columns.
const CLAUSES: &[&str] = &["PARTITIONED BY", "WITH", "COMMENT", "AS"];

impl CreateTable {
    pub(super) fn parse(p: &mut Cursor<'_>, create: &Create) -> Result<Self> {
        create.refuse_or_replace()?;
        let if_not_exists = create.if_not_exists(p)?;
        let mut table = Self {
            name: p.name()?,
            or_replace: false,
            temporary: create.temporary,
            if_not_exists,
            elements: Element::parse_list(p, ListOf::Table)?,
            partitioned_by: Vec::new(),
            options: Options::default(),
            comment: None,
            query: None,
        };
        while !p.at_end() {
            table.clause(p)?;
        }
        if table.elements.is_empty() && table.query.is_none() {
            return Err(p.expected("a list of columns, or AS and a query"));
        }
        Ok(table)
    }

    fn clause(&mut self, p: &mut Cursor<'_>) -> Result<()> {
        let position = p.position();
        if p.words(&["PARTITIONED", "BY"]) {
            once(self.partitioned_by.is_empty(), "PARTITIONED BY", position)?;
            self.partitioned_by = p.columns()?;
        } else if Options::begins(p) {
            once(self.options.is_empty(), "WITH", position)?;
            self.options = Options::parse(p)?;
        } else if self.temporary && p.words(&["ON", "COMMIT"]) {
            if !p.words(&["PRESERVE", "ROWS"]) {
                return Err(SyntaxError::not_supported("ON COMMIT DELETE ROWS and ON COMMIT DROP are not supported").at(position));
            }
        } else if p.word("COMMENT") {
            once(self.comment.is_none(), "COMMENT", position)?;
            self.comment = Some(p.string()?);
        } else if p.word("AS") {
            if let Some(Element::Column(column)) = self.elements.first() {
                return Err(SyntaxError::not_supported("a list of columns together with AS")
                    .hint(Some("Give the types in the query, with casts.".to_owned()))
                    .at(column.name.position));
            }
            self.query = Some(p.query_to_end()?);
        } else {
            return Err(p.expected_one_of(CLAUSES));
        }
        Ok(())
    }
}
