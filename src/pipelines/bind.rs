//! A definition meets the catalog: names resolved, inputs opened, the query planned. Nothing runs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::LogicalPlan;
use parking_lot::Mutex;
use weir_catalog::{Definitions, Kind, Object, ObjectId};
use weir_sql::Name;
use weir_sql::statements::create_pipeline::{Body, CreatePipeline, Mode, Output, Step};

use super::options::Settings;
use super::references::References;
use super::sequence::{self, Sequence};
use super::stream_table::StreamTable;
use super::target;
use crate::engine::{Engine, Planned, RelationKey, Relations, Scope, Used, Wanted, catalog_error};
use crate::error::{Code, Error, Result};
use crate::sources::{POSITION_COLUMN, SOURCE_COLUMN, Source};

/// What binding a definition tells: for CREATE PIPELINE, without running anything.
#[derive(Debug, Clone)]
pub struct Checked {
    pub depends_on: Vec<ObjectId>,
    /// The target of each output, as it is written, and the columns of its query.
    pub outputs: Vec<(Name, SchemaRef)>,
    pub notices: Vec<String>,
}

/// One `STREAM(x)` of a pipeline.
#[derive(Clone)]
pub(super) struct StreamInput {
    pub(super) object: Object,
    pub(super) source: Arc<dyn Source>,
}

/// A definition that was planned once: its outputs, in their order, and the steps that they stand in.
pub(super) struct BoundPipeline {
    pub(super) outputs: Vec<Bound>,
    pub(super) steps: Vec<StepShape>,
    pub(super) settings: Settings,
}

/// A step; of a definition without STEP the only one, which has no name.
#[derive(Debug, Clone)]
pub(super) struct StepShape {
    pub(super) name: Option<String>,
    pub(super) continues_on_failure: bool,
}

/// One output of it.
pub(super) struct Bound {
    /// What the catalog and the dead letters call it: the name of its target, with the schema where another output has the same.
    pub(super) label: String,
    /// Number of the step that it stands in.
    pub(super) step: usize,
    /// The name of that.
    pub(super) step_name: Option<String>,
    pub(super) output: Output,
    pub(super) mode: Mode,
    pub(super) settings: Settings,
    pub(super) streams: Vec<StreamInput>,
    pub(super) planned: Planned,
    /// Columns of the query, as the user named them; behind them `_sequence` where the order is none of them.
    pub(super) columns: SchemaRef,
    pub(super) sequence: Sequence,
    /// What its rules look at besides the row.
    pub(super) references: References,
}

/// The steps of a definition with their outputs.
///
/// # Errors
/// `NotSupported` for the forms that come later; `InvalidDefinition` for two steps of one name.
fn steps(definition: &CreatePipeline) -> Result<Vec<(StepShape, Vec<&Output>)>> {
    let only = StepShape { name: None, continues_on_failure: false };
    match &definition.body {
        Body::Single(_) | Body::Outputs(_) => Ok(vec![(only, definition.outputs())]),
        Body::Steps(steps) => {
            let mut names = HashSet::new();
            if let Some(twice) = steps.iter().find(|step| !names.insert(&step.name.value)) {
                return Err(
                    Error::new(Code::InvalidDefinition, format!("step \"{}\" is there twice", twice.name.value)).at(twice.name.position)
                );
            }
            let step = |step: &'_ Step| StepShape { name: Some(step.name.value.clone()), continues_on_failure: step.continue_on_failure };
            Ok(steps.iter().map(|given| (step(given), given.outputs.outputs.iter().collect())).collect())
        }
        // What is kept is what the template made.
        Body::Template { .. } => Err(Error::internal("an instance of a template was kept instead of its statements")),
    }
}

/// The mode, chosen or written.
///
/// # Errors
/// `InvalidDefinition` for a query without STREAM and without a mode: duplicate or overwrite is never guessed.
fn mode(output: &Output, has_stream: bool) -> Result<Mode> {
    let later = |what: &str| Err(Error::new(Code::NotSupported, format!("{what} is not supported yet")).at(output.position));
    match &output.mode {
        Some(Mode::ScdType2 { .. }) => later("SCD TYPE 2"),
        Some(mode) => Ok(mode.clone()),
        None if has_stream => Ok(Mode::Append),
        None => Err(Error::new(Code::InvalidDefinition, "a query without STREAM needs a mode")
            .hint(
                "Say what a second run does: APPEND adds its rows again, REPLACE swaps the table's rows, UPSERT KEY (..) merges them."
                    .to_owned(),
            )
            .at(output.position)),
    }
}

/// Binds a definition as it stands now.
pub(super) async fn bind(
    engine: &Arc<Engine>,
    definition: &CreatePipeline,
    scope: &Scope,
    definitions: &dyn Definitions,
    named: Vec<(String, ScalarValue)>,
) -> Result<BoundPipeline> {
    let steps = steps(definition)?;
    if definition.temporary {
        return Err(Error::new(Code::NotSupported, "CREATE TEMP PIPELINE is not supported yet"));
    }
    let settings = Settings::read(&definition.header.options)?;
    let scope = Scope { named, as_of: None, ..scope.clone() };
    let all = definition.outputs();
    distinct_targets(engine, &all, &scope)?;
    let (mut shapes, mut bound) = (Vec::with_capacity(steps.len()), Vec::with_capacity(all.len()));
    for (number, (shape, outputs)) in steps.into_iter().enumerate() {
        for output in outputs {
            let place = Place { label: label(output, &all), step: number, step_name: shape.name.clone() };
            let done = bind_output(engine, output.clone(), place, &settings, &scope, definitions).await;
            bound.push(done.map_err(|error| of_earlier_step(error, output, &all, number))?);
        }
        shapes.push(shape);
    }
    Ok(BoundPipeline { outputs: bound, steps: shapes, settings })
}

/// Where an output stands in its definition.
struct Place {
    label: String,
    step: usize,
    step_name: Option<String>,
}

/// A table that is missing may be one that an earlier step is to make.
fn of_earlier_step(error: Error, output: &Output, all: &[&Output], step: usize) -> Error {
    let earlier = all.iter().take_while(|other| !std::ptr::eq(**other, output));
    let is_missing = error.code() == Code::UndefinedTable
        && step > 0
        && earlier.into_iter().any(|other| error.message().contains(other.target.name.value.as_str()));
    match is_missing {
        true => error.hint("A step can read what an earlier one writes if the table is there already: CREATE TABLE it first.".to_owned()),
        false => error,
    }
}

/// What one of these outputs is called.
pub(super) fn label(output: &Output, all: &[&Output]) -> String {
    let alike = all.iter().filter(|other| other.target.name == output.target.name).count();
    if alike > 1 { output.target.to_string() } else { output.target.name.value.clone() }
}

/// Two outputs into one table would take each other's commits for their own.
fn distinct_targets(engine: &Engine, outputs: &[&Output], scope: &Scope) -> Result<()> {
    if outputs.len() < 2 {
        return Ok(());
    }
    let mut known = HashSet::new();
    for output in outputs {
        let name = match target::find(engine, output, scope)? {
            Some(object) => (object.schema, object.name),
            None => target::new_name(engine, output, scope)?,
        };
        if let Some((schema, name)) = known.replace(name) {
            return Err(Error::new(Code::NotSupported, format!("two outputs of one pipeline cannot write the table \"{schema}.{name}\""))
                .hint("Bring both queries together with UNION ALL, or use two pipelines.".to_owned())
                .at(output.position));
        }
    }
    Ok(())
}

async fn bind_output(
    engine: &Arc<Engine>,
    output: Output,
    place: Place,
    settings: &Settings,
    scope: &Scope,
    definitions: &dyn Definitions,
) -> Result<Bound> {
    if output.returning_into.is_some() {
        return Err(Error::new(Code::NotSupported, "RETURNING INTO is not supported yet").at(output.position));
    }
    let relations = Openers { engine, definitions, opened: Mutex::default() };
    let (planned, sequence) = sequence::plan(engine, &output, scope, definitions, Some(&relations)).await?;
    let mut streams: Vec<StreamInput> = relations.opened.into_inner().into_values().collect();
    streams.sort_by_key(|stream| stream.object.id);
    let mode = mode(&output, !streams.is_empty())?;
    let columns = sequence::columns(&planned.plan, &sequence);
    distinct_names(&columns, &output)?;
    no_limit(&planned.plan, &output)?;
    let references = References::find(engine, &output, &columns, scope, definitions).await?;
    let Place { label, step, step_name } = place;
    Ok(Bound { label, step, step_name, output, mode, settings: settings.clone(), streams, planned, columns, sequence, references })
}

/// A limit would pass over records of a stream for good: the run would count them as read, and no later run would see them.
fn no_limit(plan: &LogicalPlan, output: &Output) -> Result<()> {
    let is_stream = |node: &LogicalPlan| match node {
        LogicalPlan::TableScan(scan) => source_as_provider(&scan.source).is_ok_and(|table| table.downcast_ref::<StreamTable>().is_some()),
        _ => false,
    };
    let exists = |plan: &LogicalPlan, wanted: &dyn Fn(&LogicalPlan) -> bool| {
        let mut found = false;
        plan.apply_with_subqueries(|node| {
            found = found || wanted(node);
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
        .map(|_| found)
    };
    let cuts = |node: &LogicalPlan| matches!(node, LogicalPlan::Limit(_)) && exists(node, &is_stream).unwrap_or(true);
    if !exists(plan, &cuts).map_err(Engine::error)? {
        return Ok(());
    }
    Err(Error::new(Code::NotSupported, "LIMIT over STREAM would leave out records that no later run reads")
        .hint("Use WHERE to leave records out for good, or RUN PIPELINE .. DRY RUN LIMIT n to see a few.".to_owned())
        .at(output.query.position))
}

fn distinct_names(columns: &SchemaRef, output: &Output) -> Result<()> {
    // An answer may show one name twice; a table cannot have it.
    let mut written = HashSet::new();
    if let Some(twice) = written_names(&output.query.ast).into_iter().find(|name| !written.insert(name.clone())) {
        return Err(Error::new(Code::AmbiguousColumn, format!("column \"{twice}\" is there twice"))
            .hint("Give one of them another name with AS.".to_owned())
            .at(output.query.position));
    }
    let mut names = HashSet::new();
    for field in columns.fields() {
        // Readers of a table tell its columns apart without regard to case.
        if !names.insert(field.name().to_lowercase()) {
            return Err(Error::new(Code::InvalidDefinition, format!("column \"{}\" comes twice in the query", field.name()))
                .hint("Give one of them another name with AS; case does not tell columns of a table apart.".to_owned())
                .at(output.query.position));
        }
        if field.name().starts_with("__weir_") {
            return Err(
                Error::new(Code::InvalidDefinition, format!("column name \"{}\" is reserved", field.name())).at(output.query.position)
            );
        }
    }
    Ok(())
}

/// Names that the user wrote for the columns of a query: by AS, or as plain columns.
fn written_names(query: &sqlparser::ast::Query) -> Vec<String> {
    use sqlparser::ast::{Expr, Ident, SelectItem, SetExpr};
    let folded = |ident: &Ident| if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() };
    let mut body = query.body.as_ref();
    while let SetExpr::SetOperation { left, .. } = body {
        body = left;
    }
    let SetExpr::Select(select) = body else { return Vec::new() };
    let name = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(folded(ident)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(folded),
        _ => None,
    };
    select.projection.iter().filter_map(name).collect()
}

impl BoundPipeline {
    /// Each stream that any output reads, once.
    pub(super) fn streams(&self) -> Vec<&StreamInput> {
        let mut streams: Vec<&StreamInput> = self.outputs.iter().flat_map(|bound| &bound.streams).collect();
        streams.sort_by_key(|stream| stream.object.id);
        streams.dedup_by_key(|stream| stream.object.id);
        streams
    }

    /// Every object that the definition names or reads, without those that its views read.
    pub(super) fn depends_on(&self) -> Vec<ObjectId> {
        let mut ids = Vec::new();
        for bound in &self.outputs {
            ids.extend(bound.planned.used.iter().map(|used| used.relation.id));
            ids.extend(bound.references.depends_on());
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// What is read as it is at the start of the run, before what is read at a version that is written down: a relation read both ways is
    /// pinned as it is now.
    pub(super) fn snapshots(&self) -> impl Iterator<Item = &Used> {
        let all = || self.outputs.iter().flat_map(|bound| bound.planned.used.iter().chain(bound.references.used()));
        let read = move || all().filter(|used| used.wanted != Wanted::Stream);
        let now = |used: &&Used| used.wanted == Wanted::Plain;
        read().filter(now).chain(read().filter(move |used| !now(used)))
    }
}

/// Answers `STREAM(x)` with the columns of `x` and no rows, and remembers what it opened.
struct Openers<'a> {
    engine: &'a Arc<Engine>,
    definitions: &'a dyn Definitions,
    opened: Mutex<HashMap<ObjectId, StreamInput>>,
}

#[async_trait]
impl Relations for Openers<'_> {
    async fn provider(&self, relation: &RelationKey, wanted: &Wanted) -> Result<Option<Arc<dyn TableProvider>>> {
        if *wanted != Wanted::Stream {
            return Ok(None);
        }
        let input = open_stream(self.engine, self.definitions, relation).await?;
        let table = Arc::new(EmptyTable::new(with_provenance(&input.source.schema())));
        self.opened.lock().insert(relation.id, input);
        Ok(Some(StreamTable::new(table)))
    }
}

async fn open_stream(engine: &Arc<Engine>, definitions: &dyn Definitions, relation: &RelationKey) -> Result<StreamInput> {
    let name = format!("{}.{}", relation.schema, relation.name);
    match relation.kind {
        Kind::Source => {}
        Kind::Table => return Err(Error::new(Code::NotSupported, format!("STREAM over the lake table \"{name}\" is not supported yet"))),
        kind => {
            return Err(Error::new(Code::WrongType, format!("{} \"{name}\" cannot be read as a stream", kind.noun()))
                .hint("STREAM takes a source.".to_owned()));
        }
    }
    let object = definitions
        .object_by_id(relation.id)
        .map_err(catalog_error)?
        .ok_or_else(|| Error::new(Code::UndefinedTable, format!("source \"{name}\" does not exist")))?;
    let source = engine.source(&object).await?;
    Ok(StreamInput { object, source })
}

/// A source's columns, then the two that every scan can append.
pub(super) fn with_provenance(columns: &SchemaRef) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = columns.fields().iter().cloned().collect();
    let source = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    fields.push(Arc::new(Field::new(SOURCE_COLUMN, source, true)));
    fields.push(Arc::new(Field::new(POSITION_COLUMN, DataType::Int64, true)));
    Arc::new(Schema::new(fields))
}
