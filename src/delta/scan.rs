//! A version's rows as DataFusion reads them: deltalake's scan, kept from conditions that it cannot take.
//!
//! It turns `IN (..)` into a chain of ORs as deep as the list is long, and walks it by calling itself: a list of ten thousand ends the process.
//! Such a condition stays above the scan.
//!
//! It also leaves out files, groups of rows and pages by bounds in which NaN has no part, though NaN is greater than any number: of a condition
//! that NaN may fulfil it is only told what it needs to judge single rows.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{ScalarValue, Statistics};
use datafusion::error::Result;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TableProviderFilterPushDown,
    TableType, Volatility,
};
use datafusion::physical_plan::ExecutionPlan;

/// Longest list that the scan is given.
const LONGEST_LIST: usize = 200;

#[derive(Debug)]
pub(super) struct Scan {
    inner: Arc<dyn TableProvider>,
}

impl Scan {
    pub(super) fn over(inner: Arc<dyn TableProvider>) -> Arc<dyn TableProvider> {
        Arc::new(Self { inner })
    }
}

fn is_too_long(filter: &Expr) -> bool {
    let long = |expr: &Expr| Ok(matches!(expr, Expr::InList(list) if list.list.len() > LONGEST_LIST));
    filter.exists(long).unwrap_or(true)
}

/// Columns that may hold NaN.
fn floats(schema: &SchemaRef) -> HashSet<String> {
    schema.fields().iter().filter(|field| field.data_type().is_floating()).map(|field| field.name().clone()).collect()
}

/// The condition in a form that bounds say nothing of, as far as NaN may fulfil it.
fn by_rows(filter: Expr, floats: &HashSet<String>) -> Result<Expr> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let (left, right) = (by_rows(*left, floats)?, by_rows(*right, floats)?);
            Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
        }
        other if floats.is_empty() || excludes_nan(&other) => Ok(other),
        other => {
            let hidden = other.transform_up(|node| match node {
                Expr::Column(column) if floats.contains(&column.name) => Ok(Transformed::yes(as_it_is().call(vec![Expr::Column(column)]))),
                other => Ok(Transformed::no(other)),
            })?;
            Ok(hidden.data)
        }
    }
}

/// Whether NaN certainly does not fulfil it.
fn excludes_nan(condition: &Expr) -> bool {
    let is_number = |expr: &Expr| match expr {
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => !value.is_nan(),
        Expr::Literal(ScalarValue::Float32(Some(value)), _) => !value.is_nan(),
        Expr::Literal(value, _) => !value.data_type().is_floating(),
        _ => false,
    };
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(_));
    match condition {
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => is_column(inner),
        Expr::InList(InList { expr, list, negated: false }) => is_column(expr) && list.iter().all(is_number),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::Eq => (is_column(left) && is_number(right)) || (is_number(left) && is_column(right)),
            Operator::Lt | Operator::LtEq => is_column(left) && is_number(right),
            Operator::Gt | Operator::GtEq => is_number(left) && is_column(right),
            _ => false,
        },
        _ => false,
    }
}

/// A value through which no bounds are seen.
fn as_it_is() -> ScalarUDF {
    ScalarUDF::new_from_impl(AsItIs { signature: Signature::any(1, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AsItIs {
    signature: Signature,
}

impl ScalarUDFImpl for AsItIs {
    fn name(&self) -> &'static str {
        "as_it_is"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types.first().cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(args.args.into_iter().next().unwrap_or(ColumnarValue::Scalar(ScalarValue::Null)))
    }
}

#[async_trait]
impl TableProvider for Scan {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn table_type(&self) -> TableType {
        self.inner.table_type()
    }

    fn statistics(&self) -> Option<Statistics> {
        self.inner.statistics()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let floats = floats(&self.schema());
        let short = filters.iter().filter(|filter| !is_too_long(filter)).map(|filter| by_rows((*filter).clone(), &floats));
        let short = short.collect::<Result<Vec<Expr>>>()?;
        let mut of_short = self.inner.supports_filters_pushdown(&short.iter().collect::<Vec<_>>())?.into_iter();
        let none = TableProviderFilterPushDown::Unsupported;
        let answer = |filter: &&Expr| if is_too_long(filter) { none.clone() } else { of_short.next().unwrap_or(none.clone()) };
        Ok(filters.iter().map(answer).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let floats = floats(&self.schema());
        let short = filters.iter().filter(|filter| !is_too_long(filter)).map(|filter| by_rows(filter.clone(), &floats));
        let short = short.collect::<Result<Vec<Expr>>>()?;
        // A limit counts rows after all conditions.
        let limit = if short.len() == filters.len() { limit } else { None };
        self.inner.scan(state, projection, &short, limit).await
    }
}
