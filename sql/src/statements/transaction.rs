//! `BEGIN`, `COMMIT`, `ROLLBACK`, `SAVEPOINT` and their kin, in all of PostgreSQL's spellings.

use crate::Ident;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transaction {
    Begin(TransactionModes),
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Savepoint(Ident),
    Release(Ident),
    RollbackTo(Ident),
    /// `SET TRANSACTION ..`, and with `session` `SET SESSION CHARACTERISTICS AS TRANSACTION ..`.
    SetModes {
        modes: TransactionModes,
        session: bool,
    },
}

/// What was written; `None` where nothing was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionModes {
    pub isolation: Option<Isolation>,
    pub read_only: Option<bool>,
    pub deferrable: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}
