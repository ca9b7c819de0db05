//! One client: role, settings, transaction state, cancellation, notices.

mod outcome;

pub use outcome::{Description, Notice, Outcome, TransactionStatus};
