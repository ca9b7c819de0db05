//! How a system table is made: a list of columns and a function that gives the rows.
//!
//! The rows are asked for when a plan is made for one scan, so a table that a query only names costs nothing. Equality with a literal on the
//! columns `run_id`, `pipeline` and `type`, and `seq > n`, reach the function, everything else is filtered above.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int16Builder, Int32Builder, Int64Builder, IntervalMonthDayNanoBuilder, ListBuilder,
    StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, IntervalUnit, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use futures::future::BoxFuture;
use uuid::Uuid;
use weir_catalog::{Access, Object, ObjectId, Thing};

use super::super::errors::{catalog_error, external};
use super::super::{Engine, Scope};
use crate::clock::Micros;
use crate::error::{Error, Result};

/// A table that is made up when it is read.
pub(in crate::engine) struct SystemTable {
    pub(in crate::engine) schema: &'static str,
    pub(in crate::engine) name: &'static str,
    pub(in crate::engine) comment: &'static str,
    pub(in crate::engine) columns: &'static [(&'static str, Kind)],
    pub(in crate::engine) rows: Rows,
}

/// Types of system columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Kind {
    Text,
    Uuid,
    Json,
    Bool,
    Small,
    Int,
    Big,
    Double,
    Time,
    /// A span of time, in microseconds.
    Interval,
    /// An object identifier, kept as PostgreSQL's catalogs are read: 32 bits.
    Oid,
    /// An array of texts; a text alone is an array of one.
    Array,
    /// An array of small numbers: columns by their place.
    Places,
    /// An array of object identifiers.
    Oids,
    /// The same two in the form that pg_index has, which clients split at its blanks.
    PlaceVector,
    OidVector,
}

impl Kind {
    pub(in crate::engine) fn field(self, name: &str) -> Field {
        let data_type = match self {
            Kind::Text | Kind::Uuid | Kind::Json => DataType::Utf8,
            Kind::Array => list(DataType::Utf8),
            Kind::Places | Kind::PlaceVector => list(DataType::Int16),
            Kind::Oids | Kind::OidVector => list(DataType::Int32),
            Kind::Bool => DataType::Boolean,
            Kind::Small => DataType::Int16,
            Kind::Int | Kind::Oid => DataType::Int32,
            Kind::Big => DataType::Int64,
            Kind::Double => DataType::Float64,
            Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
        };
        let mark = match self {
            Kind::Uuid => Some("uuid"),
            Kind::Json => Some("jsonb"),
            Kind::PlaceVector | Kind::OidVector => Some("vector"),
            _ => None,
        };
        let metadata: HashMap<String, String> = mark.map(|mark| ("weir.type".to_owned(), mark.to_owned())).into_iter().collect();
        Field::new(name, data_type, true).with_metadata(metadata)
    }
}

fn list(of: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(of, true)))
}

/// Gives the rows.
pub(in crate::engine) enum Rows {
    Now(fn(&Asked<'_>) -> Result<Vec<Row>>),
    /// For those that must ask a source.
    Later(for<'a> fn(&'a Asked<'a>) -> BoxFuture<'a, Result<Vec<Row>>>),
}

/// What a function that gives rows may look at.
pub(in crate::engine) struct Asked<'a> {
    pub(in crate::engine) engine: &'a Engine,
    pub(in crate::engine) scope: &'a Scope,
    /// `run_id = '..'` of the query.
    pub(in crate::engine) run_id: Option<Uuid>,
    /// `pipeline = '..'` of the query.
    pub(in crate::engine) pipeline: Option<String>,
    /// `type = '..'` of the query.
    pub(in crate::engine) kind: Option<String>,
    /// `seq > n` of the query.
    pub(in crate::engine) after: i64,
    pub(in crate::engine) limit: Option<usize>,
}

impl Asked<'_> {
    pub(in crate::engine) fn access(&self) -> Result<Arc<Access>> {
        self.engine.store().access().map_err(catalog_error)
    }

    /// Whether the role may know more of the object than its name.
    pub(in crate::engine) fn sees(&self, object: &Object) -> Result<bool> {
        Ok(self.access()?.allows_any(&self.scope.role, Thing::of(object)))
    }

    /// The same, by number. What is gone is seen by superusers.
    pub(in crate::engine) fn sees_id(&self, id: ObjectId) -> Result<bool> {
        match self.engine.store().object_by_id(id).map_err(catalog_error)? {
            Some(object) => self.sees(&object),
            None => self.sees_all(),
        }
    }

    /// Whether nothing is hidden from the role.
    pub(in crate::engine) fn sees_all(&self) -> Result<bool> {
        Ok(self.access()?.is_superuser(&self.scope.role))
    }

    /// The rows that `may` lets through; an error of it is the error of all.
    pub(in crate::engine) fn keep<T>(rows: Vec<T>, may: impl Fn(&T) -> Result<bool>) -> Result<Vec<T>> {
        let mut kept = Vec::with_capacity(rows.len());
        for row in rows {
            if may(&row)? {
                kept.push(row);
            }
        }
        Ok(kept)
    }
}

/// One row: a cell per column, in the order of the columns.
pub(in crate::engine) type Row = Vec<Cell>;

#[derive(Debug, Clone, PartialEq)]
pub(in crate::engine) enum Cell {
    Null,
    Text(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    Time(Micros),
    Numbers(Vec<i64>),
    Texts(Vec<String>),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<bool> for Cell {
    fn from(flag: bool) -> Self {
        Cell::Bool(flag)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Cell::Int(number)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Cell::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<Uuid> for Cell {
    fn from(id: Uuid) -> Self {
        Cell::Text(id.to_string())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

/// A moment, or nothing.
pub(in crate::engine) fn time(at: impl Into<Option<Micros>>) -> Cell {
    at.into().map_or(Cell::Null, Cell::Time)
}

impl SystemTable {
    pub(in crate::engine) fn arrow_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(|(name, kind)| kind.field(name)).collect::<Vec<_>>()))
    }
}

/// The table for one statement.
pub(in crate::engine) fn provider(table: &'static SystemTable, engine: Arc<Engine>, scope: &Scope) -> Arc<dyn TableProvider> {
    Arc::new(Provider { table, engine, scope: scope.clone(), schema: table.arrow_schema() })
}

struct Provider {
    table: &'static SystemTable,
    engine: Arc<Engine>,
    scope: Scope,
    schema: SchemaRef,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.table.schema, self.table.name)
    }
}

#[async_trait]
impl TableProvider for Provider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        let use_of = |filter: &&Expr| match equality(filter).is_some() || after(filter).is_some() {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(use_of).collect())
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let wanted =
            |column: &str| filters.iter().filter_map(equality).find(|(name, _)| *name == column).map(|(_, value)| value.to_owned());
        let asked = Asked {
            engine: &self.engine,
            scope: &self.scope,
            run_id: wanted("run_id").and_then(|text| Uuid::parse_str(&text).ok()),
            pipeline: wanted("pipeline"),
            kind: wanted("type"),
            after: filters.iter().filter_map(after).max().unwrap_or(0),
            limit: limit.filter(|_| filters.is_empty()),
        };
        let rows = match self.table.rows {
            Rows::Now(rows) => rows(&asked),
            Rows::Later(rows) => rows(&asked).await,
        };
        let batch = batch(self.table, &self.schema, rows.map_err(external)?).map_err(external)?;
        Ok(MemorySourceConfig::try_new_exec(&[vec![batch]], self.schema(), projection.cloned())?)
    }
}

/// The number behind which rows are wanted: of `seq > 5` and of `seq >= 6` it is 5.
fn after(filter: &Expr) -> Option<i64> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return None };
    match (&**left, op, &**right) {
        (Expr::Column(column), Operator::Gt, Expr::Literal(ScalarValue::Int64(Some(number)), _)) if column.name == "seq" => Some(*number),
        (Expr::Column(column), Operator::GtEq, Expr::Literal(ScalarValue::Int64(Some(number)), _)) if column.name == "seq" => {
            number.checked_sub(1)
        }
        _ => None,
    }
}

/// `run_id = 'text'`, `pipeline = 'text'` or `type = 'text'`.
fn equality(filter: &Expr) -> Option<(&str, &str)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = filter else { return None };
    let (column, value) = match (&**left, &**right) {
        (Expr::Column(column), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(column)) => (column, value),
        _ => return None,
    };
    match value {
        ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text))
            if matches!(column.name.as_str(), "run_id" | "pipeline" | "type") =>
        {
            Some((column.name.as_str(), text.as_str()))
        }
        _ => None,
    }
}

/// Rows of cells as one batch.
pub(super) fn batch(table: &SystemTable, schema: &SchemaRef, rows: Vec<Row>) -> Result<RecordBatch> {
    let broken = |what: &str| Error::internal(format!("system table {}.{}: {what}", table.schema, table.name));
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(table.columns.len());
    for (index, (name, kind)) in table.columns.iter().enumerate() {
        let cells = rows.iter().map(|row| row.get(index));
        let column =
            column(*kind, cells, rows.len()).ok_or_else(|| broken(&format!("column {name} holds something else than {kind:?}")))?;
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(|e| broken("its rows do not fit").caused_by(e))
}

fn column<'a>(kind: Kind, cells: impl Iterator<Item = Option<&'a Cell>>, count: usize) -> Option<ArrayRef> {
    macro_rules! build {
        ($builder:expr, $($cell:pat => $value:expr),+) => {{
            let mut builder = $builder;
            for cell in cells {
                match cell? {
                    Cell::Null => builder.append_null(),
                    $($cell => builder.append_value($value),)+
                    _ => return None,
                }
            }
            Some(Arc::new(builder.finish()) as ArrayRef)
        }};
    }
    match kind {
        Kind::Text | Kind::Uuid | Kind::Json => {
            build!(StringBuilder::with_capacity(count, count * 16), Cell::Text(text) => text)
        }
        Kind::Array => {
            build!(ListBuilder::new(StringBuilder::new()), Cell::Text(text) => [Some(text)], Cell::Texts(texts) => texts.iter().map(Some))
        }
        Kind::Places | Kind::PlaceVector => build!(
            ListBuilder::new(Int16Builder::new()),
            Cell::Numbers(numbers) => numbers.iter().map(|number| i16::try_from(*number).ok())
        ),
        Kind::Oids | Kind::OidVector => build!(
            ListBuilder::new(Int32Builder::new()),
            Cell::Numbers(numbers) => numbers.iter().map(|number| i32::try_from(*number).ok())
        ),
        Kind::Bool => build!(BooleanBuilder::with_capacity(count), Cell::Bool(flag) => *flag),
        Kind::Small => build!(Int16Builder::with_capacity(count), Cell::Int(number) => i16::try_from(*number).ok()?),
        Kind::Int | Kind::Oid => build!(Int32Builder::with_capacity(count), Cell::Int(number) => i32::try_from(*number).ok()?),
        Kind::Big => build!(Int64Builder::with_capacity(count), Cell::Int(number) => *number),
        Kind::Double => build!(Float64Builder::with_capacity(count), Cell::Double(number) => *number),
        Kind::Time => build!(TimestampMicrosecondBuilder::with_capacity(count).with_timezone("UTC"), Cell::Time(at) => *at),
        Kind::Interval => {
            build!(IntervalMonthDayNanoBuilder::with_capacity(count), Cell::Int(micros) => IntervalMonthDayNano::new(0, 0, micros * 1000))
        }
    }
}
