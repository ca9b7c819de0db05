//! What a run reads: ranges and versions frozen before it, and the providers that show exactly those.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use weir_catalog::{Input, Kind, Object, ObjectId, Run, RunInput, RunKind, RunStatus};
use weir_sql::statements::create_pipeline::{Mode, Output};

use super::bind::{Bound, BoundPipeline, Sent, StreamInput};
use super::stream_table::StreamTable;
use crate::engine::{Engine, RelationKey, Relations, UPLOAD_ID, Used, Wanted, catalog_error};
use crate::error::{Code, Error, Result};
use crate::sources::{BatchLimit, Position, Range, RejectSink, ScanRequest, StartPoint};

/// The next input of a pipeline; None when no stream has anything new.
///
/// A pipeline without streams always has input: its tables as they are now.
pub(super) async fn next(
    engine: &Arc<Engine>,
    pipeline: ObjectId,
    bound: &BoundPipeline,
    from_the_start: bool,
    held: Held,
) -> Result<Option<Vec<RunInput>>> {
    let limit = match from_the_start {
        true => BatchLimit { files: usize::MAX, bytes: u64::MAX },
        false => BatchLimit { files: bound.settings.batch_files, bytes: bound.settings.batch_bytes },
    };
    let mut inputs = Vec::new();
    let streams = bound.streams();
    // Where any output reads a stream, the streams say when there is something to do.
    let mut is_new = streams.is_empty() || !held.is_empty();
    for stream in streams {
        let id = stream.object.id;
        if let Some(input) = held.ranges.get(&id) {
            let relation = stream.object.full_name();
            inputs.extend(input.clone().map(|input| RunInput { relation_id: id, relation, input, schema_version: None }));
            continue;
        }
        let from = match from_the_start {
            true => None,
            false => engine.store().offset(pipeline, stream.object.id).map_err(catalog_error)?,
        };
        let to = stream.source.next(from.as_ref(), &limit).await?;
        is_new |= to.is_some();
        // A stream with nothing new is still an input: its empty range is frozen like any other.
        let range = match (to, &from) {
            (Some(to), _) => Some((from, to)),
            (None, Some(at)) => Some((from.clone(), at.clone())),
            (None, None) => None,
        };
        if let Some((from, to)) = range {
            inputs.push(RunInput {
                relation_id: stream.object.id,
                relation: stream.object.full_name(),
                input: Input::Stream { from, to },
                schema_version: None,
            });
        }
    }
    if !is_new {
        return Ok(None);
    }
    pin(bound, &mut inputs);
    inputs.extend(held.done);
    Ok(Some(inputs))
}

/// The input of a backfill: what each stream has from one point on, up to another that is not read any more, or to the newest. The pipeline's
/// own positions are not looked at.
///
/// # Errors
/// `InvalidParameter` when the pipeline reads no stream, or a source cannot tell what the points stand for.
pub(super) async fn between(bound: &BoundPipeline, from: &str, until: Option<&str>) -> Result<Option<Vec<RunInput>>> {
    let streams = bound.streams();
    if streams.is_empty() {
        return Err(Error::new(Code::InvalidParameter, "STARTING AT needs a pipeline that reads a stream"));
    }
    let mut inputs = Vec::new();
    let mut is_new = false;
    for stream in streams {
        let from = stream.source.position_at(&StartPoint::At(from.to_owned())).await?;
        let to = match until {
            Some(until) => stream.source.position_at(&StartPoint::At(until.to_owned())).await?,
            None => stream.source.next(from.as_ref(), &BatchLimit { files: usize::MAX, bytes: u64::MAX }).await?,
        };
        let Some(to) = to.filter(|to| from.as_ref() != Some(to)) else { continue };
        is_new = true;
        let (relation_id, relation) = (stream.object.id, stream.object.full_name());
        inputs.push(RunInput { relation_id, relation, input: Input::Stream { from, to }, schema_version: None });
    }
    if !is_new {
        return Ok(None);
    }
    pin(bound, &mut inputs);
    Ok(Some(inputs))
}

/// The input of a run that reads a file which a client sent, in the place of one stream. The other streams deliver nothing.
pub(super) fn sent(bound: &BoundPipeline, sent: Sent<'_>) -> Vec<RunInput> {
    let of_file = |stream: &&StreamInput| stream.object.id == sent.relation;
    let input = |stream: &StreamInput| RunInput {
        relation_id: stream.object.id,
        relation: stream.object.full_name(),
        input: Input::Upload(Box::new(sent.upload.clone())),
        schema_version: None,
    };
    let mut inputs: Vec<RunInput> = bound.streams().into_iter().filter(of_file).map(input).collect();
    pin(bound, &mut inputs);
    inputs
}

/// The versions of the tables that a replay reads as they are now.
pub(super) fn pinned(bound: &BoundPipeline) -> Vec<RunInput> {
    let pin = |used: &Used| {
        let (relation_id, relation) = (used.relation.id, used.relation.full_name());
        used.version.map(|version| RunInput { relation_id, relation, input: Input::Version { version }, schema_version: None })
    };
    bound.snapshots().filter_map(pin).collect()
}

/// Notes the versions of the tables that are read as they are now.
fn pin(bound: &BoundPipeline, inputs: &mut Vec<RunInput>) {
    for used in bound.snapshots() {
        let input = match (used.relation.kind, used.version) {
            (Kind::Table, Some(version)) => Input::Version { version },
            (Kind::View, _) => continue,
            _ => Input::Live,
        };
        let relation = format!("{}.{}", used.relation.schema, used.relation.name);
        if !inputs.iter().any(|known| known.relation_id == used.relation.id) {
            inputs.push(RunInput { relation_id: used.relation.id, relation, input, schema_version: None });
        }
    }
}

/// The range of a file that a client sent: all of it.
const WHOLE: Range = Range { from: None, to: Position::Null };

/// Lets sources grow the columns that the rows of these inputs need, and notes which columns every attempt reads. Answers with what the
/// streams leave out although they have it.
pub(super) async fn settle_columns(engine: &Arc<Engine>, bound: &BoundPipeline, inputs: &mut [RunInput]) -> Result<Vec<String>> {
    let mut left_out = Vec::new();
    for stream in bound.streams() {
        let Some(input) = inputs.iter_mut().find(|input| input.relation_id == stream.object.id) else { continue };
        if stream.object.kind == Kind::Table {
            engine.keep_table_columns(&stream.object).await?;
            input.schema_version = engine.schema_version(stream.object.id)?;
            continue;
        }
        let range = match &input.input {
            Input::Stream { from, to } => Range { from: from.clone(), to: to.clone() },
            Input::Upload(_) if stream.object.id != UPLOAD_ID => WHOLE,
            _ => continue,
        };
        if range.from.as_ref() != Some(&range.to) {
            super::drift::settle(engine, stream, &range).await?;
        }
        input.schema_version = engine.schema_version(stream.object.id)?;
        left_out.extend(stream.source.left_out(&range.to).await?);
    }
    Ok(left_out)
}

/// Moves a pipeline over what its streams have and no run has to read: nothing of it is lost, and the streams may forget it.
pub(super) async fn pass_over(engine: &Arc<Engine>, pipeline: ObjectId, bound: &BoundPipeline) -> Result<()> {
    for stream in bound.streams() {
        let Some(at) = engine.store().offset(pipeline, stream.object.id).map_err(catalog_error)? else { continue };
        if let Some(to) = stream.source.passes_over(&at).await? {
            engine.store().set_offset(pipeline, stream.object.id, Some(&to), engine.clock().now()).map_err(catalog_error)?;
        }
    }
    Ok(())
}

/// What the streams have left out so far.
pub(super) async fn left_out(engine: &Arc<Engine>, pipeline: ObjectId, bound: &BoundPipeline) -> Result<Vec<String>> {
    let mut left_out = Vec::new();
    for stream in bound.streams() {
        if let Some(at) = engine.store().offset(pipeline, stream.object.id).map_err(catalog_error)? {
            left_out.extend(stream.source.left_out(&at).await?);
        }
    }
    Ok(left_out)
}

/// The targets that an earlier run has filled with what this one reads.
pub(super) fn landed(run: &Run) -> impl Iterator<Item = (ObjectId, u64)> {
    run.inputs.iter().filter_map(|input| match input.input {
        Input::Landed { version, .. } => Some((input.relation_id, version)),
        _ => None,
    })
}

/// What a run that landed in part before it failed or was cancelled leaves to the next one.
#[derive(Default)]
pub(super) struct Held {
    /// Ranges that some outputs have and others have not: they are read again as they were. Nothing is read of a stream without one: an
    /// output that is done, and does not take part, reads it as well.
    ranges: HashMap<ObjectId, Option<Input>>,
    /// The targets that have them.
    done: Vec<RunInput>,
}

impl Held {
    /// Empty when the run landed nothing, or landed whole steps whose streams have moved on, or the streams were moved by hand since.
    pub(super) fn by(engine: &Arc<Engine>, last: &Run, bound: &BoundPipeline, filled: &[(Output, Object)]) -> Result<Self> {
        let mut held = Self::default();
        if !matches!(last.status, RunStatus::Failed | RunStatus::Cancelled) {
            return Ok(held);
        }
        let store = engine.store();
        let mut landed: Vec<RunInput> = last.inputs.iter().filter(|input| matches!(input.input, Input::Landed { .. })).cloned().collect();
        for output in store.run_outputs(Some(last.run_id)).map_err(catalog_error)? {
            let Some(version) = output.table_version else { continue };
            let input = Input::Landed { run_id: last.run_id, version };
            landed.push(RunInput { relation_id: output.target_id, relation: output.target, input, schema_version: None });
        }
        let of = |bound: &Bound| {
            let target = filled.iter().find(|(output, _)| output.target == bound.output.target).map(|(_, target)| target.id);
            target.and_then(|target| landed.iter().find(|input| input.relation_id == target))
        };
        for output in bound.outputs.iter().filter(|output| of(output).is_some()) {
            for stream in &output.streams {
                let Some(input) = last.inputs.iter().find(|input| input.relation_id == stream.object.id) else { continue };
                let Input::Stream { from, to } = &input.input else { continue };
                let now = store.offset(last.pipeline_id, stream.object.id).map_err(catalog_error)?;
                // A refresh reads from the start, wherever the pipeline stands.
                let is_open = from.as_ref() != Some(to) && (now == *from || last.kind == RunKind::FullRefresh);
                if is_open {
                    held.ranges.insert(stream.object.id, Some(input.input.clone()));
                }
            }
        }
        for output in &bound.outputs {
            let Some(input) = of(output) else { continue };
            let is_held = output.streams.iter().any(|stream| matches!(held.ranges.get(&stream.object.id), Some(Some(_))));
            // Without a stream only an APPEND would add its rows again.
            let step_is_done = bound.outputs.iter().filter(|other| other.step == output.step).all(|other| of(other).is_some());
            let adds_again = output.streams.is_empty() && matches!(output.mode, Mode::Append) && !step_is_done;
            if is_held || adds_again {
                held.done.push(input.clone());
                for stream in &output.streams {
                    held.ranges.entry(stream.object.id).or_insert(None);
                }
            }
        }
        Ok(held)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.done.is_empty()
    }
}

/// Answers with what was frozen for a run.
pub(super) struct Frozen {
    engine: Arc<Engine>,
    streams: HashMap<ObjectId, Arc<dyn TableProvider>>,
    hidden: HashMap<ObjectId, SchemaRef>,
    versions: HashMap<ObjectId, u64>,
}

impl Frozen {
    pub(super) async fn open(
        engine: &Arc<Engine>,
        run: &Run,
        streams: &[StreamInput],
        rejects: &RejectSink,
        partitions: usize,
    ) -> Result<Self> {
        let mut frozen = Self { engine: Arc::clone(engine), streams: HashMap::new(), hidden: HashMap::new(), versions: HashMap::new() };
        for input in &run.inputs {
            if let Input::Version { version } = input.input {
                frozen.versions.entry(input.relation_id).or_insert(version);
            }
        }
        for stream in streams {
            let table = range_of(run, stream, rejects, partitions).await?;
            frozen.streams.insert(stream.object.id, StreamTable::of(stream, table));
            frozen.hidden.insert(stream.object.id, stream.source.hidden());
        }
        Ok(frozen)
    }

    /// Tables are read as earlier steps have left them.
    pub(super) fn read_after(&mut self, versions: &HashMap<ObjectId, u64>) {
        self.versions.extend(versions);
    }

    /// Rows of dead letters in the place of a stream.
    pub(super) fn substitute(&mut self, stream: &StreamInput, table: Arc<dyn TableProvider>) {
        self.streams.insert(stream.object.id, StreamTable::again(stream, table));
    }
}

/// The rows of a stream that were frozen for a run.
pub(super) async fn range_of(run: &Run, stream: &StreamInput, rejects: &RejectSink, partitions: usize) -> Result<Arc<dyn TableProvider>> {
    let found = run.inputs.iter().find(|input| input.relation_id == stream.object.id).map(|input| &input.input);
    match found {
        Some(Input::Stream { from, to }) if from.as_ref() != Some(to) => {
            let request = scan_request(rejects, partitions);
            stream.source.scan(Some(Range { from: from.clone(), to: to.clone() }), request).await
        }
        // What a replay brings back stands in the letters; the file is gone.
        Some(Input::Upload(_)) if run.kind != RunKind::Replay => stream.source.scan(Some(WHOLE), scan_request(rejects, partitions)).await,
        _ => Ok(nothing(stream)),
    }
}

fn scan_request(rejects: &RejectSink, partitions: usize) -> ScanRequest {
    ScanRequest { provenance: true, rejects: Some(rejects.clone()), ordered: partitions == 1, partitions }
}

fn nothing(stream: &StreamInput) -> Arc<dyn TableProvider> {
    Arc::new(datafusion::datasource::empty::EmptyTable::new(super::bind::with_provenance(&stream.columns())))
}

#[async_trait]
impl Relations for Frozen {
    async fn provider(&self, relation: &RelationKey, wanted: &Wanted) -> Result<Option<Arc<dyn TableProvider>>> {
        if *wanted == Wanted::Stream {
            return match self.streams.get(&relation.id) {
                Some(table) => Ok(Some(Arc::clone(table))),
                None => {
                    Err(Error::new(Code::WrongState, format!("the run has no frozen input for \"{}.{}\"", relation.schema, relation.name)))
                }
            };
        }
        let (Wanted::Plain, Some(version)) = (wanted, self.versions.get(&relation.id)) else { return Ok(None) };
        let object = self.engine.store().object_by_id(relation.id).map_err(catalog_error)?;
        let object = object
            .ok_or_else(|| Error::new(Code::UndefinedTable, format!("table \"{}.{}\" does not exist", relation.schema, relation.name)))?;
        Ok(Some(self.engine.table(&object).await?.scan(Some(*version)).await?))
    }

    fn hidden(&self, relation: &RelationKey) -> SchemaRef {
        self.hidden.get(&relation.id).map_or_else(|| Arc::new(Schema::empty()), Arc::clone)
    }
}

/// Where the streams of a run stand once it is done.
pub(super) fn offsets(run: &Run) -> Vec<(ObjectId, Position)> {
    run.inputs
        .iter()
        .filter_map(|input| match &input.input {
            Input::Stream { to, .. } => Some((input.relation_id, to.clone())),
            Input::Version { .. } | Input::DeadLetters { .. } | Input::Live | Input::Landed { .. } | Input::Upload(_) => None,
        })
        .collect()
}
