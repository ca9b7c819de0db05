//! The parts of pg_catalog that say nothing about the hub's own objects: types, operators, casts, collations; and the empty ones.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DFSchema, Result as PlanResult, ScalarValue};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF, TableType, cast};
use datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::{PG_CATALOG_TABLES, PgCatalogSchemaProvider, PgCatalogStaticTables};
use weir_udfs::row::{RowFunction, text};

use super::super::errors;
use super::super::functions::array_in;
use crate::error::{Error, Result};

/// Whether pg_catalog has a table of that name that is not one of ours.
pub(in crate::engine) fn is_fixed(name: &str) -> bool {
    PG_CATALOG_TABLES.contains(&name)
}

/// The tables, made once for the hub.
pub(in crate::engine) struct Fixed {
    tables: PgCatalogSchemaProvider<Nothing, EmptyContextProvider>,
    /// Name and columns of each, for listings.
    listed: Vec<(&'static str, SchemaRef)>,
}

impl Fixed {
    pub(in crate::engine) fn new(tables: Arc<PgCatalogStaticTables>) -> PlanResult<Self> {
        let mut fixed = Self { tables: PgCatalogSchemaProvider::try_new(Nothing, tables, EmptyContextProvider)?, listed: Vec::new() };
        let columns = |name: &&'static str| Some((*name, fixed.table(name).ok()?.schema()));
        fixed.listed = PG_CATALOG_TABLES.iter().filter_map(columns).collect();
        Ok(fixed)
    }

    pub(in crate::engine) fn listed(&self) -> &[(&'static str, SchemaRef)] {
        &self.listed
    }

    pub(in crate::engine) fn table(&self, name: &str) -> Result<Arc<dyn TableProvider>> {
        let table = self.whole(name)?;
        match EMPTY.contains(&name) {
            true => Ok(nothing(&table)),
            false => Ok(table),
        }
    }

    fn whole(&self, name: &str) -> Result<Arc<dyn TableProvider>> {
        let table = self.tables.build_table_by_name(name).map_err(errors::error)?;
        let table = table.ok_or_else(|| Error::internal(format!("pg_catalog.{name} is listed but missing")))?;
        with_arrays(table.try_into_table_provider().map_err(errors::error)?).map_err(errors::error)
    }
}

/// Tables without a row. The planner is told so: whatever is asked about their rows need not be planned.
const EMPTY: &[&str] = &[
    "pg_authid",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_enum",
    "pg_event_trigger",
    "pg_inherits",
    "pg_largeobject",
    "pg_largeobject_metadata",
    "pg_partitioned_table",
    "pg_policy",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_seclabel",
    "pg_sequence",
    "pg_shdepend",
    "pg_statistic",
    "pg_statistic_ext",
    "pg_subscription",
    "pg_trigger",
    "pg_user_mapping",
];

fn nothing(like: &Arc<dyn TableProvider>) -> Arc<dyn TableProvider> {
    match DFSchema::try_from(like.schema()) {
        Ok(schema) => {
            let empty = EmptyRelation { produce_one_row: false, schema: Arc::new(schema) };
            Arc::new(ViewTable::new(LogicalPlan::EmptyRelation(empty), None))
        }
        Err(_) => Arc::clone(like),
    }
}

/// Columns that are arrays and come as text, by the end of their names.
const TEXT_ARRAYS: &[&str] = &["acl", "options", "config", "evttags", "proargnames", "proargmodes", "stxkind", "extcondition", "stxexprs"];
const NUMBER_ARRAYS: &[&str] = &["polroles", "extconfig", "prattrs", "proallargtypes", "protrftypes", "partattrs", "stxkeys", "tgattr"];

/// Columns by the name that the next version of PostgreSQL gave them, and by that of the version that is spoken here.
const RENAMED: &[(&str, &str)] = &[("colllocale", "colliculocale")];

/// The same table, its arrays as arrays.
fn with_arrays(table: Arc<dyn TableProvider>) -> PlanResult<Arc<dyn TableProvider>> {
    let schema = table.schema();
    let ends = |field: &Field, names: &[&str]| names.iter().any(|end| field.name().ends_with(end));
    let is_text = |field: &Field| matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let renamed = schema.fields().iter().filter_map(|field| RENAMED.iter().find(|(now, _)| now == field.name()));
    let renamed: Vec<Expr> = renamed.map(|(now, then)| Expr::Column(Column::from_name(*now)).alias(*then)).collect();
    let is_array = |field: &Field| is_text(field) && (ends(field, TEXT_ARRAYS) || ends(field, NUMBER_ARRAYS));
    if renamed.is_empty() && !schema.fields().iter().any(|field| is_array(field)) {
        return Ok(table);
    }
    let list = |of: DataType| DataType::List(Arc::new(Field::new_list_field(of, true)));
    let columns: Vec<Expr> = schema
        .fields()
        .iter()
        .map(|field| {
            let column = Expr::Column(Column::from_name(field.name()));
            let array = || array_in().call(vec![in_braces().call(vec![column.clone()])]);
            match is_text(field) {
                true if ends(field, TEXT_ARRAYS) => array().alias(field.name()),
                true if ends(field, NUMBER_ARRAYS) => cast(array(), list(DataType::Int32)).alias(field.name()),
                _ => column,
            }
        })
        .chain(renamed)
        .collect();
    let plan = LogicalPlanBuilder::scan("fixed", provider_as_source(table), None)?.project(columns)?.build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// The exported tables write arrays in JSON's brackets.
fn in_braces() -> ScalarUDF {
    RowFunction::exact("array_in_braces", vec![DataType::Utf8], DataType::Utf8).body(|args| {
        let Some(written) = args.first() else { return Ok(ScalarValue::Utf8(None)) };
        let written = text(written)?;
        let inside = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        Ok(ScalarValue::Utf8(Some(inside.map_or_else(|| written.to_owned(), |inside| format!("{{{inside}}}")))))
    })
}

/// A catalog without objects: ours are listed by our own tables.
#[derive(Debug, Clone)]
struct Nothing;

#[async_trait]
impl CatalogInfo for Nothing {
    async fn catalog_names(&self) -> PlanResult<Vec<String>> {
        Ok(Vec::new())
    }

    async fn schema_names(&self, _: &str) -> PlanResult<Option<Vec<String>>> {
        Ok(None)
    }

    async fn table_names(&self, _: &str, _: &str) -> PlanResult<Option<Vec<String>>> {
        Ok(None)
    }

    async fn table_schema(&self, _: &str, _: &str, _: &str) -> PlanResult<Option<SchemaRef>> {
        Ok(None)
    }

    async fn table_type(&self, _: &str, _: &str, _: &str) -> PlanResult<Option<TableType>> {
        Ok(None)
    }
}
