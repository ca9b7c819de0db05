//! A definition meets the catalog: names resolved, inputs opened, the query planned. Nothing runs.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::source_as_provider;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::LogicalPlan;
use parking_lot::Mutex;
use weir_catalog::{Definitions, Input, Kind, Object, ObjectId, Run, Upload, events};
use weir_sql::Name;
use weir_sql::statements::create_pipeline::{Body, CreatePipeline, Mode, Output, Step};

use super::history;
use super::options::Settings;
use super::references::References;
use super::sequence::{self, Sequence};
use super::stream_table::StreamTable;
use super::target;
use crate::delta::FEED;
use crate::engine::{Engine, Planned, RelationKey, Relations, Scope, UPLOAD_ID, Used, Wanted, catalog_error, upload_object};
use crate::error::{Code, Error, Result};
use crate::sources::{CHANGE_COLUMN, POSITION_COLUMN, SOURCE_COLUMN, Source};

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

impl StreamInput {
    /// What every scan has: the columns that `*` gives, those that it does not, and where the row came from.
    pub(super) fn columns(&self) -> SchemaRef {
        let (shown, hidden) = (self.source.schema(), self.source.hidden());
        let all: Vec<Arc<Field>> = shown.fields().iter().chain(hidden.fields()).cloned().collect();
        Arc::new(Schema::new(all))
    }

    /// Whether its rows say that they are gone.
    pub(super) fn tells_change(&self) -> bool {
        self.source.hidden().column_with_name(CHANGE_COLUMN).is_some()
    }
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
    match &output.mode {
        Some(mode) => Ok(mode.clone()),
        None if has_stream => Ok(Mode::Append),
        None => Err(Error::new(Code::InvalidDefinition, "a query without STREAM needs a mode")
            .hint(
                "Say what a second run does: APPEND adds its rows again, REPLACE swaps the table's rows, UPSERT KEY (..) merges them, SCD TYPE 2 KEY (..) keeps their history."
                    .to_owned(),
            )
            .at(output.position)),
    }
}

/// A file that stands for one of a pipeline's streams.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    /// Whose stream it is.
    pub(super) relation: ObjectId,
    pub(super) upload: &'a Upload,
    /// Where such files lie.
    pub(super) folder: &'a Path,
}

impl<'a> Sent<'a> {
    /// The file that a run reads, if it reads one.
    pub(super) fn of(run: &'a Run, folder: &'a Path) -> Option<Self> {
        run.inputs.iter().find_map(|input| match &input.input {
            Input::Upload(upload) => Some(Self { relation: input.relation_id, upload, folder }),
            _ => None,
        })
    }
}

/// Binds a definition as it stands now. `reader` is the pipeline, once it has a number.
pub(super) async fn bind(
    engine: &Arc<Engine>,
    definition: &CreatePipeline,
    scope: &Scope,
    definitions: &dyn Definitions,
    named: Vec<(String, ScalarValue)>,
    reader: Option<ObjectId>,
) -> Result<BoundPipeline> {
    bind_sent(engine, definition, scope, definitions, named, None, reader).await
}

/// The same with a file in the place of a stream.
pub(super) async fn bind_sent(
    engine: &Arc<Engine>,
    definition: &CreatePipeline,
    scope: &Scope,
    definitions: &dyn Definitions,
    named: Vec<(String, ScalarValue)>,
    sent: Option<Sent<'_>>,
    reader: Option<ObjectId>,
) -> Result<BoundPipeline> {
    let by = Binder { engine, definitions, sent, reader };
    let steps = steps(definition)?;
    let settings = Settings::read(&definition.header.options)?;
    let scope = Scope { named, as_of: None, ..scope.clone() };
    let all = definition.outputs();
    distinct_targets(engine, &all, &scope)?;
    let (mut shapes, mut bound) = (Vec::with_capacity(steps.len()), Vec::with_capacity(all.len()));
    for (number, (shape, outputs)) in steps.into_iter().enumerate() {
        for output in outputs {
            let place = Place { label: label(output, &all), step: number, step_name: shape.name.clone() };
            let done = bind_output(&by, output.clone(), place, &settings, &scope).await;
            bound.push(done.map_err(|error| of_earlier_step(error, output, &all, number))?);
        }
        shapes.push(shape);
    }
    for output in &bound {
        no_circle(engine, output, &bound, &scope)?;
    }
    Ok(BoundPipeline { outputs: bound, steps: shapes, settings })
}

/// The outputs of a definition with their modes, after all that can be judged of them without their columns.
///
/// # Errors
/// As [`bind`].
pub(super) fn judged_alone<'a>(engine: &Engine, definition: &'a CreatePipeline, scope: &Scope) -> Result<Vec<(&'a Output, Mode)>> {
    steps(definition)?;
    Settings::read(&definition.header.options)?;
    let all = definition.outputs();
    distinct_targets(engine, &all, scope)?;
    let judged = |output: &'a Output| is_built(output).and_then(|()| Ok((output, mode(output, true)?)));
    all.into_iter().map(judged).collect()
}

/// A pipeline that reads what it writes would never come to an end.
fn no_circle(engine: &Engine, output: &Bound, all: &[Bound], scope: &Scope) -> Result<()> {
    let Some(target) = target::find(engine, &output.output, scope)? else { return Ok(()) };
    if all.iter().flat_map(|other| &other.streams).all(|stream| stream.object.id != target.id) {
        return Ok(());
    }
    Err(Error::new(Code::InvalidDefinition, format!("the pipeline would read its own rows: STREAM({0}) and INTO {0}", target.full_name()))
        .hint("Fill another table, or read the table as it is at the start of the run: without STREAM.".to_owned())
        .at(output.output.position))
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

/// What all outputs of a definition are bound with.
struct Binder<'a> {
    engine: &'a Arc<Engine>,
    definitions: &'a dyn Definitions,
    sent: Option<Sent<'a>>,
    /// For which pipeline.
    reader: Option<ObjectId>,
}

async fn bind_output(by: &Binder<'_>, output: Output, place: Place, settings: &Settings, scope: &Scope) -> Result<Bound> {
    let Binder { engine, definitions, sent, reader } = *by;
    is_built(&output)?;
    let relations = Openers { engine, definitions, sent, role: scope.judged(), reader, opened: Mutex::default() };
    let (planned, sequence) = sequence::plan(engine, &output, scope, definitions, Some(&relations)).await?;
    let mut streams: Vec<StreamInput> = relations.opened.into_inner().into_values().collect();
    streams.sort_by_key(|stream| stream.object.id);
    let mode = mode(&output, !streams.is_empty())?;
    let columns = sequence::columns(&planned.plan, &sequence);
    distinct_names(&columns, &output)?;
    history::check(&output, &columns, &sequence)?;
    no_limit(&planned.plan, &output)?;
    one_stream_per_join(&planned.plan, &output)?;
    let references = References::find(engine, &output, &columns, scope, definitions).await?;
    let Place { label, step, step_name } = place;
    Ok(Bound { label, step, step_name, output, mode, settings: settings.clone(), streams, planned, columns, sequence, references })
}

fn is_built(output: &Output) -> Result<()> {
    match output.returning_into {
        Some(_) => Err(Error::new(Code::NotSupported, "RETURNING INTO is not supported yet").at(output.position)),
        None => Ok(()),
    }
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

/// Rows of two streams that belong together may come in different runs, which then would never meet. Those of one stream come in one.
fn one_stream_per_join(plan: &LogicalPlan, output: &Output) -> Result<()> {
    let mut meet = false;
    let looked = plan.apply_with_subqueries(|node| {
        let mut sides: Vec<HashSet<ObjectId>> = match node {
            LogicalPlan::Join(join) => vec![streams_of(&join.left)?, streams_of(&join.right)?],
            LogicalPlan::Union(_) => Vec::new(),
            other => other.inputs().into_iter().map(streams_of).collect::<DfResult<_>>()?,
        };
        node.apply_subqueries(|query| {
            sides.push(streams_of(query)?);
            Ok(TreeNodeRecursion::Continue)
        })?;
        let differ = |(at, side): (usize, &HashSet<ObjectId>)| {
            sides.iter().skip(at + 1).any(|other| side.iter().any(|one| other.iter().any(|two| one != two)))
        };
        meet = meet || sides.iter().enumerate().any(differ);
        Ok(if meet { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    looked.map_err(Engine::error)?;
    if !meet {
        return Ok(());
    }
    Err(Error::new(Code::NotSupported, "two streams cannot be joined to each other yet")
        .hint("Leave STREAM out on one side: that relation is then read as it is at the start of the run.".to_owned())
        .at(output.query.position))
}

/// The streams that a plan scans.
fn streams_of(plan: &LogicalPlan) -> DfResult<HashSet<ObjectId>> {
    let mut found = HashSet::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Ok(table) = source_as_provider(&scan.source)
        {
            found.extend(table.downcast_ref::<StreamTable>().and_then(StreamTable::stream));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
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
        if FEED.contains(&field.name().as_str()) {
            return Err(Error::new(Code::ReservedName, format!("column name \"{}\" is reserved", field.name()))
                .detail("The change feed of the target has a column of that name.")
                .hint("Give it another name with AS. DELETE WHEN and SEQUENCE BY can name it without selecting it.".to_owned())
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
        ids.retain(|id| *id != UPLOAD_ID && *id != events::RELATION);
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
    sent: Option<Sent<'a>>,
    /// With whose rights, and for which pipeline.
    role: &'a str,
    reader: Option<ObjectId>,
    opened: Mutex<HashMap<ObjectId, StreamInput>>,
}

#[async_trait]
impl Relations for Openers<'_> {
    async fn provider(&self, relation: &RelationKey, wanted: &Wanted) -> Result<Option<Arc<dyn TableProvider>>> {
        if *wanted != Wanted::Stream {
            return Ok(None);
        }
        let input = match relation.id {
            UPLOAD_ID => open_upload(self.engine, self.sent).await?,
            events::RELATION => StreamInput { object: event_log(), source: self.engine.event_stream(self.role, self.reader) },
            _ => open_stream(self.engine, self.definitions, self.sent, relation).await?,
        };
        let table = Arc::new(EmptyTable::new(with_provenance(&input.columns())));
        let table = StreamTable::of(&input, table);
        self.opened.lock().insert(relation.id, input);
        Ok(Some(table))
    }

    fn hidden(&self, relation: &RelationKey) -> SchemaRef {
        self.opened.lock().get(&relation.id).map_or_else(|| Arc::new(Schema::empty()), |input| input.source.hidden())
    }
}

/// The file that a client sent, with columns of its own.
async fn open_upload(engine: &Arc<Engine>, sent: Option<Sent<'_>>) -> Result<StreamInput> {
    let object = upload_object();
    let Some(sent) = sent.filter(|sent| sent.relation == UPLOAD_ID) else {
        return Err(Error::new(Code::WrongState, "STREAM(upload) is a file that is sent with COPY PIPELINE")
            .detail("Its columns are those of the file, so nothing is known of them before.".to_owned())
            .hint("COPY PIPELINE name FROM STDIN WITH (FORMAT csv, HEADER) sends it.".to_owned()));
    };
    let source = engine.upload(&object, sent.upload, sent.folder).await?;
    Ok(StreamInput { object, source })
}

/// The log of events as an object, which the catalog does not have.
fn event_log() -> Object {
    Object {
        id: events::RELATION,
        kind: Kind::Source,
        schema: "hub".to_owned(),
        name: "events".to_owned(),
        owner: String::new(),
        version: 1,
        definition: String::new(),
        alters: Vec::new(),
        body: serde_json::Value::Null,
        comment: None,
        created_at: 0,
        changed_at: 0,
    }
}

async fn open_stream(
    engine: &Arc<Engine>,
    definitions: &dyn Definitions,
    sent: Option<Sent<'_>>,
    relation: &RelationKey,
) -> Result<StreamInput> {
    let name = format!("{}.{}", relation.schema, relation.name);
    match relation.kind {
        Kind::Source | Kind::Table => {}
        kind => {
            return Err(Error::new(Code::WrongType, format!("{} \"{name}\" cannot be read as a stream", kind.noun()))
                .hint("STREAM takes a source or a lake table.".to_owned()));
        }
    }
    let object = definitions
        .object_by_id(relation.id)
        .map_err(catalog_error)?
        .ok_or_else(|| Error::new(Code::UndefinedTable, format!("relation \"{name}\" does not exist")))?;
    let source = match sent.filter(|sent| sent.relation == object.id) {
        Some(sent) => engine.upload(&object, sent.upload, sent.folder).await?,
        None => engine.stream(&object).await?,
    };
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
