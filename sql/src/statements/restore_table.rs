//! `RESTORE TABLE name TO {VERSION | TIMESTAMP} AS OF ..`

use crate::{Name, TemporalPoint};

#[derive(Debug, Clone, PartialEq)]
pub struct RestoreTable {
    pub name: Name,
    pub to: TemporalPoint,
}
