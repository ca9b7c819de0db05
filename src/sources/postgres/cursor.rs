//! `INCREMENTAL BY column [LOOKBACK interval] [STARTING AT value]`: positions of a table that only grows at one end.
//!
//! A position is `{"value": text}`, the largest cursor value read so far; `{"value": text, "inclusive": true}` is one a user named, whose own
//! rows are still to come. Rows whose cursor is NULL, NaN or infinite stand outside the order: only the range from the very beginning has
//! them, and with STARTING AT none. `"outside"` counts those that were read; a run says how many more there are. A row that appears later with a smaller cursor value is seen only within LOOKBACK.

use serde_json::json;
use sqlparser::ast;
use weir_sql::Interval;
use weir_sql::statements::create_source::Incremental;

use super::query::Binder;
use super::types::{Fitted, Select, Wire};
use crate::error::{Code, Error, Result};
use crate::sources::contract::{Position, Range};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cursor {
    /// The name of the source's column.
    pub(super) column: String,
    lookback: Option<Interval>,
    starting_at: Option<String>,
}

/// A position, read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) value: String,
    pub(super) is_inclusive: bool,
    /// Rows outside the order that the range from the very beginning had.
    pub(super) outside: i64,
}

impl Point {
    pub(super) fn read(position: &Position) -> Result<Self> {
        let value = position.get("value").and_then(|value| value.as_str());
        let value = value.ok_or_else(|| Error::internal("an offset of a PostgreSQL source has no value"))?;
        let is_inclusive = position.get("inclusive").and_then(serde_json::Value::as_bool) == Some(true);
        let outside = position.get("outside").and_then(serde_json::Value::as_i64).unwrap_or(0);
        Ok(Self { value: value.to_owned(), is_inclusive, outside })
    }

    pub(super) fn position(&self) -> Position {
        match (self.is_inclusive, self.outside) {
            (true, _) => json!({ "value": self.value, "inclusive": true }),
            (false, 0) => json!({ "value": self.value }),
            (false, outside) => json!({ "value": self.value, "outside": outside }),
        }
    }

    fn operator(&self) -> &'static str {
        if self.is_inclusive { ">=" } else { ">" }
    }
}

/// A cursor on the column that it stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    cursor: Cursor,
    /// `r."column"`.
    pub(super) column: String,
    /// The type that cursor values are cast to.
    pub(super) cast: &'static str,
}

impl Cursor {
    /// # Errors
    /// A STARTING AT that is not a literal.
    pub(super) fn new(incremental: &Incremental) -> Result<Self> {
        let starting_at = match &incremental.starting_at {
            None => None,
            Some(expr) => Some(literal(&expr.ast).ok_or_else(|| {
                Error::new(Code::NotSupported, "STARTING AT of a PostgreSQL source must be a literal")
                    .hint("Write the value itself, as in STARTING AT '2025-01-01'.".to_owned())
                    .at(expr.position)
            })?),
        };
        Ok(Self { column: incremental.column.value.clone(), lookback: incremental.lookback, starting_at })
    }

    /// # Errors
    /// `UndefinedColumn`, or `WrongType` for a column whose values have no order that both sides agree on.
    pub(super) fn place(&self, columns: &[Fitted]) -> Result<Placed> {
        let Some(fitted) = columns.iter().find(|fitted| fitted.spec.name == self.column) else {
            let near = weir_sql::nearest(&self.column, columns.iter().map(|fitted| fitted.spec.name.as_str()));
            return Err(Error::new(Code::UndefinedColumn, format!("cursor column \"{}\" does not exist", self.column))
                .hint(near.map(|near| format!("Did you mean \"{near}\"?"))));
        };
        let cast = match (&fitted.wire, fitted.select) {
            (Wire::Int2 | Wire::Int4 | Wire::Int8, Select::Plain) => "int8",
            (Wire::Numeric(_), _) => "numeric",
            (Wire::Date, _) => "date",
            (Wire::Timestamp, _) => "timestamp",
            (Wire::Timestamptz, _) => "timestamptz",
            (Wire::Text, Select::Plain) => "text",
            _ => {
                return Err(Error::new(Code::WrongType, format!("column \"{}\" cannot be a cursor", self.column))
                    .hint("Use a column of whole numbers, dates, timestamps or text that only grows, declared as such.".to_owned()));
            }
        };
        if self.lookback.is_some() && !matches!(cast, "date" | "timestamp" | "timestamptz") {
            return Err(Error::new(Code::InvalidDefinition, format!("LOOKBACK needs a cursor of dates or timestamps, not {cast}")));
        }
        Ok(Placed { cursor: self.clone(), column: format!("r.{}", super::describe::quoted(&fitted.remote)), cast })
    }

    /// Where reading begins when nothing has been read.
    pub(super) fn start(&self) -> Option<Point> {
        self.starting_at.clone().map(|value| Point { value, is_inclusive: true, outside: 0 })
    }
}

impl Placed {
    /// True for values that stand in the order; written so that an index serves it.
    pub(super) fn in_order(&self) -> String {
        match self.cast {
            "date" | "timestamp" | "timestamptz" => format!("{} < 'infinity'", self.column),
            "numeric" => format!("({0} < 'NaN' AND {0}::text <> 'Infinity')", self.column),
            _ => format!("{} IS NOT NULL", self.column),
        }
    }

    /// True for the others; written so that an index serves it.
    pub(super) fn out_of_order(&self) -> String {
        match self.cast {
            "date" | "timestamp" | "timestamptz" => format!("({0} IS NULL OR {0} = 'infinity')", self.column),
            "numeric" => format!("({0} IS NULL OR {0} = 'NaN' OR {0} = 'Infinity')", self.column),
            _ => format!("{} IS NULL", self.column),
        }
    }

    pub(super) fn after(&self, point: &Point, binder: &mut Binder) -> String {
        format!("{} {} {}", self.column, point.operator(), binder.bind(&point.value, self.cast))
    }

    /// The rows of a range.
    pub(super) fn within(&self, range: &Range, binder: &mut Binder) -> Result<String> {
        let end = Point::read(&range.to)?;
        let to = binder.bind(&end.value, self.cast);
        // What a user named is where reading begins the next time, so it is not read now.
        let (upto, beyond) = if end.is_inclusive { ("<", ">=") } else { ("<=", ">") };
        let from = range.from.as_ref().map(Point::read).transpose()?;
        let Some(from) = from.or_else(|| self.cursor.start()) else {
            return Ok(format!("({} {beyond} {to} AND {}) IS NOT TRUE", self.column, self.in_order()));
        };
        let low = match self.cursor.lookback {
            // What a user named is where reading begins, not where it ended.
            Some(lookback) if !from.is_inclusive => {
                let value = binder.bind(&from.value, self.cast);
                format!("{} > {value} - {}", self.column, binder.bind(&lookback.to_string(), "interval"))
            }
            _ => self.after(&from, binder),
        };
        Ok(format!("{low} AND {} {upto} {to}", self.column))
    }
}

/// The text of a literal, also behind a cast or a sign.
fn literal(expr: &ast::Expr) -> Option<String> {
    match expr {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(text, _) | ast::Value::SingleQuotedString(text) | ast::Value::EscapedStringLiteral(text) => {
                Some(text.clone())
            }
            _ => None,
        },
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => Some(format!("-{}", literal(expr)?)),
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Plus, expr } | ast::Expr::Nested(expr) | ast::Expr::Cast { expr, .. } => literal(expr),
        ast::Expr::TypedString(typed) => match &typed.value.value {
            ast::Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}
