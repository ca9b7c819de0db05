//! DRY RUN: what the next run would do with each row, and to the table with it. Writes nothing, moves no offset, makes no table.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::{ExecutionPlanProperties as _, execute_stream};
use futures::StreamExt;
use uuid::Uuid;
use weir_catalog::{Counts, Object, Run, RunKind, RunStatus};
use weir_sql::Argument;
use weir_sql::statements::create_pipeline::Mode;

use super::Arguments;
use super::assemble::{Fixed, Width, assemble};
use super::bind::{Bound, BoundPipeline, bind};
use super::dead_letters;
use super::effect::Effects;
use super::history;
use super::inputs::{self, Frozen, Held};
use super::runner::Runner;
use super::sequence;
use super::target::Target;
use crate::engine::{Engine, Scope, definition};
use crate::error::{Error, Result};
use crate::rules::{Fate, Verdict};
use crate::sources::RejectSink;

/// Rows shown when no LIMIT is given.
const DEFAULT_LIMIT: u64 = 100;

impl Runner {
    /// The first rows of the next run, of each output, with `_verdict` (keep, quarantine, drop, fail, warn), `_failed_rules` and `_effect` on the
    /// table (insert, update, delete, no-op; NULL for a row that does not get there); records that cannot be read or computed come last, with
    /// their error.
    ///
    /// # Errors
    /// As a run would, before its first row.
    pub async fn dry_run(
        &self,
        pipeline: &Object,
        arguments: &[Argument],
        limit: Option<u64>,
        scope: &Scope,
    ) -> Result<(SchemaRef, SendableRecordBatchStream)> {
        let definition = definition::pipeline(pipeline)?;
        let scope = Scope { now: scope.now, ..self.owner_scope(pipeline) };
        let arguments = Arguments { given: arguments.to_vec(), condition: None };
        let values = super::arguments::values(&self.engine, &definition, &arguments, &scope).await?;
        let scope = Scope { named: values.clone(), ..scope };
        let store = Arc::clone(self.engine.store());
        let bound = bind(&self.engine, &definition, &scope, store.as_ref(), values, Some(pipeline.id)).await?;
        let limit = usize::try_from(limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX);
        let inputs = inputs::next(&self.engine, pipeline.id, &bound, false, Held::default()).await?.unwrap_or_default();
        let run = self.imagined_run(pipeline, inputs);
        let schema = self.shown_by(pipeline, &bound, &scope).await?;
        let mut batches = Vec::new();
        for output in &bound.outputs {
            let target = imagined(&self.engine, pipeline, output, &scope).await?;
            let rows = self.dry_output(output, &target, &run, &scope, limit).await?;
            match bound.outputs.len() {
                1 => batches.extend(rows),
                _ => batches.extend(rows.iter().map(|rows| of_output(&schema, &output.label, rows)).collect::<Result<Vec<_>>>()?),
            }
        }
        let stream = MemoryStream::try_new(batches, Arc::clone(&schema), None).map_err(Engine::error)?;
        Ok((schema, Box::pin(stream)))
    }

    /// The first rows of one output, in the columns of [`shown`].
    async fn dry_output(&self, bound: &Bound, target: &Target, run: &Run, scope: &Scope, limit: usize) -> Result<Vec<RecordBatch>> {
        let store = Arc::clone(self.engine.store());
        let schema = shown(&target.columns);
        let rejects = RejectSink::default();
        let frozen = Frozen::open(&self.engine, run, &bound.streams, &rejects, 1).await?;
        let (planned, sequence) = sequence::plan(&self.engine, &bound.output, scope, store.as_ref(), Some(&frozen)).await?;
        let state = Arc::clone(&planned.state);
        let fixed = Fixed { planned, sequence, relations: &frozen, in_place: false };
        let assembled = assemble(&self.engine, scope, fixed, &bound.output, &bound.mode, target, Width { partitions: 1 }).await?;
        debug_assert!(assembled.physical.output_partitioning().partition_count() >= 1);
        let mut rules = assembled.rules()?;
        let mut rows = execute_stream(Arc::clone(&assembled.physical), Arc::clone(&assembled.context)).map_err(Engine::error)?;
        let (mut judgements, mut left) = (Vec::new(), limit);
        while left > 0 {
            let Some(batch) = rows.next().await else { break };
            let batch = batch.map_err(Engine::error)?;
            let batch = batch.slice(0, batch.num_rows().min(left));
            left -= batch.num_rows();
            let verdict = rules.evaluate(&batch).map_err(Engine::error)?;
            let (verdicts, failed) =
                judged(&verdict, batch.num_rows(), |rule| rules.get(rule).map_or_else(String::new, |rule| rule.name.clone()));
            judgements.push((batch, verdicts, failed));
        }
        let seen: Vec<RecordBatch> = judgements.iter().map(|(batch, ..)| batch.clone()).collect();
        let lands = |verdicts: &[&str]| verdicts.iter().map(|verdict| matches!(*verdict, "keep" | "warn")).collect::<Vec<bool>>();
        let landing: Vec<_> = judgements.iter().map(|(batch, verdicts, _)| (batch.clone(), lands(verdicts))).collect();
        let effects = match bound.mode {
            Mode::ScdType2 { .. } => history::effects(bound, target, &landing, run.created_at).await?,
            _ => {
                let mut effects = Effects::of(bound, target, &seen, &state).await?;
                landing.iter().map(|(batch, lands)| effects.predict(batch, lands)).collect::<Result<_>>()?
            }
        };
        let mut batches = Vec::new();
        for ((batch, verdicts, failed), effects) in judgements.into_iter().zip(effects) {
            let columns: Vec<ArrayRef> = batch.columns().iter().take(target.columns.len()).cloned().collect();
            batches.push(labelled(&schema, columns, verdicts, failed, effects)?);
        }
        let refused: Vec<String> = rejects
            .drain()
            .into_iter()
            .map(|refused| format!("{} ({}:{}): {}", refused.reject.rule, refused.source, refused.reject.position, refused.reject.error))
            .chain(assembled.isolated.drain().into_iter().map(|refused| {
                let place = refused.source.map_or_else(String::new, |source| format!(" ({source}:{})", refused.position.unwrap_or(0)));
                format!("transform{place}: {}", refused.error)
            }))
            .take(left)
            .collect();
        if !refused.is_empty() {
            let nulls = target.columns.iter().map(|column| arrow::array::new_null_array(column.data_type(), refused.len())).collect();
            let failed = refused.into_iter().map(|text| vec![text]).collect::<Vec<_>>();
            let (verdicts, effects) = (vec!["quarantine"; failed.len()], vec![None; failed.len()]);
            batches.push(labelled(&schema, nulls, verdicts, failed, effects)?);
        }
        Ok(batches)
    }

    /// Columns of a dry run: those of the only target, or of several outputs the row as JSON; then the verdict.
    async fn shown_by(&self, pipeline: &Object, bound: &BoundPipeline, scope: &Scope) -> Result<SchemaRef> {
        match bound.outputs.as_slice() {
            [only] => Ok(shown(&imagined(&self.engine, pipeline, only, scope).await?.columns)),
            _ => {
                let record =
                    Field::new("_record", DataType::Utf8, true).with_metadata([("weir.type".to_owned(), "jsonb".to_owned())].into());
                Ok(shown(&[Arc::new(Field::new("_output", DataType::Utf8, true)), Arc::new(record)]))
            }
        }
    }

    /// Columns of a dry run, without reading a row.
    ///
    /// # Errors
    /// As [`Runner::dry_run`].
    pub async fn dry_run_columns(&self, pipeline: &Object) -> Result<SchemaRef> {
        let definition = definition::pipeline(pipeline)?;
        let scope = self.owner_scope(pipeline);
        let store = Arc::clone(self.engine.store());
        let bound =
            bind(&self.engine, &definition, &scope, store.as_ref(), super::check::placeholders(&definition)?, Some(pipeline.id)).await?;
        self.shown_by(pipeline, &bound, &scope).await
    }

    fn imagined_run(&self, pipeline: &Object, inputs: Vec<weir_catalog::RunInput>) -> Run {
        let now = self.clock.now();
        Run {
            run_id: Uuid::nil(),
            pipeline_id: pipeline.id,
            pipeline: pipeline.full_name(),
            pipeline_version: pipeline.version,
            kind: RunKind::DryRun,
            trigger: "DRY RUN".to_owned(),
            params: serde_json::Value::Null,
            status: RunStatus::Running,
            attempt: 1,
            batch: 0,
            created_at: now,
            started_at: None,
            ended_at: None,
            counts: Counts::default(),
            error: None,
            sqlstate: None,
            requested_by: pipeline.owner.clone(),
            inputs,
        }
    }
}

/// The target as it is. A pipeline's target is made with it, so this finds one; nothing is changed.
async fn imagined(engine: &Arc<Engine>, pipeline: &Object, bound: &Bound, scope: &Scope) -> Result<Target> {
    super::target::ensure(engine, pipeline, bound, scope).await
}

/// Rows of one of several outputs in the columns that all of them have.
fn of_output(schema: &SchemaRef, output: &str, rows: &RecordBatch) -> Result<RecordBatch> {
    let odd = |error| Error::internal("a dry run's rows do not fit").caused_by(error);
    let own = rows.num_columns().saturating_sub(3);
    let columns: Vec<usize> = (0..own).collect();
    let records: StringArray = dead_letters::records(&rows.project(&columns).map_err(odd)?).into_iter().collect();
    let outputs: StringArray = std::iter::repeat_n(Some(output), rows.num_rows()).collect();
    let verdicts = rows.columns().iter().skip(own).cloned();
    let columns = [Arc::new(outputs) as ArrayRef, Arc::new(records)].into_iter().chain(verdicts).collect();
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(odd)
}

fn shown(columns: &[FieldRef]) -> SchemaRef {
    let mut fields: Vec<FieldRef> = columns.iter().map(|column| Arc::new(column.as_ref().clone().with_nullable(true))).collect();
    fields.push(Arc::new(Field::new("_verdict", DataType::Utf8, false)));
    fields.push(Arc::new(Field::new("_failed_rules", DataType::List(Arc::new(Field::new("element", DataType::Utf8, true))), false)));
    fields.push(Arc::new(Field::new("_effect", DataType::Utf8, true)));
    Arc::new(Schema::new(fields))
}

fn judged(verdict: &Verdict, rows: usize, name: impl Fn(usize) -> String) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let mut words = Vec::with_capacity(rows);
    let mut failed = Vec::with_capacity(rows);
    for row in 0..rows {
        let names: Vec<String> = verdict
            .broken_by(row)
            .map(|(rule, error)| error.map_or_else(|| name(rule), |error| format!("{}: {error}", name(rule))))
            .collect();
        words.push(match verdict.fate(row) {
            Fate::Keep if names.is_empty() => "keep",
            Fate::Keep => "warn",
            Fate::Drop => "drop",
            Fate::Quarantine => "quarantine",
            Fate::Fail => "fail",
        });
        failed.push(names);
    }
    (words, failed)
}

fn labelled(
    schema: &SchemaRef,
    mut columns: Vec<ArrayRef>,
    verdicts: Vec<&'static str>,
    failed: Vec<Vec<String>>,
    effects: Vec<Option<&'static str>>,
) -> Result<RecordBatch> {
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(Arc::new(Field::new("element", DataType::Utf8, true)));
    for names in failed {
        names.iter().for_each(|name| lists.values().append_value(name));
        lists.append(true);
    }
    columns.push(Arc::new(StringArray::from(verdicts)));
    columns.push(Arc::new(lists.finish()));
    columns.push(Arc::new(StringArray::from(effects)));
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| Error::internal("a dry run's rows do not fit").caused_by(error))
}
