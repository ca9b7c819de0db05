//! `OPTIMIZE table`

use crate::Name;

#[derive(Debug, Clone, PartialEq)]
pub struct Optimize {
    pub name: Name,
}
