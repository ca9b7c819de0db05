//! Lines of VALUES in which a quoted literal stands below a value of another type: it is read as that type.

use sqlparser::ast::{CastKind, DataType, ExactNumberInfo, Expr, Query, SetExpr, Value, ValueWithSpan, Values};

/// By the first line that says its type.
pub(super) fn typed(values: &mut Values) {
    let columns = values.rows.first().map_or(0, |row| row.len());
    for at in 0..columns {
        let cells = || values.rows.iter().filter_map(|row| row.get(at));
        let Some(data_type) = cells().find_map(said_type).filter(|_| cells().any(is_quoted)) else { continue };
        read_as(values, at, &data_type, is_quoted);
    }
}

/// By the columns that the lines go to; None leaves one as it is. Only where the lines themselves do not agree.
pub(in crate::engine) fn as_columns(query: &mut Query, columns: &[Option<DataType>]) {
    let SetExpr::Values(values) = query.body.as_mut() else { return };
    for (at, data_type) in columns.iter().enumerate() {
        let cells = || values.rows.iter().filter_map(|row| row.get(at));
        let is_mixed = cells().any(is_quoted) && cells().any(|cell| !is_quoted(cell) && !is_null(cell));
        if let Some(data_type) = data_type.as_ref().filter(|_| is_mixed) {
            read_as(values, at, data_type, |cell| is_quoted(cell) || is_number(cell));
        }
    }
}

fn read_as(values: &mut Values, at: usize, data_type: &DataType, which: fn(&Expr) -> bool) {
    for cell in values.rows.iter_mut().filter_map(|row| row.get_mut(at)).filter(|cell| which(cell)) {
        let expr = Box::new(cell.clone());
        *cell = Expr::Cast { kind: CastKind::DoubleColon, expr, data_type: data_type.clone(), array: false, format: None };
    }
}

fn said_type(cell: &Expr) -> Option<DataType> {
    match cell {
        Expr::Cast { data_type, .. } => plain(data_type),
        Expr::TypedString(typed) => plain(&typed.data_type),
        Expr::Interval(_) => Some(DataType::Interval { fields: None, precision: None }),
        Expr::Value(ValueWithSpan { value: Value::Boolean(_), .. }) => Some(DataType::Boolean),
        Expr::Nested(inner) => said_type(inner),
        _ => None,
    }
}

/// The type without a length: that of one line is none of the others'. A text needs no reading.
fn plain(data_type: &DataType) -> Option<DataType> {
    const TEXTS: &[&str] = &["char", "varchar", "nvarchar", "bpchar", "text", "name", "citext"];
    let name = data_type.to_string().to_ascii_lowercase();
    match data_type {
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => Some(DataType::Numeric(ExactNumberInfo::None)),
        _ if name.contains('(') || TEXTS.iter().any(|text| name.starts_with(text)) => None,
        other => Some(other.clone()),
    }
}

fn is_quoted(cell: &Expr) -> bool {
    matches!(cell, Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_), .. }))
}

/// Beside a quoted value of a double, `1.5` must not be a numeric.
fn is_number(cell: &Expr) -> bool {
    matches!(cell, Expr::Value(ValueWithSpan { value: Value::Number(..), .. }))
}

fn is_null(cell: &Expr) -> bool {
    matches!(cell, Expr::Value(ValueWithSpan { value: Value::Null, .. }))
}
