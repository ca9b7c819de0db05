//! The one pass over a run's rows: each row goes to the table, to the dead letters, or is dropped, and every one is counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray, TimestampMicrosecondArray, UInt32Array, new_null_array};
use arrow::compute::{cast, filter_record_batch, take_record_batch};
use arrow::datatypes::{DataType, FieldRef, Int32Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex as SyncMutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;
use weir_catalog::Counts;
use weir_sql::statements::create_pipeline::RejectLimit;

use super::assemble::{Assembled, DELETE_COLUMN};
use super::carry::{CARRIED_POSITION, CARRIED_SOURCE};
use super::dead_letters::{DeadLetter, DeadLetterWriter, Stage, record, records};
use super::drift::{Misfits, SAMPLES};
use super::fan::Tap;
use super::gate::Gates;
use super::isolate::{accounts_for_all, provenances};
use super::replay::Places;
use super::sequence::SEQUENCE_COLUMN;
use super::target::{INGESTED_COLUMN, RUN_COLUMN, Target};
use crate::clock::Micros;
use crate::engine::Engine;
use crate::error::{Code, Error, Result};
use crate::rules::{CompiledRule, Fate, RuleSet, Verdict};
use crate::sources::{POSITION_COLUMN, RawRecord, RejectSink, SOURCE_COLUMN, SourceReject};

/// How one rule did over a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RuleCount {
    pub(super) rule: String,
    pub(super) action: String,
    pub(super) checked: i64,
    pub(super) failed: i64,
}

/// What a pass must know besides the plan.
pub(super) struct Setting {
    pub(super) run_id: Uuid,
    pub(super) ingested_at: Micros,
    pub(super) reject_limit: Option<RejectLimit>,
    pub(super) rejects: RejectSink,
    pub(super) cancel: CancellationToken,
    pub(super) target: Target,
    pub(super) letters: Mutex<DeadLetterWriter>,
    /// What the rows of a replay came from.
    pub(super) places: Option<Places>,
    /// Where the outputs of its step wait for each other.
    pub(super) gates: Arc<Gates>,
    /// Of the stream that it may share with them.
    pub(super) tap: Option<Arc<Tap>>,
}

/// Counts as they grow; shared by the workers of a pass.
#[derive(Default)]
struct Tally {
    written: AtomicI64,
    quarantined: AtomicI64,
    dropped: AtomicI64,
    emitted: AtomicI64,
    rules: SyncMutex<BTreeMap<usize, RuleCount>>,
    misfits: SyncMutex<Misfits>,
}

pub(super) struct Pass {
    pub(super) assembled: Assembled,
    pub(super) setting: Setting,
    tally: Tally,
    /// Columns handed to the writer.
    written: SchemaRef,
    /// What runs.
    plan: Arc<dyn ExecutionPlan>,
    /// Ends the watch over the cancel.
    _watch: DropGuard,
}

impl Pass {
    pub(super) fn new(assembled: Assembled, setting: Setting) -> Result<Arc<Self>> {
        let mut fields: Vec<FieldRef> = setting.target.written().fields().iter().cloned().collect();
        for field in &mut fields {
            if matches!(field.name().as_str(), RUN_COLUMN | SOURCE_COLUMN) && *field.data_type() == DataType::Utf8 {
                let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                *field = Arc::new(field.as_ref().clone().with_data_type(dictionary));
            }
        }
        if let Some((_, field)) = assembled.schema.fields().find(DELETE_COLUMN) {
            fields.push(Arc::clone(field));
        }
        let (plan, abandoned) = Engine::paced(Arc::clone(&assembled.physical))?;
        let (over, cancelled) = (CancellationToken::new(), setting.cancel.clone());
        let watch = over.clone().drop_guard();
        // Where the plan is busy inside one call, nobody asks it for rows who could see the cancel.
        tokio::spawn(async move {
            tokio::select! {
                () = cancelled.cancelled() => abandoned.set(),
                () = over.cancelled() => {}
            }
        });
        Ok(Arc::new(Self { assembled, setting, tally: Tally::default(), written: Arc::new(Schema::new(fields)), plan, _watch: watch }))
    }

    /// Columns of the good rows.
    pub(super) fn written(&self) -> SchemaRef {
        Arc::clone(&self.written)
    }

    pub(super) fn partitions(&self) -> usize {
        use datafusion::physical_plan::ExecutionPlanProperties as _;
        self.assembled.physical.output_partitioning().partition_count()
    }

    /// The good rows of one partition, as the table takes them. Everything else is put away as they pass.
    pub(super) fn rows(self: &Arc<Self>, partition: usize) -> Result<impl futures::Stream<Item = Result<RecordBatch>> + Send + use<>> {
        let context = Arc::clone(&self.assembled.context);
        let input: SendableRecordBatchStream = self.plan.execute(partition, context).map_err(Engine::error)?;
        let rules = self.assembled.rules()?;
        let pass = Arc::clone(self);
        let state = (input, rules, pass, false);
        Ok(futures::stream::try_unfold(state, |(mut input, mut rules, pass, done)| async move {
            if done {
                return Ok(None);
            }
            loop {
                let next = tokio::select! {
                    biased;
                    () = pass.setting.cancel.cancelled() => return Err(Error::new(Code::Cancelled, "canceling run due to user request")),
                    next = input.next() => next,
                };
                match next {
                    Some(batch) => {
                        let batch = batch.map_err(Engine::error)?;
                        if let Some(good) = pass.split(&batch, &mut rules).await? {
                            return Ok(Some((good, (input, rules, pass, false))));
                        }
                    }
                    None => {
                        pass.collect_rejects().await?;
                        pass.add_rules(&rules);
                        return Ok(None);
                    }
                }
            }
        })
        .try_filter(|batch| std::future::ready(batch.num_rows() > 0)))
    }

    async fn split(&self, batch: &RecordBatch, rules: &mut RuleSet) -> Result<Option<RecordBatch>> {
        count(&self.tally.emitted, batch.num_rows());
        let verdict = rules.evaluate(batch).map_err(Engine::error)?;
        self.put_away(batch, &verdict, rules).await?;
        let good = match verdict.keep() {
            None => Some(batch.clone()),
            Some(keep) if keep.true_count() == 0 => None,
            Some(keep) => Some(filter_record_batch(batch, &keep).map_err(arrow_failed)?),
        };
        self.collect_rejects().await?;
        self.check_reject_rows()?;
        let Some(good) = good else { return Ok(None) };
        count(&self.tally.written, good.num_rows());
        self.shaped(&good).map(Some)
    }

    /// Target columns, then provenance and the moment, then the delete mark.
    fn shaped(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let mut columns: Vec<ArrayRef> = batch.columns().iter().take(self.assembled.own).cloned().collect();
        for field in self.written.fields().iter().skip(self.assembled.own) {
            let carried = |name: &str| batch.column_by_name(name).cloned();
            let column: ArrayRef = match field.name().as_str() {
                RUN_COLUMN => constant(&self.setting.run_id.to_string(), rows)?,
                INGESTED_COLUMN | SEQUENCE_COLUMN => {
                    Arc::new(TimestampMicrosecondArray::from(vec![self.setting.ingested_at; rows]).with_timezone("UTC"))
                }
                SOURCE_COLUMN => carried(CARRIED_SOURCE).unwrap_or_else(|| new_null_array(field.data_type(), rows)),
                POSITION_COLUMN => {
                    let position = carried(CARRIED_POSITION).unwrap_or_else(|| new_null_array(field.data_type(), rows));
                    self.setting.places.as_ref().map_or_else(|| Ok(Arc::clone(&position)), |places| places.told(&position))?
                }
                other => carried(other).ok_or_else(|| Error::internal(format!("column \"{other}\" is missing from a run's rows")))?,
            };
            let column =
                if column.data_type() == field.data_type() { column } else { cast(&column, field.data_type()).map_err(arrow_failed)? };
            columns.push(column);
        }
        RecordBatch::try_new(Arc::clone(&self.written), columns).map_err(arrow_failed)
    }

    /// Rows that a rule keeps from the table: to the dead letters, or counted as dropped. FAIL ends the run.
    async fn put_away(&self, batch: &RecordBatch, verdict: &Verdict, rules: &RuleSet) -> Result<()> {
        count(&self.tally.dropped, verdict.dropped());
        let picked = verdict.letters();
        if picked.is_empty() {
            return Ok(());
        }
        let numbers: UInt32Array = picked.iter().map(|row| u32::try_from(*row).ok()).collect();
        let rows = take_record_batch(batch, &numbers).map_err(arrow_failed)?;
        let records = records(&rows.project(&self.assembled.recorded).map_err(arrow_failed)?);
        let places = provenances(&rows).map_err(Engine::error)?;
        let mut letters = Vec::with_capacity(picked.len());
        for ((row, record), place) in picked.into_iter().zip(records).zip(places) {
            let letter = self.placed(letter(row, record, place, verdict, rules));
            let failed = (verdict.fate(row) == Fate::Fail).then(|| failed_row(&letter, verdict, row, rules));
            letters.push(letter);
            if let Some(error) = failed {
                self.quarantine(letters).await?;
                return Err(error);
            }
        }
        self.quarantine(letters).await
    }

    /// In a replay a row's position says which letter it came from.
    fn placed(&self, letter: DeadLetter) -> DeadLetter {
        match &self.setting.places {
            Some(places) => DeadLetter { position: places.position(letter.position), again: places.letter(letter.position), ..letter },
            None => letter,
        }
    }

    async fn quarantine(&self, letters: Vec<DeadLetter>) -> Result<()> {
        if letters.is_empty() {
            return Ok(());
        }
        count(&self.tally.quarantined, letters.len());
        self.setting.letters.lock().await.add(letters).await
    }

    /// Records that never became rows, and rows that the query could not compute.
    async fn collect_rejects(&self) -> Result<()> {
        let refused = self.setting.rejects.drain();
        self.sample(&refused);
        let refused = refused.into_iter().map(|refused| {
            let reject = refused.reject;
            self.placed(DeadLetter {
                stage: Stage::Decode,
                rules: vec![reject.rule],
                error: reject.error,
                record: None,
                raw: Some(reject.raw),
                source: Some(refused.source),
                position: Some(reject.position),
                again: None,
            })
        });
        self.quarantine(refused.collect()).await?;
        let refused = self.assembled.isolated.drain().into_iter().map(|refused| {
            self.placed(DeadLetter {
                stage: Stage::Transform,
                rules: vec!["transform".to_owned()],
                error: refused.error,
                record: record(&refused.row),
                raw: None,
                source: refused.source,
                position: refused.position,
                again: None,
            })
        });
        self.quarantine(refused.collect()).await
    }

    /// Keeps some of the records that did not fit their source's columns.
    fn sample(&self, refused: &[SourceReject]) {
        let of_columns = |refused: &&SourceReject| refused.reject.rule.starts_with("type:") || refused.reject.rule.starts_with("not_null:");
        for SourceReject { source, reject } in refused.iter().filter(of_columns) {
            let mut misfits = self.tally.misfits.lock();
            let kept = misfits.entry(reject.rule.clone()).or_default();
            if kept.len() < SAMPLES {
                let places = self.setting.places.as_ref();
                let position = places.map_or(Some(reject.position), |places| places.position(Some(reject.position))).unwrap_or(0);
                kept.push(RawRecord { raw: reject.raw.clone(), source: source.clone(), position });
            }
        }
    }

    pub(super) fn misfits(&self) -> Misfits {
        self.tally.misfits.lock().clone()
    }

    fn add_rules(&self, rules: &RuleSet) {
        let mut all = self.tally.rules.lock();
        for (at, (rule, failed)) in rules.rules().iter().zip(rules.failed()).enumerate() {
            let action = format!("{:?}", rule.action).to_uppercase();
            let known = all.entry(at).or_insert_with(|| RuleCount { rule: rule.name.clone(), action, checked: 0, failed: 0 });
            known.checked += rules.checked();
            known.failed += failed;
        }
    }

    /// Its rows have ended: the others need not wait for what it left unread.
    pub(super) fn is_read(&self) {
        if let Some(tap) = &self.setting.tap {
            tap.close();
        }
    }

    fn rejected(&self) -> i64 {
        self.tally.quarantined.load(Ordering::Relaxed) + self.tally.dropped.load(Ordering::Relaxed)
    }

    fn check_reject_rows(&self) -> Result<()> {
        match self.setting.reject_limit {
            Some(RejectLimit::Rows(limit)) if self.rejected() > i64::try_from(limit).unwrap_or(i64::MAX) => {
                Err(self.over_limit(&format!("{limit} rows")))
            }
            _ => Ok(()),
        }
    }

    /// The share is known only at the end.
    pub(super) fn check_reject_percent(&self) -> Result<()> {
        let read = self.counts().read;
        match self.setting.reject_limit {
            Some(RejectLimit::Percent(limit)) if read > 0 && share(self.rejected(), read) > limit => {
                Err(self.over_limit(&format!("{limit} percent")))
            }
            _ => Ok(()),
        }
    }

    fn over_limit(&self, limit: &str) -> Error {
        Error::new(Code::RejectLimit, format!("more records were rejected than REJECT LIMIT {limit} allows"))
            .detail(format!(
                "{} of {} records read so far were rejected.",
                self.rejected(),
                self.setting.rejects.read().max(self.rejected())
            ))
            .hint("See hub.dead_letters for the reasons. Nothing of this run was written; offsets did not move.".to_owned())
    }

    pub(super) fn rule_counts(&self) -> Vec<RuleCount> {
        self.tally.rules.lock().values().cloned().collect()
    }

    /// What became of the records so far. `duplicates` is known only after the write.
    pub(super) fn counts(&self) -> Counts {
        let load = |counter: &AtomicI64| counter.load(Ordering::Relaxed);
        let read = match accounts_for_all(&self.assembled.physical) {
            true => self.setting.rejects.read(),
            // Without a stream, or through joins and aggregates, the query's own rows are what is read.
            false => self.setting.rejects.read().max(load(&self.tally.emitted)),
        };
        let (written, quarantined, dropped) = (load(&self.tally.written), load(&self.tally.quarantined), load(&self.tally.dropped));
        let filtered = match accounts_for_all(&self.assembled.physical) {
            true => self.assembled.isolated.filtered(),
            false => read - written - quarantined - dropped,
        };
        Counts { read, written, quarantined, dropped, duplicates: 0, filtered }
    }
}

/// Checks that nothing was lost and nothing came from nowhere.
///
/// # Errors
/// `Internal`: the run must not land.
pub(super) fn conserve(counts: &Counts) -> Result<()> {
    let sum = counts.written + counts.quarantined + counts.dropped + counts.duplicates + counts.filtered;
    if counts.read == sum {
        return Ok(());
    }
    Err(Error::internal(format!("{} records were read, but {sum} are accounted for", counts.read)).detail(format!("{counts:?}")))
}

/// What is kept of a row that broke rules.
fn letter(
    row: usize,
    record: Option<String>,
    (source, position): (Option<String>, Option<i64>),
    verdict: &Verdict,
    rules: &RuleSet,
) -> DeadLetter {
    let mut broken: Vec<(&CompiledRule, Option<&str>)> =
        verdict.broken_by(row).filter_map(|(rule, error)| Some((rules.get(rule)?, error))).collect();
    // The rule that decided comes first.
    broken.sort_by_key(|(rule, _)| std::cmp::Reverse(Fate::of(rule.action)));
    let mut error = String::new();
    for (rule, failure) in &broken {
        if !error.is_empty() {
            error.push_str("; ");
        }
        match failure {
            Some(failure) => error.extend([rule.demand.as_str(), ": ", failure]),
            None => error.push_str(&rule.reason),
        }
    }
    let rules = broken.into_iter().map(|(rule, _)| rule.name.clone()).collect();
    DeadLetter { stage: Stage::Validate, rules, error, record, raw: None, source, position, again: None }
}

fn failed_row(letter: &DeadLetter, verdict: &Verdict, row: usize, rules: &RuleSet) -> Error {
    let failing = verdict.broken_by(row).filter_map(|(rule, _)| rules.get(rule)).find(|rule| Fate::of(rule.action) == Fate::Fail);
    let (code, name) = failing.map_or((Code::CheckViolated, ""), |rule| (rule.code, rule.name.as_str()));
    let place = match (&letter.source, letter.position) {
        (Some(source), Some(position)) => format!(" at {source}:{position}"),
        _ => String::new(),
    };
    Error::new(code, format!("a record{place} violates rule \"{name}\""))
        .detail(letter.error.clone())
        .hint("The rule says ON VIOLATION FAIL: nothing of this run was written. Correct the data, or change the rule.".to_owned())
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
fn share(part: i64, whole: i64) -> f64 {
    part as f64 * 100.0 / whole as f64
}

fn count(counter: &AtomicI64, rows: usize) {
    counter.fetch_add(i64::try_from(rows).unwrap_or(i64::MAX), Ordering::Relaxed);
}

/// One value for every row, stored once.
fn constant(value: &str, rows: usize) -> Result<ArrayRef> {
    let keys = Int32Array::from(vec![0; rows]);
    let values = Arc::new(StringArray::from(vec![value]));
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values).map_err(arrow_failed)?))
}

fn arrow_failed(error: arrow::error::ArrowError) -> Error {
    Error::internal("a batch could not be taken apart").caused_by(error)
}
