//! `DECLARE name CURSOR [WITH HOLD] FOR query`, `FETCH`, `MOVE`, `CLOSE`

use crate::{Ident, Query};

#[derive(Debug, Clone, PartialEq)]
pub struct DeclareCursor {
    pub name: Ident,
    pub binary: bool,
    pub scroll: bool,
    pub hold: bool,
    pub query: Query,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchCursor {
    pub name: Ident,
    pub count: FetchCount,
    /// `MOVE`: go there, answer no rows.
    pub move_only: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchCount {
    Forward(u64),
    All,
    /// `PRIOR`, `BACKWARD`, `ABSOLUTE` ..: only a scrollable cursor could.
    Backward,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseCursor {
    /// `None` for `CLOSE ALL`.
    pub name: Option<Ident>,
}
