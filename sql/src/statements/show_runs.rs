//! `SHOW RUNS [FOR pipeline]`

use crate::Name;

#[derive(Debug, Clone, PartialEq)]
pub struct ShowRuns {
    pub pipeline: Option<Name>,
}
