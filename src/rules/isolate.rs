//! Evaluates an expression over a batch so that a row that cannot be computed costs only itself.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::compute::concat;
use arrow::record_batch::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::error::Result as DfResult;
use datafusion::physical_expr::PhysicalExpr;

/// Whether an error comes from the values of a row, so that other rows may still be fine.
pub fn is_row_error(error: &DataFusionError) -> bool {
    match error {
        DataFusionError::ArrowError(_, _) | DataFusionError::Execution(_) => true,
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => is_row_error(inner),
        DataFusionError::Shared(inner) => is_row_error(inner),
        DataFusionError::External(inner) => {
            inner.is::<weir_udfs::failure::Failure>() || inner.downcast_ref::<crate::error::Error>().is_some_and(|e| !e.code().is_passing())
        }
        _ => false,
    }
}

/// The error's own words, without the planner's wrapping.
pub fn row_error_text(error: &DataFusionError) -> String {
    match error {
        DataFusionError::ArrowError(inner, _) => inner.to_string(),
        DataFusionError::Execution(text) => text.clone(),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => row_error_text(inner),
        DataFusionError::Shared(inner) => row_error_text(inner),
        DataFusionError::External(inner) => match inner.downcast_ref::<crate::error::Error>() {
            Some(error) => error.message().to_owned(),
            None => inner.to_string(),
        },
        other => other.to_string(),
    }
}

/// The value of `expr` for every row; rows that fail are NULL in it and listed with their error.
///
/// The whole batch is tried first; only a failing one is cut in halves, down to the row.
///
/// # Errors
/// Errors that are not about a row's values (memory, cancellation) end the evaluation.
pub fn evaluate_rows(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> DfResult<(ArrayRef, Vec<(usize, String)>)> {
    match whole(expr, batch) {
        Ok(values) => Ok((values, Vec::new())),
        Err(error) if is_row_error(&error) => {
            let mut parts = Vec::new();
            let mut failed = Vec::new();
            halves(expr, batch, 0, error, &mut parts, &mut failed)?;
            let refs: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            Ok((concat(&refs)?, failed))
        }
        Err(error) => Err(error),
    }
}

fn whole(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> DfResult<ArrayRef> {
    expr.evaluate(batch)?.into_array(batch.num_rows())
}

fn halves(
    expr: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
    first: usize,
    error: DataFusionError,
    parts: &mut Vec<ArrayRef>,
    failed: &mut Vec<(usize, String)>,
) -> DfResult<()> {
    let rows = batch.num_rows();
    if rows <= 1 {
        failed.push((first, row_error_text(&error)));
        parts.push(new_null_array(&expr.data_type(batch.schema_ref())?, rows));
        return Ok(());
    }
    let middle = rows / 2;
    for (start, length) in [(0, middle), (middle, rows - middle)] {
        let half = batch.slice(start, length);
        match whole(expr, &half) {
            Ok(values) => parts.push(values),
            Err(error) if is_row_error(&error) => halves(expr, &half, first + start, error, parts, failed)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
