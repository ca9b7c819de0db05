//! The language of the hub: text to statements, without looking any name up and without any I/O.
//!
//! Own statements are recognised by their leading words; queries go to `sqlparser` after one pass over the tokens that
//! takes out every versioned table (`temporal`), and one over the tree that refuses every modifier the planner would
//! ignore (`modifiers`). The user's own text is kept, never re-printed.

mod element;
mod error;
mod ident;
mod interval;
mod options;
mod query;
mod rule;
mod statement;
pub mod statements;

pub use element::{Column, Element, OnError};
pub use error::{Result, SyntaxError, SyntaxErrorKind};
pub use ident::{Ident, Name, quote_ident};
pub use interval::Interval;
pub use options::{Argument, OptionEntry, OptionValue, Options};
pub use query::{Columns, Dml, Expr, Query, TEMPORAL_FUNCTION, Temporal, TemporalPoint, TypeName};
pub use rule::{Action, Rule, RuleKind};
pub use statement::{ObjectKind, Statement, StatementKind};
