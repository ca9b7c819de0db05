//! Elements of a column list: columns with their attributes, keys and rules.

use sqlparser::tokenizer::Token;

use crate::cursor::Cursor;
use crate::error::{Result, SyntaxError};
use crate::rule::once;
use crate::{Columns, Expr, Ident, Rule, TypeName};

/// One element of the list of a source or a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Element {
    Column(Box<Column>),
    PrimaryKey(Columns),
    LookupKey(Columns),
    Rule(Rule),
}

/// A column and what is said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: Ident,
    pub data_type: TypeName,
    pub not_null: bool,
    pub primary_key: bool,
    pub unique: bool,
    pub default: Option<Expr>,
    /// A JSON path, or the reader's own way to name a field.
    pub path: Option<String>,
    pub on_error: Option<OnError>,
    pub generated: Option<Expr>,
    pub check: Option<Expr>,
    pub comment: Option<String>,
}

/// What becomes of a value that does not convert.
#[derive(Debug, Clone, PartialEq)]
pub enum OnError {
    Null,
    Error,
    Default(Expr),
}

/// Which list an element stands in: what may be said differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListOf {
    Source,
    Table,
}

impl Element {
    /// `(element, ..)`, or nothing.
    pub(crate) fn parse_list(p: &mut Cursor<'_>, list: ListOf) -> Result<Vec<Self>> {
        if !p.sees_symbol(&Token::LParen) {
            return Ok(Vec::new());
        }
        let mut inner = p.group()?;
        if inner.at_end() && list == ListOf::Table {
            return Err(inner.expected("a column"));
        }
        let elements = inner.list(|p| Self::parse(p, list))?;
        inner.finish_or(&["NOT NULL", "DEFAULT", "PATH", "NULL ON ERROR", "GENERATED", "COMMENT", "PRIMARY KEY"])?;
        refuse_doubles(&elements)?;
        Ok(elements)
    }

    fn parse(p: &mut Cursor<'_>, list: ListOf) -> Result<Self> {
        if p.words(&["PRIMARY", "KEY"]) || p.sees(&["CONSTRAINT"]) && p.clone().skip_name_before(&["PRIMARY", "KEY"]) {
            if p.word("CONSTRAINT") {
                p.ident()?;
                p.expect(&["PRIMARY", "KEY"])?;
            }
            return Ok(Self::PrimaryKey(p.columns()?));
        }
        if list == ListOf::Source && p.words(&["LOOKUP", "KEY"]) {
            return Ok(Self::LookupKey(p.columns()?));
        }
        if Rule::begins(p) {
            let rule = Rule::parse(p)?;
            if list == ListOf::Source {
                rule.refuse_check()?;
            }
            return Ok(Self::Rule(rule));
        }
        Ok(Self::Column(Box::new(Column::parse(p, list)?)))
    }
}

impl Cursor<'_> {
    /// Whether these words stand behind `CONSTRAINT name`.
    fn skip_name_before(mut self, words: &[&str]) -> bool {
        self.word("CONSTRAINT") && self.ident().is_ok() && self.sees(words)
    }
}

fn refuse_doubles(elements: &[Element]) -> Result<()> {
    let mut names: Vec<&Ident> = Vec::new();
    let mut keys = 0;
    for element in elements {
        match element {
            Element::Column(column) => {
                if names.contains(&&column.name) {
                    let message = format!("column {} is written twice", column.name);
                    return Err(SyntaxError::syntax(message).at(column.name.position));
                }
                names.push(&column.name);
                keys += usize::from(column.primary_key);
            }
            Element::PrimaryKey(columns) => {
                keys += 1;
                if let (2.., Some(column)) = (keys, columns.first()) {
                    return Err(SyntaxError::syntax("there can be one PRIMARY KEY only").at(column.position));
                }
            }
            Element::LookupKey(_) | Element::Rule(_) => {}
        }
    }
    Ok(())
}

impl Column {
    pub(crate) fn parse(p: &mut Cursor<'_>, list: ListOf) -> Result<Self> {
        let mut column = Self {
            name: p.ident()?,
            data_type: p.type_name()?,
            not_null: false,
            primary_key: false,
            unique: false,
            default: None,
            path: None,
            on_error: None,
            generated: None,
            check: None,
            comment: None,
        };
        while column.attribute(p, list)? {}
        Ok(column)
    }

    /// Reads one attribute; false when none comes next.
    fn attribute(&mut self, p: &mut Cursor<'_>, list: ListOf) -> Result<bool> {
        let position = p.position();
        let source = list == ListOf::Source;
        if p.words(&["NOT", "NULL"]) {
            once(!self.not_null, "NOT NULL", position)?;
            self.not_null = true;
        } else if p.words(&["PRIMARY", "KEY"]) {
            once(!self.primary_key, "PRIMARY KEY", position)?;
            self.primary_key = true;
        } else if p.word("UNIQUE") {
            once(!self.unique, "UNIQUE", position)?;
            self.unique = true;
        } else if source && (p.sees(&["NULL", "ON"]) || p.sees(&["ERROR", "ON"])) {
            let on_error = if p.word("NULL") { OnError::Null } else { OnError::Error };
            p.move_to(p.index() + usize::from(on_error == OnError::Error));
            p.expect(&["ON", "ERROR"])?;
            once(self.on_error.is_none(), "ON ERROR", position)?;
            self.on_error = Some(on_error);
        } else if p.word("NULL") {
            // The default, said aloud.
        } else if p.word("DEFAULT") {
            self.default_clause(p, source, position)?;
        } else if source && p.word("PATH") {
            once(self.path.is_none(), "PATH", position)?;
            self.path = Some(p.string()?);
        } else if p.words(&["GENERATED", "ALWAYS", "AS"]) {
            once(self.generated.is_none(), "GENERATED", position)?;
            self.generated = Some(p.expr_in_brackets()?);
            p.word("STORED");
        } else if !source && p.word("CHECK") {
            once(self.check.is_none(), "CHECK", position)?;
            self.check = Some(p.expr_in_brackets()?);
        } else if p.word("COMMENT") {
            once(self.comment.is_none(), "COMMENT", position)?;
            self.comment = Some(p.string()?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// `DEFAULT expr` or `DEFAULT expr ON ERROR`.
    fn default_clause(&mut self, p: &mut Cursor<'_>, source: bool, position: usize) -> Result<()> {
        let value = p.expr()?;
        if source && p.words(&["ON", "ERROR"]) {
            once(self.on_error.is_none(), "ON ERROR", position)?;
            self.on_error = Some(OnError::Default(value));
        } else {
            once(self.default.is_none(), "DEFAULT", position)?;
            self.default = Some(value);
        }
        Ok(())
    }
}
