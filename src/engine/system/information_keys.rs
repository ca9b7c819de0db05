//! information_schema about keys and rules, and the parts of it that are honestly empty.

use super::super::state::database;
use super::constraints::{Constraint, Sort, constraints};
use super::table::{Asked, Cell, Kind, Row, Rows, SystemTable};
use crate::error::Result;

const fn table(
    name: &'static str,
    comment: &'static str,
    columns: &'static [(&'static str, Kind)],
    rows: fn(&Asked<'_>) -> Result<Vec<Row>>,
) -> SystemTable {
    SystemTable { schema: "information_schema", name, comment, columns, rows: Rows::Now(rows) }
}

pub(super) const TABLES: &[SystemTable] = &[
    table("table_constraints", "Keys and rules of tables.", TABLE_CONSTRAINTS, table_constraints),
    table("key_column_usage", "Columns of keys.", KEY_COLUMN_USAGE, key_column_usage),
    table("constraint_column_usage", "Columns that keys and rules are about.", CONSTRAINT_COLUMN_USAGE, constraint_column_usage),
    table("referential_constraints", "Foreign keys.", REFERENTIAL_CONSTRAINTS, referential_constraints),
    table("check_constraints", "Rules.", CHECK_CONSTRAINTS, check_constraints),
    table("information_schema_catalog_name", "This database.", &[("catalog_name", Kind::Text)], catalog_name),
    table("enabled_roles", "The role of this session.", &[("role_name", Kind::Text)], enabled_roles),
    table("sequences", "Nothing: there are no sequences.", SEQUENCES, none),
    table("triggers", "Nothing: there are no triggers on tables.", TRIGGERS, none),
    table("routines", "Nothing: there are no functions of users yet.", ROUTINES, none),
    table("parameters", "Nothing: there are no functions of users yet.", PARAMETERS, none),
    table("domains", "Nothing: there are no domains.", DOMAINS, none),
];

fn none(_: &Asked<'_>) -> Result<Vec<Row>> {
    Ok(Vec::new())
}

fn catalog_name(asked: &Asked<'_>) -> Result<Vec<Row>> {
    Ok(vec![vec![database(asked.scope).into()]])
}

fn enabled_roles(asked: &Asked<'_>) -> Result<Vec<Row>> {
    Ok(vec![vec![asked.scope.role.as_str().into()]])
}

const TABLE_CONSTRAINTS: &[(&str, Kind)] = &[
    ("constraint_catalog", Kind::Text),
    ("constraint_schema", Kind::Text),
    ("constraint_name", Kind::Text),
    ("table_catalog", Kind::Text),
    ("table_schema", Kind::Text),
    ("table_name", Kind::Text),
    ("constraint_type", Kind::Text),
    ("is_deferrable", Kind::Text),
    ("initially_deferred", Kind::Text),
    ("enforced", Kind::Text),
    ("nulls_distinct", Kind::Text),
];

/// Catalog, schema and name: how the standard writes a constraint.
fn name_of(asked: &Asked<'_>, constraint: &Constraint) -> [Cell; 3] {
    [database(asked.scope).into(), constraint.schema.as_str().into(), constraint.name.as_str().into()]
}

fn table_of(asked: &Asked<'_>, constraint: &Constraint) -> [Cell; 3] {
    [database(asked.scope).into(), constraint.schema.as_str().into(), constraint.table.as_str().into()]
}

fn table_constraints(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let row = |constraint: Constraint| -> Row {
        let kind = match constraint.sort {
            Sort::Primary => "PRIMARY KEY",
            Sort::Unique => "UNIQUE",
            Sort::Check { .. } => "CHECK",
            Sort::Foreign { .. } => "FOREIGN KEY",
        };
        let distinct = if matches!(constraint.sort, Sort::Unique) { Cell::from("YES") } else { Cell::Null };
        let mut cells: Row = name_of(asked, &constraint).into();
        cells.extend(table_of(asked, &constraint));
        cells.extend([kind.into(), "NO".into(), "NO".into(), "YES".into(), distinct]);
        cells
    };
    Ok(constraints(asked)?.into_iter().map(row).collect())
}

const KEY_COLUMN_USAGE: &[(&str, Kind)] = &[
    ("constraint_catalog", Kind::Text),
    ("constraint_schema", Kind::Text),
    ("constraint_name", Kind::Text),
    ("table_catalog", Kind::Text),
    ("table_schema", Kind::Text),
    ("table_name", Kind::Text),
    ("column_name", Kind::Text),
    ("ordinal_position", Kind::Int),
    ("position_in_unique_constraint", Kind::Int),
];

fn key_column_usage(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for constraint in constraints(asked)? {
        let is_foreign = match constraint.sort {
            Sort::Check { .. } => continue,
            Sort::Foreign { .. } => true,
            Sort::Primary | Sort::Unique => false,
        };
        for (place, column) in (1i64..).zip(&constraint.columns) {
            let mut cells: Row = name_of(asked, &constraint).into();
            cells.extend(table_of(asked, &constraint));
            cells.extend([column.as_str().into(), place.into(), if is_foreign { place.into() } else { Cell::Null }]);
            rows.push(cells);
        }
    }
    Ok(rows)
}

const CONSTRAINT_COLUMN_USAGE: &[(&str, Kind)] = &[
    ("table_catalog", Kind::Text),
    ("table_schema", Kind::Text),
    ("table_name", Kind::Text),
    ("column_name", Kind::Text),
    ("constraint_catalog", Kind::Text),
    ("constraint_schema", Kind::Text),
    ("constraint_name", Kind::Text),
];

/// Of a foreign key: the columns that it points to.
fn constraint_column_usage(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for constraint in constraints(asked)? {
        let (schema, table, columns) = match &constraint.sort {
            Sort::Foreign { schema, table, columns, .. } => (schema, table, columns),
            _ => (&constraint.schema, &constraint.table, &constraint.columns),
        };
        for column in columns {
            let mut cells: Row = vec![database(asked.scope).into(), schema.as_str().into(), table.as_str().into(), column.as_str().into()];
            cells.extend(name_of(asked, &constraint));
            rows.push(cells);
        }
    }
    Ok(rows)
}

const REFERENTIAL_CONSTRAINTS: &[(&str, Kind)] = &[
    ("constraint_catalog", Kind::Text),
    ("constraint_schema", Kind::Text),
    ("constraint_name", Kind::Text),
    ("unique_constraint_catalog", Kind::Text),
    ("unique_constraint_schema", Kind::Text),
    ("unique_constraint_name", Kind::Text),
    ("match_option", Kind::Text),
    ("update_rule", Kind::Text),
    ("delete_rule", Kind::Text),
];

fn referential_constraints(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let all = constraints(asked)?;
    let row = |constraint: &Constraint| -> Option<Row> {
        let Sort::Foreign { key, .. } = &constraint.sort else { return None };
        let target = all.iter().find(|other| other.index.is_some() && other.index == *key);
        let mut cells: Row = name_of(asked, constraint).into();
        match target {
            Some(target) => cells.extend(name_of(asked, target)),
            None => cells.extend([Cell::Null, Cell::Null, Cell::Null]),
        }
        cells.extend(["NONE".into(), "NO ACTION".into(), "NO ACTION".into()]);
        Some(cells)
    };
    Ok(all.iter().filter_map(row).collect())
}

const CHECK_CONSTRAINTS: &[(&str, Kind)] =
    &[("constraint_catalog", Kind::Text), ("constraint_schema", Kind::Text), ("constraint_name", Kind::Text), ("check_clause", Kind::Text)];

fn check_constraints(asked: &Asked<'_>) -> Result<Vec<Row>> {
    let row = |constraint: Constraint| -> Option<Row> {
        let Sort::Check { text } = &constraint.sort else { return None };
        let mut cells: Row = name_of(asked, &constraint).into();
        cells.push(format!("({text})").into());
        Some(cells)
    };
    Ok(constraints(asked)?.into_iter().filter_map(row).collect())
}

const SEQUENCES: &[(&str, Kind)] = &[
    ("sequence_catalog", Kind::Text),
    ("sequence_schema", Kind::Text),
    ("sequence_name", Kind::Text),
    ("data_type", Kind::Text),
    ("numeric_precision", Kind::Int),
    ("numeric_precision_radix", Kind::Int),
    ("numeric_scale", Kind::Int),
    ("start_value", Kind::Text),
    ("minimum_value", Kind::Text),
    ("maximum_value", Kind::Text),
    ("increment", Kind::Text),
    ("cycle_option", Kind::Text),
];

const TRIGGERS: &[(&str, Kind)] = &[
    ("trigger_catalog", Kind::Text),
    ("trigger_schema", Kind::Text),
    ("trigger_name", Kind::Text),
    ("event_manipulation", Kind::Text),
    ("event_object_catalog", Kind::Text),
    ("event_object_schema", Kind::Text),
    ("event_object_table", Kind::Text),
    ("action_order", Kind::Int),
    ("action_condition", Kind::Text),
    ("action_statement", Kind::Text),
    ("action_orientation", Kind::Text),
    ("action_timing", Kind::Text),
];

const ROUTINES: &[(&str, Kind)] = &[
    ("specific_catalog", Kind::Text),
    ("specific_schema", Kind::Text),
    ("specific_name", Kind::Text),
    ("routine_catalog", Kind::Text),
    ("routine_schema", Kind::Text),
    ("routine_name", Kind::Text),
    ("routine_type", Kind::Text),
    ("data_type", Kind::Text),
    ("routine_body", Kind::Text),
    ("routine_definition", Kind::Text),
    ("external_language", Kind::Text),
    ("is_deterministic", Kind::Text),
    ("security_type", Kind::Text),
];

const PARAMETERS: &[(&str, Kind)] = &[
    ("specific_catalog", Kind::Text),
    ("specific_schema", Kind::Text),
    ("specific_name", Kind::Text),
    ("ordinal_position", Kind::Int),
    ("parameter_mode", Kind::Text),
    ("parameter_name", Kind::Text),
    ("data_type", Kind::Text),
    ("udt_catalog", Kind::Text),
    ("udt_schema", Kind::Text),
    ("udt_name", Kind::Text),
    ("parameter_default", Kind::Text),
];

const DOMAINS: &[(&str, Kind)] = &[
    ("domain_catalog", Kind::Text),
    ("domain_schema", Kind::Text),
    ("domain_name", Kind::Text),
    ("data_type", Kind::Text),
    ("domain_default", Kind::Text),
    ("udt_catalog", Kind::Text),
    ("udt_schema", Kind::Text),
    ("udt_name", Kind::Text),
];
