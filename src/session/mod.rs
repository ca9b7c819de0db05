//! One client: role, settings, transaction state, cancellation, notices.

mod client;
mod copy;
mod cursor;
mod guard;
mod outcome;
mod transaction;
mod value;
mod vars;

#[cfg(test)]
mod tests;

pub use client::{Local, Prepared, Session};
pub use copy::{CopyForm, CopyIn, CopyStyle, Force, Header};
pub use cursor::{Cursor, Hold};
pub use outcome::{Description, Notice, Outcome, TransactionStatus};
pub use transaction::Modes;
pub use vars::Vars;
