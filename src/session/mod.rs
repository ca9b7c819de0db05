//! One client: role, settings, transaction state, cancellation, notices.

mod bus;
mod client;
mod copy;
mod cursor;
mod guard;
mod link;
mod outcome;
mod password;
mod temporary;
mod transaction;
mod value;
mod vars;

#[cfg(test)]
mod tests;

pub use client::{Local, Prepared, Session};
pub use copy::{CopyFile, CopyForm, CopyIn, CopyStyle, Force, Header};
pub use cursor::{Cursor, Hold};
pub use outcome::{Description, News, Notice, Outcome, TransactionStatus};
#[cfg(test)]
pub use password::keys;
pub use password::{harden, is_md5, with_password};
pub use transaction::{Listening, Modes};
pub use vars::Vars;
