//! Queries and expressions: the user's own text beside what `sqlparser` makes of it.
//!
//! The text is what gets stored and parsed again later; it is never re-printed from the tree. Locations inside `ast` are
//! lines and columns of the **whole input** the statement came in, also for a query deep inside a `CREATE`:
//! [`position_of`](crate::position_of) turns them into the character offset a client needs. A stored text that is parsed
//! alone is its own whole input.

use sqlparser::ast;

use crate::{Ident, Name};

/// The table function that stands in the tree where a versioned table stood; its argument indexes `temporals`.
pub const TEMPORAL_FUNCTION: &str = "weir_at";

/// `SELECT`, `WITH`, `VALUES` or `TABLE`.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The user's own text, trimmed.
    pub text: String,
    /// Versioned tables are `weir_at(<index into temporals>)`, with the user's alias or the table's own last name.
    pub ast: Box<ast::Query>,
    pub temporals: Vec<Temporal>,
    /// Where the text starts: 1-based character offset in the whole input.
    pub position: usize,
}

/// An expression. `temporals` belongs to the sub-queries in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    pub text: String,
    pub ast: Box<ast::Expr>,
    pub temporals: Vec<Temporal>,
    pub position: usize,
}

/// `INSERT`, `UPDATE` or `DELETE`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dml {
    pub text: String,
    pub ast: Box<ast::Statement>,
    pub temporals: Vec<Temporal>,
    pub position: usize,
}

/// A table as it was: which one, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Temporal {
    pub relation: Name,
    pub point: TemporalPoint,
    /// Where the table's name starts: 1-based character offset in the whole input.
    pub position: usize,
}

/// Which earlier state is meant.
#[derive(Debug, Clone, PartialEq)]
pub enum TemporalPoint {
    /// A version number of the table.
    Version(Expr),
    /// The last version committed at or before that time.
    Timestamp(Expr),
    /// A distance from now: an interval or seconds, negative for the past.
    Offset(Expr),
}

/// A column type: the user's text and its tree.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeName {
    pub text: String,
    pub ast: ast::DataType,
    pub position: usize,
}

/// `(a, b)`.
pub type Columns = Vec<Ident>;
