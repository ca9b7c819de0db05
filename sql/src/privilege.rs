//! What a role can be allowed to do, and on what: PostgreSQL's words and letters.

use std::fmt;

/// One right. The order is that in which PostgreSQL prints an access list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Privilege {
    Insert,
    Select,
    Update,
    Delete,
    Truncate,
    References,
    Trigger,
    Maintain,
    Execute,
    Usage,
    Create,
    Temporary,
    Connect,
}

impl Privilege {
    /// Every right with its word and its letter in an access list.
    pub const ALL: &[(Privilege, &str, char)] = &[
        (Privilege::Insert, "INSERT", 'a'),
        (Privilege::Select, "SELECT", 'r'),
        (Privilege::Update, "UPDATE", 'w'),
        (Privilege::Delete, "DELETE", 'd'),
        (Privilege::Truncate, "TRUNCATE", 'D'),
        (Privilege::References, "REFERENCES", 'x'),
        (Privilege::Trigger, "TRIGGER", 't'),
        (Privilege::Maintain, "MAINTAIN", 'm'),
        (Privilege::Execute, "EXECUTE", 'X'),
        (Privilege::Usage, "USAGE", 'U'),
        (Privilege::Create, "CREATE", 'C'),
        (Privilege::Temporary, "TEMPORARY", 'T'),
        (Privilege::Connect, "CONNECT", 'c'),
    ];

    /// The right of that word, whatever its case.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        if word.eq_ignore_ascii_case("TEMP") {
            return Some(Self::Temporary);
        }
        Self::ALL.iter().find(|(_, own, _)| own.eq_ignore_ascii_case(word)).map(|(privilege, ..)| *privilege)
    }

    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(own, ..)| *own == self).map_or("", |(_, word, _)| word)
    }

    #[must_use]
    pub fn letter(self) -> char {
        Self::ALL.iter().find(|(own, ..)| *own == self).map_or('?', |(.., letter)| *letter)
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What rights are given on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protected {
    /// Tables, views and sources: `ON TABLE`, `ON VIEW`, `ON SOURCE`, or no noun.
    Relation,
    Schema,
    Secret,
    Connection,
    Pipeline,
    Database,
}

impl Protected {
    /// The rights that such an object knows.
    #[must_use]
    pub fn privileges(self) -> &'static [Privilege] {
        use Privilege::{
            Connect, Create, Delete, Execute, Insert, Maintain, References, Select, Temporary, Trigger, Truncate, Update, Usage,
        };
        match self {
            Self::Relation => &[Insert, Select, Update, Delete, Truncate, References, Trigger, Maintain],
            Self::Schema => &[Usage, Create],
            Self::Secret | Self::Connection => &[Usage],
            Self::Pipeline => &[Select, Maintain, Execute],
            Self::Database => &[Create, Temporary, Connect],
        }
    }

    /// Every kind.
    pub const ALL: &[Self] = &[Self::Relation, Self::Schema, Self::Secret, Self::Connection, Self::Pipeline, Self::Database];

    /// The noun as messages print it.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Relation => "relation",
            Self::Schema => "schema",
            Self::Secret => "secret",
            Self::Connection => "connection",
            Self::Pipeline => "pipeline",
            Self::Database => "database",
        }
    }
}
