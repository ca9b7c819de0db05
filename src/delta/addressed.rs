//! The rows of a version with their addresses: which file, which row of it.
//!
//! DELETE and UPDATE are planned as queries over this relation, so conditions with subqueries mean what they mean in a SELECT, and a
//! condition that is lost on the way could only ever select rows, never drop the question.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use super::files::{DataFile, FileStats};
use super::prune::may_match;
use super::schema;

/// Number of the file among those given.
pub(super) const FILE: &str = "_weir_file";
/// Row of the file, from zero.
pub(super) const ROW: &str = "_weir_row";

/// Rows that are gone, by the number of their file; rows behind the end of a list are still there.
pub(super) type Gone = BTreeMap<usize, Arc<Vec<bool>>>;

/// A relation of the table's columns plus `FILE` and `ROW`.
#[derive(Debug)]
pub(super) struct Addressed {
    schema: SchemaRef,
    columns: SchemaRef,
    files: Vec<(DataFile, Option<FileStats>)>,
    gone: Gone,
}

impl Addressed {
    pub(super) fn new(columns: &SchemaRef, files: Vec<(DataFile, Option<FileStats>)>, gone: Gone) -> Self {
        let mut fields = columns.fields().to_vec();
        fields.push(Arc::new(Field::new(FILE, DataType::Int32, false)));
        fields.push(Arc::new(Field::new(ROW, DataType::Int64, false)));
        Self { schema: Arc::new(Schema::new(fields)), columns: columns.clone(), files, gone }
    }
}

/// Readers of all rows that are there, each for some of the files. Columns come in the types of `output`.
pub(super) fn partitions(
    columns: &SchemaRef,
    output: &SchemaRef,
    files: &[(usize, &DataFile)],
    gone: &Gone,
    lanes: usize,
) -> Vec<Arc<dyn PartitionStream>> {
    let read: Vec<_> = columns.fields().iter().filter(|field| output.field_with_name(field.name()).is_ok()).cloned().collect();
    let read = Arc::new(Schema::new(read));
    let lanes = lanes.clamp(1, files.len().max(1));
    let mut parts: Vec<Vec<PartFile>> = (0..lanes).map(|_| Vec::new()).collect();
    for ((number, file), lane) in files.iter().zip((0..lanes).cycle()) {
        if let Some(part) = parts.get_mut(lane) {
            part.push(PartFile { number: *number, file: (*file).clone(), gone: gone.get(number).cloned() });
        }
    }
    let part = |files| -> Arc<dyn PartitionStream> { Arc::new(Part { output: output.clone(), read: read.clone(), files }) };
    parts.into_iter().map(part).collect()
}

#[async_trait]
impl TableProvider for Addressed {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// They only choose files: every row is still asked.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let output = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => self.schema.clone(),
        };
        let may_match = may_match(state, &self.columns, &self.files, filters);
        let files: Vec<(usize, &DataFile)> =
            self.files.iter().enumerate().zip(may_match).filter(|(_, may)| *may).map(|((number, (file, _)), _)| (number, file)).collect();
        let partitions = partitions(&self.columns, &output, &files, &self.gone, state.config().target_partitions());
        Ok(Arc::new(StreamingTableExec::try_new(output.clone(), partitions, None, [], false, None)?))
    }
}

#[derive(Debug)]
struct Part {
    output: SchemaRef,
    read: SchemaRef,
    files: Vec<PartFile>,
}

#[derive(Debug, Clone)]
struct PartFile {
    number: usize,
    file: DataFile,
    gone: Option<Arc<Vec<bool>>>,
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.output
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStream::builder(self.output.clone(), 2);
        let sender = stream.tx();
        let (output, read, files) = (self.output.clone(), self.read.clone(), self.files.clone());
        stream.spawn_blocking(move || {
            for PartFile { number, file, gone } in files {
                let number = i32::try_from(number).map_err(|error| DataFusionError::External(Box::new(error)))?;
                let mut first = 0;
                for batch in file.read(&read).map_err(external)? {
                    let batch = batch.map_err(external)?;
                    let rows = batch.num_rows();
                    let batch = address(&batch, number, first, &output)?;
                    let batch = match gone.as_deref() {
                        Some(gone) => filter_record_batch(&batch, &still_there(gone, first, rows))?,
                        None => batch,
                    };
                    first += rows;
                    if sender.blocking_send(Ok(batch)).is_err() {
                        // Nobody reads any more: the query ended early.
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        stream.build()
    }
}

fn external(error: crate::error::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Which of `rows` rows from `first` on are not gone.
pub(super) fn still_there(gone: &[bool], first: usize, rows: usize) -> BooleanArray {
    (first..first.saturating_add(rows)).map(|row| Some(!gone.get(row).copied().unwrap_or(false))).collect()
}

fn address(batch: &RecordBatch, file: i32, first: usize, output: &SchemaRef) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let first = i64::try_from(first).unwrap_or(i64::MAX);
    let columns = output.fields().iter().map(|field| -> Result<ArrayRef> {
        Ok(match field.name().as_str() {
            FILE => Arc::new(Int32Array::from_value(file, rows)),
            ROW => Arc::new(Int64Array::from_iter_values((first..).take(rows))),
            name => {
                let column = batch.column_by_name(name);
                let column = column.ok_or_else(|| DataFusionError::Internal(format!("column {name} was not read")))?;
                schema::cast(column, field.data_type(), name).map_err(external)?
            }
        })
    });
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(output.clone(), columns.collect::<Result<_>>()?, &options)?)
}
