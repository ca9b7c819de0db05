//! `ALTER TABLE [IF EXISTS] name {ADD [COLUMN] .. | DROP COLUMN .. | ADD rule | DROP CONSTRAINT .. | RENAME .. | ..}`

use super::alter_object::ObjectChange;
use crate::{Column, Columns, Expr, Ident, Name, Rule, TypeName};

#[derive(Debug, Clone, PartialEq)]
pub struct AlterTable {
    pub name: Name,
    pub if_exists: bool,
    pub changes: Vec<TableChange>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TableChange {
    AddColumn {
        column: Box<Column>,
        if_not_exists: bool,
    },
    DropColumn {
        name: Ident,
        if_exists: bool,
    },
    AddRule(Rule),
    AddPrimaryKey(Columns),
    DropConstraint {
        name: Ident,
        if_exists: bool,
    },
    RenameColumn {
        from: Ident,
        to: Ident,
    },
    SetType {
        column: Ident,
        data_type: TypeName,
    },
    SetNotNull(Ident),
    DropNotNull(Ident),
    SetDefault {
        column: Ident,
        default: Expr,
    },
    DropDefault(Ident),
    Object(ObjectChange),
}
