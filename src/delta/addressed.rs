//! The rows of a version with their addresses: which file, which row of it.
//!
//! DELETE and UPDATE are planned as queries over this relation, so conditions with subqueries mean what they mean in a SELECT, and a
//! condition that is lost on the way could only ever select rows, never drop the question.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
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

/// Number of the file among those given.
pub(super) const FILE: &str = "_weir_file";
/// Row of the file, from zero.
pub(super) const ROW: &str = "_weir_row";

/// A relation of the table's columns plus `FILE` and `ROW`.
#[derive(Debug)]
pub(super) struct Addressed {
    schema: SchemaRef,
    columns: SchemaRef,
    files: Vec<(DataFile, Option<FileStats>)>,
}

impl Addressed {
    pub(super) fn new(columns: &SchemaRef, files: Vec<(DataFile, Option<FileStats>)>) -> Self {
        let mut fields = columns.fields().to_vec();
        fields.push(Arc::new(Field::new(FILE, DataType::Int32, false)));
        fields.push(Arc::new(Field::new(ROW, DataType::Int64, false)));
        Self { schema: Arc::new(Schema::new(fields)), columns: columns.clone(), files }
    }
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
        let read: Vec<_> = self.columns.fields().iter().filter(|field| output.field_with_name(field.name()).is_ok()).cloned().collect();
        let read = Arc::new(Schema::new(read));
        let may_match = may_match(state, &self.columns, &self.files, filters);
        let files: Vec<(i32, &DataFile)> =
            (0_i32..).zip(&self.files).zip(may_match).filter(|(_, may)| *may).map(|((number, (file, _)), _)| (number, file)).collect();
        let lanes = state.config().target_partitions().clamp(1, files.len().max(1));
        let mut parts: Vec<Vec<(i32, DataFile)>> = vec![Vec::new(); lanes];
        for ((number, file), lane) in files.into_iter().zip((0..lanes).cycle()) {
            if let Some(part) = parts.get_mut(lane) {
                part.push((number, file.clone()));
            }
        }
        let partitions = parts.into_iter().map(|files| {
            let part: Arc<dyn PartitionStream> = Arc::new(Part { output: output.clone(), read: read.clone(), files });
            part
        });
        Ok(Arc::new(StreamingTableExec::try_new(output.clone(), partitions.collect(), None, [], false, None)?))
    }
}

#[derive(Debug)]
struct Part {
    output: SchemaRef,
    read: SchemaRef,
    files: Vec<(i32, DataFile)>,
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
            for (number, file) in files {
                let mut first = 0_i64;
                for batch in file.read(&read).map_err(external)? {
                    let batch = batch.map_err(external)?;
                    let rows = i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
                    let batch = address(&batch, number, first, &output)?;
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

fn address(batch: &RecordBatch, file: i32, first: i64, output: &SchemaRef) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let columns = output.fields().iter().map(|field| -> Result<ArrayRef> {
        Ok(match field.name().as_str() {
            FILE => Arc::new(Int32Array::from_value(file, rows)),
            ROW => Arc::new(Int64Array::from_iter_values((first..).take(rows))),
            name => batch.column_by_name(name).cloned().ok_or_else(|| DataFusionError::Internal(format!("column {name} was not read")))?,
        })
    });
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(output.clone(), columns.collect::<Result<_>>()?, &options)?)
}
