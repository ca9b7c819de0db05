//! Words for what is different about a source's columns, the same for every connector.

use arrow::datatypes::{DataType, Field};
use weir_catalog::ChangeKind;

use super::contract::Seen;
use crate::formats::{ColumnSpec, Logical, Misfit, misfit, type_name};

/// What stands in the place of a field that is not there.
const MISSING: &str = "missing";

fn shown(column: &ColumnSpec) -> String {
    type_name(&column.data_type, column.logical)
}

/// A new field.
pub(super) fn added(field: &Field, seen_in: &str) -> Seen {
    Seen {
        kind: ChangeKind::Add,
        column: field.name().clone(),
        before: None,
        after: shown(&ColumnSpec::from_field(field)),
        field: Some(field.clone().with_nullable(true)),
        seen_in: seen_in.to_owned(),
        is_followed: false,
    }
}

/// A field that is gone, or a path that leads nowhere any more.
pub(super) fn missing(column: &ColumnSpec, seen_in: &str) -> Seen {
    let leads_inside = |path: &&str| path.strip_prefix('$').is_some_and(|steps| steps.matches(['.', '[']).count() > 1);
    let path = column.path.as_deref().filter(leads_inside);
    Seen {
        kind: if path.is_some() { ChangeKind::Nested } else { ChangeKind::Drop },
        column: column.name.clone(),
        before: Some(path.map_or_else(|| shown(column), str::to_owned)),
        after: MISSING.to_owned(),
        field: None,
        seen_in: seen_in.to_owned(),
        is_followed: false,
    }
}

/// A field that is gone while one that could be it has come.
pub(super) fn renamed(column: &ColumnSpec, new: &Field, seen_in: &str) -> Seen {
    let before = column.field_names().next().unwrap_or(&column.name).to_owned();
    Seen { kind: ChangeKind::Rename, before: Some(before), after: new.name().clone(), ..missing(column, seen_in) }
}

/// Whether values of a new field could be those of a column.
pub(super) fn could_be(column: &ColumnSpec, new: &Field) -> bool {
    let class = |data_type: &DataType| match data_type {
        number if number.is_numeric() => 1,
        DataType::Date32 | DataType::Timestamp(..) => 2,
        DataType::Boolean => 3,
        DataType::Utf8 => 4,
        DataType::Binary => 5,
        _ => 6,
    };
    class(&column.data_type) == class(new.data_type())
}

/// The column with another type.
pub(super) fn retyped(column: &ColumnSpec, kind: ChangeKind, data_type: DataType, logical: Logical, seen_in: &str) -> Seen {
    let new = ColumnSpec { data_type, logical, ..column.clone() };
    Seen { kind, before: Some(shown(column)), after: shown(&new), field: Some(new.field()), ..missing(column, seen_in) }
}

/// A column that must have values and has none.
pub(super) fn nullable(column: &ColumnSpec, seen_in: &str) -> Seen {
    let (before, after) = (Some("NOT NULL".to_owned()), "NULL".to_owned());
    Seen { kind: ChangeKind::Nullable, before, after, ..missing(column, seen_in) }
}

/// What a column would have to be to take these values, which it refused.
pub(super) fn unsuited(column: &ColumnSpec, texts: &[String], seen_in: &str) -> Option<Seen> {
    if texts.is_empty() || (column.data_type == DataType::Utf8 && column.logical == Logical::Plain) {
        return None;
    }
    let (kind, data_type, logical) = match misfit(&column.data_type, column.logical, texts.iter().map(String::as_str)) {
        Misfit::Wider(wide) => (ChangeKind::Widen, wide, Logical::Plain),
        Misfit::Nested => (ChangeKind::Nested, DataType::Utf8, Logical::Jsonb),
        Misfit::Text => (ChangeKind::Retype, DataType::Utf8, Logical::Plain),
    };
    Some(retyped(column, kind, data_type, logical, seen_in))
}
