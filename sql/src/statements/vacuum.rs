//! `VACUUM table [RETAIN interval] [DRY RUN]`

use crate::{Interval, Name};

#[derive(Debug, Clone, PartialEq)]
pub struct Vacuum {
    pub name: Name,
    pub retain: Option<Interval>,
    pub dry_run: bool,
}
