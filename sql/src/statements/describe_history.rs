//! `DESCRIBE HISTORY table [LIMIT n]`

use crate::Name;

#[derive(Debug, Clone, PartialEq)]
pub struct DescribeHistory {
    pub name: Name,
    pub limit: Option<u64>,
}
