//! information_schema: schemata, tables, columns, views, over what the catalog remembers.

use arrow::datatypes::DataType;

use super::super::is_temporary;
use super::super::state::database;
use super::super::types::pg_type;
use super::constraints::defaults;
use super::pg_relations::{Relation, relations, schema_oids, view_text};
use super::table::{Asked, Cell, Kind, Row, Rows, SystemTable};
use crate::error::Result;

pub(super) const TABLES: &[SystemTable] = &[
    SystemTable {
        schema: "information_schema",
        name: "schemata",
        comment: "Schemas.",
        columns: &[
            ("catalog_name", Kind::Text),
            ("schema_name", Kind::Text),
            ("schema_owner", Kind::Text),
            ("default_character_set_catalog", Kind::Text),
            ("default_character_set_schema", Kind::Text),
            ("default_character_set_name", Kind::Text),
            ("sql_path", Kind::Text),
        ],
        rows: Rows::Now(schemata),
    },
    SystemTable {
        schema: "information_schema",
        name: "tables",
        comment: "Relations.",
        columns: &[
            ("table_catalog", Kind::Text),
            ("table_schema", Kind::Text),
            ("table_name", Kind::Text),
            ("table_type", Kind::Text),
            ("self_referencing_column_name", Kind::Text),
            ("reference_generation", Kind::Text),
            ("user_defined_type_catalog", Kind::Text),
            ("user_defined_type_schema", Kind::Text),
            ("user_defined_type_name", Kind::Text),
            ("is_insertable_into", Kind::Text),
            ("is_typed", Kind::Text),
            ("commit_action", Kind::Text),
        ],
        rows: Rows::Now(tables),
    },
    SystemTable { schema: "information_schema", name: "columns", comment: "Columns.", columns: COLUMNS, rows: Rows::Now(columns) },
    SystemTable {
        schema: "information_schema",
        name: "views",
        comment: "Views.",
        columns: &[
            ("table_catalog", Kind::Text),
            ("table_schema", Kind::Text),
            ("table_name", Kind::Text),
            ("view_definition", Kind::Text),
            ("check_option", Kind::Text),
            ("is_updatable", Kind::Text),
            ("is_insertable_into", Kind::Text),
        ],
        rows: Rows::Now(views),
    },
];

fn schemata(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let mut names: Vec<String> = schema_oids(asked)?.into_keys().collect();
    names.sort();
    let row = |name: String| -> Row {
        vec![database(asked.scope).into(), name.into(), "".into(), Cell::Null, Cell::Null, Cell::Null, Cell::Null]
    };
    Ok(names.into_iter().map(row).collect())
}

fn tables(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let row = |relation: Relation| -> Row {
        let kind = match relation.kind {
            "r" if is_temporary(&relation.schema) => "LOCAL TEMPORARY",
            "r" => "BASE TABLE",
            "v" => "VIEW",
            _ => "FOREIGN",
        };
        let insertable = if relation.kind == "r" { "YES" } else { "NO" };
        let mut cells = vec![database(asked.scope).into(), relation.schema.into(), relation.name.into(), kind.into()];
        cells.extend([Cell::Null, Cell::Null, Cell::Null, Cell::Null, Cell::Null, insertable.into(), "NO".into(), Cell::Null]);
        cells
    };
    Ok(accessible(asked)?.into_iter().map(row).collect())
}

/// The relations that the role may do something with: the standard shows no others.
fn accessible(asked: &Asked<'_>) -> Result<Vec<Relation>> {
    Asked::keep(relations(asked)?, |relation| relation.object.as_ref().map_or(Ok(true), |object| asked.sees(object)))
}

fn views(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let access = asked.access()?;
    let row = |view: Relation| -> Row {
        // Of a view the text is its owner's.
        let own = view.object.as_ref().filter(|object| access.has_rights_of(&asked.scope.role, &object.owner));
        let text = own.and_then(view_text);
        vec![database(asked.scope).into(), view.schema.into(), view.name.into(), text.into(), "NONE".into(), "NO".into(), "NO".into()]
    };
    Ok(accessible(asked)?.into_iter().filter(|relation| relation.kind == "v").map(row).collect())
}

const COLUMNS: &[(&str, Kind)] = &[
    ("table_catalog", Kind::Text),
    ("table_schema", Kind::Text),
    ("table_name", Kind::Text),
    ("column_name", Kind::Text),
    ("ordinal_position", Kind::Int),
    ("column_default", Kind::Text),
    ("is_nullable", Kind::Text),
    ("data_type", Kind::Text),
    ("character_maximum_length", Kind::Int),
    ("character_octet_length", Kind::Int),
    ("numeric_precision", Kind::Int),
    ("numeric_precision_radix", Kind::Int),
    ("numeric_scale", Kind::Int),
    ("datetime_precision", Kind::Int),
    ("interval_type", Kind::Text),
    ("interval_precision", Kind::Int),
    ("character_set_catalog", Kind::Text),
    ("character_set_schema", Kind::Text),
    ("character_set_name", Kind::Text),
    ("collation_catalog", Kind::Text),
    ("collation_schema", Kind::Text),
    ("collation_name", Kind::Text),
    ("domain_catalog", Kind::Text),
    ("domain_schema", Kind::Text),
    ("domain_name", Kind::Text),
    ("udt_catalog", Kind::Text),
    ("udt_schema", Kind::Text),
    ("udt_name", Kind::Text),
    ("scope_catalog", Kind::Text),
    ("scope_schema", Kind::Text),
    ("scope_name", Kind::Text),
    ("maximum_cardinality", Kind::Int),
    ("dtd_identifier", Kind::Text),
    ("is_self_referencing", Kind::Text),
    ("is_identity", Kind::Text),
    ("identity_generation", Kind::Text),
    ("identity_start", Kind::Text),
    ("identity_increment", Kind::Text),
    ("identity_maximum", Kind::Text),
    ("identity_minimum", Kind::Text),
    ("identity_cycle", Kind::Text),
    ("is_generated", Kind::Text),
    ("generation_expression", Kind::Text),
    ("is_updatable", Kind::Text),
];

fn columns(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for relation in accessible(asked)? {
        let Some(columns) = &relation.columns else { continue };
        let defaults = defaults(&relation);
        for (number, field) in (1i64..).zip(columns.fields()) {
            let kind = pg_type(field);
            let (precision, radix, scale) = numbers(field.data_type());
            let time = matches!(field.data_type(), DataType::Timestamp(..) | DataType::Time64(_) | DataType::Time32(_));
            let mut row: Row = vec![
                database(asked.scope).into(),
                relation.schema.as_str().into(),
                relation.name.as_str().into(),
                field.name().as_str().into(),
                number.into(),
                defaults.get(&number).cloned().into(),
                if field.is_nullable() { "YES" } else { "NO" }.into(),
                if kind.short.starts_with('_') { "ARRAY" } else { kind.name }.into(),
                Cell::Null,
                Cell::Null,
                precision.into(),
                radix.into(),
                scale.into(),
                if time { Cell::Int(6) } else { Cell::Null },
            ];
            // Intervals, character sets, collations and domains.
            row.extend(std::iter::repeat_with(|| Cell::Null).take(11));
            row.extend([database(asked.scope).into(), "pg_catalog".into(), kind.short.into()]);
            // Scopes and the most items of an array.
            row.extend(std::iter::repeat_with(|| Cell::Null).take(4));
            row.extend([number.to_string().into(), "NO".into(), "NO".into()]);
            // What an identity column would have, of which there are none.
            row.extend(std::iter::repeat_with(|| Cell::Null).take(5));
            row.extend(["NO".into(), "NEVER".into(), Cell::Null, if relation.kind == "r" { "YES" } else { "NO" }.into()]);
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Precision, its radix, and scale, as the standard has them.
fn numbers(data_type: &DataType) -> (Option<i64>, Option<i64>, Option<i64>) {
    match data_type {
        DataType::Int8 | DataType::Int16 => (Some(16), Some(2), Some(0)),
        DataType::Int32 => (Some(32), Some(2), Some(0)),
        DataType::Int64 => (Some(64), Some(2), Some(0)),
        DataType::Float32 => (Some(24), Some(2), None),
        DataType::Float64 => (Some(53), Some(2), None),
        DataType::Decimal128(precision, scale) => (Some(i64::from(*precision)), Some(10), Some(i64::from(*scale))),
        _ => (None, None, None),
    }
}
