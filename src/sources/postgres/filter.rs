//! Conditions that the server can check before it sends rows.
//!
//! Only conditions that mean the same on both sides, or that on the server keep a few rows more: the engine then looks again. Values are bound.

use chrono::{DateTime, Datelike, NaiveDate};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator, TableProviderFilterPushDown};

use super::describe::quoted;
use super::query::Binder;
use super::types::{Fitted, Select, Wire};
use crate::formats::{Logical, OnError};
use arrow::datatypes::{DataType, TimeUnit};

/// Longer lists are left to the engine.
const MAX_LIST: usize = 1_000;

/// What the values of a column can be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Bool,
    Integer,
    Decimal,
    Date,
    Timestamp,
    Timestamptz,
    /// Equality only, and the engine looks again: text may be equal to more on the server.
    Uuid,
    Text,
}

impl Class {
    fn of(fitted: &Fitted) -> Option<Self> {
        // A value that fails to convert may be NULL here and something on the server.
        if fitted.spec.on_error != OnError::Reject {
            return None;
        }
        Some(match (&fitted.wire, &fitted.spec.data_type) {
            (Wire::Bool, _) => Class::Bool,
            (Wire::Int2 | Wire::Int4 | Wire::Int8, DataType::Int16 | DataType::Int32 | DataType::Int64) => Class::Integer,
            // A rounded value may pass where the whole one does not.
            (Wire::Numeric(Some(digits)), DataType::Decimal128(_, scale)) if digits <= scale => Class::Decimal,
            (Wire::Numeric(None), DataType::Decimal128(..)) if fitted.is_exact => Class::Decimal,
            (Wire::Date, DataType::Date32) => Class::Date,
            (Wire::Timestamp, DataType::Timestamp(_, None)) => Class::Timestamp,
            (Wire::Timestamptz, DataType::Timestamp(_, Some(_))) => Class::Timestamptz,
            (Wire::Uuid, _) if fitted.spec.logical != Logical::Jsonb => Class::Uuid,
            (Wire::Text, DataType::Utf8) if fitted.spec.logical == Logical::Plain => Class::Text,
            _ => return None,
        })
    }

    fn has_order(self) -> bool {
        !matches!(self, Class::Uuid | Class::Text)
    }

    fn cast(self) -> &'static str {
        match self {
            Class::Bool => "bool",
            Class::Integer => "int8",
            Class::Decimal => "numeric",
            Class::Date => "date",
            Class::Timestamp => "timestamp",
            Class::Timestamptz => "timestamptz",
            Class::Uuid => "uuid",
            Class::Text => "text",
        }
    }

    /// The literal as text that the server reads as the same value; None when it has no such text.
    fn text(self, value: &ScalarValue, is_utf8: bool) -> Option<String> {
        use ScalarValue as S;
        match (self, value) {
            (Class::Bool, S::Boolean(Some(flag))) => Some(flag.to_string()),
            (Class::Integer | Class::Decimal, S::Int8(Some(_)) | S::Int16(Some(_)) | S::Int32(Some(_)) | S::Int64(Some(_)))
            | (Class::Integer | Class::Decimal, S::UInt8(Some(_)) | S::UInt16(Some(_)) | S::UInt32(Some(_))) => Some(value.to_string()),
            (Class::Decimal, S::Decimal128(Some(unscaled), _, scale)) => plain_decimal(*unscaled, *scale),
            (Class::Date, S::Date32(Some(days))) => {
                let date = NaiveDate::from_num_days_from_ce_opt(days.checked_add(719_163)?)?;
                in_range(date.year()).then(|| date.to_string())
            }
            (Class::Timestamp, _) => time(value, false),
            (Class::Timestamptz, _) => time(value, true),
            (Class::Uuid | Class::Text, S::Utf8(Some(text)) | S::LargeUtf8(Some(text)) | S::Utf8View(Some(text))) => match self {
                Class::Uuid => uuid::Uuid::try_parse(text).ok().map(|id| id.hyphenated().to_string()),
                // A text that the server cannot hold equals nothing there, but asking would be an error.
                _ => (!text.contains('\0') && (is_utf8 || text.is_ascii())).then(|| text.clone()),
            },
            _ => None,
        }
    }
}

fn in_range(year: i32) -> bool {
    (1..=9999).contains(&year)
}

fn plain_decimal(unscaled: i128, scale: i8) -> Option<String> {
    let scale = usize::try_from(scale).ok()?;
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at_checked(digits.len() - scale)?;
    let sign = if unscaled < 0 { "-" } else { "" };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

fn time(value: &ScalarValue, has_zone: bool) -> Option<String> {
    let (count, unit, zone) = match value {
        ScalarValue::TimestampSecond(Some(count), zone) => (*count, TimeUnit::Second, zone),
        ScalarValue::TimestampMillisecond(Some(count), zone) => (*count, TimeUnit::Millisecond, zone),
        ScalarValue::TimestampMicrosecond(Some(count), zone) => (*count, TimeUnit::Microsecond, zone),
        ScalarValue::TimestampNanosecond(Some(count), zone) => (*count, TimeUnit::Nanosecond, zone),
        _ => return None,
    };
    if zone.is_some() != has_zone {
        return None;
    }
    let micros = match unit {
        TimeUnit::Second => count.checked_mul(1_000_000)?,
        TimeUnit::Millisecond => count.checked_mul(1_000)?,
        TimeUnit::Microsecond => count,
        TimeUnit::Nanosecond => (count % 1_000 == 0).then_some(count / 1_000)?,
    };
    let time = DateTime::from_timestamp_micros(micros).filter(|time| in_range(time.year()))?;
    Some(time.format(if has_zone { "%Y-%m-%d %H:%M:%S%.6f+00" } else { "%Y-%m-%d %H:%M:%S%.6f" }).to_string())
}

/// What the server can do with a condition.
pub(super) fn accepts(expr: &Expr, table: &[Fitted], is_utf8: bool) -> TableProviderFilterPushDown {
    let mut translation = Translation { table, is_utf8, binder: &mut Binder::by_settings(), is_exact: true };
    match translation.condition(expr) {
        None => TableProviderFilterPushDown::Unsupported,
        Some(_) if translation.is_exact => TableProviderFilterPushDown::Exact,
        Some(_) => TableProviderFilterPushDown::Inexact,
    }
}

/// The condition in the server's SQL, its values bound; None when it cannot be said there.
pub(super) fn condition(expr: &Expr, table: &[Fitted], is_utf8: bool, binder: &mut Binder) -> Option<String> {
    Translation { table, is_utf8, binder, is_exact: true }.condition(expr)
}

struct Translation<'a> {
    table: &'a [Fitted],
    is_utf8: bool,
    binder: &'a mut Binder,
    is_exact: bool,
}

impl Translation<'_> {
    fn condition(&mut self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
                let word = if *op == Operator::And { "AND" } else { "OR" };
                Some(format!("({} {word} {})", self.condition(left)?, self.condition(right)?))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), right.as_ref()) {
                (Expr::Column(column), Expr::Literal(value, _)) => self.comparison(&column.name, *op, value),
                (Expr::Literal(value, _), Expr::Column(column)) => self.comparison(&column.name, op.swap()?, value),
                _ => None,
            },
            Expr::IsNull(inner) => Some(format!("{} IS NULL", self.any_column(inner)?)),
            Expr::IsNotNull(inner) => Some(format!("{} IS NOT NULL", self.any_column(inner)?)),
            Expr::Column(column) => self.flag(&column.name),
            Expr::Not(inner) => match inner.as_ref() {
                Expr::Column(column) => Some(format!("NOT {}", self.flag(&column.name)?)),
                _ => None,
            },
            Expr::Between(Between { expr, negated: false, low, high }) => match (expr.as_ref(), low.as_ref(), high.as_ref()) {
                (Expr::Column(column), Expr::Literal(low, _), Expr::Literal(high, _)) => {
                    let low = self.comparison(&column.name, Operator::GtEq, low)?;
                    Some(format!("({low} AND {})", self.comparison(&column.name, Operator::LtEq, high)?))
                }
                _ => None,
            },
            Expr::InList(list) => self.in_list(list),
            _ => None,
        }
    }

    fn column(&self, name: &str) -> Option<(&Fitted, String, Class)> {
        let fitted = self.table.iter().find(|fitted| fitted.spec.name == name && !fitted.spec.rescues)?;
        Some((fitted, fitted.select.around(&format!("r.{}", quoted(&fitted.remote))), Class::of(fitted)?))
    }

    /// A column of any type, for what does not depend on its values.
    fn any_column(&self, expr: &Expr) -> Option<String> {
        let Expr::Column(column) = expr else { return None };
        let fitted = self.table.iter().find(|fitted| fitted.spec.name == column.name && !fitted.spec.rescues)?;
        // Jsonb makes 'null' of no value; NULL stays NULL. A failing value is NULL only where the source says so.
        (fitted.spec.on_error == OnError::Reject).then(|| format!("r.{}", quoted(&fitted.remote)))
    }

    fn flag(&self, name: &str) -> Option<String> {
        let (_, column, class) = self.column(name)?;
        (class == Class::Bool).then_some(column)
    }

    fn comparison(&mut self, name: &str, op: Operator, value: &ScalarValue) -> Option<String> {
        let sign = match op {
            Operator::Eq => "=",
            Operator::NotEq => "<>",
            Operator::Lt => "<",
            Operator::LtEq => "<=",
            Operator::Gt => ">",
            Operator::GtEq => ">=",
            _ => return None,
        };
        let (fitted, column, class) = self.column(name)?;
        if op != Operator::Eq && !class.has_order() {
            return None;
        }
        let is_exact = class.has_order() && fitted.select == Select::Plain;
        let text = class.text(value, self.is_utf8)?;
        self.is_exact &= is_exact;
        Some(format!("{column} {sign} {}", self.binder.bind(&text, class.cast())))
    }

    fn in_list(&mut self, list: &InList) -> Option<String> {
        let InList { expr, list, negated } = list;
        let Expr::Column(column) = expr.as_ref() else { return None };
        let (_, column, class) = self.column(&column.name)?;
        if list.len() > MAX_LIST || list.is_empty() || (*negated && !class.has_order()) {
            return None;
        }
        self.is_exact &= class.has_order();
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            let Expr::Literal(value, _) = item else { return None };
            let text = class.text(value, self.is_utf8)?;
            items.push(self.binder.bind(&text, class.cast()));
        }
        Some(format!("{column} {} ({})", if *negated { "NOT IN" } else { "IN" }, items.join(", ")))
    }
}
