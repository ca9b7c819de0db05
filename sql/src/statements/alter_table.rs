//! `ALTER TABLE [IF EXISTS] name {ADD [COLUMN] .. | DROP COLUMN .. | ADD rule | DROP CONSTRAINT .. | RENAME .. | ..}`

use super::alter_object::ObjectChange;
use crate::cursor::Cursor;
use crate::element::ListOf;
use crate::error::Result;
use crate::{Column, Columns, Expr, Ident, Name, Rule, TypeName};

#[derive(Debug, Clone, PartialEq)]
pub struct AlterTable {
    pub name: Name,
    pub if_exists: bool,
    pub changes: Vec<TableChange>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TableChange {
    AddColumn { column: Box<Column>, if_not_exists: bool },
    DropColumn { name: Ident, if_exists: bool },
    AddRule(Rule),
    AddPrimaryKey(Columns),
    DropConstraint { name: Ident, if_exists: bool },
    RenameColumn { from: Ident, to: Ident },
    SetType { column: Ident, data_type: TypeName },
    SetNotNull(Ident),
    DropNotNull(Ident),
    SetDefault { column: Ident, default: Expr },
    DropDefault(Ident),
    Object(ObjectChange),
}

const CHANGES: &[&str] = &["ADD", "DROP", "ALTER COLUMN", "RENAME", "SET", "RESET", "RENAME TO", "SET SCHEMA", "OWNER TO"];

impl AlterTable {
    pub(super) fn parse(p: &mut Cursor<'_>, name: Name, if_exists: bool) -> Result<Self> {
        Ok(Self { name, if_exists, changes: p.list(TableChange::parse)? })
    }
}

impl TableChange {
    fn parse(p: &mut Cursor<'_>) -> Result<Self> {
        if let Some(change) = ObjectChange::parse(p)? {
            return Ok(Self::Object(change));
        }
        if p.word("ADD") {
            return Self::parse_add(p);
        }
        if p.word("DROP") {
            return Self::parse_drop(p);
        }
        if p.word("RENAME") {
            p.word("COLUMN");
            let from = p.ident()?;
            p.expect(&["TO"])?;
            return Ok(Self::RenameColumn { from, to: p.ident()? });
        }
        if p.word("ALTER") {
            p.word("COLUMN");
            return Self::parse_alter_column(p);
        }
        Err(p.expected_one_of(CHANGES))
    }

    fn parse_add(p: &mut Cursor<'_>) -> Result<Self> {
        if p.words(&["PRIMARY", "KEY"]) {
            return Ok(Self::AddPrimaryKey(p.columns()?));
        }
        if Rule::begins(p) {
            return Ok(Self::AddRule(Rule::parse(p)?));
        }
        p.word("COLUMN");
        let if_not_exists = p.words(&["IF", "NOT", "EXISTS"]);
        Ok(Self::AddColumn { column: Box::new(Column::parse(p, ListOf::Table)?), if_not_exists })
    }

    fn parse_drop(p: &mut Cursor<'_>) -> Result<Self> {
        if p.word("CONSTRAINT") {
            let if_exists = p.if_exists();
            return Ok(Self::DropConstraint { name: p.ident()?, if_exists });
        }
        p.word("COLUMN");
        let if_exists = p.if_exists();
        Ok(Self::DropColumn { name: p.ident()?, if_exists })
    }

    fn parse_alter_column(p: &mut Cursor<'_>) -> Result<Self> {
        let column = p.ident()?;
        if p.words(&["SET", "DATA", "TYPE"]) || p.word("TYPE") {
            return Ok(Self::SetType { column, data_type: p.type_name()? });
        }
        if p.words(&["SET", "NOT", "NULL"]) {
            return Ok(Self::SetNotNull(column));
        }
        if p.words(&["DROP", "NOT", "NULL"]) {
            return Ok(Self::DropNotNull(column));
        }
        if p.words(&["SET", "DEFAULT"]) {
            return Ok(Self::SetDefault { column, default: p.expr()? });
        }
        if p.words(&["DROP", "DEFAULT"]) {
            return Ok(Self::DropDefault(column));
        }
        Err(p.expected_one_of(&["TYPE", "SET NOT NULL", "DROP NOT NULL", "SET DEFAULT", "DROP DEFAULT"]))
    }
}
