//! `VALIDATE CONNECTION name`
//!
//! Dials out and answers one row per check.

use crate::Name;

#[derive(Debug, Clone, PartialEq)]
pub struct ValidateConnection {
    pub name: Name,
}
