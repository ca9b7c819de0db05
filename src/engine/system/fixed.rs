//! The parts of pg_catalog that say nothing about the hub's own objects: types, operators, casts, collations; and the empty ones.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::TableType;
use datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::{PG_CATALOG_TABLES, PgCatalogSchemaProvider, PgCatalogStaticTables};

use super::super::errors;
use crate::error::{Error, Result};

/// Whether pg_catalog has a table of that name that is not one of ours.
pub(in crate::engine) fn is_fixed(name: &str) -> bool {
    PG_CATALOG_TABLES.contains(&name)
}

/// The tables, made once for the hub.
pub(in crate::engine) struct Fixed(PgCatalogSchemaProvider<Nothing, EmptyContextProvider>);

impl Fixed {
    pub(in crate::engine) fn new(tables: Arc<PgCatalogStaticTables>) -> PlanResult<Self> {
        Ok(Self(PgCatalogSchemaProvider::try_new(Nothing, tables, EmptyContextProvider)?))
    }

    pub(in crate::engine) fn table(&self, name: &str) -> Result<Arc<dyn TableProvider>> {
        let table = self.0.build_table_by_name(name).map_err(errors::error)?;
        let table = table.ok_or_else(|| Error::internal(format!("pg_catalog.{name} is listed but missing")))?;
        table.try_into_table_provider().map_err(errors::error)
    }
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
