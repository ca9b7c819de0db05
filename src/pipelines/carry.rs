//! Threads provenance through a plan: each row keeps the source and position it came from, as far as that has a meaning.
//!
//! It passes through projections, filters, joins, unions, sorts, limits, windows and unnests. It ends at aggregates and DISTINCT, where a
//! row no longer comes from one record.

use std::sync::Arc;

use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection, TableScan, Union, lit};

use super::stream_table::StreamTable;

/// Names of the carried columns inside a plan; no user column can have them by accident.
pub(super) const CARRIED_SOURCE: &str = "__weir_source";
pub(super) const CARRIED_POSITION: &str = "__weir_position";

/// The plan with the carried columns where they could be carried to the top.
pub(super) fn carry(plan: &LogicalPlan) -> DfResult<LogicalPlan> {
    match plan {
        LogicalPlan::TableScan(scan) => lift(scan).map(|lifted| lifted.unwrap_or_else(|| plan.clone())),
        LogicalPlan::Projection(projection) => {
            let input = carry(&projection.input)?;
            let Some((source, position)) = carried(input.schema()) else { return Ok(plan.clone()) };
            let mut exprs = projection.expr.clone();
            // As they are called below: see `lift`.
            exprs.extend([source, position].map(Expr::Column));
            Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?))
        }
        LogicalPlan::Union(union) => {
            let inputs = union.inputs.iter().map(|input| aligned(input)).collect::<DfResult<Vec<_>>>()?;
            if inputs.iter().all(|(_, carries)| !carries) {
                return Ok(plan.clone());
            }
            let inputs = inputs.into_iter().map(|(input, _)| Arc::new(input)).collect();
            Ok(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?))
        }
        LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::Repartition(_) => rebuilt(plan),
        LogicalPlan::Join(_) => joined(plan),
        _ => Ok(plan.clone()),
    }
}

/// Where the carried columns are in a schema.
pub(super) fn carried(schema: &DFSchema) -> Option<(Column, Column)> {
    let find = |name: &str| {
        schema.iter().find(|(_, field)| field.name() == name).map(|(qualifier, field)| Column::new(qualifier.cloned(), field.name()))
    };
    Some((find(CARRIED_SOURCE)?, find(CARRIED_POSITION)?))
}

fn rebuilt(plan: &LogicalPlan) -> DfResult<LogicalPlan> {
    let inputs = plan.inputs().into_iter().map(carry).collect::<DfResult<Vec<_>>>()?;
    if inputs.iter().all(|input| carried(input.schema()).is_none()) {
        return Ok(plan.clone());
    }
    plan.with_new_exprs(plan.expressions(), inputs)
}

/// Only one side may carry: of two streams the left one tells where a row comes from.
fn joined(plan: &LogicalPlan) -> DfResult<LogicalPlan> {
    let inputs = plan.inputs();
    let [left, right] = inputs.as_slice() else { return Ok(plan.clone()) };
    let carries = carry(left)?;
    let sides = match carried(carries.schema()) {
        Some(_) => vec![carries, (*right).clone()],
        None => vec![(*left).clone(), carry(right)?],
    };
    plan.with_new_exprs(plan.expressions(), sides)
}

/// A branch of a UNION: its own columns, then the carried ones, or NULLs in their place.
fn aligned(input: &LogicalPlan) -> DfResult<(LogicalPlan, bool)> {
    let new = carry(input)?;
    let mut exprs: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
    let found = carried(new.schema());
    let carries = found.is_some();
    match found {
        Some((source, position)) => {
            exprs.extend([source, position].map(Expr::Column));
        }
        None => {
            exprs.push(lit(ScalarValue::Utf8(None)).alias(CARRIED_SOURCE));
            exprs.push(lit(ScalarValue::Int64(None)).alias(CARRIED_POSITION));
        }
    }
    Ok((LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(new))?), carries))
}

/// The scan of a stream with its provenance columns; None for any other table.
fn lift(scan: &TableScan) -> DfResult<Option<LogicalPlan>> {
    let Ok(provider) = source_as_provider(&scan.source) else { return Ok(None) };
    let Some(stream) = provider.downcast_ref::<StreamTable>() else { return Ok(None) };
    let whole = Arc::clone(stream.whole());
    let schema = whole.schema();
    let (source, position) = (schema.index_of(CARRIED_SOURCE)?, schema.index_of(CARRIED_POSITION)?);
    let visible: Vec<usize> = match &scan.projection {
        Some(projection) => projection.clone(),
        None => (0..stream_columns(&schema)).collect(),
    };
    let projection: Vec<usize> = visible.iter().copied().chain([source, position]).collect();
    // The scan alone, under the names it gives: the optimizer merges projections, and takes an alias of a column that is passed on as well for a
    // second one of that name.
    LogicalPlanBuilder::scan_with_filters(scan.table_name.clone(), provider_as_source(whole), Some(projection), scan.filters.clone())?
        .build()
        .map(Some)
}

fn stream_columns(whole: &arrow::datatypes::Schema) -> usize {
    whole.fields().len().saturating_sub(2)
}
