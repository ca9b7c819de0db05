//! The language of the hub: text to statements, without looking any name up and without any I/O.
//!
//! Own statements are recognised by their leading words; queries go to `sqlparser` after one pass over the tokens that
//! takes out every versioned table (`temporal`), and one over the tree that refuses every modifier the planner would
//! ignore (`modifiers`). The user's own text is kept, never re-printed. Positions are 1-based character offsets in the
//! whole text that was given.

mod cursor;
mod depth;
mod dialect;
mod element;
mod error;
mod ident;
mod input;
mod interval;
mod modifiers;
mod nearest;
mod options;
mod privilege;
mod query;
mod rule;
mod stack;
mod statement;
pub mod statements;
mod template;
mod temporal;
mod tree;

#[cfg(test)]
mod tests;

use cursor::Cursor;
use input::{Database, Input};

pub use element::{Column, Element, OnError};
pub use error::{Result, SyntaxError, SyntaxErrorKind};
pub use ident::{Ident, Name, quote_ident};
pub use input::position_of;
pub use interval::{Interval, parse_interval};
pub use nearest::nearest;
pub use options::{Argument, OptionEntry, OptionKey, OptionValue, Options};
pub use privilege::{Privilege, Protected};
pub use query::{Columns, Dml, Expr, Query, TEMPORAL_FUNCTION, Temporal, TemporalPoint, TypeName};
pub use rule::{Action, Rule, RuleKind};
pub use statement::{ObjectKind, Statement, StatementKind};
pub use template::TemplateType;

/// Reads every statement of a text; empty ones between semicolons are left out.
///
/// # Errors
/// The first statement that does not follow the grammar, or asks for something that would silently not be done.
pub fn parse(text: &str) -> Result<Vec<Statement>> {
    parse_with(text, Database::None)
}

/// The same for a client of a database, whose name may stand before a schema: `database.schema.name`.
///
/// # Errors
/// As [`parse`].
pub fn parse_in(text: &str, database: &str) -> Result<Vec<Statement>> {
    parse_with(text, Database::Named(database))
}

/// The same for a text that was read before, in whatever database.
///
/// # Errors
/// As [`parse`].
pub fn parse_stored(text: &str) -> Result<Vec<Statement>> {
    parse_with(text, Database::Any)
}

fn parse_with(text: &str, database: Database<'_>) -> Result<Vec<Statement>> {
    let input = Input::read(text)?.of(database);
    stack::with_room(&input, || input.statements().into_iter().map(|range| statements::parse(&mut Cursor::new(&input, range))).collect())
}

/// Reads every statement on its own, so that one that is wrong hides no other: for tools that report all errors at once.
///
/// # Errors
/// The outer one when the text cannot be cut into statements at all; the inner ones as [`parse`].
pub fn parse_each(text: &str) -> Result<Vec<Result<Statement>>> {
    let input = Input::read(text)?;
    Ok(input.statements().into_iter().map(|range| statements::parse(&mut Cursor::new(&input, range))).collect())
}

/// Reads one query, such as the stored text of a view.
///
/// # Errors
/// As [`parse`]; positions are relative to `text`.
pub fn parse_query(text: &str) -> Result<Query> {
    let input = Input::read(text)?;
    stack::with_room(&input, || Cursor::new(&input, 0..usize::MAX).query_to_end())
}

/// Reads one expression, such as the stored text of a rule.
///
/// # Errors
/// As [`parse`]; positions are relative to `text`.
pub fn parse_expr(text: &str) -> Result<Expr> {
    let input = Input::read(text)?;
    stack::with_room(&input, || Cursor::new(&input, 0..usize::MAX).expr_to_end())
}

/// Reads one column type.
///
/// # Errors
/// As [`parse`]; positions are relative to `text`.
pub fn parse_data_type(text: &str) -> Result<sqlparser::ast::DataType> {
    let input = Input::read(text)?;
    stack::with_room(&input, || {
        let mut cursor = Cursor::new(&input, 0..usize::MAX);
        let data_type = cursor.type_name()?;
        cursor.finish()?;
        Ok(data_type.ast)
    })
}
