//! A relation of the server as a table of the engine.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use parking_lot::Mutex;

use super::cursor::Placed;
use super::exec::{Job, Output, PostgresExec};
use super::filter;
use super::link::{Link, Target};
use super::query::{Copy, Wanted};
use super::types::Fitted;
use crate::error::Error;
use crate::formats::ColumnSpec;
use crate::sources::contract::{Range, ScanRequest};
use crate::sources::{POSITION_COLUMN, SOURCE_COLUMN};

/// A relation as it is read: what was declared or found, brought together with what the server has.
pub(super) struct Shape {
    pub(super) target: Target,
    /// What stands behind FROM.
    pub(super) from: String,
    /// `schema.table`, for messages.
    pub(super) label: String,
    /// Value of `_source`.
    pub(super) source: Arc<str>,
    pub(super) columns: Vec<Fitted>,
    pub(super) cursor: Option<Placed>,
    pub(super) is_utf8: bool,
}

pub(super) struct PostgresTable {
    shape: Arc<Shape>,
    range: Option<Range>,
    request: ScanRequest,
    schema: SchemaRef,
    /// The session that found the columns, for the first execution.
    link: Arc<Mutex<Option<Link>>>,
}

/// The columns, and `_source` and `_source_position` behind them when asked for.
pub(super) fn schema_of<'a>(columns: impl Iterator<Item = &'a ColumnSpec>, provenance: bool) -> SchemaRef {
    let mut fields: Vec<Field> = columns.map(ColumnSpec::field).collect();
    if provenance {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        fields.push(Field::new(SOURCE_COLUMN, dictionary, false));
        fields.push(Field::new(POSITION_COLUMN, DataType::Int64, false));
    }
    Arc::new(Schema::new(fields))
}

impl PostgresTable {
    pub(super) fn new(shape: Arc<Shape>, range: Option<Range>, request: ScanRequest, link: Link) -> Self {
        let schema = schema_of(shape.columns.iter().map(|fitted| &fitted.spec), request.provenance);
        Self { shape, range, request, schema, link: Arc::new(Mutex::new(Some(link))) }
    }

    /// Whether rows are followed to where they come from: then a row travels whole, is counted, and has a position that no filter changes.
    fn is_followed(&self) -> bool {
        self.request.provenance || self.request.rejects.is_some()
    }
}

impl fmt::Debug for PostgresTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresTable({})", self.shape.label)
    }
}

pub(super) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[async_trait]
impl TableProvider for PostgresTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        if self.is_followed() {
            return Ok(vec![TableProviderFilterPushDown::Unsupported; filters.len()]);
        }
        Ok(filters.iter().map(|expr| filter::accepts(expr, &self.shape.columns, self.shape.is_utf8)).collect())
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let all = &self.shape.columns;
        let wanted: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema: SchemaRef = Arc::new(self.schema.project(&wanted)?);
        let mut columns: Vec<Fitted> = if self.is_followed() { all.clone() } else { Vec::new() };
        let mut outputs = Vec::with_capacity(wanted.len());
        for index in wanted {
            outputs.push(match all.get(index) {
                Some(_) if self.is_followed() => Output::Column(index),
                Some(fitted) => {
                    columns.push(fitted.clone());
                    Output::Column(columns.len() - 1)
                }
                None if index == all.len() => Output::Source,
                None => Output::Position,
            });
        }
        let filters = if self.is_followed() { &[] } else { filters };
        // The server's limit would count rows that turn out bad.
        let remote_limit = limit.filter(|_| columns.iter().all(Fitted::never_fails));
        let copy = Copy::new(&Wanted {
            from: &self.shape.from,
            columns: &columns,
            cursor: self.shape.cursor.as_ref(),
            range: self.range.as_ref(),
            filters,
            table: all,
            is_utf8: self.shape.is_utf8,
            is_ordered: self.request.ordered,
            limit: remote_limit,
        })
        .map_err(external)?;
        let job = Job {
            shape: self.shape.clone(),
            columns,
            outputs,
            schema,
            copy,
            rejects: self.request.rejects.clone(),
            link: self.link.clone(),
        };
        Ok(Arc::new(PostgresExec::new(Arc::new(job), limit)))
    }
}
