//! Which files of a version can hold rows that a condition chooses, by what the log says of them.
//!
//! A file is only left out when its bounds exclude every row. Bounds that the log keeps less exactly than the values (decimals, floats) and
//! columns it says nothing about leave every file in.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray, UInt64Array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampMicrosecondType};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;

use super::files::{DataFile, FileStats};

/// Other writers cut bounds of timestamps to milliseconds.
const CUT_MICROS: i64 = 1000;

/// A flag per file: whether it may hold a row for which all the conditions are true.
pub(super) fn may_match(state: &dyn Session, columns: &SchemaRef, files: &[(DataFile, Option<FileStats>)], filters: &[Expr]) -> Vec<bool> {
    let all = || vec![true; files.len()];
    let Some(condition) = conjunction(filters.to_vec()) else { return all() };
    let judged = DFSchema::try_from(columns.as_ref().clone())
        .and_then(|schema| state.create_physical_expr(condition, &schema))
        .and_then(|condition| PruningPredicateBuilder::new().with_file_schema(columns.clone()).try_build(condition))
        .and_then(|predicate| predicate.prune(&Bounds { columns, files }));
    match judged {
        Ok(flags) if flags.len() == files.len() => flags,
        // A condition that cannot be judged by bounds is judged by the rows.
        _ => all(),
    }
}

struct Bounds<'a> {
    columns: &'a SchemaRef,
    files: &'a [(DataFile, Option<FileStats>)],
}

impl Bounds<'_> {
    /// One value per file, from the bounds that `end` picks.
    fn values(&self, column: &Column, end: fn((String, String)) -> String) -> Option<ArrayRef> {
        let data_type = self.columns.field_with_name(&column.name).ok()?.data_type();
        let is_exact = data_type.is_integer()
            || matches!(data_type, DataType::Utf8 | DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, _));
        let texts = self.files.iter().map(|(file, stats)| match file.partition.get(&column.name) {
            Some(value) => value.clone(),
            None => stats.as_ref().filter(|_| is_exact)?.bounds(&column.name).map(end),
        });
        let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
        // A text that is no value says nothing.
        cast_with_options(&texts, data_type, &CastOptions { safe: true, ..CastOptions::default() }).ok()
    }
}

impl PruningStatistics for Bounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |(low, _)| low)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        let values = self.values(column, |(_, high)| high)?;
        let Some(times) = values.as_any().downcast_ref::<TimestampMicrosecondArray>() else { return Some(values) };
        let wider = times.unary_opt::<_, TimestampMicrosecondType>(|at| at.checked_add(CUT_MICROS));
        Some(Arc::new(wider.with_data_type(times.data_type().clone())))
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let counts = self.files.iter().map(|(file, stats)| match file.partition.get(&column.name) {
            Some(None) => stats.as_ref()?.rows(),
            Some(Some(_)) => Some(0),
            None => stats.as_ref()?.nulls(&column.name),
        });
        Some(Arc::new(counts.map(|count| count.and_then(|count| u64::try_from(count).ok())).collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let counts = self.files.iter().map(|(_, stats)| stats.as_ref()?.rows());
        let counts = counts.collect::<Int64Array>();
        cast_with_options(&counts, &DataType::UInt64, &CastOptions { safe: true, ..CastOptions::default() }).ok()
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
