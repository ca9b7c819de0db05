//! `ALTER {SCHEMA | CONNECTION | SOURCE | VIEW} [IF EXISTS] name {SET (..) | RESET (..) | RENAME TO | SET SCHEMA | OWNER TO}`

use crate::{Ident, Name, ObjectKind, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct AlterObject {
    pub kind: ObjectKind,
    pub name: Name,
    pub if_exists: bool,
    pub change: ObjectChange,
}

/// The changes every kind of object takes.
#[derive(Debug, Clone, PartialEq)]
pub enum ObjectChange {
    Set(Options),
    Reset(Vec<OptionKey>),
    RenameTo(Ident),
    SetSchema(Ident),
    OwnerTo(Ident),
}

/// The key of an option, without a value.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionKey {
    pub key: String,
    pub position: usize,
}
