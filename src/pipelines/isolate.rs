//! Projections and filters in which a row that cannot be computed costs only itself.
//!
//! After planning, every projection and filter whose rows still know their provenance is replaced by a node that evaluates the batch as
//! a whole and, only when that fails, cuts it down to the guilty rows. Those become rejects of stage `transform`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::JoinType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result as DfResult;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties, ReplaceChildrenOptions,
};
use futures::{Stream, StreamExt};
use parking_lot::Mutex;

use super::carry::{CARRIED_POSITION, CARRIED_SOURCE};
use super::in_turn::IN_TURN;
use super::stream_table::STREAM_SCAN;
use crate::rules::evaluate_rows;

/// A row that the query could not compute.
#[derive(Debug, Clone)]
pub(super) struct TransformReject {
    /// What the failing step had of the row, one row.
    pub(super) row: RecordBatch,
    pub(super) error: String,
    pub(super) source: Option<String>,
    pub(super) position: Option<i64>,
}

/// What the isolating steps of one execution found.
#[derive(Debug, Default)]
pub(super) struct Isolated {
    rejects: Mutex<Vec<TransformReject>>,
    filtered: AtomicI64,
}

impl Isolated {
    pub(super) fn drain(&self) -> Vec<TransformReject> {
        std::mem::take(&mut *self.rejects.lock())
    }

    /// Rows that a WHERE left out.
    pub(super) fn filtered(&self) -> i64 {
        self.filtered.load(Ordering::Relaxed)
    }
}

/// Replaces the steps of a finished physical plan.
pub(super) fn isolate(plan: Arc<dyn ExecutionPlan>, found: &Arc<Isolated>) -> DfResult<Arc<dyn ExecutionPlan>> {
    let new = plan.transform_up(|node| {
        if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
            if traced(&projection.input().schema()) {
                let exprs = projection.expr().iter().map(|e| Arc::clone(&e.expr)).collect();
                let step = Step::Project(exprs);
                return Ok(Transformed::yes(IsolatingExec::build(step, Arc::clone(projection.input()), node.schema(), found)));
            }
            return Ok(Transformed::no(node));
        }
        if let Some(filter) = node.downcast_ref::<FilterExec>() {
            if filter.fetch().is_none() && traced(&filter.input().schema()) {
                let kept = filter.projection().as_ref().map(|projection| projection.to_vec());
                let step = Step::Filter { predicate: Arc::clone(filter.predicate()), kept };
                return Ok(Transformed::yes(IsolatingExec::build(step, Arc::clone(filter.input()), node.schema(), found)));
            }
            return Ok(Transformed::no(node));
        }
        Ok(Transformed::no(node))
    })?;
    Ok(new.data)
}

fn traced(schema: &SchemaRef) -> bool {
    schema.column_with_name(CARRIED_SOURCE).is_some() && schema.column_with_name(CARRIED_POSITION).is_some()
}

/// Whether every record of the stream is accounted for: it becomes one row of the result, a reject, or is counted as filtered.
///
/// Joins, aggregates and limits of the user's query drop and multiply rows as they are meant to; then only parts of the sum can be checked.
pub(super) fn accounts_for_all(plan: &Arc<dyn ExecutionPlan>) -> bool {
    const FAITHFUL: &[&str] = &[
        "IsolatingExec",
        IN_TURN,
        "RepartitionExec",
        "CoalescePartitionsExec",
        "CoalesceBatchesExec",
        "SortExec",
        "SortPreservingMergeExec",
        "CooperativeExec",
        "WindowAggExec",
        "BoundedWindowAggExec",
        "UnionExec",
    ];
    if plan.name() == STREAM_SCAN {
        return true;
    }
    let children = plan.children();
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        let marks = join.left().schema().fields().iter().any(|field| field.name().starts_with("__weir_mark"));
        return marks && *join.join_type() == JoinType::Right && accounts_for_all(join.right());
    }
    FAITHFUL.contains(&plan.name()) && plan.fetch().is_none() && children.into_iter().all(accounts_for_all)
}

#[derive(Debug, Clone)]
enum Step {
    Project(Vec<Arc<dyn PhysicalExpr>>),
    Filter { predicate: Arc<dyn PhysicalExpr>, kept: Option<Vec<usize>> },
}

#[derive(Debug)]
struct IsolatingExec {
    step: Step,
    input: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    found: Arc<Isolated>,
}

impl IsolatingExec {
    fn build(step: Step, input: Arc<dyn ExecutionPlan>, schema: SchemaRef, found: &Arc<Isolated>) -> Arc<dyn ExecutionPlan> {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            datafusion::physical_expr::Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            input.pipeline_behavior(),
            input.boundedness(),
        ));
        Arc::new(Self { step, input, schema, properties, found: Arc::clone(found) })
    }
}

impl DisplayAs for IsolatingExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            Step::Project(exprs) => {
                let exprs: Vec<String> = exprs.iter().map(ToString::to_string).collect();
                write!(f, "IsolatingExec: project=[{}]", exprs.join(", "))
            }
            Step::Filter { predicate, .. } => write!(f, "IsolatingExec: filter={predicate}"),
        }
    }
}

impl ExecutionPlan for IsolatingExec {
    fn name(&self) -> &'static str {
        "IsolatingExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(&self, f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>) -> DfResult<TreeNodeRecursion> {
        let exprs: Vec<&Arc<dyn PhysicalExpr>> = match &self.step {
            Step::Project(exprs) => exprs.iter().collect(),
            Step::Filter { predicate, .. } => vec![predicate],
        };
        for expr in exprs {
            if f(expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let input = children.into_iter().next().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Self::build(self.step.clone(), input, Arc::clone(&self.schema), &self.found))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let (step, schema, found) = (self.step.clone(), Arc::clone(&self.schema), Arc::clone(&self.found));
        let rows = input.map(move |batch| step.apply(&batch?, &schema, &found));
        Ok(Box::pin(Steps { schema: Arc::clone(&self.schema), rows: Box::pin(rows) }))
    }
}

struct Steps {
    schema: SchemaRef,
    rows: std::pin::Pin<Box<dyn Stream<Item = DfResult<RecordBatch>> + Send>>,
}

impl Stream for Steps {
    type Item = DfResult<RecordBatch>;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Self::Item>> {
        self.rows.as_mut().poll_next(cx)
    }
}

impl RecordBatchStream for Steps {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Step {
    fn apply(&self, batch: &RecordBatch, schema: &SchemaRef, found: &Isolated) -> DfResult<RecordBatch> {
        match self {
            Step::Project(exprs) => {
                let mut columns = Vec::with_capacity(exprs.len());
                let mut failed: Vec<(usize, String)> = Vec::new();
                for expr in exprs {
                    let (values, errors) = evaluate_rows(expr, batch)?;
                    columns.push(values);
                    for (row, error) in errors {
                        if !failed.iter().any(|(known, _)| *known == row) {
                            failed.push((row, error));
                        }
                    }
                }
                let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                if failed.is_empty() {
                    return Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?);
                }
                // A failed row may hold a NULL where none is allowed: take it out before the schema is checked.
                let keep = refuse(batch, &failed, found);
                let columns = columns.iter().map(|column| arrow::compute::filter(column, &keep)).collect::<Result<Vec<_>, _>>()?;
                let options = options.with_row_count(Some(keep.true_count()));
                Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
            }
            Step::Filter { predicate, kept } => {
                let (values, failed) = evaluate_rows(predicate, batch)?;
                let values = match values.data_type() {
                    DataType::Boolean => values,
                    _ => cast(&values, &DataType::Boolean)?,
                };
                let passes = values.as_boolean();
                if !failed.is_empty() {
                    refuse(batch, &failed, found);
                }
                let filtered = batch.num_rows() - passes.true_count() - failed.len();
                found.filtered.fetch_add(i64::try_from(filtered).unwrap_or(i64::MAX), Ordering::Relaxed);
                let rows = match kept {
                    Some(columns) => batch.project(columns)?,
                    None => batch.clone(),
                };
                Ok(filter_record_batch(&rows, passes)?)
            }
        }
    }
}

/// Puts the failed rows aside; the mask of the others.
fn refuse(batch: &RecordBatch, failed: &[(usize, String)], found: &Isolated) -> BooleanArray {
    let mut rejects = found.rejects.lock();
    let mut keep = vec![true; batch.num_rows()];
    for (row, error) in failed {
        if let Some(flag) = keep.get_mut(*row) {
            *flag = false;
        }
        let one = batch.slice(*row, 1);
        let (source, position) = provenance(&one, 0);
        rejects.push(TransformReject { row: compact(&one), error: error.clone(), source, position });
    }
    BooleanArray::from(keep)
}

/// A slice keeps its whole batch alive; a reject must not.
fn compact(row: &RecordBatch) -> RecordBatch {
    let first = arrow::array::UInt32Array::from(vec![0]);
    arrow::compute::take_record_batch(row, &first).unwrap_or_else(|_| row.clone())
}

/// Where each row came from.
pub(super) fn provenances(rows: &RecordBatch) -> DfResult<Vec<(Option<String>, Option<i64>)>> {
    let sources = rows.column_by_name(CARRIED_SOURCE).map(|column| cast(column, &DataType::Utf8)).transpose()?;
    let sources = sources.as_ref().and_then(|column| column.as_string_opt::<i32>());
    let positions = rows.column_by_name(CARRIED_POSITION).and_then(|column| column.as_primitive_opt::<Int64Type>());
    let of = |row| {
        let source = sources.filter(|sources| sources.is_valid(row)).map(|sources| sources.value(row).to_owned());
        (source, positions.filter(|positions| positions.is_valid(row)).map(|positions| positions.value(row)))
    };
    Ok((0..rows.num_rows()).map(of).collect())
}

/// Where a row came from.
pub(super) fn provenance(batch: &RecordBatch, row: usize) -> (Option<String>, Option<i64>) {
    let source = batch.column_by_name(CARRIED_SOURCE).and_then(|column| {
        let text = cast(&column.slice(row, 1), &DataType::Utf8).ok()?;
        let text = text.as_string_opt::<i32>()?;
        text.is_valid(0).then(|| text.value(0).to_owned())
    });
    let position = batch.column_by_name(CARRIED_POSITION).and_then(|column| {
        let numbers = column.as_primitive_opt::<Int64Type>()?;
        numbers.is_valid(row).then(|| numbers.value(row))
    });
    (source, position)
}
