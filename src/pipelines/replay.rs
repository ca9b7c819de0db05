//! Puts repaired dead letters back: each enters again at the stage where it failed, under today's definition.
//!
//! A replay is an ordinary run whose input is a set of dead letters at a version of their table. The letters change state in one commit
//! before the rows land, with the same batch number, so a repeat does nothing.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder, StringDictionaryBuilder,
};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;
use futures::TryStreamExt;
use serde_json::value::RawValue;
use uuid::Uuid;
use weir_catalog::{Input, Kind, Object, Run, RunFilter, RunInput, RunKind, Upload};
use weir_sql::statements::create_pipeline::CreatePipeline;

use super::arguments::{self, Values};
use super::bind::{Sent, bind_sent, label, with_provenance};
use super::dead_letters::{DeadLetter, NAME, Stage, schema};
use super::execute::Attempt;
use super::inputs::{self, Frozen};
use super::reentry::obstacle;
use super::runner::{Order, Runner};
use super::stream_table::StreamTable;
use crate::engine::{Engine, Scope, UPLOAD_ID, catalog_error, reads_upload};
use crate::error::{Code, Error, Result};
use crate::formats::Reject;
use crate::sources::{RawRecord, RejectSink, ScanRequest, SourceReject};

/// Letters of one replay; a larger backlog takes several runs.
const MOST: usize = 50_000;

/// The letters of a replay, with all their columns.
pub(super) struct Replayed {
    pub(super) letters: RecordBatch,
}

/// The letters of a replay that is to be frozen.
#[derive(Default)]
pub(super) struct Chosen {
    pub(super) inputs: Vec<RunInput>,
    /// The newest run that they are from.
    pub(super) newest: Option<Uuid>,
}

/// The open letters of a pipeline that match a condition, as the frozen input of a run; none when there are none.
///
/// Of several outputs, only letters of those that there are; first what was tried least.
pub(super) async fn choose(
    engine: &Arc<Engine>,
    pipeline: &Object,
    definition: &CreatePipeline,
    condition: Option<&weir_sql::Expr>,
    scope: &Scope,
) -> Result<Chosen> {
    let all = definition.outputs();
    let outputs: Vec<String> = all.iter().map(|output| label(output, &all)).collect();
    let object = letters_object(engine)?;
    let table = engine.table(&object).await?;
    let version = table.version().await?;
    let condition = condition.map_or_else(|| "true".to_owned(), |condition| format!("({})", condition.text));
    let text = format!(
        "SELECT id, output, run_id FROM hub.dead_letters VERSION AS OF {version} WHERE pipeline = $weir_pipeline AND status = 'open' AND {condition} ORDER BY attempts LIMIT {MOST}"
    );
    let rows = query(engine, &text, scope, vec![("weir_pipeline".to_owned(), ScalarValue::from(pipeline.full_name()))]).await?;
    let (mut ids, mut newest) = (Vec::new(), None);
    for batch in rows {
        let column = |at: usize| cast(batch.column(at), &DataType::Utf8).map_err(odd);
        let (found, of, runs) = (column(0)?, column(1)?, column(2)?);
        let known = |output: Option<&str>| output.is_some_and(|output| outputs.iter().any(|known| known == output));
        let found = found.as_string::<i32>().iter().zip(of.as_string::<i32>());
        for ((id, output), run) in found.zip(runs.as_string::<i32>()) {
            let Some(id) = id.filter(|_| known(output)) else { continue };
            // Their numbers grow with time.
            newest = newest.max(run.and_then(|run| Uuid::parse_str(run).ok()));
            ids.push(id.to_owned());
        }
    }
    if ids.is_empty() {
        return Ok(Chosen::default());
    }
    let relation = object.full_name();
    let inputs = vec![
        RunInput { relation_id: object.id, relation: relation.clone(), input: Input::Version { version }, schema_version: None },
        RunInput { relation_id: object.id, relation, input: Input::DeadLetters { ids }, schema_version: None },
    ];
    Ok(Chosen { inputs, newest })
}

fn letters_object(engine: &Engine) -> Result<Object> {
    let (schema, name) = NAME;
    let found = engine.store().object(Kind::Table, schema, name).map_err(catalog_error)?;
    found.ok_or_else(|| Error::internal("the table of dead letters is missing"))
}

async fn query(engine: &Arc<Engine>, text: &str, scope: &Scope, named: Vec<(String, ScalarValue)>) -> Result<Vec<RecordBatch>> {
    let query = weir_sql::parse_query(text).map_err(crate::engine::definition::syntax_error)?;
    let scope = Scope { named, positional: Vec::new(), as_of: None, ..scope.clone() };
    let store = Arc::clone(engine.store());
    let planned = engine.plan(&query, &scope, store.as_ref(), None).await?;
    engine.rows(planned).await?.try_collect().await.map_err(Engine::error)
}

impl Runner {
    /// Binds the pipeline and makes the run of its letters; none when there are none.
    pub(super) async fn prepare_replay(
        &self,
        pipeline: &Object,
        definition: &CreatePipeline,
        scope: &Scope,
        values: &Values,
        request: &Order,
    ) -> Result<Option<Run>> {
        // The condition is not the owner's: whoever asks must not see more by it than he may.
        let asked = Scope { rights_of: Some(request.requested_by.clone()), ..scope.clone() };
        let condition = request.arguments.condition.as_ref();
        let Chosen { mut inputs, newest } = choose(&self.engine, pipeline, definition, condition, &asked).await?;
        if inputs.is_empty() {
            return Ok(None);
        }
        let upload = match newest.filter(|_| reads_upload(definition)) {
            // Its file is gone; its columns are what all of them are read with.
            Some(newest) => self.stored(newest)?.into_iter().flat_map(|run| run.inputs).find(|input| input.relation_id == UPLOAD_ID),
            None => None,
        };
        inputs.extend(upload);
        let run = self.new_run(pipeline, request, arguments::json(values), inputs);
        let (store, sent) = (self.engine.store(), Sent::of(&run, self.spool.folder()));
        let bound = bind_sent(&self.engine, definition, scope, store.as_ref(), values.clone(), sent, Some(pipeline.id)).await?;
        let pinned = inputs::pinned(&bound);
        Ok(Some(Run { inputs: run.inputs.iter().cloned().chain(pinned).collect(), ..run }))
    }
}

impl Replayed {
    /// The letters of this output that a run brings back; None when it is not a replay.
    pub(super) async fn read(attempt: &Attempt) -> Result<Option<Self>> {
        if attempt.run.kind != RunKind::Replay {
            return Ok(None);
        }
        let mut version = None;
        let mut wanted = HashSet::new();
        for input in &attempt.run.inputs {
            match &input.input {
                Input::Version { version: at } if input.relation == format!("{}.{}", NAME.0, NAME.1) => {
                    // A rule may look at the letters as well; theirs comes first.
                    version = version.or(Some(*at));
                }
                Input::DeadLetters { ids } => wanted.extend(ids.iter().map(String::as_str)),
                _ => {}
            }
        }
        let version = version.ok_or_else(|| Error::internal("a replay has lost the version of its dead letters"))?;
        // In the order in which they came, as far as it is known: of two with one key the later counts.
        let text = format!(
            "SELECT * FROM hub.dead_letters VERSION AS OF {version} WHERE pipeline = $weir_pipeline ORDER BY run_id, source, source_position"
        );
        let named = vec![("weir_pipeline".to_owned(), ScalarValue::from(attempt.pipeline.full_name()))];
        let shape = schema();
        let mut found = Vec::new();
        for batch in query(&attempt.engine, &text, &attempt.scope, named).await? {
            let columns = shape
                .fields()
                .iter()
                .map(|field| cast(batch.column_by_name(field.name()).ok_or_else(|| lost(field.name()))?, field.data_type()).map_err(odd))
                .collect::<Result<Vec<_>>>()?;
            let batch = RecordBatch::try_new(Arc::clone(&shape), columns).map_err(odd)?;
            let rows = texts(&batch, "id")?.iter().zip(texts(&batch, "output")?);
            let is_own = |output: Option<&str>| output == Some(attempt.bound.label.as_str());
            let keep = rows.map(|(id, output)| Some(id.is_some_and(|id| wanted.contains(id)) && is_own(output))).collect();
            found.push(filter_record_batch(&batch, &keep).map_err(odd)?);
        }
        Ok(Some(Self { letters: concat_batches(&shape, &found).map_err(odd)? }))
    }

    fn of_stage(&self, stage: Stage) -> Result<Vec<usize>> {
        let stages = texts(&self.letters, "stage")?;
        Ok((0..self.letters.num_rows()).filter(|&row| stages.is_valid(row) && Stage::of(stages.value(row)) == Some(stage)).collect())
    }

    /// Puts letters of decoding and transformation in the place of the stream.
    pub(super) async fn substitute(&self, attempt: &Attempt, frozen: &mut Frozen, rejects: &RejectSink) -> Result<()> {
        let (decode, transform) = (self.of_stage(Stage::Decode)?, self.of_stage(Stage::Transform)?);
        if decode.is_empty() && transform.is_empty() {
            return Ok(());
        }
        let [stream] = attempt.bound.streams.as_slice() else {
            return Err(Error::new(Code::NotSupported, "dead letters of a pipeline with several streams cannot be decoded again yet")
                .hint("Replay those of stage 'validate': add WHERE stage = 'validate'.".to_owned()));
        };
        // A letter has no more of a row than the query used of it.
        let columns = stream.columns();
        let columns: Vec<_> = columns.fields().iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true))).collect();
        let columns = Arc::new(Schema::new(columns));
        let shape = with_provenance(&columns);
        let mut batches = Vec::new();
        for (upload, decode) in self.by_upload(attempt, &stream.object, decode)? {
            let raw = self.letters.column_by_name("raw").and_then(|column| column.as_binary_opt::<i32>()).ok_or_else(|| lost("raw"))?;
            let sources = texts(&self.letters, "source")?;
            let records = decode
                .iter()
                .map(|&row| RawRecord {
                    raw: if raw.is_valid(row) { raw.value(row).to_vec() } else { Vec::new() },
                    source: if sources.is_valid(row) { sources.value(row).to_owned() } else { String::new() },
                    position: Places::mark(row),
                })
                .collect();
            let request = ScanRequest { provenance: true, rejects: Some(rejects.clone()), ordered: true, partitions: 1 };
            let table = match upload {
                Some(upload) => attempt.engine.upload(&stream.object, &upload, Path::new("")).await?.decode_again(records, request).await?,
                None => stream.source.decode_again(records, request).await?,
            };
            let state = attempt.engine.state(&attempt.scope);
            let scan: Arc<dyn ExecutionPlan> = table.scan(&state, None, &[], None).await.map_err(Engine::error)?;
            let rows = datafusion::physical_plan::execute_stream(scan, Engine::context(&state)).map_err(Engine::error)?;
            batches.extend(rows.try_collect::<Vec<_>>().await.map_err(Engine::error)?);
        }
        if !transform.is_empty() {
            let needed = needed_columns(attempt, &stream.object);
            match obstacle(&attempt.bound.planned.plan, &needed) {
                Some(why) => self.refuse(&transform, &why, rejects)?,
                None => batches.extend(self.rows_of(&transform, &columns, Fit::Needed(&needed), rejects)?),
            }
        }
        let batches = batches.into_iter().map(|batch| RecordBatch::try_new(Arc::clone(&shape), batch.columns().to_vec()).map_err(odd));
        let table = MemTable::try_new(Arc::clone(&shape), vec![batches.collect::<Result<Vec<_>>>()?]).map_err(Engine::error)?;
        frozen.substitute(stream, Arc::new(table));
        Ok(())
    }

    /// Leaves letters where they are, and says why.
    fn refuse(&self, rows: &[usize], why: &str, rejects: &RejectSink) -> Result<()> {
        let sources = texts(&self.letters, "source")?;
        rejects.count_read(rows.len());
        for &row in rows {
            let error = format!(
                "what the query had of the row cannot take the place of its record: {why}; correct the record where it comes from, and deliver it again"
            );
            let source = if sources.is_valid(row) { sources.value(row) } else { "" };
            let reject = Reject { rule: "transform".to_owned(), error, raw: Vec::new(), position: Places::mark(row) };
            rejects.push(SourceReject { source: source.to_owned(), reject });
        }
        Ok(())
    }

    /// Letters by the file that a client sent with them: it had a format of its own. Those of the source's own records come under None.
    fn by_upload(&self, attempt: &Attempt, stream: &Object, rows: Vec<usize>) -> Result<Vec<(Option<Upload>, Vec<usize>)>> {
        let runs = texts(&self.letters, "run_id")?;
        let mut by_run: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for row in rows {
            by_run.entry(if runs.is_valid(row) { runs.value(row) } else { "" }).or_default().push(row);
        }
        let (mut own, mut sent) = (Vec::new(), Vec::new());
        for (run, rows) in by_run {
            let filter = RunFilter { run_id: Some(Uuid::parse_str(run).unwrap_or_default()), ..RunFilter::default() };
            let run = attempt.engine.store().runs(&filter).map_err(catalog_error)?.into_iter().next();
            let upload = run.into_iter().flat_map(|run| run.inputs).find_map(|input| match input.input {
                Input::Upload(upload) if input.relation_id == stream.id => Some(*upload),
                _ => None,
            });
            let columns = Sent::of(&attempt.run, Path::new("")).and_then(|sent| sent.upload.columns.clone());
            match upload.map(|upload| Upload { columns, ..upload }) {
                Some(upload) => sent.push((Some(upload), rows)),
                None => own.extend(rows),
            }
        }
        if !own.is_empty() {
            sent.push((None, own));
        }
        Ok(sent)
    }

    /// The user's plan, and beside it the rows that had already come out of it once.
    pub(super) fn beside(&self, plan: LogicalPlan, rejects: &RejectSink) -> Result<LogicalPlan> {
        let validate = self.of_stage(Stage::Validate)?;
        if validate.is_empty() {
            return Ok(plan);
        }
        let columns: SchemaRef = Arc::new(plan.schema().as_arrow().clone());
        let nullable: Vec<_> = columns.fields().iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true))).collect();
        let columns = Arc::new(Schema::new(nullable));
        let rows = self.rows_of(&validate, &columns, Fit::All, rejects)?;
        let table: Arc<dyn TableProvider> = Arc::new(MemTable::try_new(with_provenance(&columns), vec![rows]).map_err(Engine::error)?);
        let table: Arc<dyn TableProvider> = StreamTable::new(table);
        let again = LogicalPlanBuilder::scan("replayed", provider_as_source(table), None);
        LogicalPlanBuilder::from(plan)
            .union(again.and_then(LogicalPlanBuilder::build).map_err(Engine::error)?)
            .and_then(LogicalPlanBuilder::build)
            .map_err(Engine::error)
    }

    /// Rows made from the letters' `record`; a record that does not fit is refused again, alone.
    fn rows_of(&self, rows: &[usize], columns: &SchemaRef, fit: Fit<'_>, rejects: &RejectSink) -> Result<Vec<RecordBatch>> {
        let (records, sources) = (texts(&self.letters, "record")?, texts(&self.letters, "source")?);
        rejects.count_read(rows.len());
        let (mut batches, mut names, mut places) = (Vec::new(), StringDictionaryBuilder::<Int32Type>::new(), Vec::new());
        for &row in rows {
            let text = if records.is_valid(row) { records.value(row) } else { "" };
            let source = sources.is_valid(row).then(|| sources.value(row));
            match one_row(text, columns, fit) {
                Ok(batch) => {
                    batches.push(batch);
                    names.append_option(source);
                    places.push(Places::mark(row));
                }
                Err(error) => rejects.push(SourceReject {
                    source: source.unwrap_or_default().to_owned(),
                    reject: Reject { rule: "record".to_owned(), error, raw: text.as_bytes().to_vec(), position: Places::mark(row) },
                }),
            }
        }
        if batches.is_empty() {
            return Ok(Vec::new());
        }
        let whole = concat_batches(columns, &batches).map_err(odd)?;
        let mut all: Vec<ArrayRef> = whole.columns().to_vec();
        all.push(Arc::new(names.finish()));
        all.push(Arc::new(Int64Array::from(places)));
        Ok(vec![RecordBatch::try_new(with_provenance(columns), all).map_err(odd)?])
    }
}

/// How a record must fit the columns it goes back to.
#[derive(Clone, Copy)]
enum Fit<'a> {
    /// Every column is there, and nothing else: what is left out or added would be lost in silence.
    All,
    /// It holds what a step of the query had of a row: of the source's columns only those that the query uses, and perhaps some that
    /// other steps or tables gave. The columns used today must be there.
    Needed(&'a HashSet<String>),
}

impl Fit<'_> {
    fn needs(self, column: &str) -> bool {
        match self {
            Fit::All => true,
            Fit::Needed(columns) => columns.contains(column),
        }
    }
}

/// Columns of a stream that the query makes use of, in its list or in its conditions.
fn needed_columns(attempt: &Attempt, stream: &Object) -> HashSet<String> {
    let edges = super::facts::lineage(&attempt.engine, &attempt.pipeline, &attempt.bound);
    let of_stream = edges.into_iter().filter(|edge| edge.from_relation == stream.full_name());
    of_stream.filter_map(|edge| edge.from_column).collect()
}

/// A record's JSON as one row.
fn one_row(text: &str, columns: &SchemaRef, fit: Fit<'_>) -> Result<RecordBatch, String> {
    // Values stay as they are written: a number may have more digits than a double.
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => "the record is not a JSON object".to_owned(),
        _ => format!("the record is not JSON: {error}"),
    })?;
    match fit {
        Fit::All => {
            if let Some(unknown) = fields.keys().find(|key| columns.column_with_name(key).is_none()) {
                return Err(format!("the record's field \"{unknown}\" is no column here"));
            }
        }
        Fit::Needed(_) => fields.retain(|key, _| columns.column_with_name(key).is_some()),
    }
    if let Some(missing) = columns.fields().iter().find(|field| fit.needs(field.name()) && !fields.contains_key(field.name())) {
        return Err(format!("the record has no field \"{}\"", missing.name()));
    }
    let mut decoder =
        arrow::json::ReaderBuilder::new(plain(columns)).with_coerce_primitive(true).build_decoder().map_err(|error| error.to_string())?;
    let as_text: Vec<(String, String)> = fields
        .iter()
        .filter(|(name, value)| {
            let is_text = |field: &Field| matches!(field.data_type(), DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8);
            value.get().starts_with(['{', '[']) && columns.field_with_name(name).is_ok_and(is_text)
        })
        .map(|(name, nested)| (name.clone(), serde_json::Value::from(nested.get()).to_string()))
        .collect();
    for (name, text) in &as_text {
        let text: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
        fields.insert(name.clone(), text);
    }
    let line = serde_json::to_vec(&fields).map_err(|error| error.to_string())?;
    decoder.decode(&line).map_err(|error| error.to_string())?;
    let batch = decoder.flush().map_err(|error| error.to_string())?.ok_or_else(|| "the record is empty".to_owned())?;
    let cells = batch.columns().iter().zip(columns.fields()).map(|(cell, field)| cast(cell, field.data_type()));
    let cells = cells.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let nullable: Vec<_> = columns.fields().iter().map(|field| Arc::new(field.as_ref().clone())).collect();
    RecordBatch::try_new(Arc::new(Schema::new(nullable)), cells).map_err(|error| error.to_string())
}

/// Types that the JSON reader knows, in the place of those it does not.
fn plain(columns: &SchemaRef) -> SchemaRef {
    let fields: Vec<Field> = columns
        .fields()
        .iter()
        .map(|field| {
            let data_type = match field.data_type() {
                DataType::Dictionary(_, value) => value.as_ref().clone(),
                DataType::Utf8View => DataType::Utf8,
                other => other.clone(),
            };
            Field::new(field.name(), data_type, true)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// Where the rows of a replay came from: their position is a mark that says by which letter they came back.
///
/// Letters may share a place (rows of one record, or of one version of a table), so nothing else tells them apart.
pub(super) struct Places(Int64Array);

impl Places {
    /// So many records may be put into one letter's raw bytes by whoever repairs it, each with a position of its own.
    const RECORDS: u32 = 20;

    pub(super) fn of(letters: &RecordBatch) -> Result<Self> {
        numbers(letters, "source_position").cloned().map(Self)
    }

    fn mark(letter: usize) -> i64 {
        i64::try_from(letter).unwrap_or_default().saturating_add(1) << Self::RECORDS
    }

    /// The place of the letter among those put back.
    pub(super) fn letter(&self, mark: Option<i64>) -> Option<usize> {
        let number = usize::try_from((mark? >> Self::RECORDS).checked_sub(1)?).ok()?;
        (number < self.0.len()).then_some(number)
    }

    /// What the letter says of its position.
    pub(super) fn position(&self, mark: Option<i64>) -> Option<i64> {
        let letter = self.letter(mark)?;
        let further = mark? & ((1 << Self::RECORDS) - 1);
        self.0.is_valid(letter).then(|| self.0.value(letter).saturating_add(further))
    }

    /// A column of marks as positions.
    pub(super) fn told(&self, marks: &ArrayRef) -> Result<ArrayRef> {
        let marks = marks.as_primitive_opt::<Int64Type>().ok_or_else(|| lost("source_position"))?;
        Ok(Arc::new(marks.iter().map(|mark| self.position(mark)).collect::<Int64Array>()))
    }
}

/// What became of the letters of a replay.
pub(super) struct Judged {
    /// All of them: those that failed again stay open with their new reason, the others are done.
    pub(super) letters: RecordBatch,
    /// Rows that failed besides: a letter's record may make several, and where rows are gathered none of them is a letter's.
    pub(super) others: Vec<DeadLetter>,
}

/// Tells letters that failed again from those that are done. `failed` are the rows of the replay that did not land.
pub(super) fn judged(letters: &RecordBatch, failed: &[DeadLetter], run_id: Uuid) -> Result<Judged> {
    let (mut back, mut others) = (vec![None; letters.num_rows()], Vec::new());
    for letter in failed {
        match letter.again.and_then(|again| back.get_mut(again)) {
            Some(place @ None) => *place = Some(letter),
            _ => others.push(letter.clone()),
        }
    }
    let stages = texts(letters, "stage")?;
    // A record that does not fit where it should enter has not left its stage.
    let enters_not = |row: usize, letter: &DeadLetter| {
        letter.stage == Stage::Decode && stages.is_valid(row) && Stage::of(stages.value(row)) != Some(Stage::Decode)
    };
    let is_kept: Vec<bool> = back.iter().enumerate().map(|(row, letter)| letter.is_some_and(|letter| enters_not(row, letter))).collect();
    let kept = |row: usize| is_kept.get(row).copied().unwrap_or(false);
    let old = |name: &str| letters.column_by_name(name).cloned().ok_or_else(|| lost(name));
    let text = |name: &str, new: &dyn Fn(usize, &DeadLetter) -> Option<String>| -> Result<ArrayRef> {
        let known = texts(letters, name)?;
        let cells = back.iter().enumerate().map(|(row, letter)| match letter {
            Some(letter) => new(row, letter).or_else(|| known.is_valid(row).then(|| known.value(row).to_owned())),
            None => known.is_valid(row).then(|| known.value(row).to_owned()),
        });
        Ok(Arc::new(cells.collect::<StringArray>()))
    };
    let columns = schema()
        .fields()
        .iter()
        .map(|field| -> Result<ArrayRef> {
            match field.name().as_str() {
                "status" => Ok(Arc::new(
                    back.iter().map(|letter| Some(if letter.is_some() { "open" } else { "replayed" })).collect::<StringArray>(),
                )),
                "attempts" => {
                    Ok(Arc::new(numbers(letters, "attempts")?.iter().map(|count| Some(count.unwrap_or(0) + 1)).collect::<Int64Array>()))
                }
                "replay_run_id" => Ok(Arc::new(StringArray::from(vec![run_id.to_string(); letters.num_rows()]))),
                "error" => text("error", &|_, letter| Some(letter.error.clone())),
                "stage" => text("stage", &|row, letter| (!kept(row)).then(|| letter.stage.word().to_owned())),
                "rule" => text("rule", &|_, letter| letter.rules.first().cloned()),
                "record" => text("record", &|_, letter| letter.record.clone()),
                "rules" => rules(&old("rules")?, &back),
                "raw" => {
                    let known =
                        letters.column_by_name("raw").and_then(|column| column.as_binary_opt::<i32>()).ok_or_else(|| lost("raw"))?;
                    // Of several records that a repair made of one, the letter keeps the one that failed: the others have landed, or are letters.
                    let bytes = back.iter().zip(known).enumerate().map(|(row, (letter, known))| match letter {
                        Some(DeadLetter { stage: Stage::Decode, raw: Some(raw), .. }) if !kept(row) => Some(raw.as_slice()),
                        _ => known,
                    });
                    Ok(Arc::new(bytes.collect::<BinaryArray>()))
                }
                other => old(other),
            }
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Judged { letters: RecordBatch::try_new(schema(), columns).map_err(odd)?, others })
}

fn rules(old: &ArrayRef, back: &[Option<&DeadLetter>]) -> Result<ArrayRef> {
    let old = old.as_list_opt::<i32>().ok_or_else(|| lost("rules"))?;
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(Arc::new(Field::new("element", DataType::Utf8, true)));
    for (row, letter) in back.iter().enumerate() {
        match letter {
            Some(letter) => letter.rules.iter().for_each(|rule| lists.values().append_value(rule)),
            None if old.is_valid(row) => {
                let names = cast(&old.value(row), &DataType::Utf8).map_err(odd)?;
                names.as_string::<i32>().iter().for_each(|rule| lists.values().append_option(rule));
            }
            None => {}
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray> {
    batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>()).ok_or_else(|| lost(name))
}

fn numbers<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Int64Array> {
    batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int64Type>()).ok_or_else(|| lost(name))
}

fn lost(name: &str) -> Error {
    Error::internal(format!("the dead letters have no column \"{name}\""))
}

fn odd(error: arrow::error::ArrowError) -> Error {
    Error::internal("dead letters could not be read").caused_by(error)
}
