//! What a run reads: ranges and versions frozen before it, and the providers that show exactly those.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use weir_catalog::{Input, Kind, ObjectId, Run, RunInput};

use super::bind::{Bound, StreamInput};
use super::stream_table::StreamTable;
use crate::engine::{Engine, RelationKey, Relations, Wanted, catalog_error};
use crate::error::{Code, Error, Result};
use crate::sources::{BatchLimit, Position, Range, RejectSink, ScanRequest};

/// The next input of a pipeline; None when no stream has anything new.
///
/// A pipeline without streams always has input: its tables as they are now.
pub(super) async fn next(engine: &Arc<Engine>, pipeline: ObjectId, bound: &Bound, from_the_start: bool) -> Result<Option<Vec<RunInput>>> {
    let limit = match from_the_start {
        true => BatchLimit { files: usize::MAX, bytes: u64::MAX },
        false => BatchLimit { files: bound.settings.batch_files, bytes: bound.settings.batch_bytes },
    };
    let mut inputs = Vec::new();
    let mut is_new = bound.streams.is_empty();
    for stream in &bound.streams {
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
    Ok(Some(inputs))
}

/// Lets sources grow the columns that the rows of these inputs need, and notes which columns every attempt reads. Answers with what the
/// streams leave out although they have it.
pub(super) async fn settle_columns(engine: &Arc<Engine>, bound: &Bound, inputs: &mut [RunInput]) -> Result<Vec<String>> {
    let mut left_out = Vec::new();
    for stream in &bound.streams {
        let Some(input) = inputs.iter_mut().find(|input| input.relation_id == stream.object.id) else { continue };
        let Input::Stream { from, to } = &input.input else { continue };
        if from.as_ref() != Some(to) {
            let range = Range { from: from.clone(), to: to.clone() };
            super::drift::settle(engine, stream, &range).await?;
        }
        input.schema_version = engine.schema_version(stream.object.id)?;
        left_out.extend(stream.source.left_out(to).await?);
    }
    Ok(left_out)
}

/// What the streams have left out so far.
pub(super) async fn left_out(engine: &Arc<Engine>, pipeline: ObjectId, bound: &Bound) -> Result<Vec<String>> {
    let mut left_out = Vec::new();
    for stream in &bound.streams {
        if let Some(at) = engine.store().offset(pipeline, stream.object.id).map_err(catalog_error)? {
            left_out.extend(stream.source.left_out(&at).await?);
        }
    }
    Ok(left_out)
}

/// Answers with what was frozen for a run.
pub(super) struct Frozen {
    engine: Arc<Engine>,
    streams: HashMap<ObjectId, Arc<dyn TableProvider>>,
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
        let mut frozen = Self { engine: Arc::clone(engine), streams: HashMap::new(), versions: HashMap::new() };
        for input in &run.inputs {
            if let Input::Version { version } = input.input {
                frozen.versions.entry(input.relation_id).or_insert(version);
            }
        }
        for stream in streams {
            let request = ScanRequest { provenance: true, rejects: Some(rejects.clone()), ordered: partitions == 1, partitions };
            let found = run.inputs.iter().find(|input| input.relation_id == stream.object.id).map(|input| &input.input);
            let table: Arc<dyn TableProvider> = match found {
                Some(Input::Stream { from, to }) if from.as_ref() == Some(to) => nothing(stream),
                Some(Input::Stream { from, to }) => {
                    let range = Range { from: from.clone(), to: to.clone() };
                    stream.source.scan(Some(range), request).await?
                }
                _ => nothing(stream),
            };
            frozen.streams.insert(stream.object.id, StreamTable::new(table));
        }
        Ok(frozen)
    }

    /// Rows of dead letters in the place of a stream.
    pub(super) fn substitute(&mut self, stream: ObjectId, table: Arc<dyn TableProvider>) {
        self.streams.insert(stream, StreamTable::new(table));
    }
}

fn nothing(stream: &StreamInput) -> Arc<dyn TableProvider> {
    Arc::new(datafusion::datasource::empty::EmptyTable::new(super::bind::with_provenance(&stream.source.schema())))
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
}

/// Where the streams of a run stand once it is done.
pub(super) fn offsets(run: &Run) -> Vec<(ObjectId, Position)> {
    run.inputs
        .iter()
        .filter_map(|input| match &input.input {
            Input::Stream { to, .. } => Some((input.relation_id, to.clone())),
            Input::Version { .. } | Input::DeadLetters { .. } | Input::Live => None,
        })
        .collect()
}
