//! `ALTER SOURCE [IF EXISTS] name {ACCEPT SCHEMA CHANGE n [RENAME old TO new] | REJECT SCHEMA CHANGE n}`
//!
//! What every object can be altered in is read by `alter_object`.

use crate::cursor::Cursor;
use crate::error::Result;
use crate::{Ident, Name};

/// A decision about a change of a source's columns that the hub has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterSource {
    pub name: Name,
    pub if_exists: bool,
    /// As `hub.schema_changes` numbers them.
    pub change: u64,
    pub change_position: usize,
    pub decision: SchemaDecision,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaDecision {
    Accept {
        /// The column, and what its field is called now.
        rename: Option<(Ident, Ident)>,
    },
    Reject,
}

impl AlterSource {
    /// Whether a decision comes next.
    pub(super) fn begins(p: &Cursor<'_>) -> bool {
        p.sees(&["ACCEPT", "SCHEMA"]) || p.sees(&["REJECT", "SCHEMA"])
    }

    pub(super) fn parse(p: &mut Cursor<'_>, name: Name, if_exists: bool) -> Result<Self> {
        let accepts = p.one_of(&[("ACCEPT", true), ("REJECT", false)])?;
        p.expect(&["SCHEMA", "CHANGE"])?;
        let change_position = p.position();
        let change = p.whole()?;
        let decision = match accepts {
            false => SchemaDecision::Reject,
            true if p.word("RENAME") => {
                let old = p.any_ident()?;
                p.expect(&["TO"])?;
                SchemaDecision::Accept { rename: Some((old, p.any_ident()?)) }
            }
            true => SchemaDecision::Accept { rename: None },
        };
        Ok(Self { name, if_exists, change, change_position, decision })
    }
}
